"""The printed tables say what the rows say."""

import io

from rich.console import Console

from bidpilot.training.report.tables import AgentRow, PairRow, decided, pairs_against, print_tables, short_name, verdict


def agent(name: str, suite: str, iqm: float, gap: float | None = 0.25) -> AgentRow:
    return AgentRow(
        agent=name,
        suite=suite,
        iqm=iqm,
        ci_low=iqm - 0.01,
        ci_high=iqm + 0.01,
        mean=iqm - 0.02,
        mean_low=iqm - 0.03,
        mean_high=iqm - 0.01,
        p5=0.5,
        gap_closed=gap,
        knowable_closed=None,
        filter_closed=None,
        spend_share=0.987,
        violation_rate=0.0,
        violation_size=0.0,
        roughness=0.1,
        to_bound=None,
        days=512,
        groups=512,
        seeds=1,
    )


def pair(low: float | None, high: float | None, groups: int = 512) -> PairRow:
    diff = 0.1 if low is None or high is None else (low + high) / 2
    return PairRow(agent="ppo", against="mpc", suite="daily", diff=diff, diff_low=low, diff_high=high, groups=groups)


def shown(agents: list[AgentRow], pairs: list[PairRow], width: int = 100) -> list[str]:
    out = io.StringIO()
    print_tables(agents, pairs, Console(file=out, width=width))
    return out.getvalue().splitlines()


def test_agents_are_ranked_within_their_suite() -> None:
    lines = shown([agent("plan", "steady", 0.9), agent("ppo", "steady", 0.98), agent("plan", "daily", 0.8, None)], [])
    rows = [line.replace(" .. ", "..").split() for line in lines if "98.7%" in line]
    assert rows == [
        ["steady", "ppo", "0.9800", "0.9700..0.9900", "0.9600", "0.950..0.970", "0.500", "25%", "98.7%", "512"],
        ["plan", "0.9000", "0.8900..0.9100", "0.8800", "0.870..0.890", "0.500", "25%", "98.7%", "512"],
        ["daily", "plan", "0.8000", "0.7900..0.8100", "0.7800", "0.770..0.790", "0.500", "-", "98.7%", "512"],
    ]


def test_a_difference_counts_only_where_the_interval_leaves_out_zero() -> None:
    lines = shown([agent("ppo", "daily", 0.9)], [pair(0.001, 0.02), pair(-0.02, -0.001), pair(-0.01, 0.01)])
    verdicts = [line.split("│")[-2].strip() for line in lines if "│ ppo   │ mpc" in line]
    assert verdicts == ["better", "worse", "undecided"]


def test_a_narrow_terminal_costs_no_name_and_no_digit() -> None:
    row = agent("mpc_informed", "first_price", 0.9) | {"violation_rate": 0.5, "seeds": 3}
    lines = shown([row], [pair(0.01, 0.02)], width=40)
    assert any("first_price mpc_informed 0.9000 0.8900 .. 0.9100 0.8800" in " ".join(line.split()) for line in lines)


def test_what_is_had_of_the_bound_stands_beside_first_price_alone() -> None:
    first, second = agent("mpc", "first_price", 0.98), agent("mpc", "daily", 0.97)
    first["to_bound"] = 0.7289
    lines = shown([first, second], [])
    assert any(line.split()[:2] == ["first_price", "mpc"] and "0.7289" in line for line in lines)
    assert any("bound at market prices" in line for line in lines)
    assert not any("bound" in line for line in shown([second], []))


def test_groups_stand_where_days_share_them() -> None:
    shared = agent("mpc", "log", 0.9)
    shared |= {"days": 40, "groups": 10}
    lines = shown([shared], [])
    assert any(line.split()[-2:] == ["40", "10"] for line in lines)
    assert any("groups" in line for line in lines)
    assert not any("groups" in line for line in shown([agent("mpc", "daily", 0.9)], []))


def test_below_three_groups_no_verdict_is_given_and_the_table_says_why() -> None:
    row = agent("mpc", "daily", 0.9)
    row |= {"days": 2, "groups": 2, "ci_low": None, "ci_high": None, "mean_low": None, "mean_high": None}
    lines = shown([row], [pair(None, None, groups=2)])
    assert any(
        line.split() == ["daily", "mpc", "0.9000", "-", "0.8800", "-", "0.500", "25%", "98.7%", "2", "2"]
        for line in lines
    )
    told = next(line for line in lines if "│ ppo   │ mpc" in line)
    assert [cell.strip() for cell in told.split("│")[4:-1]] == ["+0.1000", "-", "2", "too few"]
    assert sum("2 groups of days, too few" in line for line in lines) == 2
    assert verdict(pair(None, None)) == "too few"
    assert not decided(pair(None, None))


def test_a_usual_terminal_holds_the_table() -> None:
    row = agent("ppo@0123456789,1234567890,2345678901", "first_price", 0.9)
    row |= {"seeds": 3, "days": 512, "groups": 128}
    assert max(len(line.rstrip()) for line in shown([row], [], width=120)) <= 120


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
    rows = [line.split() for line in text.splitlines() if " 512 " in line and "days of" not in line]
    assert [row[row.index("512") :] for row in rows] == [["512", "2"], ["512", "9", "another", "market"]]


def test_the_share_of_the_told_filter_is_shown_where_one_was_played() -> None:
    row = AgentRow(**(agent("mpc", "invalid", 0.9) | {"filter_closed": 0.75}))
    text = " ".join(" ".join(shown([row], [], 200)).split())
    assert "75%" in text
    assert "filter: share closed from mpc without a filter of traffic to mpc_filtered" in text
    assert "filter" not in "\n".join(shown([agent("mpc", "daily", 0.9)], []))


def test_the_share_of_what_can_be_known_is_shown_where_the_reference_was_played() -> None:
    row = AgentRow(**(agent("ppo", "daily", 0.9) | {"knowable_closed": 0.6}))
    text = " ".join(" ".join(shown([row], [], 200)).split())
    assert "60%" in text
    assert "knowable: share closed from mpc to knowable" in text
    assert "knowable" not in "\n".join(shown([agent("mpc", "daily", 0.9)], []))


def test_a_gap_of_which_nothing_is_closed_is_a_dash() -> None:
    lines = shown([agent("plan", "daily", 0.9, gap=-1.5), agent("mpc", "daily", 0.95, gap=0.0)], [])
    assert [line.split()[-3] for line in lines if "98.7%" in line] == ["0%", "-"]  # mpc is first


def test_pairs_against_an_agent_are_what_the_others_have_more_whichever_was_played_first() -> None:
    later, first = pair(0.01, 0.03), PairRow(**(pair(-0.05, -0.01) | {"agent": "mpc", "against": "plan"}))
    apart = PairRow(**(pair(0.0, 0.1) | {"against": "plan"}))
    turned = pairs_against("mpc", [later, first, apart])
    assert [(row["agent"], row["against"], row["diff_low"], row["diff_high"]) for row in turned] == [
        ("ppo", "mpc", 0.01, 0.03),
        ("plan", "mpc", 0.01, 0.05),
    ]
    assert turned[1]["diff"] == -first["diff"]
