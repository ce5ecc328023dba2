"""The verdict on an experiment: each of its words, and in which order they go."""

from __future__ import annotations

import numpy as np
import pytest

from bidpilot.bidding.errors import InvalidExperiment
from bidpilot.training.experiments.analysis import analyse
from bidpilot.training.experiments.sequence import BURN_IN
from bidpilot.training.experiments.units import Units
from bidpilot.training.experiments.verdict import Terms, Verdict
from tests.training.experiments.conftest import MakeUnits

TERMS = Terms(worth=0.02)


@pytest.mark.parametrize(
    ("effect", "count", "expected"),
    [
        (0.05, 40, Verdict.won),
        (-0.03, 40, Verdict.lost),
        (-0.3, 40, Verdict.harmed),
        (0.0, 40, Verdict.no_difference),
        (0.001, BURN_IN, Verdict.go_on),
        (0.05, BURN_IN - 1, Verdict.go_on),
    ],
)
def test_each_word_is_said_where_it_holds(make_units: MakeUnits, effect: float, count: int, expected: Verdict) -> None:
    row = analyse(make_units(count, effect), TERMS).row
    assert row["verdict"] == expected
    primary = row["metrics"][0]
    if count >= BURN_IN:
        assert primary["low"] is not None
        assert primary["high"] is not None
        assert primary["low"] < effect < primary["high"]
        assert (primary["p"] < 0.05) == (expected in (Verdict.won, Verdict.lost, Verdict.harmed))
    else:
        assert (primary["low"], primary["evidence"], primary["p"]) == (None, 1.0, 1.0)


def test_great_harm_is_stopped_before_the_burn_in(make_units: MakeUnits) -> None:
    row = analyse(make_units(40, -0.3), TERMS).row
    assert row["after"] < BURN_IN
    assert row["metrics"][0]["harmed_after"] == row["after"]


@pytest.mark.parametrize("metric", ["realised utility", "cost per conversion", "invalid share"])
def test_a_guardrail_stops_a_winner(make_units: MakeUnits, metric: str) -> None:
    units = make_units(60, 0.01)
    changes = {
        "realised utility": {"realised": units.realised * np.array([1.0, 0.4])[:, None]},
        "cost per conversion": {"spend": units.spend * np.array([1.0, 3.0])},
        "invalid share": {"invalid_wins": units.invalid_wins + np.array([0.0, 50.0])},
    }[metric]
    row = analyse(make_units(60, 0.01, **changes), TERMS).row
    assert row["verdict"] == Verdict.harmed
    assert min((m["harmed_after"] or 99, m["metric"]) for m in row["metrics"])[0] == row["after"]
    assert next(m for m in row["metrics"] if m["metric"] == metric)["harmed_after"] is not None


def test_a_broken_split_is_said_before_all_else(make_units: MakeUnits) -> None:
    assigned = np.tile([4600.0, 5000.0], (40, 1))
    row = analyse(make_units(40, -0.3, assigned=assigned), TERMS).row
    assert row["verdict"] == Verdict.broken
    assert row["split_evidence"] is not None
    assert row["split_evidence"] > 100
    kept = analyse(make_units(40, -0.3, assigned=assigned, design="switchback"), TERMS).row
    assert (kept["verdict"], kept["split_evidence"]) == (Verdict.harmed, None)


def test_what_a_past_explains_narrows_the_interval_and_moves_nothing(make_units: MakeUnits) -> None:
    def explained(seed: int, effect: float) -> Units:
        units = make_units(60, effect, seed)
        push = (units.offered / units.offered.mean(axis=1, keepdims=True))[..., :1]
        return make_units(60, effect, seed, expected=units.expected * push**2)

    past = explained(1, 0.0)
    plain, adjusted = (analyse(explained(2, 0.02), TERMS, p).row for p in (None, past))

    def width(row_metric: object) -> float:
        assert isinstance(row_metric, dict)
        return float(row_metric["high"] - row_metric["low"])

    assert width(adjusted["metrics"][0]) < 0.75 * width(plain["metrics"][0])
    assert adjusted["metrics"][0]["difference"] == pytest.approx(0.02, abs=0.012)
    assert adjusted["covariates"] == ["requests", "value", "price", "bought", "cost"]
    assert plain["variance_left"] is None


def test_a_past_that_does_not_fit_is_refused(make_units: MakeUnits) -> None:
    with pytest.raises(InvalidExperiment, match="past is of design switchback"):
        analyse(make_units(), TERMS, make_units(design="switchback"))
    with pytest.raises(InvalidExperiment, match="other shares"):
        analyse(make_units(), TERMS, make_units(shares=(0.9, 0.1)))
    with pytest.raises(InvalidExperiment, match="one unit"):
        analyse(make_units(1), TERMS)


def test_money_in_another_currency_and_kpis_in_another_unit_change_no_verdict(make_units: MakeUnits) -> None:
    units = make_units(30, 0.05)
    scaled = make_units(30, 0.05, spend=8.0 * units.spend, expected=8.0 * units.expected, realised=8.0 * units.realised)
    one, other = (analyse(each, TERMS).row for each in (units, scaled))
    assert one["after"] == other["after"]
    for a, b in zip(one["metrics"], other["metrics"], strict=True):
        assert a["difference"] == pytest.approx(b["difference"])
        assert a["low"] == pytest.approx(b["low"])


def test_one_unit_that_does_not_tell_switches_no_check_off(make_units: MakeUnits) -> None:
    assigned, invalid = np.tile([4600.0, 5000.0], (40, 1)), np.tile([10.0, 90.0], (40, 1))
    assigned[0], invalid[7, 1] = np.nan, np.nan
    broken = analyse(make_units(40, assigned=assigned), TERMS).row
    assert broken["verdict"] == Verdict.broken
    assert "tested on 39 of 40" in " ".join(broken["notes"])
    harmed = analyse(make_units(40, invalid_wins=invalid), TERMS).row
    assert harmed["verdict"] == Verdict.harmed
    (share,) = [metric for metric in harmed["metrics"] if metric["metric"] == "invalid share"]
    assert share["harmed_after"] is not None
    wins = make_units(40).wins
    told = np.arange(40) != 7
    assert share["treated"] == pytest.approx(invalid[told, 1].sum() / wins[told, 1].sum())
    assert "guarded on 39 of 40" in " ".join(harmed["notes"])


def test_a_covariate_that_a_unit_does_not_tell_is_named(make_units: MakeUnits) -> None:
    offered = make_units(40).offered.copy()
    offered[5, 0, 2] = np.nan
    row = analyse(make_units(40, offered=offered), TERMS, make_units(60, seed=1)).row
    assert row["covariates"] == ["requests", "value", "bought", "cost"]
    assert "by price, which not every unit tells" in " ".join(row["notes"])


def test_what_cannot_be_checked_is_said(make_units: MakeUnits) -> None:
    unknown = np.full((5, 2), np.nan)
    notes = " ".join(
        analyse(make_units(5, assigned=unknown, invalid_wins=unknown, design="shared"), TERMS).row["notes"]
    )
    for said in ("one budget", "--past", "not tested", "not guarded", f"first interval after {BURN_IN}"):
        assert said in notes
