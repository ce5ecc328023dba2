"""The printed tables say what the rows say."""

import io

from rich.console import Console

from bidpilot.training.report.tables import AgentRow, PairRow, print_tables, short_name


def agent(name: str, suite: str, iqm: float, gap: float | None = 0.25) -> AgentRow:
    return AgentRow(
        agent=name,
        suite=suite,
        iqm=iqm,
        ci_low=iqm - 0.01,
        ci_high=iqm + 0.01,
        p5=0.5,
        gap_closed=gap,
        spend_share=0.987,
        violation_rate=0.0,
        violation_size=0.0,
        roughness=0.1,
        constant_rule=None,
        days=512,
        seeds=1,
    )


def pair(low: float, high: float) -> PairRow:
    return PairRow(agent="ppo", against="mpc", suite="daily", diff=(low + high) / 2, diff_low=low, diff_high=high)


def shown(agents: list[AgentRow], pairs: list[PairRow], width: int = 100) -> list[str]:
    out = io.StringIO()
    print_tables(agents, pairs, Console(file=out, width=width))
    return out.getvalue().splitlines()


def test_agents_are_ranked_within_their_suite() -> None:
    lines = shown([agent("plan", "steady", 0.9), agent("ppo", "steady", 0.98), agent("plan", "daily", 0.8, None)], [])
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines if line.startswith("│")]
    assert rows == [
        ["steady", "ppo", "0.9800", "0.9700 .. 0.9900", "0.500", "25%", "98.7%", "512"],
        ["", "plan", "0.9000", "0.8900 .. 0.9100", "0.500", "25%", "98.7%", "512"],
        ["daily", "plan", "0.8000", "0.7900 .. 0.8100", "0.500", "-", "98.7%", "512"],
    ]


def test_a_difference_counts_only_where_the_interval_leaves_out_zero() -> None:
    lines = shown([agent("ppo", "daily", 0.9)], [pair(0.001, 0.02), pair(-0.02, -0.001), pair(-0.01, 0.01)])
    verdicts = [line.split("│")[-2].strip() for line in lines if "│ ppo   │ mpc" in line]
    assert verdicts == ["better", "worse", "undecided"]


def test_a_narrow_terminal_costs_no_name_and_no_digit() -> None:
    row = agent("mpc_informed", "first_price", 0.9) | {"violation_rate": 0.5, "seeds": 3}
    lines = shown([row], [pair(0.01, 0.02)], width=40)
    assert any("first_price │ mpc_informed │ 0.9000 │ 0.8900 .. 0.9100" in line for line in lines)


def test_the_best_constant_rule_stands_below_the_suites_that_have_one() -> None:
    row = agent("mpc", "first_price", 0.73) | {"constant_rule": 0.7375}
    assert any("0.7375 on first_price" in line for line in shown([row], []))
    assert not any("constant rule" in line for line in shown([agent("mpc", "daily", 0.9)], []))


def test_runs_are_named_by_their_first_digits_and_pooled_ones_by_their_number() -> None:
    one, two = "0123456789abcdef", "fedcba9876543210"
    assert short_name("mpc_informed") == "mpc_informed"
    assert short_name(f"ppo@{one}") == "ppo@01234567"
    assert short_name(f"ppo@{one},{two},{two}") == "ppo@01234567+2"


def test_what_was_trained_on_or_made_for_another_market_is_said() -> None:
    own = agent("mpc", "log", 0.9) | {"forecast": "train (1234), run 5678", "trained_on": 2, "other_market": False}
    text = "\n".join(shown([own, agent("ppo", "log", 0.8) | {"trained_on": 9, "other_market": True}], []))
    assert "R / R*, not held out: 9 of the 512 days of log were trained on" in text
    assert "forecast on log: train (1234), run 5678" in text
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in text.splitlines() if line.startswith("│")]
    assert [row[-3:] for row in rows] == [["512", "2", ""], ["512", "9", "another market"]]
