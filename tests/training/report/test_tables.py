"""The printed tables say what the rows say."""

import io

from rich.console import Console

from bidpilot.training.report.tables import AgentRow, PairRow, print_tables


def agent(name: str, suite: str, iqm: float) -> AgentRow:
    return AgentRow(
        agent=name,
        suite=suite,
        iqm=iqm,
        ci_low=iqm - 0.01,
        ci_high=iqm + 0.01,
        p5=0.5,
        spend_share=0.987,
        violation_rate=0.0,
        violation_size=0.0,
        days=512,
    )


def pair(low: float, high: float) -> PairRow:
    return PairRow(agent="ppo", against="mpc", suite="daily", diff=(low + high) / 2, diff_low=low, diff_high=high)


def shown(agents: list[AgentRow], pairs: list[PairRow]) -> list[str]:
    out = io.StringIO()
    print_tables(agents, pairs, Console(file=out, width=100))
    return out.getvalue().splitlines()


def test_agents_are_ranked_within_their_suite() -> None:
    lines = shown([agent("plan", "steady", 0.9), agent("ppo", "steady", 0.98), agent("plan", "daily", 0.8)], [])
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines if line.startswith("│")]
    assert rows == [
        ["steady", "ppo", "0.9800", "0.9700 .. 0.9900", "0.500", "98.7%", "512"],
        ["", "plan", "0.9000", "0.8900 .. 0.9100", "0.500", "98.7%", "512"],
        ["daily", "plan", "0.8000", "0.7900 .. 0.8100", "0.500", "98.7%", "512"],
    ]


def test_a_difference_counts_only_where_the_interval_leaves_out_zero() -> None:
    lines = shown([agent("ppo", "daily", 0.9)], [pair(0.001, 0.02), pair(-0.02, -0.001), pair(-0.01, 0.01)])
    verdicts = [line.split("│")[-2].strip() for line in lines if "│ ppo   │ mpc" in line]
    assert verdicts == ["better", "worse", "undecided"]
