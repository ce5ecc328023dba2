"""Purchases from a bid server's decision log."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from bidpilot.bidding.campaign.profile import DEFAULT_WEIGHTS
from bidpilot.bidding.errors import NoFilesMatched, NothingBought, UnevenDays, UnknownCampaign, UnreadableFile
from bidpilot.serving.decision_log import DecisionLog, Row
from bidpilot.serving.told import Told
from bidpilot.training.roi.purchases import Valued
from bidpilot.training.roi.served import NOTE_INVALID, NOTE_UNTOLD, served_purchases

ROW: dict[str, Any] = {
    "key": "", "campaign": "c", "date": "2026-03-01", "slot": 0, "slots": 2, "segment": "feed/head", "source": 1,
    "exposure": 0.5, "interaction": 0.25, "conversion": 0.125, "result": "won", "cost": 0.5, "budget": 40.0,
    "conversion_value": 8.0,
}  # fmt: skip
TOLD = {"key": pl.String, "event": pl.String, "count": pl.Int64, "value": pl.Float64, "interaction": pl.Float64,
        "conversion": pl.Float64}  # fmt: skip


def write(folder: Path, rows: list[dict[str, Any]], *told: tuple[Any, ...]) -> list[Path]:
    pl.DataFrame([ROW | row for row in rows]).write_parquet(folder / "decisions-1.parquet")
    if told:
        pl.DataFrame(list(told), TOLD, orient="row").write_parquet(folder / "outcomes-1.parquet")
    return [folder]


def test_a_won_exposure_has_its_cost_and_all_that_was_told_of_it(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"key": "a", "segment": "search/tail", "slot": 1},
        {"key": "b", "date": "2026-03-02"},
        {"key": "lost", "result": "lost", "cost": 0.0},
        {"date": "2026-03-03", "result": "no_money", "cost": 0.0, "budget": 30.0},
    ]
    bought = served_purchases(
        write(
            tmp_path,
            rows,
            ("a", "like", 2, None, 2.0, 0.0),
            ("a", "like", 9, None, 9.0, 0.0),  # told again: it counts once
            ("a", "convert", 2, 15.0, 0.0, 2.0),  # two orders of 15
            ("b", None, 1, None, 0.5, 1.0),  # untyped, at the campaign's own value
            ("lost", "convert", 1, 99.0, 0.0, 1.0),
        )
    )
    assert bought.days == ("2026-03-01", "2026-03-02", "2026-03-03")
    assert bought.budget.tolist() == [40.0, 40.0, 30.0]
    assert bought.segments == ("feed/head", "search/tail")
    assert (bought.day.tolist(), bought.slot.tolist(), bought.segment.tolist()) == ([0, 1], [1, 0], [1, 0])
    assert bought.cost.tolist() == [0.5, 0.5]
    assert (bought.interacted.tolist(), bought.converted.tolist()) == ([2.0, 0.5], [2.0, 1.0])
    assert bought.value.tolist() == [30.0, 8.0]
    assert bought.valued is Valued.mixed
    assert bought.by().events()["like"].tolist() == [2.0]
    assert bought.by().events()["convert"].tolist() == [2.0]
    assert bought.notes == (NOTE_INVALID,)


def test_an_arm_has_its_share_of_the_traffic(tmp_path: Path) -> None:
    arms = [
        {"name": name, "share": share, "campaigns": [campaign], "run": "", "agent": "mpc", "digest": ""}
        for name, share, campaign in (("control", 0.7, "other"), ("new", 0.3, "c"))
    ]
    folders = write(tmp_path, [{}, {"campaign": "alone"}])
    (tmp_path / "experiment-x.json").write_text(json.dumps({"name": "x", "control": "control", "arms": arms}))
    assert {one.campaign: one.share for one in served_purchases(folders).asked} == {"c": 0.3, "alone": 1.0}


def test_a_segment_where_nothing_was_won_is_there_all_the_same(tmp_path: Path) -> None:
    lost = {"segment": "feed/tail", "result": "lost", "cost": 0.0}
    bought = served_purchases(write(tmp_path, [{"key": "a"}, lost]))
    assert bought.segments == ("feed/head", "feed/tail")
    assert bought.by("tier").wins.tolist() == [[1.0, 0.0]]
    assert bought.by("tier").groups == ("head", "tail")


@pytest.mark.parametrize(("worth", "valued"), [(3.0, Valued.orders), (None, Valued.constant)])
def test_the_word_for_worth_is_whose_it_is(tmp_path: Path, worth: float | None, valued: Valued) -> None:
    bought = served_purchases(write(tmp_path, [{"key": "a"}], ("a", "convert", 1, worth, 0.0, 1.0)))
    assert bought.valued is valued
    assert bought.value.tolist() == [8.0 if worth is None else worth]


def test_where_nothing_was_told_the_expected_stands_in(tmp_path: Path) -> None:
    bought = served_purchases(write(tmp_path, [{"key": "a"}]))
    assert (bought.converted.tolist(), bought.value.tolist()) == ([0.125], [1.0])
    assert (bought.valued, bought.funnel) == (Valued.expected, None)
    assert bought.notes == (NOTE_UNTOLD, NOTE_INVALID)


def test_budgets_of_campaigns_add_up_and_one_may_be_looked_at_alone(tmp_path: Path) -> None:
    files = write(
        tmp_path, [{"key": "a"}, {"key": "b", "campaign": "d", "budget": 2.0, "date": "2026-03-02"}, {"key": "e"}]
    )
    assert served_purchases(files).budget.tolist() == [40.0, 2.0]
    alone = served_purchases(files, ["d"])
    assert (alone.name, alone.days, len(alone)) == ("d", ("2026-03-02",), 1)


def test_logs_that_cannot_be_read_together_are_refused(tmp_path: Path) -> None:
    with pytest.raises(NoFilesMatched):
        served_purchases([tmp_path])
    with pytest.raises(UnknownCampaign, match="there is c"):
        served_purchases(write(tmp_path, [{}]), ["x"])
    with pytest.raises(NothingBought, match="c won no exposure"):
        served_purchases(write(tmp_path, [{"result": "lost"}]))
    with pytest.raises(UnevenDays, match=r"\[2, 3\]"):
        served_purchases(write(tmp_path, [{}, {"slots": 3}]))
    (tmp_path / "decisions-1.parquet").write_bytes(b"PAR1")
    with pytest.raises(UnreadableFile, match=r"decisions-1\.parquet"):
        served_purchases([tmp_path])


def test_what_a_bid_server_writes_can_be_read(tmp_path: Path) -> None:
    """The rows and outcomes of the server's own log, with an order of 21."""
    values = {**dict.fromkeys(Row._fields, 0.0), **ROW, "key": "a", "first_price": False}
    log = DecisionLog(tmp_path, "1-1", ("feed/head",))
    log.add(Row(**{name: values[name] for name in Row._fields}))
    log.outcome("a", Told("convert", 1, 21.0).weighed(DEFAULT_WEIGHTS))
    log.outcome("a", Told("share", 2).weighed(DEFAULT_WEIGHTS))
    log.close()
    bought = served_purchases([tmp_path])
    assert (bought.value.tolist(), bought.converted.tolist(), bought.interacted.tolist()) == ([21.0], [1.0], [8.0])
    assert bought.valued is Valued.orders
