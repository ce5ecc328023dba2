"""What goes wrong on the game day: each fault with its slots, what tells of it, and how soon it must be told."""

from __future__ import annotations

from dataclasses import dataclass

from bidpilot.bidding.watch.alarm import Risk


@dataclass(frozen=True)
class Fault:
    """One fault. It is noticed where something of one of its risks is, from its first slot on to `bar` slots later."""

    name: str
    first: int  # slot
    last: int  # slot
    risks: tuple[Risk, ...]  # any of which tells of it
    bar: int  # slots from its first within which it must be noticed; those slots count from 1


@dataclass(frozen=True)
class Shock(Fault):
    """Traffic falls."""

    depth: float = 0.4  # share of the auctions


@dataclass(frozen=True)
class BotBurst(Fault):
    """A few sources send bots that look like good people, and bring nothing."""

    share: float = 0.4  # of all requests
    sources: tuple[int, ...] = (3, 11, 29)


@dataclass(frozen=True)
class Outage(Fault):
    """Nothing is told of what won exposures bring: no view, no interaction, no conversion."""


@dataclass(frozen=True)
class FullDisk(Fault):
    """What the bid server writes to its state folder fails: slots, gates, results and, where it is hit, the ledger."""


@dataclass(frozen=True)
class SilentExchange(Fault):
    """One exchange tells wins and bills none of them, until it is over: then it bills them all."""

    exchange: str = "quiet"


FAULTS: tuple[Fault, ...] = (
    SilentExchange("silent exchange", 6, 39, (Risk.exchange_not_billing,), bar=20),
    FullDisk("full disk", 8, 9, (Risk.store_failure,), bar=1),
    BotBurst("bot burst", 10, 15, (Risk.invalid_traffic,), bar=7),
    Outage("tracking outage", 20, 31, (Risk.tracking_outage, Risk.miscalibration), bar=10),
    Shock("traffic shock", 38, 47, (Risk.platform_shock,), bar=6),
)
"""The game day's, in the order in which they begin. What left its band is told once until it was calm for 16 slots, so
that the shock of requests comes longer than that after the burst of them."""
