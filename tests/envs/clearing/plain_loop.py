"""Clearing as the design says it, one auction after the other, and small markets to hold the kernel against it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.day.slot_totals import SlotTotals
from bidpilot.bidding.landscape.shading import POINTS, shade
from bidpilot.bidding.rule import Rule
from bidpilot.envs.clearing.columns import FirstPrice, Withheld
from bidpilot.envs.clearing.settle import COMPLETION, EVENT_PROBABILITY, KIND_SHARES
from bidpilot.envs.clearing.slot import clear_slot
from bidpilot.envs.logs.auction_log import AuctionLog, DayRecord
from bidpilot.envs.logs.day_batch import INVALID_VIEWS, DayBatch, SourceDays

SEGMENTS, SOURCES, N = ("feed/head", "feed/tail", "search/head"), 5, 3000
COUNTS = (0, 1, 255, 256, 257, 700)  # around the kernel's chunks of 256
COUNTS_BY_SOURCE = (0, 1, 767, 768, 769, 2100)  # likewise, of which sources leave about a third with `thin`
UNIT = 1.3  # mean price that shading factors are given for
BUDGET = 100.0
MASK = (1 << 64) - 1


@dataclass
class TinyMarket:
    """One log and nothing else; its days are written by the tests."""

    log: AuctionLog
    draws_outcomes: bool


def make_log(seed: int = 0, n: int = N, **columns: NDArray[Any]) -> AuctionLog:
    rng = np.random.default_rng(seed)
    drawn: dict[str, Any] = {
        "market_price": rng.lognormal(0, 1, n),
        "exposure": rng.uniform(0.2, 1, n),
        "interaction": rng.exponential(1, n),
        "conversion": rng.uniform(0, 0.3, n),
        "interacted": rng.integers(0, 4, n),
        "converted": rng.integers(0, 2, n),
    }
    for name in ("exposure", "interaction", "conversion"):
        drawn[f"true_{name}"] = drawn[name] * rng.uniform(0.5, 1, n)
    drawn |= columns
    arrays: dict[str, Any] = {name: np.asarray(column, np.float32) for name, column in drawn.items()}
    return AuctionLog(
        name="tiny",
        **arrays,
        segment=rng.integers(0, len(SEGMENTS), n).astype(np.int16),
        source=rng.integers(0, SOURCES, n).astype(np.int16),
        invalid=rng.random(n) < 0.1,
        offsets=np.array([[0, n]]),
        days=(DayRecord("day", "day", 1.0, 1.0),),
        segments=SEGMENTS,
        sources=SOURCES,
    )


def make_sources(rows: int) -> SourceDays:
    """Everything that days may do to sources, at once; in the last row but one tracking is out."""
    rng = np.random.default_rng(11)
    return SourceDays(
        viral_share=np.full((rows, 1), 0.4, np.float32),
        viral_source=rng.integers(0, SOURCES, (rows, 1)).astype(np.int16),
        invalid_rate=rng.choice([0.0, 0.5, 1.0], (rows, SOURCES)).astype(np.float32),
        keep=rng.uniform(0.3, 1, (rows, 1, SOURCES)).astype(np.float32),
        fake=np.tile(np.array([3.0, 0.5], np.float32), (rows, 1)),
        tracked=np.arange(rows)[:, None] != rows - 2,
    )


def make_days(
    counts: tuple[int, ...], thin: bool = False, overlay: bool = False, plain: bool = False, sources: bool = False
) -> DayBatch:
    rng, rows = np.random.default_rng(7), len(counts)
    scale = (rows, 1, len(SEGMENTS))
    return DayBatch(
        start=rng.integers(0, N - max(counts), (rows, 1)) if not plain else np.arange(rows)[:, None],
        count=np.array(counts)[:, None],
        keep=rng.uniform(0, 1, scale).astype(np.float32) if thin else None,
        price_scale=np.ones(scale, np.float32) if plain else rng.uniform(0.5, 2, scale).astype(np.float32),
        value_scale=np.ones(scale, np.float32) if plain else rng.uniform(0.5, 2, scale).astype(np.float32),
        calibration=np.ones((rows, 3), np.float32) if plain else rng.uniform(0.8, 1.2, (rows, 3)).astype(np.float32),
        invalid_share=np.full((rows, 1), 0.3 if overlay else 0.0, np.float32),
        invalid_source=np.full((rows, 1), 4, np.int16),
        salt=rng.integers(0, 2**53, rows).astype(np.uint64),
        budget=np.full(rows, np.nan),
        conversion_value=np.full(rows, np.nan),
        max_cpa=np.full(rows, np.nan),
        sources=make_sources(rows) if sources else None,
    )


def flat_rule(bid: NDArray[np.float64] | float, rows: int) -> Rule:
    """The same bid for everything: beta alone."""
    beta = np.broadcast_to(np.asarray(bid, np.float64).reshape(-1, 1), (rows, len(SEGMENTS))).copy()
    return Rule(np.zeros((rows, 3)), np.ones_like(beta), beta)


def clear(
    market: TinyMarket,
    days: DayBatch,
    rule: Rule,
    budget: NDArray[np.float64] | float,
    first: bool = False,
    reference: NDArray[np.float64] | None = None,
    shading: NDArray[np.float64] | None = None,
    out: SlotTotals | None = None,
    withheld: Withheld | None = None,
) -> tuple[SlotTotals, NDArray[np.float64]]:
    rows = len(days)
    left = np.broadcast_to(np.asarray(budget, np.float64), (rows,)).copy()
    out = SlotTotals.zeros(rows, len(SEGMENTS), SOURCES) if out is None else out
    factors = np.ones(POINTS) if shading is None else shading
    first_price = FirstPrice(np.full(rows, first), factors, np.full(rows, UNIT))
    clear_slot(market, days, 0, rule, left, first_price, reference, out, withheld)
    return out, left


def uniform(index: int, salt: int, stream: int) -> float:
    """SplitMix64's finaliser, in Python integers."""
    z = (index * 0x9E3779B97F4A7C15 + salt + stream * 0xD1B54A32D192ED03) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return float((z ^ (z >> 31)) >> 11) / 2**53


