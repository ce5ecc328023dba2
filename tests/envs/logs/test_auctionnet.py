"""AuctionNet traffic becomes days; every row is kept or set aside with its reason."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from bidpilot.bidding.errors import EmptyLog, MissingColumn, NoFilesMatched, UnknownFormat, UnreadableFile
from bidpilot.envs.logs import auctionnet
from bidpilot.envs.logs.auctionnet import import_auctionnet
from bidpilot.envs.logs.formats import REASON_FIELDS
from bidpilot.envs.logs.importers import IMPORTERS, run_import
from bidpilot.envs.logs.importing import ImportResult
from bidpilot.envs.logs.storage import load_log, read_set_aside

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "auctionnet"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"no recorded AuctionNet periods in {DATA}")

GOOD: dict[str, Any] = {
    "deliveryPeriodIndex": 7,
    "advertiserNumber": 3,
    "budget": 480.0,
    "CPAConstraint": 110.0,
    "timeStepIndex": 0,
    "pvIndex": 0,
    "pValue": 0.001,
    "leastWinningCost": 0.08,
}


def rows(*changes: dict[str, Any]) -> pl.DataFrame:
    """Good rows with these changes, pvIndex counting up where not given."""
    return pl.DataFrame([{**GOOD, "pvIndex": i, **change} for i, change in enumerate(changes)], strict=False)


def write(folder: Path, frame: pl.DataFrame, name: str = "traffic.parquet") -> Path:
    path = folder / name
    if path.suffix == ".csv":
        frame.write_csv(path)
    else:
        frame.write_parquet(path)
    return path


def reasons(result: ImportResult) -> dict[str, int]:
    assert result.rows_in == result.log.n + result.set_aside.height
    return dict(result.set_aside["reason"].value_counts().iter_rows())


def test_every_period_and_advertiser_is_a_day_with_its_own_terms(tmp_path: Path) -> None:
    other = {"advertiserNumber": 1, "budget": 850.0, "CPAConstraint": 70.0}
    frame = rows({}, other, {"deliveryPeriodIndex": 6}, {"timeStepIndex": 47})
    log = import_auctionnet([write(tmp_path, frame)]).log
    assert [(d.label, d.unit, d.budget, d.conversion_value, d.max_cpa, d.campaign) for d in log.days] == [
        ("advertiser 3, period 6", "period 6", 480.0, 110.0, 110.0, "3"),
        ("advertiser 1, period 7", "period 7", 850.0, 70.0, 70.0, "1"),
        ("advertiser 3, period 7", "period 7", 480.0, 110.0, 110.0, "3"),
    ]
    assert (log.slots, log.counts.sum(axis=1).tolist()) == (48, [1, 1, 2])
    assert log.counts[2, [0, 47]].tolist() == [1, 1]


def test_the_market_price_is_the_least_winning_cost_and_truth_is_the_prediction(tmp_path: Path) -> None:
    log = import_auctionnet([write(tmp_path, rows({"pValue": 0.25, "leastWinningCost": 0.5}))]).log
    assert (log.market_price[0], log.conversion[0], log.exposure[0], log.interaction[0]) == (0.5, 0.25, 1, 0)
    assert log.true_conversion is log.conversion
    assert log.converted is None
    assert any("true = predicted" in note for note in log.notes)


def test_auctions_are_in_order_of_slot_and_pv_index(tmp_path: Path) -> None:
    frame = rows(
        {"timeStepIndex": 1, "pvIndex": 9, "pValue": 0.4},
        {"timeStepIndex": 1, "pvIndex": 5, "pValue": 0.3},
        {"timeStepIndex": 0, "pvIndex": 2, "pValue": 0.2},
        {"timeStepIndex": 0, "pvIndex": 1, "pValue": 0.1},
    )
    log = import_auctionnet([write(tmp_path, frame)]).log
    np.testing.assert_array_equal(log.conversion, np.array([0.1, 0.2, 0.3, 0.4], dtype=np.float32))


BAD: list[tuple[dict[str, Any], str]] = [
    ({"pValue": -0.1}, auctionnet.REASON_VALUE),
    ({"pValue": 1.5}, auctionnet.REASON_VALUE),
    ({"pValue": float("nan")}, auctionnet.REASON_VALUE),
    ({"pValue": None}, auctionnet.REASON_VALUE),
    ({"leastWinningCost": -0.01}, auctionnet.REASON_PRICE),
    ({"leastWinningCost": float("nan")}, auctionnet.REASON_PRICE),
    ({"leastWinningCost": float("inf")}, auctionnet.REASON_PRICE),
    ({"leastWinningCost": 1e300}, auctionnet.REASON_PRICE),
    ({"leastWinningCost": None}, auctionnet.REASON_PRICE),
    ({"deliveryPeriodIndex": None}, auctionnet.REASON_KEY),
    ({"advertiserNumber": None}, auctionnet.REASON_KEY),
    ({"pvIndex": None}, auctionnet.REASON_KEY),
    ({"timeStepIndex": None}, auctionnet.REASON_KEY),
    ({"timeStepIndex": 2.5}, auctionnet.REASON_KEY),
    ({"timeStepIndex": 48}, auctionnet.REASON_SLOT),
    ({"budget": 0.0}, auctionnet.REASON_BUDGET),
    ({"budget": float("nan")}, auctionnet.REASON_BUDGET),
    ({"CPAConstraint": -5.0}, auctionnet.REASON_CPA),
    ({"pvIndex": 0, "pValue": 0.9}, auctionnet.REASON_DUPLICATE),
]


@pytest.mark.parametrize("ending", ["parquet", "csv"])
@pytest.mark.parametrize(("change", "reason"), BAD, ids=[f"{change}" for change, _ in BAD])
def test_each_kind_of_bad_row_is_set_aside_with_its_reason(
    tmp_path: Path, change: dict[str, Any], reason: str, ending: str
) -> None:
    result = import_auctionnet([write(tmp_path, rows({}, {}, change, {}), f"traffic.{ending}")])
    assert reasons(result) == {reason: 1}
    assert result.set_aside.select("file", "row").row(0) == (f"traffic.{ending}", 2)
    np.testing.assert_array_equal(result.log.conversion, np.full(3, 0.001, dtype=np.float32))


def test_every_kind_at_once_leaves_no_row_unaccounted_for(tmp_path: Path) -> None:
    result = import_auctionnet([write(tmp_path, rows({}, *(change for change, _ in BAD), {}, {}))])
    assert (result.rows_in, result.log.n) == (len(BAD) + 3, 3)
    expected = [reason for _, reason in BAD]
    assert reasons(result) == {reason: expected.count(reason) for reason in set(expected)}


def test_a_word_in_a_csv_costs_its_row_alone_and_is_kept_as_read(tmp_path: Path) -> None:
    path = write(tmp_path, rows({}, {}, {}), "traffic.csv")
    path.write_text(path.read_text().replace("0.08", "cheap", 1))
    result = import_auctionnet([path])
    assert reasons(result) == {auctionnet.REASON_PRICE: 1}
    assert result.set_aside["leastWinningCost"].to_list() == ["cheap"]


def test_a_row_of_a_csv_with_fields_too_many_or_too_few_is_set_aside(tmp_path: Path) -> None:
    path = write(tmp_path, rows({}, {}, {}, {}), "traffic.csv")
    lines = path.read_text().splitlines()
    lines[2], lines[3] = lines[2] + ",7", lines[3].rsplit(",", 1)[0]
    path.write_text("\n".join(lines) + "\n")
    assert reasons(import_auctionnet([path])) == {REASON_FIELDS: 2}


def test_files_that_share_a_day_are_merged_and_their_duplicates_found(tmp_path: Path) -> None:
    first = write(tmp_path, rows({}, {}), "a.parquet")
    second = write(tmp_path, rows({}, {"pvIndex": 8}, {"pvIndex": 9, "timeStepIndex": 3}), "b.csv")
    result = import_auctionnet([first, second])
    assert (result.log.n_days, result.log.n) == (1, 4)
    assert result.set_aside.select("file", "row", "reason").rows() == [("b.csv", 0, auctionnet.REASON_DUPLICATE)]


def test_one_advertiser_can_be_picked_and_the_others_are_counted(tmp_path: Path) -> None:
    frame = rows({}, {"advertiserNumber": 5}, {"advertiserNumber": None}, {"advertiserNumber": 5})
    result = import_auctionnet([write(tmp_path, frame)], advertiser=5)
    assert [day.label for day in result.log.days] == ["advertiser 5, period 7"]
    assert (result.rows_in, result.rows_other, reasons(result)) == (3, 1, {auctionnet.REASON_KEY: 1})


def test_an_advertiser_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(EmptyLog, match="advertiser 44"):
        import_auctionnet([write(tmp_path, rows({}))], advertiser=44)


def test_no_usable_row_is_an_empty_log_with_the_reasons(tmp_path: Path) -> None:
    with pytest.raises(EmptyLog, match="pValue"):
        import_auctionnet([write(tmp_path, rows({"pValue": 2.0}, {"pValue": 3.0}))])
    with pytest.raises(EmptyLog, match="no rows"):
        import_auctionnet([write(tmp_path, rows({}).clear())])


def test_a_misspelt_column_is_named_with_the_nearest_present(tmp_path: Path) -> None:
    path = write(tmp_path, rows({}).rename({"leastWinningCost": "leastWiningCost"}))
    with pytest.raises(MissingColumn, match=r"leastWinningCost \(nearest present: leastWiningCost\)"):
        import_auctionnet([path])


@pytest.mark.parametrize("name", ["a.parquet", "a.csv"])
def test_an_empty_file_is_unreadable(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(UnreadableFile, match=name):
        import_auctionnet([tmp_path / name])


def test_a_truncated_parquet_file_is_unreadable(tmp_path: Path) -> None:
    path = write(tmp_path, rows(*[{}] * 50))
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(UnreadableFile, match="again"):
        import_auctionnet([path])


def test_files_that_are_not_there_or_of_no_known_kind_are_named(tmp_path: Path) -> None:
    with pytest.raises(NoFilesMatched, match="pattern"):
        import_auctionnet([tmp_path / "period-*.parquet"])
    with pytest.raises(NoFilesMatched, match="No file"):
        import_auctionnet([])
    (tmp_path / "a.xlsx").write_bytes(b"x")
    with pytest.raises(UnknownFormat, match="xlsx"):
        import_auctionnet([tmp_path / "a.xlsx"])
    with pytest.raises(UnknownFormat, match="auctionnet"):
        run_import("ipinyu", [], tmp_path / "log")


def test_an_import_is_stored_and_summed_up(tmp_path: Path) -> None:
    write(tmp_path, rows({}, {"pValue": 7}, {}), "p-1.parquet")
    write(tmp_path, rows({"pvIndex": 1, "deliveryPeriodIndex": 8}), "p-2.parquet")
    summary = run_import("auctionnet", [str(tmp_path / "p-*.parquet")], tmp_path / "spring")
    assert (summary.rows_in, summary.rows_kept, summary.days) == (4, 3, 2)
    assert summary.set_aside == {auctionnet.REASON_VALUE: 1}
    assert "rows in 4 = rows kept 3 + rows set aside 1" in summary.lines()
    log = load_log(tmp_path / "spring")
    assert (log.name, log.n, log.digest) == ("spring", 3, summary.digest)
    assert read_set_aside(tmp_path / "spring")["row"].to_list() == [1]
    assert "auctionnet" in IMPORTERS


@needs_data
def test_a_recorded_period_imports_whole() -> None:
    result = import_auctionnet([DATA / "period-7.parquet"])
    assert (result.log.n_days, result.log.n, result.set_aside.height) == (2, 199_952, 0)
    assert [(day.budget, day.conversion_value) for day in result.log.days] == [(580.0, 100.0), (850.0, 70.0)]


@needs_data
def test_test_periods_import_although_they_have_fewer_columns() -> None:
    result = import_auctionnet([DATA / "test-10.parquet"], advertiser=46)
    assert (result.log.n_days, result.log.n, result.rows_other) == (1, 99_977, 299_931)


@needs_data
def test_the_csv_sample_is_the_start_of_the_same_slots() -> None:
    sample = import_auctionnet([DATA / "period-7-head.csv"]).log
    whole = import_auctionnet([DATA / "period-7.parquet"]).log
    assert (sample.n, sample.n_days) == (4000, 2)
    assert np.flatnonzero(sample.counts[0]).tolist() == [0, 1, 2, 46, 47]
    for day, slot in ((0, 0), (1, 46)):
        a, b = sample.offsets[day, slot], whole.offsets[day, slot]
        np.testing.assert_allclose(sample.market_price[a : a + 400], whole.market_price[b : b + 400], rtol=1e-6)
        np.testing.assert_allclose(sample.conversion[a : a + 400], whole.conversion[b : b + 400], rtol=1e-6)
