"""An auction log refuses whatever does not fit together, and costs little memory."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bidpilot.bidding.errors import EmptyLog, InvalidLog, InvalidPrice, UnevenDays
from bidpilot.envs.logs.auction_log import COLUMNS, AuctionLog, DayRecord, stack_offsets

ROOT = Path(__file__).resolve().parents[2]


def make_log(counts: list[list[int]] | None = None, **changes: Any) -> AuctionLog:
    offsets = stack_offsets([np.array(day, dtype=np.int64) for day in counts or [[3, 2], [0, 5], [1, 1]]])
    n = int(offsets[-1, -1])
    rng = np.random.default_rng(5)
    exposure, interaction, conversion = (rng.random(n, dtype=np.float32) for _ in range(3))
    columns: dict[str, Any] = {
        "name": "small",
        "market_price": rng.random(n, dtype=np.float32),
        "exposure": exposure,
        "interaction": interaction,
        "conversion": conversion,
        "true_exposure": exposure,
        "true_interaction": interaction,
        "true_conversion": conversion,
        "segment": (np.arange(n) % 2).astype(np.int16),
        "source": (np.arange(n) % 3).astype(np.int16),
        "invalid": np.zeros(n, dtype=np.bool_),
        "interacted": None,
        "converted": None,
        "offsets": offsets,
        "days": tuple(DayRecord(f"day {d}", f"unit {d}", 10.0 + d, 2.0) for d in range(len(offsets))),
        "segments": ("feed/head", "feed/tail"),
        "sources": 3,
    }
    return AuctionLog(**{**columns, **changes})


def with_entry(log: AuctionLog, column: str, index: int, entry: float) -> AuctionLog:
    changed = np.array(getattr(log, column))
    changed[index] = entry
    changes: dict[str, Any] = {column: changed}
    return replace(log, **changes)


def test_sizes_are_those_of_the_offsets() -> None:
    log = make_log()
    assert (log.n, log.n_days, log.slots) == (12, 3, 2)
    np.testing.assert_array_equal(log.counts, [[3, 2], [0, 5], [1, 1]])


@pytest.mark.parametrize("price", [-1e-6, np.nan, np.inf, -np.inf])
def test_a_bad_price_is_named_with_its_index_and_how_many(price: float) -> None:
    log = make_log()
    prices = log.market_price.copy()
    prices[[4, 9]] = price
    with pytest.raises(InvalidPrice, match=r"2 of 12 market prices .* index 4"):
        replace(log, market_price=prices)


@pytest.mark.parametrize("column", ["exposure", "interaction", "conversion", "true_conversion"])
@pytest.mark.parametrize("entry", [-0.1, np.nan, np.inf])
def test_a_kpi_that_is_no_expectation_is_refused(column: str, entry: float) -> None:
    with pytest.raises(InvalidLog, match=rf"1 of 12 values of {column} .* index 7"):
        with_entry(make_log(), column, 7, entry)


def test_a_probability_above_one_is_refused_and_many_interactions_are_not() -> None:
    with pytest.raises(InvalidLog, match="conversion"):
        with_entry(make_log(), "conversion", 0, 1.01)
    with pytest.raises(InvalidLog, match="exposure"):
        with_entry(make_log(), "exposure", 0, 1.01)
    assert with_entry(make_log(), "interaction", 0, 12.0).interaction[0] == 12.0


def test_realised_outcomes_are_checked_where_recorded() -> None:
    with pytest.raises(InvalidLog, match="interacted"):
        make_log(interacted=np.full(12, np.nan, dtype=np.float32))
    assert make_log(converted=np.ones(12, dtype=np.float32)).converted is not None


@pytest.mark.parametrize(("column", "entry"), [("segment", 2), ("segment", -1), ("source", 3)])
def test_an_id_that_the_log_does_not_name_is_refused(column: str, entry: int) -> None:
    with pytest.raises(InvalidLog, match=column):
        with_entry(make_log(), column, 0, entry)


@pytest.mark.parametrize(
    "changes",
    [
        {"market_price": np.ones(11, dtype=np.float32)},
        {"exposure": np.ones(12, dtype=np.float64)},
        {"exposure": np.ones(24, dtype=np.float32)[::2]},
        {"invalid": np.zeros(12, dtype=np.uint8)},
        {"interaction": [0.0] * 12},
        {"true_exposure": None},
        {"funnel": np.zeros((11, 7), dtype=np.uint8)},
        {"funnel": np.zeros((12, 6), dtype=np.uint8)},
        {"funnel": np.zeros((12, 7), dtype=np.int64)},
        {"funnel": np.zeros((7, 12), dtype=np.uint8).T},
        {"funnel": [[0] * 7] * 12},
        {"segments": ()},
        {"segments": ("a/b", "a/b")},
        {"name": ""},
    ],
)
def test_columns_that_do_not_fit_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidLog):
        make_log(**changes)


@pytest.mark.parametrize(
    ("offsets", "why"),
    [
        ([[0, 3, 5], [5, 5, 10], [10, 11, 11]], "number of auctions"),
        ([[1, 3, 5], [5, 5, 10], [10, 11, 12]], "from 0"),
        ([[0, 6, 5], [5, 5, 10], [10, 11, 12]], "day 0, slot 1"),
        ([[0, 3, 5], [6, 6, 10], [10, 11, 12]], "gap or overlap"),
        ([[0, 3, 5], [5, 5, 12]], "3 day records"),
        ([[0], [5], [12]], "zero slots"),
    ],
)
def test_offsets_must_tile_the_auctions(offsets: list[list[int]], why: str) -> None:
    with pytest.raises(InvalidLog, match=why):
        make_log(offsets=np.array(offsets, dtype=np.int64))


def test_days_that_differ_in_slots_are_refused() -> None:
    with pytest.raises(UnevenDays, match="Day 0 has 2 slots but day 2 has 3"):
        stack_offsets([np.ones(2, dtype=np.int64), np.ones(2, dtype=np.int64), np.ones(3, dtype=np.int64)])


def test_zero_slots_and_nothing_at_all_are_refused() -> None:
    with pytest.raises(InvalidLog, match="zero slots"):
        stack_offsets([np.zeros(0, dtype=np.int64)])
    with pytest.raises(EmptyLog, match="no day"):
        stack_offsets([])
    with pytest.raises(EmptyLog, match="no day"):
        make_log(days=())
    with pytest.raises(EmptyLog, match="no auction"):
        make_log([[0, 0]])


@pytest.mark.parametrize("field", ["budget", "conversion_value", "max_cpa"])
@pytest.mark.parametrize("amount", [0.0, -1.0, float("nan"), float("inf")])
def test_a_day_needs_positive_finite_terms(field: str, amount: float) -> None:
    terms = {"budget": 1.0, "conversion_value": 1.0, field: amount}
    with pytest.raises(InvalidLog, match=field):
        DayRecord("monday", "week", **terms)  # type: ignore[arg-type]


def test_the_digest_is_of_the_content() -> None:
    log = make_log()
    same = replace(make_log(), name="renamed", notes=("as before",))
    assert log.digest == same.digest
    for column in ("market_price", "true_conversion", "segment", "invalid"):
        assert with_entry(log, column, 3, 0 if getattr(log, column)[3] else 1).digest != log.digest
    assert replace(log, days=(*log.days[:2], replace(log.days[2], budget=99.0))).digest != log.digest
    assert replace(log, converted=np.zeros(12, dtype=np.float32)).digest != log.digest


def test_a_day_is_the_same_in_another_log_under_another_label_and_in_other_slots() -> None:
    log = make_log()
    moved = log.select_days([2, 0])
    renamed = replace(moved, days=tuple(replace(day, label="x", budget=7.0) for day in moved.days))
    assert renamed.day_digests == (log.day_digests[2], log.day_digests[0])
    assert make_log([[2, 3], [4, 1], [0, 2]]).day_digests == log.day_digests
    assert len(set(log.day_digests)) == 3
    for column in ("market_price", "exposure", "interaction", "conversion"):
        changed = with_entry(log, column, 6, 0.5)  # of the second day
        assert [a == b for a, b in zip(changed.day_digests, log.day_digests, strict=True)] == [True, False, True]


def test_selected_days_are_the_days_in_the_order_asked_for() -> None:
    log = make_log()
    chosen = log.select_days([2, 0])
    assert [day.label for day in chosen.days] == ["day 2", "day 0"]
    np.testing.assert_array_equal(chosen.offsets, [[0, 1, 2], [2, 5, 7]])
    np.testing.assert_array_equal(chosen.market_price, log.market_price[[10, 11, 0, 1, 2, 3, 4]])
    assert chosen.true_exposure is chosen.exposure  # true = predicted still costs nothing
    assert log.select_days(range(3)).digest == log.digest


def test_counts_of_events_go_with_their_days_and_count_in_the_digest() -> None:
    log = make_log(funnel=np.arange(84, dtype=np.uint8).reshape(12, 7))
    chosen = log.select_days([2, 0])
    assert chosen.funnel is not None
    assert chosen.funnel[:, 0].tolist() == [70, 77, 0, 7, 14, 21, 28]
    assert log.select_days(range(3)).digest == log.digest != make_log().digest
    assert make_log(funnel=np.zeros((12, 7), dtype=np.uint8)).digest not in (log.digest, make_log().digest)
    assert log.events["view"] == sum(range(0, 84, 7))
    assert make_log().select_days([0]).funnel is None


@pytest.mark.parametrize("worth", [-1.0, np.nan, np.inf])
def test_orders_are_worth_nothing_less_than_nothing(worth: float) -> None:
    with pytest.raises(InvalidLog, match="order_value"):
        make_log(order_value=np.full(12, worth, np.float32))


def test_selecting_no_day_or_an_unknown_one_is_refused() -> None:
    with pytest.raises(EmptyLog):
        make_log().select_days([])
    with pytest.raises(InvalidLog, match="-1"):
        make_log().select_days([0, -1])


_MAKE = """
import re, sys
from pathlib import Path
import numpy as np
from bidpilot.envs.logs.auction_log import AuctionLog, DayRecord
from bidpilot.envs.logs.storage import load_log, save_log
def peak():  # of this process alone: getrusage would start at the peak of the process that forked it
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024
def make():
    n = 10_000_000
    def column(value, dtype=np.float32): return np.full(n, value, dtype=dtype)
    exposure, interaction, conversion = column(1.0), column(0.0), np.linspace(0, 1, n, dtype=np.float32)
    offsets = np.linspace(0, n, 49).astype(np.int64)[None]
    kpis = exposure, interaction, conversion
    return AuctionLog("big", column(0.5), *kpis, *kpis, column(0, np.int16), column(0, np.int16),
        column(False, bool), None, None, offsets, (DayRecord("d", "d", 1.0, 1.0),), ("feed/head",), 1)
folder = Path(sys.argv[1])
"""
_IN_MEMORY = "before = peak(); log = make(); log.digest; print(peak() - before); save_log(log, folder)"
_FROM_DISK = "before = peak(); log = load_log(folder); print(peak() - before)"


def _measure(script: str, folder: Path) -> int:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", _MAKE + script, str(folder)]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return int(run.stdout)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")
def test_ten_million_auctions_cost_at_most_500_mb(tmp_path: Path) -> None:
    columns = 10_000_000 * (4 * 4 + 2 * 2 + 1)
    assert columns <= _measure(_IN_MEMORY, tmp_path / "log") < 500e6
    assert columns <= _measure(_FROM_DISK, tmp_path / "log") < 500e6


def test_every_column_is_named() -> None:
    arrays = {name for name, value in vars(make_log()).items() if isinstance(value, np.ndarray)}
    assert arrays - {"offsets"} == set(COLUMNS) - {"interacted", "converted"}