def by_the_book(
    market: TinyMarket,
    days: DayBatch,
    rule: Rule,
    budget: float,
    first: bool,
    reference: NDArray[np.float64],
    shading: NDArray[np.float64],
    withheld: Withheld | None = None,
) -> tuple[dict[str, NDArray[np.float64]], list[list[float]]]:
    """The design's clearing, one auction after the other; also every auction's value per price."""
    log, rows = market.log, len(days)
    zeros = SlotTotals.zeros(rows, len(SEGMENTS), SOURCES)
    total = {f.name: getattr(zeros, f.name).astype(np.float64) for f in fields(SlotTotals)}
    ratios: list[list[float]] = [[] for _ in range(rows)]
    for b in range(rows):
        left, salt = budget, int(days.salt[b])
        held, late = (0.0, False) if withheld is None else (float(withheld.amount[b]), bool(withheld.rows[b]))
        for i in range(int(days.start[b, 0]), int(days.start[b, 0] + days.count[b, 0])):
            s, origin = int(log.segment[i]), int(log.source[i])
            if days.keep is not None and uniform(i, salt, 1) >= days.keep[b, 0, s]:
                continue
            if days.sources is not None and uniform(i, salt, 9) >= days.sources.keep[b, 0, origin]:
                continue
            scale = np.array([1.0, days.value_scale[b, 0, s], days.value_scale[b, 0, s]])
            v = np.array([log.exposure[i], log.interaction[i], log.conversion[i]]) * scale * days.calibration[b]
            true = np.array([log.true_exposure[i], log.true_interaction[i], log.true_conversion[i]]) * scale
            price = float(log.market_price[i] * days.price_scale[b, 0, s])
            bad, discount = bool(log.invalid[i]), 1.0
            if uniform(i, salt, 2) < days.invalid_share[b, 0]:
                bad, origin = True, int(days.invalid_source[b, 0])
            elif days.sources is not None:
                if uniform(i, salt, 7) < days.sources.viral_share[b, 0]:
                    origin = int(days.sources.viral_source[b, 0])
                else:
                    bad = bad or uniform(i, salt, 8) < days.sources.invalid_rate[b, origin]
            if rule.gate is not None:
                discount = rule.gate.multiplier[b, origin]
                total["source_auctions"][b, origin] += 1
                if discount == 0.0 or total["source_auctions"][b, origin] > rule.gate.quota[b, origin]:
                    total["source_refused"][b, origin] += 1
                    continue
            total["auctions"][b] += 1
            total["segment_auctions"][b, s] += 1
            total["requested"][b] += discount * v
            total["price_sum"][b] += price
            ratios[b].append(discount * float(reference[b] @ v) / price)
            bid = float(discount * (rule.multiplier[b, s] * (rule.alpha[b] @ v) + rule.beta[b, s]))
            if first:
                bid = float(shade(np.array(bid), shading, UNIT))
            a = min(bid, left - held)
            if a < price:
                continue
            cost = a if first else price
            left -= cost
            held += (a - cost) * late
            if not bad:
                total["true"][b] += true
            got, told = outcome(market, i, salt, true, bad, *fakes_of(days, b))
            total["invalid_wins"][b] += bad
            total["predicted"][b] += v
            total["realised"][b] += got
            for name, amount in (("wins", 1.0), ("spend", cost)):
                total[name][b] += amount
                total[f"segment_{name}"][b, s] += amount
                total[f"source_{name}"][b, origin] += amount
            total["committed"][b] += a
            total["source_predicted"][b, origin] += v[1]
            total["source_realised"][b, origin] += got[1]
            total["funnel"][b] += told
            total["source_exposed"][b, origin] += v[0]
            total["source_views"][b, origin] += told[0]
            total["source_events"][b, origin] += got[1] > 0
            total["source_converted"][b, origin] += got[2]
    return total, ratios


