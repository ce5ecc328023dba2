"""A budget or target that changes during a day: no auction is lost, and the rule is stated."""

from pathlib import Path

import polars as pl
import pytest

from bidpilot.bidding.errors import ChangedTerms
from bidpilot.envs.logs.auctionnet import import_auctionnet
from bidpilot.envs.logs.terms import DayTerms, TermsRule


def day(*values: float | None, slots: list[int] | None = None) -> pl.DataFrame:
    frame = pl.DataFrame({"slot": slots or list(range(len(values))), "budget": pl.Series(values, dtype=pl.Float64)})
    return frame.with_columns(conversion_value=pl.lit(None, pl.Float64), max_cpa=pl.lit(None, pl.Float64))


def settled(rows: pl.DataFrame, rule: TermsRule = "last") -> tuple[float | None, list[str]]:
    terms = DayTerms(rule)
    return terms.settle(rows, "monday")["budget"], terms.notes(1)


@pytest.mark.parametrize(("rule", "budget"), [("last", 150.0), ("first", 100.0), ("most", 120.0)])
def test_the_rule_decides_and_says_so(rule: TermsRule, budget: float) -> None:
    found, notes = settled(day(100, 120, 120, 120, 150), rule)
    assert found == budget
    assert notes[0].startswith("budget changes during 1 of 1 days (")
    assert f"({4 if budget != 120 else 2} auctions" in notes[0]


def test_changes_may_be_refused() -> None:
    with pytest.raises(ChangedTerms, match="from 100 to 150"):
        settled(day(100, 150), "refuse")


@pytest.mark.parametrize("noisy", [100.00000000000001, 99.99999999, 100.00001])
def test_floating_noise_is_one_value(noisy: float) -> None:
    assert settled(day(100, noisy, 100), "refuse") == (100.0, [])


def test_one_damaged_row_of_the_last_slot_decides_nothing() -> None:
    assert settled(day(100, 100, 100, 9999, slots=[0, 47, 47, 47]))[0] == 100.0


def test_a_day_that_says_it_once_has_it_and_one_that_never_does_has_none() -> None:
    assert settled(day(None, 100, None)) == (
        100.0,
        ["budget is missing in 2 auctions of days that have it: the day's holds for them"],
    )
    assert settled(day(None, None)) == (None, [])


def test_auctionnet_days_keep_their_auctions(tmp_path: Path) -> None:
    rows = {
        "deliveryPeriodIndex": [7] * 4,
        "advertiserNumber": [3] * 4,
        "timeStepIndex": [0, 1, 2, 3],
        "pvIndex": [0, 1, 2, 3],
        "budget": [500.0, 500.0, 500.0, 800.0],
        "CPAConstraint": [70.0] * 4,
        "pValue": [0.01] * 4,
        "leastWinningCost": [0.1] * 4,
    }
    pl.DataFrame(rows).write_csv(tmp_path / "a.csv")
    result = import_auctionnet([tmp_path / "a.csv"])
    assert (result.log.n, result.log.days[0].budget) == (4, 800.0)
    assert any("budget changes during 1 of 1 days" in note for note in result.log.notes)
