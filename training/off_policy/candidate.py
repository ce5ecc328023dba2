"""A candidate on served days: what it would have spent and brought, day by day."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.envs.logs.auction_log import AuctionLog, DayRecord
from bidpilot.envs.markets.recorded.replay import RecordedMarket
from bidpilot.training.experiments.arms import Arm
from bidpilot.training.off_policy.estimators import Array, Estimated, effective_share, estimate, importance
from bidpilot.training.off_policy.overlap import Overlap
from bidpilot.training.off_policy.path import Path, play
from bidpilot.training.off_policy.prices import Prices, fit_prices
from bidpilot.training.off_policy.served import NotEstimable, ServedLog

COPIES: Final = 4
"""Times that unknown prices are drawn."""
MOST_WEIGHT: Final = 20.0
"""Importance weights are cut there."""


@dataclass(frozen=True)
class Candidate:
    """What is estimated."""

    forecast: Forecast
    campaign: Campaign  # budget and worth of a conversion are the days' own
    arm: Arm


@dataclass(frozen=True)
class Days:
    """D days of a candidate, estimated. Money in currency, KPIs predicted of what it would have won."""

    spend: Array  # (D,)
    kpi: Array  # (D, 3)
    beyond_spend: Array  # (D,) what of it the model alone answers for
    beyond_kpi: Array  # (D, 3)
    ideal: Array  # (D, 3) the campaign's ideal point
    overlap: Overlap


def estimated_days(
    served: ServedLog,
    candidate: Candidate,
    rng: np.random.Generator,
    copies: int = COPIES,
    most_weight: float = MOST_WEIGHT,
) -> Days:
    """Play a candidate on the log's days, and mend what it brings there by what exploration tells.

    Prices that the log does not tell are drawn from the landscape, above the bid that was lost, `copies` times, and
    all copies of all days are played side by side; then the difference of the doubly robust estimate to what the log
    and the model say is added, auction by auction, for the bids of each copy (`training.off_policy.estimators`). The
    course of a candidate's own day follows the drawn prices; the difference takes its rules as given.

    Raises:
        NotEstimable: the log has other segments or slots than the candidate's forecast.
    """
    forecast = candidate.forecast
    if served.segments != forecast.segments or served.slots != forecast.slots:
        raise NotEstimable(
            f"the log has {len(served.segments)} segments and {served.slots} slots, and the candidate's forecast "
            f"{len(forecast.segments)} and {forecast.slots} of its own. Give a bundle for what was served."
        )
    prices = fit_prices(forecast, served)
    path = _played(served, candidate, prices, copies, rng)
    count = len(served.budget)
    mended, beyond = np.zeros((2, count, 4))
    overlaps = []
    for copy in range(copies):
        bids = path.bids(served.slot, copy * count + served.day, served.value, served.segment, served.source)
        found = estimate(bids, served.tries, prices.mean, most_weight)
        mended += _totals(served, found.robust - found.plain) / copies
        beyond += _totals(served, found.beyond) / copies
        overlaps.append(_overlap(served, bids, found))
    own = np.column_stack([path.spend, path.kpi]).reshape(copies, count, 4).mean(axis=0) + mended
    return Days(own[:, 0], own[:, 1:], beyond[:, 0], beyond[:, 1:], path.ideal[:count], Overlap.mean(overlaps))


def _totals(served: ServedLog, amount: Array) -> Array:
    """(D, 4) cost and KPIs of wins and cost (N, 2)."""
    return served.by_day(np.column_stack([amount[:, 1], amount[:, :1] * served.value]))


def _overlap(served: ServedLog, bids: Array, found: Estimated) -> Overlap:
    wins = max(float(found.robust[:, 0].sum()), 1e-12)
    highest = served.tries.levels[:, -1] * (1.0 + 1e-9)
    return Overlap(
        days=len(served.budget),
        beyond=float(found.beyond[:, 0].sum()) / wins,
        outside=float((bids > highest).mean()),
        effective=effective_share(importance(bids / (1.0 + 1e-9), served.tries)),
    )


def _played(served: ServedLog, candidate: Candidate, prices: Prices, copies: int, rng: np.random.Generator) -> Path:
    """The candidate on copies of the log whose unknown prices are drawn."""
    known = np.isfinite(served.price)
    drawn = []
    for _ in range(copies):
        price = prices.drawn(rng).draw(served.tries.made, rng.random(len(known)))
        drawn.append(np.where(known, served.price, price).astype(np.float32))
    log = _log(served, np.concatenate(drawn), copies, candidate.forecast)
    market = RecordedMarket(log, level_slots=candidate.forecast.level_slots)
    days = market.recorded(np.arange(log.n_days))
    told = candidate.campaign.model_copy(update={"feedback": "full" if known.all() else "won_only"})
    campaigns = CampaignBatch.repeat(told, log.n_days, days.budget, days.conversion_value)
    return play(market, days, candidate.forecast, campaigns, candidate.arm)


def _log(served: ServedLog, price: NDArray[np.float32], copies: int, forecast: Forecast) -> AuctionLog:
    """The log `copies` times over, with these prices (copies N,)."""
    value = np.tile(served.value.astype(np.float32), (copies, 1))
    kpi = [np.ascontiguousarray(value[:, j]) for j in range(3)]
    n = len(served.won)
    sources = int(served.source.max()) + 1 if forecast.source_share is None else len(forecast.source_share)
    days = [
        DayRecord(f"{date}, copy {copy}", date, float(budget), float(worth))
        for copy in range(copies)
        for date, budget, worth in zip(served.dates, served.budget, served.worth, strict=True)
    ]
    return AuctionLog(
        name=served.name,
        market_price=price,
        exposure=kpi[0],
        interaction=kpi[1],
        conversion=kpi[2],
        true_exposure=kpi[0],
        true_interaction=kpi[1],
        true_conversion=kpi[2],
        segment=np.tile(served.segment.astype(np.int16), copies),
        source=np.tile(np.minimum(served.source, sources - 1).astype(np.int16), copies),
        invalid=np.zeros(copies * n, np.bool_),
        interacted=None,
        converted=None,
        offsets=np.concatenate([served.offsets + copy * n for copy in range(copies)]),
        days=tuple(days),
        segments=served.segments,
        sources=sources,
    )
