"""Logs joined into one: every day keeps its auctions, and unlike logs are refused."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from bidpilot.bidding.errors import InvalidLog
from bidpilot.envs.logs.auction_log import COLUMNS, AuctionLog, DayRecord
from bidpilot.envs.logs.joining import join_logs


def make_log(auctions: int, seed: int) -> AuctionLog:
    """One day of two slots, with predictions that are their own truth."""
    rng = np.random.default_rng(seed)
    column = rng.random(auctions).astype(np.float32)
    kpi: dict[str, Any] = {name: column for k in ("exposure", "interaction", "conversion") for name in (k, f"true_{k}")}
    return AuctionLog(
        name=f"log {seed}",
        market_price=rng.random(auctions).astype(np.float32),
        **kpi,
        segment=rng.integers(0, 2, auctions).astype(np.int16),
        source=np.zeros(auctions, np.int16),
        invalid=np.zeros(auctions, np.bool_),
        interacted=None,
        converted=None,
        offsets=np.array([[0, auctions // 3, auctions]]),
        days=(DayRecord(f"day {seed}", "unit", 1.0 + seed, 1.0),),
        segments=("feed/head", "feed/tail"),
        sources=1,
    )


def test_every_day_keeps_its_auctions_and_its_record() -> None:
    logs = [make_log(7, 0), make_log(30, 1), make_log(12, 2)]
    joined = join_logs(logs)
    assert joined.days == tuple(log.days[0] for log in logs)
    for d, log in enumerate(logs):
        day = joined.select_days([d])
        np.testing.assert_array_equal(day.offsets, log.offsets)
        for name in COLUMNS:
            np.testing.assert_array_equal(getattr(day, name), getattr(log, name))


def test_one_log_is_itself_and_equal_columns_stay_one_array() -> None:
    log = make_log(7, 0)
    assert join_logs([log]) is log
    joined = join_logs([log, make_log(9, 1)])
    assert joined.true_exposure is joined.exposure


def test_counts_of_events_are_joined_where_all_have_them() -> None:
    """Nothing that is trained needs them: a log of before they were counted is joined without."""
    first, second = make_log(7, 0), make_log(9, 1)
    counted = [replace(log, funnel=np.full((log.n, 7), seed, np.uint8)) for seed, log in enumerate((first, second))]
    joined = join_logs(counted)
    assert joined.funnel is not None
    assert joined.funnel.sum(axis=1).tolist() == [0] * 7 + [7] * 9
    assert join_logs([first, counted[1]]).funnel is None


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"segments": ("feed/head", "search/tail")}, "segments"),
        ({"sources": 2}, "sources"),
        ({"offsets": np.array([[0, 1, 2, 9]])}, "slots"),
        ({"converted": np.zeros(9, np.float32), "interacted": np.zeros(9, np.float32)}, "'interacted'"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_unlike_logs_are_not_joined(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidLog, match=reason):
        join_logs([make_log(7, 0), replace(make_log(9, 1), **change)])
