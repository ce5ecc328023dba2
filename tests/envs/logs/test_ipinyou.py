"""iPinYou logs in both forms: clicks convert, prices stay the log's integers, people's data is dropped."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from bidpilot.bidding.errors import EmptyLog, MissingColumn, UnreadableFile
from bidpilot.envs.logs import ipinyou, mapped
from bidpilot.envs.logs.formats import REASON_DUPLICATE, REASON_FIELDS, ImportOptions
from bidpilot.envs.logs.importers import run_import
from bidpilot.envs.logs.manifest import read_manifest
from bidpilot.envs.logs.storage import load_log, read_set_aside

HEADER = (
    *("click", "weekday", "hour", "bidid", "timestamp", "logtype", "ipinyouid", "useragent", "IP", "region", "city"),
    *("adexchange", "domain", "url", "urlid", "slotid", "slotwidth", "slotheight", "slotvisibility", "slotformat"),
    *("slotprice", "creative", "bidprice", "payprice", "keypage", "advertiser", "usertag"),
)
PERSONAL = ("ipinyouid", "useragent", "IP", "url", "urlid", "usertag", "keypage")
ROW: dict[str, Any] = {
    **dict.fromkeys(HEADER, "0"),
    "bidid": "b0",
    "timestamp": "20130606000104008",
    "ipinyouid": "person-7",
    "useragent": 'Mozilla/5.0 (Windows; "U"; compatible)',
    "IP": "116.231.33.*",
    "adexchange": "2",
    "domain": "trqRTJda",
    "creative": "banner-a",
    "bidprice": "300",
    "payprice": "51",
    "advertiser": "1458",
}


def write_raw(folder: Path, *changes: dict[str, Any], name: str = "log.txt") -> Path:
    lines = ["\t".join(HEADER)]
    for place, change in enumerate(changes):
        row = {**ROW, "bidid": f"b{place}", **change}
        lines.append("\t".join(str(row[column]) for column in HEADER) + str(change.get("end", "")))
    path = folder / name
    path.write_text("\n".join(lines) + "\n")
    return path


def write_short(folder: Path, *lines: str, name: str = "short.txt") -> Path:
    path = folder / name
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_raw_day_is_a_date_in_china_of_one_advertiser(tmp_path: Path) -> None:
    path = write_raw(
        tmp_path,
        {"timestamp": "20130606235959999"},
        {"timestamp": "20130607000000000"},
        {"timestamp": "20130606003000000", "advertiser": "3358"},
    )
    run_import("ipinyou", [path], tmp_path / "log")
    log = load_log(tmp_path / "log")
    assert [day.label for day in log.days] == [
        "campaign 1458, 2013-06-06",
        "campaign 3358, 2013-06-06",
        "campaign 1458, 2013-06-07",
    ]
    assert [np.flatnonzero(row).tolist() for row in log.counts] == [[47], [1], [0]]
    assert log.days[0].unit == log.days[1].unit != log.days[2].unit


def test_prices_are_the_logs_integers_and_a_click_converts(tmp_path: Path) -> None:
    path = write_raw(tmp_path, {"payprice": "51", "click": "1"}, {"payprice": "0", "timestamp": "20130606000104009"})
    run_import("ipinyou", [path], tmp_path / "log")
    log = load_log(tmp_path / "log")
    assert log.market_price.tolist() == [51.0, 0.0]
    assert log.converted is not None
    assert log.converted.tolist() == [1.0, 0.0]
    assert log.segments == ("adexchange-2/head",)
    assert any("censored" in note for note in log.notes)


def test_nothing_about_a_person_reaches_the_disk(tmp_path: Path) -> None:
    path = write_raw(tmp_path, {}, {"payprice": "much"}, {"end": "\tperson-7"})
    summary = run_import("ipinyou", [path], tmp_path / "log")
    stored = b"".join(file.read_bytes() for file in (tmp_path / "log").iterdir())
    columns = {name for file in (tmp_path / "log").glob("*.parquet") for name in pl.read_parquet_schema(file)}
    assert not columns & {*PERSONAL, "bidid", "domain"}
    for text in ("person-7", "Mozilla", "116.231", "much"):
        assert text.encode() not in stored
    assert set(PERSONAL) <= set(summary.dropped)
    assert set(PERSONAL) <= set(read_manifest(tmp_path / "log").dropped)
    assert any("useragent" in line for line in summary.lines())


BAD: list[tuple[dict[str, Any], str]] = [
    ({"timestamp": "20131306000104008"}, mapped.REASON_TIME),
    ({"timestamp": ""}, mapped.REASON_TIME),
    ({"payprice": "-1"}, mapped.REASON_PRICE),
    ({"payprice": "null"}, mapped.REASON_PRICE),
    ({"payprice": "inf"}, mapped.REASON_PRICE),
    ({"bidprice": "-3"}, mapped.REASON_BID),
    ({"click": "2"}, mapped.reason_kpi("conversion")),
    ({"click": "NaN"}, mapped.reason_kpi("conversion")),
    ({"advertiser": ""}, mapped.REASON_CAMPAIGN),
    ({"bidid": "b0"}, REASON_DUPLICATE),
    ({"end": "\tone more"}, REASON_FIELDS),
    ({"useragent": "two\tfields"}, REASON_FIELDS),
]


@pytest.mark.parametrize(("change", "reason"), BAD, ids=[f"{change}" for change, _ in BAD])
def test_each_kind_of_bad_raw_row_is_set_aside(tmp_path: Path, change: dict[str, Any], reason: str) -> None:
    summary = run_import("ipinyou", [write_raw(tmp_path, {}, {}, change, {})], tmp_path / "log")
    assert summary.set_aside == {reason: 1}
    assert (summary.rows_in, summary.rows_kept) == (4, 3)
    assert read_set_aside(tmp_path / "log").select("file", "row").row(0) == ("log.txt", 2)


def test_a_lone_quote_swallows_nothing(tmp_path: Path) -> None:
    path = write_raw(tmp_path, {"useragent": 'an "open quote'}, {}, {"useragent": '"'})
    assert run_import("ipinyou", [path], tmp_path / "log").rows_kept == 3


def test_rows_out_of_order_are_sorted_and_told(tmp_path: Path) -> None:
    late, early = {"timestamp": "20130606120000000", "payprice": "9"}, {"timestamp": "20130606110000000"}
    summary = run_import("ipinyou", [write_raw(tmp_path, late, early)], tmp_path / "log")
    assert load_log(tmp_path / "log").market_price.tolist() == [51.0, 9.0]
    assert any(note.startswith("1 rows came before") for note in summary.notes)
    assert any("slots 22 to 24 only" in note for note in summary.notes)


def test_a_click_is_predicted_by_other_days_and_never_by_its_own(tmp_path: Path) -> None:
    good, bad = {"creative": "good"}, {"creative": "bad"}
    monday = [{**good, "click": place % 2} for place in range(200)] + [{**bad, "click": 0}] * 200
    tuesday = [{**row, "timestamp": "20130607100000000"} for row in (good, bad)]
    path = write_raw(tmp_path, *monday, *({**row, "click": 1} for row in tuesday))
    run_import("ipinyou", [path], tmp_path / "log")
    log = load_log(tmp_path / "log")
    seen, unseen = log.conversion[400:], log.conversion[:400]
    assert seen[0] == pytest.approx(0.5, abs=0.02)  # half of Monday's good creatives were clicked
    assert seen[1] == pytest.approx(0.0, abs=0.02)
    # Monday's predictions know Tuesday's two clicks alone: they cannot tell a clicked row from another.
    assert len(np.unique(unseen[:200])) == 1


def test_one_advertiser_can_be_picked(tmp_path: Path) -> None:
    path = write_raw(tmp_path, {}, {"advertiser": "3358"}, {})
    summary = run_import("ipinyou", [path], tmp_path / "log", advertiser=3358)
    assert (summary.rows_in, summary.rows_kept, summary.rows_other) == (1, 1, 2)


def test_short_rows_are_cut_into_episodes_in_their_order(tmp_path: Path) -> None:
    lines = [f"{place == 3:d} {place} 0.001 {1 + place % 2}" for place in range(25)]
    options = ImportOptions(episode=10, budget_share=0.5)
    run_import("ipinyou", [write_short(tmp_path, *lines)], tmp_path / "log", options=options)
    log = load_log(tmp_path / "log")
    assert log.counts.sum(axis=1).tolist() == [10, 10, 5]
    assert log.market_price.tolist() == list(range(25))
    assert log.segments == ("exchange-1/head", "exchange-2/head")
    assert log.converted is not None
    assert np.flatnonzero(log.converted).tolist() == [3]
    # The last, shorter episode has the full budget: half of what ten auctions of mean price 12 cost.
    assert {day.budget for day in log.days} == {60.0}


def test_short_rows_may_have_no_exchange_and_any_blanks(tmp_path: Path) -> None:
    summary = run_import("ipinyou", [write_short(tmp_path, "0 5 0.1", "0\t6\t0.1", " 1  7  0.1 ")], tmp_path / "log")
    assert (summary.rows_kept, load_log(tmp_path / "log").segments) == (3, ("feed/head",))


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("2 5 0.1 1", ipinyou.REASON_CLICK),
        ("x 5 0.1 1", ipinyou.REASON_CLICK),
        ("0 -5 0.1 1", ipinyou.REASON_PRICE),
        ("0 nan 0.1 1", ipinyou.REASON_PRICE),
        ("0 5 1.1 1", ipinyou.REASON_PREDICTION),
        ("0 5 word 1", ipinyou.REASON_PREDICTION),
        ("0 5", ipinyou.REASON_SHORT),
        ("0 5 0.1 1 9", ipinyou.REASON_SHORT),
        ("0 5 0.1 east", ipinyou.REASON_SHORT),
        ("", ipinyou.REASON_SHORT),
        ("\udcff 5 0.1", ipinyou.REASON_CLICK),
    ],
)
def test_each_kind_of_bad_short_row_is_set_aside(tmp_path: Path, line: str, reason: str) -> None:
    path = tmp_path / "short.txt"
    path.write_bytes("\n".join(["0 5 0.1 1", line, "0 6 0.1 1", ""]).encode(errors="surrogateescape"))
    summary = run_import("ipinyou", [path], tmp_path / "log")
    assert summary.set_aside == {reason: 1}
    assert load_log(tmp_path / "log").market_price.tolist() == [5.0, 6.0]


def test_files_of_both_forms_at_once_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match="different iPinYou forms"):
        run_import("ipinyou", [write_raw(tmp_path, {}), write_short(tmp_path, "0 5 0.1")], tmp_path / "log")


def test_a_misspelt_header_and_a_header_alone_are_named(tmp_path: Path) -> None:
    path = write_raw(tmp_path)
    with pytest.raises(EmptyLog, match="no rows"):
        run_import("ipinyou", [path], tmp_path / "log")
    path.write_text(path.read_text().replace("payprice", "payprise"))
    with pytest.raises(MissingColumn, match=r"payprice \(nearest present: payprise\)"):
        run_import("ipinyou", [path], tmp_path / "log")
    assert not (tmp_path / "log").exists()
    assert not list(tmp_path.glob(".*"))


def test_creatives_that_never_vary_and_are_new_have_the_mean_of_all(tmp_path: Path) -> None:
    always, never = {"creative": "good", "click": 1}, {"creative": "bad", "click": 0}
    later = {"timestamp": "20130607100000000"}
    path = write_raw(tmp_path, *([always] * 3), *([never] * 3), {**never, **later}, {**later, "creative": "new"})
    run_import("ipinyou", [path], tmp_path / "log")
    conversion = load_log(tmp_path / "log").conversion
    assert conversion[6] == 0.0  # never clicked on the other day
    assert conversion[7] == pytest.approx(0.5)  # not shown there: three clicks of six
