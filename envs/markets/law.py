"""The law of a synthetic market: how its levels vary, all but what a day will bring.

Levels are drawn from the market itself, thousands of days of them. A bidder does not know them; references and teachers
are told.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.errors import UnknownLaw
from bidpilot.envs.logs.auction_log import AuctionLog
from bidpilot.envs.markets.base import Market
from bidpilot.envs.markets.mixed import MixedMarket
from bidpilot.envs.synthetic.config import SyntheticConfig
from bidpilot.envs.synthetic.day_levels import PRICE, TRAFFIC, VALUE, DayLevels

_SEED = 0x1A3


class Nodes(NamedTuple):
    """How many levels stand for a law's distributions, and how many days these are taken from."""

    value: int  # of a block
    price: int  # at each of these
    traffic: int
    days: int


FINE: Final = Nodes(10, 6, 3, days=4096)
COARSE: Final = Nodes(5, 3, 2, days=1024)
"""A sixth of the work, for the many worlds of a mixture."""


@runtime_checkable
class LawfulMarket(Protocol):
    """A market whose law is known: one that levels can be drawn from."""

    @property
    def config(self) -> SyntheticConfig:
        """The market's parameters."""

    @property
    def log(self) -> AuctionLog:
        """Its auctions, at unit level."""

    @property
    def draws(self) -> int:
        """Standard uniforms that one day is made from."""

    @property
    def demand(self) -> NDArray[np.float64]:
        """Auctions (T,) that a slot has at level 1."""

    @property
    def price_curve(self) -> NDArray[np.float64]:
        """Price level (T,) of a slot where all others are 1."""

    def levels(self, uniforms: NDArray[np.float64]) -> DayLevels:
        """The levels of the days that are made from `uniforms`."""


@dataclass(frozen=True)
class Law:
    """How the levels of a market's days vary. Blocks are taken as independent of each other, given the day."""

    demand: NDArray[np.float64]  # (T,) auctions at level 1
    price_curve: NDArray[np.float64]  # (T,)
    level_slots: int  # slots of a block
    traffic_slots: int  # slots over which a traffic level lasts, within a block
    value: NDArray[np.float64]  # (K,) equally likely pairs of a block's value level ...
    price: NDArray[np.float64]  # (K,) ... and price level, relative to the day's
    traffic: NDArray[np.float64]  # (J,) equally likely levels of traffic, relative to the day's
    unshaken: NDArray[np.float64]  # (T,) share of the traffic of later blocks that shocks are expected to leave, from
    # those that have not begun before slot t; at a block's first slot it is one of the later ones

    @classmethod
    def of(cls, market: LawfulMarket, nodes: Nodes = FINE) -> Law:
        """The law of a market, from thousands of days of its levels."""
        config = market.config
        uniforms = np.random.default_rng(_SEED).random((nodes.days, market.draws))
        levels = market.levels(uniforms)
        block = np.s_[:, :: config.level_slots]
        value, price = (levels.now[k][block] / levels.lasting[k][block] for k in (VALUE, PRICE))
        calm = levels.now[TRAFFIC] / (levels.lasting[TRAFFIC] * levels.shock)
        traffic_slots = int(np.gcd(config.traffic_slots, config.level_slots))
        pairs = _nodes(value.ravel(), price.ravel(), nodes)
        return cls(
            demand=market.demand,
            price_curve=market.price_curve,
            level_slots=config.level_slots,
            traffic_slots=traffic_slots,
            value=pairs[0],
            price=pairs[1],
            traffic=_means(np.sort(calm[:, ::traffic_slots].ravel()), nodes.traffic),
            unshaken=_unshaken(levels.shock, market.demand, config.level_slots),
        )

    @property
    def slots(self) -> int:
        """Slots per day, T."""
        return len(self.demand)

    @property
    def blocks(self) -> int:
        """Blocks of a day."""
        return self.slots // self.level_slots


def _means(ordered: NDArray[np.float64], groups: int) -> NDArray[np.float64]:
    """Means (groups,) of equal parts of what is ordered; one where all is the same."""
    groups = groups if ordered[-1] - ordered[0] > 1e-9 else 1
    return np.array([part.mean() for part in np.array_split(ordered, groups)])


def _nodes(
    value: NDArray[np.float64], price: NDArray[np.float64], nodes: Nodes
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Equally likely pairs (K,) that stand for draws: by value, and by price among draws of like value."""
    values, prices = [], []
    spread = float(np.ptp(value)) > 1e-9, float(np.ptp(price)) > 1e-9
    for alike in np.array_split(np.argsort(value, kind="stable"), nodes.value if spread[0] else 1):
        by_price = alike[np.argsort(price[alike], kind="stable")]
        for part in np.array_split(by_price, nodes.price if spread[1] else 1):
            values.append(value[part].mean())
            prices.append(price[part].mean())
    return np.array(values), np.array(prices)


def _unshaken(shock: NDArray[np.float64], demand: NDArray[np.float64], level_slots: int) -> NDArray[np.float64]:
    """`Law.unshaken` (T,) from the shocks of days (D, T)."""
    share = np.ones(len(demand))
    for t in range(len(demand)):
        later = -(-t // level_slots) * level_slots
        calm = shock[:, t - 1] == 1.0 if t else np.ones(len(shock), np.bool_)
        if calm.any() and later < len(demand):
            share[t] = float((shock[calm, later:] @ demand[later:]).mean() / demand[later:].sum())
    return share


def law_known(market: Market) -> bool:
    """Whether the law of all of a market's days is known."""
    return all(isinstance(part, LawfulMarket) for part in _parts(market))


def lawful_markets(market: Market) -> tuple[LawfulMarket, ...]:
    """The markets that a market's days are of: those of a mixture, else itself.

    Raises:
        UnknownLaw: nobody knows the law of one of them.
    """
    lawful = tuple(part for part in _parts(market) if isinstance(part, LawfulMarket))
    if not law_known(market):
        raise UnknownLaw(
            f"nobody knows the law of {market.log.name}: its days are recorded or recombined. Be told it on a preset "
            "or a suite of the catalogue; on a log play `mpc_informed`, and learn from hindsight."
        )
    return lawful


def _parts(market: Market) -> tuple[Market, ...]:
    return market.markets if isinstance(market, MixedMarket) else (market,)
