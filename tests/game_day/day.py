"""The simulated day: its auctions drawn once, with what each would bring, and the same day with faults in it."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from bidpilot.envs import seeding
from bidpilot.envs.clearing.day import materialise
from bidpilot.envs.markets.defaults import preset_market
from tests.game_day.faults import BotBurst, Fault, Shock

EXCHANGES = ("north", "south", "quiet")
_SHARES = (0.28, 0.27, 0.45)  # of the auctions
_CHEAP = 0.8  # price of a bot's auction, of the one that it apes


@dataclass(frozen=True)
class Auctions:
    """N auctions of one day in arrival order, and what each brings if it is won."""

    slot: NDArray[np.int64]  # (N,)
    segment: NDArray[np.int64]  # (N,)
    source: NDArray[np.int64]  # (N,)
    exchange: NDArray[np.int64]  # (N,) number in `EXCHANGES`
    price: NDArray[np.float64]  # (N,) market price, currency
    predicted: NDArray[np.float64]  # (N, 3)
    true: NDArray[np.float64]  # (N, 3) expected; 0 for bots
    bot: NDArray[np.bool_]  # (N,)
    viewed: NDArray[np.bool_]  # (N,)
    interacted: NDArray[np.float64]  # (N,)
    converted: NDArray[np.float64]  # (N,)

    def __len__(self) -> int:
        return len(self.slot)

    def kept(self, which: NDArray[np.bool_] | NDArray[np.int64]) -> Auctions:
        """Some of them, in the order given."""
        return Auctions(**{f.name: getattr(self, f.name)[which] for f in fields(self)})

    def and_then(self, others: Auctions) -> Auctions:
        """With others among them, which come after those of the same slot are shuffled in by time."""
        return Auctions(
            **{f.name: np.concatenate([getattr(self, f.name), getattr(others, f.name)]) for f in fields(self)}
        )


def draw(seed: int) -> Auctions:
    """A held-back day of the preset `daily`: the same of the same seed."""
    market = preset_market()
    rng = seeding.stream(seeding.VALIDATION, 7000 + seed)
    day = materialise(market, market.days(rng.random((1, market.draws))), 0)
    size, true = len(day.slot), np.asarray(day.true, np.float64)
    return Auctions(
        slot=day.slot.astype(np.int64),
        segment=day.segment.astype(np.int64),
        source=day.source.astype(np.int64),
        exchange=rng.choice(len(EXCHANGES), size, p=_SHARES),
        price=np.asarray(day.price, np.float64),
        predicted=np.asarray(day.predicted, np.float64),
        true=true,
        bot=np.zeros(size, np.bool_),
        viewed=rng.random(size) < true[:, 0],
        interacted=true[:, 1] * rng.exponential(1.0, size),
        converted=(rng.random(size) < true[:, 2]).astype(np.float64),
    )


def with_faults(day: Auctions, faults: tuple[Fault, ...], seed: int) -> Auctions:
    """The same day with the faults that change its auctions; those of the others stay as they are."""
    time = day.slot + np.random.default_rng([seed, 11]).random(len(day))  # within a slot in the order of arrival
    for slot in np.unique(day.slot):
        here = day.slot == slot
        time[here] = np.sort(time[here])
    keep = np.ones(len(day), np.bool_)
    extra: list[tuple[Auctions, NDArray[np.float64]]] = []
    for fault in faults:
        rng = np.random.default_rng([seed, 12, fault.first])  # its own, whatever other faults there are
        hit = (day.slot >= fault.first) & (day.slot <= fault.last)
        if isinstance(fault, Shock):
            keep &= ~hit | (rng.random(len(day)) >= fault.depth)
        elif isinstance(fault, BotBurst):
            extra.append(_bots(day, np.flatnonzero(hit), fault, rng))
    found, times = day.kept(keep), time[keep]
    for bots, when in extra:
        found, times = found.and_then(bots), np.concatenate([times, when])
    return found.kept(np.argsort(times, kind="stable"))


def _bots(
    day: Auctions, hit: NDArray[np.int64], fault: BotBurst, rng: np.random.Generator
) -> tuple[Auctions, NDArray[np.float64]]:
    """Auctions that ape good ones of the same slots, from a few sources, and when they come."""
    share = fault.share / (1.0 - fault.share)  # of people's auctions, so that bots are `share` of all
    value = day.predicted[hit, 2] / day.price[hit]
    picked = np.sort(rng.choice(hit, int(share * len(hit)), p=value / value.sum()))
    apes = day.kept(picked)
    size = len(apes)
    bots = replace(
        apes,
        source=rng.choice(np.array(fault.sources), size),
        exchange=np.zeros(size, np.int64),
        price=_CHEAP * apes.price,
        true=np.zeros((size, 3)),
        bot=np.ones(size, np.bool_),
        viewed=np.zeros(size, np.bool_),
        interacted=np.zeros(size),
        converted=np.zeros(size),
    )
    return bots, bots.slot + rng.random(size)
