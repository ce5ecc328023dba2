"""iPinYou as the contest published it: no header, clicks and conversions in files of their own."""

import bz2
from pathlib import Path
from typing import Any

import pytest

from bidpilot.bidding.errors import UnreadableFile
from bidpilot.envs.logs.formats import REASON_DUPLICATE
from bidpilot.envs.logs.importers import ImportSummary, run_import
from bidpilot.envs.logs.ipinyou import CLICK_NOTE
from bidpilot.envs.logs.ipinyou_contest import COLUMNS, CONVERSIONS_NOTE, NO_CLICKS_NOTE, TEST_COLUMNS
from bidpilot.envs.logs.storage import load_log

ROW = {
    **dict.fromkeys(TEST_COLUMNS, "null"),
    "timestamp": "20130606000104008",
    "logtype": "1",
    "ipinyouid": "person-7",
    "useragent": 'Mozilla "5',
    "adexchange": "2",
    "domain": "trqRTJda",
    "creative": "cr1",
    "bidprice": "300",
    "payprice": "51",
    "advertiser": "1458",
    "nclick": "0",
    "nconversation": "0",
}


def write(folder: Path, name: str, *rows: dict[str, Any], columns: tuple[str, ...] = COLUMNS) -> Path:
    lines = ["\t".join(str({**ROW, **row}[column]) for column in columns) for row in rows]
    data = ("\n".join(lines) + "\n").encode()
    path = folder / name
    path.write_bytes(bz2.compress(data) if name.endswith(".bz2") else data)
    return path


def season(folder: Path, ending: str = ".txt") -> None:
    """Two bids, one with two creatives; the click is of one creative, and is told twice."""
    shown = [("b1", "cr1"), ("b1", "cr2"), ("b2", "cr1")]
    write(folder, f"imp.20130606{ending}", *({"bidid": bid, "creative": creative} for bid, creative in shown))
    click = {"bidid": "b1", "creative": "cr2", "logtype": 2}
    write(folder, f"clk.20130606{ending}", click, click, {**click, "bidid": "b9"})


def imported(folder: Path) -> ImportSummary:
    return run_import("ipinyou", [folder], folder.parent / "log", force=True)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "training2nd").mkdir()
    return tmp_path / "training2nd"


@pytest.mark.parametrize("ending", [".txt", ".txt.bz2"])
def test_a_click_belongs_to_the_bid_and_its_creative(data: Path, ending: str) -> None:
    season(data, ending)
    summary = imported(data)
    log = load_log(data.parent / "log")
    assert log.market_price.tolist() == [51.0] * 3
    assert log.converted is not None
    assert log.converted.tolist() == [0.0, 1.0, 0.0]
    assert [day.label for day in log.days] == ["campaign 1458, 2013-06-06"]
    assert log.segments == ("adexchange-2/head",)
    assert CLICK_NOTE in log.notes
    assert any(note.startswith("1 clicks have no impression") for note in summary.notes)


def test_conversions_convert_and_clicks_interact_where_both_are_named(data: Path) -> None:
    season(data)
    write(data, "conv.20130606.txt", {"bidid": "b2", "creative": "cr1", "logtype": 3})
    imported(data)
    log = load_log(data.parent / "log")
    assert log.converted is not None
    assert log.interacted is not None
    assert (log.converted.tolist(), log.interacted.tolist()) == ([0.0, 0.0, 1.0], [0.0, 1.0, 0.0])
    assert CONVERSIONS_NOTE in log.notes


def test_impressions_alone_have_no_conversions_and_the_log_says_so(data: Path) -> None:
    write(data, "imp.txt", {"bidid": "b1"}, {"bidid": "b2"})
    assert NO_CLICKS_NOTE in imported(data).notes
    log = load_log(data.parent / "log")
    assert log.converted is None
    assert (log.conversion.sum(), log.exposure.tolist()) == (0.0, [1.0, 1.0])


def test_a_bid_with_one_creative_twice_is_a_duplicate(data: Path) -> None:
    write(data, "imp.txt", {"bidid": "b1"}, {"bidid": "b1"}, {"bidid": "b1", "creative": "cr2"})
    assert imported(data).set_aside == {REASON_DUPLICATE: 1}


def test_bid_files_are_left_out_and_counted(data: Path) -> None:
    season(data)
    columns = tuple(name for name in COLUMNS if name not in ("logtype", "payprice", "keypage"))
    write(data, "bid.20130606.txt", {"bidid": "b1"}, {"bidid": "b7"}, columns=columns)
    summary = imported(data)
    assert summary.rows_in == 3
    assert any(note.startswith("1 bid files were not read") for note in summary.notes)


def test_the_test_set_brings_its_own_clicks(data: Path) -> None:
    rows: list[dict[str, Any]] = [{"bidid": "b1", "nclick": 2}, {"bidid": "b2"}]
    write(data, "leaderboard.test.data.20130613_15.txt", *rows, columns=TEST_COLUMNS)
    imported(data)
    log = load_log(data.parent / "log")
    assert log.converted is not None
    assert log.converted.tolist() == [1.0, 0.0]


def test_sets_that_do_not_belong_together_are_named_without_a_row(data: Path) -> None:
    season(data)
    write(data, "test.txt", {"bidid": "b1"}, columns=TEST_COLUMNS)
    with pytest.raises(UnreadableFile, match="Import it apart"):
        imported(data)
    with pytest.raises(UnreadableFile, match="imp"):
        run_import("ipinyou", [data / "clk.20130606.txt"], data.parent / "log")
    odd = write(data, "odd.txt", {"bidid": "b1"}, columns=COLUMNS[:15])
    with pytest.raises(UnreadableFile, match="15 columns") as caught:
        run_import("ipinyou", [odd], data.parent / "log")
    assert "person-7" not in str(caught.value)


def test_nothing_about_a_person_reaches_the_disk(data: Path) -> None:
    season(data)
    imported(data)
    stored = b"".join(file.read_bytes() for file in (data.parent / "log").iterdir())
    assert b"person-7" not in stored
    assert b"Mozilla" not in stored