def fakes_of(days: DayBatch, b: int) -> tuple[float, float, bool]:
    """How often bots interact and view, relative to people, in row b; and whether anything is told at all."""
    if days.sources is None:
        return 0.0, INVALID_VIEWS, True
    return float(days.sources.fake[b, 0]), float(days.sources.fake[b, 1]), bool(days.sources.tracked[b, 0])


def outcome(
    market: TinyMarket,
    i: int,
    salt: int,
    true: NDArray[np.float64],
    bad: bool,
    fake_events: float,
    fake_views: float,
    tracked: bool,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What is told of a win: realised KPI (3,) and the funnel's events (7,)."""
    log, got, told = market.log, np.zeros(3), np.zeros(7)
    if not tracked:
        return got, told
    got[0] = true[0]
    often = fake_events if bad else 1.0
    if market.draws_outcomes:
        u, chance = uniform(i, salt, 5), true[0] * (fake_views if bad else 1.0)
        told[:2] = u < chance, u < chance * COMPLETION
        if uniform(i, salt, 3) < EVENT_PROBABILITY * often:
            got[1] = true[1] / EVENT_PROBABILITY
            told[2 + np.searchsorted(np.cumsum(KIND_SHARES)[:3], uniform(i, salt, 6), side="right")] = 1.0
        got[2] = float(uniform(i, salt, 4) >= 1.0 - true[2]) * (not bad)
    else:
        assert log.interacted is not None
        assert log.converted is not None
        got[1], got[2] = log.interacted[i] * (often > 0), log.converted[i] * (not bad)
    told[6] = got[2]
    return got, told


def some_rule(rows: int, scale: float) -> tuple[Rule, NDArray[np.float64]]:
    rng = np.random.default_rng(3)
    alpha = rng.uniform(0.3, 1, (rows, 3)) * np.array([1.0, 0.5, 3.0]) * scale
    multiplier, beta = rng.uniform(0.5, 1.5, (rows, len(SEGMENTS))), rng.uniform(0, 0.2, (rows, len(SEGMENTS)))
    return Rule(alpha, multiplier, beta), alpha * 0.7
