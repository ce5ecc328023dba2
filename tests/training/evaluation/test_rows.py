"""Rows: the gap between the reference controllers, and pairs."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.training.evaluation.play import Arena, Outcome
from bidpilot.training.evaluation.rows import (
    agent_rows,
    filter_closed,
    gap_closed,
    knowable_closed,
    pair_rows,
    row_metrics,
)
from bidpilot.training.evaluation.statistics import interval
from bidpilot.training.evaluation.suites import Suite


def outcome(ratio: float, days: int = 12) -> Outcome:
    each = np.full(days, ratio)
    zero = np.zeros(days)
    return Outcome(each, each, np.zeros((days, 49)), zero, zero, zero, np.zeros((days, 3)), each, 0.75 * each)


def test_the_share_of_the_gap_is_0_for_the_controller_and_1_for_the_one_told_the_future() -> None:
    outcomes = {"mpc": outcome(0.90), "mpc_informed": outcome(0.98), "ppo": outcome(0.92), "plan": outcome(0.86)}
    shares = {name: gap_closed(o, outcomes) for name, o in outcomes.items()}
    assert shares == {
        "mpc": 0.0,
        "mpc_informed": pytest.approx(1.0),
        "ppo": pytest.approx(0.25),
        "plan": pytest.approx(-0.5),
    }


@pytest.mark.parametrize("informed", [0.9019, 0.90, 0.80])
def test_no_share_is_told_of_a_gap_that_is_hardly_there(informed: float) -> None:
    assert gap_closed(outcome(0.95), {"mpc": outcome(0.90), "mpc_informed": outcome(informed)}) is None


def test_the_share_of_the_filter_that_is_told_counts_from_no_filter() -> None:
    outcomes = {"mpc_unfiltered": outcome(0.90), "mpc_filtered": outcome(0.94), "mpc": outcome(0.93)}
    outcomes["mpc_informed"] = outcome(0.98)
    assert filter_closed(outcomes["mpc"], outcomes) == pytest.approx(0.75)
    del outcomes["mpc_unfiltered"]  # the detector is off, and mpc has no filter
    assert filter_closed(outcome(0.935), outcomes) == pytest.approx(0.5)
    del outcomes["mpc_filtered"]
    assert filter_closed(outcome(0.93), outcomes) is None


def test_the_share_of_what_can_be_known_counts_from_the_controller_and_needs_the_reference() -> None:
    outcomes = {"mpc": outcome(0.900), "mpc_informed": outcome(0.98), "knowable": outcome(0.904)}
    assert knowable_closed(outcome(0.901), outcomes) == pytest.approx(0.25)
    assert knowable_closed(outcome(0.898), outcomes) == pytest.approx(-0.5)
    outcomes["knowable"] = outcome(0.9009)  # next to nothing to share
    assert knowable_closed(outcome(0.901), outcomes) is None
    del outcomes["knowable"]
    assert knowable_closed(outcome(0.901), outcomes) is None


def test_a_row_says_what_its_days_are(suite: Suite) -> None:
    few = replace(outcome(0.9), violated=np.array([1.0, 0.5] + [0.0] * 10), roughness=np.full(12, 0.3))
    outcomes = {"mpc": outcome(0.8), "mpc_informed": outcome(1.0), "ppo": few}
    row = agent_rows(suite, outcomes, {"ppo": 3}, 0)[2]
    told = (row["agent"], row["suite"], row["seeds"], row["days"], row["groups"], row["to_bound"])
    assert told == ("ppo", "small", 3, 12, 12, None)
    assert row["gap_closed"] == pytest.approx(0.5)
    assert row["violation_rate"] == pytest.approx(0.125)
    assert row["roughness"] == pytest.approx(0.3)
    assert [row["ci_low"], row["iqm"], row["ci_high"]] == pytest.approx([0.9] * 3)
    assert [row["mean_low"], row["mean"], row["mean_high"]] == pytest.approx([0.9] * 3)


def test_pairs_take_the_days_noise_out(suite: Suite) -> None:
    noisy = outcome(0.0)
    noisy.ratio[:] = np.random.default_rng(0).random(12)
    (pair,) = pair_rows(suite, {"mpc": noisy, "ppo": replace(noisy, ratio=noisy.ratio + 0.01)}, 0)
    assert (pair["agent"], pair["against"]) == ("ppo", "mpc")
    assert pair["diff_low"] == pytest.approx(0.01)
    assert pair["diff_high"] == pytest.approx(0.01)


def test_the_mean_counts_the_bad_days_that_the_interquartile_mean_hides(suite: Suite) -> None:
    bad = outcome(0.9)
    bad.ratio[:3] = [0.0, 0.3, 0.6]
    row = agent_rows(suite, {"mpc": bad, "mpc_informed": outcome(1.0)}, {}, 0)[0]
    assert row["iqm"] == pytest.approx(0.9)
    assert row["mean"] == pytest.approx((9 * 0.9 + 0.9) / 12)
    assert (row["mean_low"], row["mean_high"]) == interval(bad.ratio, np.arange(12), np.random.default_rng(0), trim=0.0)


def test_a_run_of_several_agents_names_each_and_a_trainings_own_scores_have_no_name(suite: Suite) -> None:
    outcomes = {"mpc": outcome(0.9), "mpc_informed": outcome(1.0), "ppo@1,2": outcome(0.92)}
    rows = agent_rows(suite, outcomes, {}, 0)
    several = row_metrics(rows, {"mpc": "mpc", "ppo@1,2": "ppo@1+1"})
    assert several["heldout/small/mpc/ratio_vs_mpc"] == 0.0
    assert several["heldout/small/ppo_1_1/ratio_iqm"] == pytest.approx(0.92)
    assert not any("mpc_informed" in name for name in several)
    assert row_metrics(rows, {"ppo@1,2": None}) == {
        "heldout/small/ratio_iqm": pytest.approx(0.92),
        "heldout/small/ratio_iqm_low": pytest.approx(0.92),
        "heldout/small/ratio_iqm_high": pytest.approx(0.92),
        "heldout/small/ratio_vs_mpc": pytest.approx(0.02),
        "heldout/small/days": 12,
    }


def test_days_that_share_two_periods_have_no_interval(suite: Suite) -> None:
    grouped = replace(suite, units=np.arange(12) % 2)
    outcomes = {"mpc": outcome(0.8), "mpc_informed": outcome(0.9)}
    row, (pair,) = agent_rows(grouped, outcomes, {}, 0)[0], pair_rows(grouped, outcomes, 0)
    assert (row["days"], row["groups"], row["ci_low"], row["ci_high"]) == (12, 2, None, None)
    assert (row["mean_low"], row["mean_high"]) == (None, None)
    assert not any(name.endswith(("low", "high")) for name in row_metrics([row], {"mpc": None}))
    assert (pair["groups"], pair["diff_low"], pair["diff_high"]) == (2, None, None)
    assert (row["mean"], pair["diff"]) == pytest.approx((0.8, 0.1))


def test_at_first_price_a_row_says_what_is_had_of_the_bound(make_arena: Callable[..., Arena]) -> None:
    arena = make_arena(Campaign(budget=4.0, conversion_value=12.0, auction="first"))
    first = Suite("first", {}, arena, np.arange(len(arena.days)))
    row = agent_rows(first, {"mpc": outcome(0.8), "mpc_informed": outcome(0.9)}, {}, 0)[0]
    assert row["to_bound"] == pytest.approx(0.75 * 0.8)
