"""Times: right, or refused with the unit that would fit."""

from datetime import date, datetime, timedelta
from datetime import time as clock
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import yaml

from bidpilot.bidding.errors import InvalidMapping, MisdatedLog
from bidpilot.envs.logs import mapped
from bidpilot.envs.logs.formats import ImportOptions
from bidpilot.envs.logs.importers import ImportSummary, run_import
from bidpilot.envs.logs.storage import load_log

S = 1_710_113_400  # 2024-03-10 23:30 UTC


def read(
    folder: Path, times: Any, form: str = "iso", slots: int = 48, ending: str = "csv", **time: Any
) -> ImportSummary:
    path, mapping = folder / f"bids.{ending}", folder / "mapping.yaml"
    frame = pl.DataFrame({"at": times}).with_columns(cpm=pl.lit(1.0), pcvr=pl.lit(0.1))
    _ = frame.write_csv(path) if ending == "csv" else frame.write_parquet(path)
    values = {"time": {"column": "at", "form": form, **time}, "price": {"column": "cpm"}, "slots": slots}
    mapping.write_text(yaml.safe_dump({**values, "conversion": {"sum": {"pcvr": 1}}}))
    return run_import("mapping", [path], folder / "log", options=ImportOptions(mapping=mapping), force=True)


def days(folder: Path) -> list[tuple[str, list[int]]]:
    log = load_log(folder / "log")
    return [(day.label, np.flatnonzero(row).tolist()) for day, row in zip(log.days, log.counts, strict=True)]


UNITS = {"epoch_s": 1, "epoch_ms": 10**3, "epoch_us": 10**6, "epoch_ns": 10**9}


@pytest.mark.parametrize("ending", ["csv", "parquet"])
@pytest.mark.parametrize("declared", UNITS)
@pytest.mark.parametrize("real", UNITS)
def test_a_unit_is_right_or_refused_with_the_one_that_fits(
    tmp_path: Path, declared: str, real: str, ending: str
) -> None:
    times = [(S + 86_400 * day) * UNITS[real] for day in range(3)]
    if declared == real:
        read(tmp_path, times, declared, ending=ending)
        assert days(tmp_path) == [("2024-03-10", [47]), ("2024-03-11", [47]), ("2024-03-12", [47])]
    else:
        with pytest.raises(MisdatedLog, match=f"would under `form: {real}`"):
            read(tmp_path, times, declared, ending=ending)


def test_a_few_impossible_times_cost_their_rows(tmp_path: Path) -> None:
    summary = read(tmp_path, [S, S, 0, S * 1000, S], "epoch_s")
    assert summary.set_aside == {mapped.REASON_YEARS: 2}


def test_seconds_may_count_from_0_where_asked(tmp_path: Path) -> None:
    read(tmp_path, [0, 1799, 1800, 86_400 * 29], "relative_s")
    assert days(tmp_path) == [("day 0", [0, 1]), ("day 29", [0])]
    with pytest.raises(MisdatedLog, match="epoch_s"):
        read(tmp_path, [S, S + 1], "relative_s")


def test_epoch_seconds_that_begin_at_0_have_no_dates_and_the_log_says_so(tmp_path: Path) -> None:
    summary = read(tmp_path, [0, 86_400, 86_400 * 29], "epoch_s")
    assert [label for label, _ in days(tmp_path)] == ["day 0", "day 1", "day 29"]
    assert any("form: relative_s" in note for note in summary.notes)


@pytest.mark.parametrize("times", [[19_675, 19_676], [45_361.5, 45_362.5], [S // 60, S // 60 + 1]])
def test_days_and_minutes_are_no_seconds_from_0(tmp_path: Path, times: list[float]) -> None:
    with pytest.raises(MisdatedLog, match="do not lie in the years 1990 to 2100"):
        read(tmp_path, times, "epoch_s")


def test_days_of_a_spreadsheet(tmp_path: Path) -> None:
    read(tmp_path, [45_361.979166666664, 45_362.0], "excel")
    assert days(tmp_path) == [("2024-03-10", [47]), ("2024-03-11", [0])]


@pytest.mark.parametrize(
    "text",
    [
        "2024-03-10T23:30:00Z",
        "2024-03-10 23:30:00 UTC",
        "2024-03-10 23:30:00.123456 UTC",
        "2024-03-10 23:30:00+00",
        "2024-03-11 00:30:00 +0100",
        "2024-03-11T00:30:00,5+01:00",
        "2024-03-10T18:30-0500",
    ],
)
def test_moments_of_databases_are_read_in_the_zone_of_the_mapping(tmp_path: Path, text: str) -> None:
    read(tmp_path, [text, "2024-03-11T00:30", "2024-03-11 00:30:00"], zone="Europe/Berlin")
    assert days(tmp_path) == [("2024-03-11", [1])]


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
@pytest.mark.parametrize(("zone", "slot"), [(None, 47), ("UTC", 1), ("America/New_York", 1)])
def test_moments_of_parquet(tmp_path: Path, unit: Any, zone: str | None, slot: int) -> None:
    moment = pl.Series([datetime(2024, 3, 10, 23, 30)]).cast(pl.Datetime(unit))
    if zone is not None:
        moment = moment.dt.replace_time_zone("UTC").dt.convert_time_zone(zone)
    read(tmp_path, moment, ending="parquet", zone="Europe/Berlin")
    assert [slots for _, slots in days(tmp_path)] == [[slot]]


def test_dates_alone_have_no_slots(tmp_path: Path) -> None:
    moment = [date(2024, 3, 10), date(2024, 3, 11)]
    with pytest.raises(MisdatedLog, match="without a time of the day"):
        read(tmp_path, moment, ending="parquet")
    read(tmp_path, moment, ending="parquet", slots=1)
    assert days(tmp_path) == [("2024-03-10", [0]), ("2024-03-11", [0])]
    read(tmp_path, ["2024-03-10"], slots=1)
    assert days(tmp_path) == [("2024-03-10", [0])]


@pytest.mark.parametrize("value", [clock(12, 30), timedelta(hours=3), True, [1]])
def test_what_is_no_moment_is_named(tmp_path: Path, value: Any) -> None:
    with pytest.raises(MisdatedLog, match="is no time"):
        read(tmp_path, [value], ending="parquet")


def test_numbers_under_iso_are_named(tmp_path: Path) -> None:
    with pytest.raises(MisdatedLog, match="holds numbers"):
        read(tmp_path, [S], ending="parquet")


@pytest.mark.parametrize("text", ["1970-01-01T00:00:00Z", "0024-03-10T12:00:00", "9999-12-31T00:00:00"])
def test_texts_of_impossible_years_are_refused_unless_named(tmp_path: Path, text: str) -> None:
    with pytest.raises(MisdatedLog, match="years"):
        read(tmp_path, [text, text])
    if text < "9999":
        read(tmp_path, [text], years=[20, 1980])
        assert days(tmp_path)[0][0] == text[:10]


def test_a_time_that_the_clock_skips_stays_where_it_was_written(tmp_path: Path) -> None:
    read(tmp_path, ["2024-03-31T02:30:00", "2024-03-31T00:30:00Z"], zone="Europe/Berlin")
    assert days(tmp_path) == [("2024-03-31", [3, 5])]


def test_years_must_be_in_order(tmp_path: Path) -> None:
    with pytest.raises(InvalidMapping, match="first and last year"):
        read(tmp_path, [S], "epoch_s", years=[2030, 2020])
