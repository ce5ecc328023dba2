"""The markets that the traffic protocol plays, each with the bar that the detector is held to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal

from bidpilot.bidding.campaign.campaign import Campaign, Delays
from bidpilot.envs import seeding
from bidpilot.envs.markets.presets import DAILY, INVALID, REDRAWN, VIRAL_ONE
from bidpilot.envs.synthetic.config import SyntheticConfig
from bidpilot.training.evaluation.catalogue import SUITES, SuiteRecord

DRAWN: Final = "drawn bursts"
DRAWS: Final = 8
"""Markets whose bursts are drawn; the days are shared out among them."""
SHARE: Final = (0.2, 0.6)
"""Range that the share of invalid auctions in a drawn burst comes from."""
SLOTS: Final = (4, 24)
"""Range of its length, slots, the ends among it."""
SOURCES: Final = (1, 8)
"""Range of the sources that take turns in it, the ends among it."""


@dataclass(frozen=True)
class Bar:
    """What the detector must reach: a share of the told filter's gain, or a change of mean R / R*."""

    least: float
    of: Literal["share", "change"]


@dataclass(frozen=True)
class Ground:
    """One row of the table: markets that are played as one, and the bar; None: it is only shown."""

    name: str
    records: tuple[SuiteRecord, ...]
    bar: Bar | None


def grounds(seed: int) -> list[Ground]:
    """Every row of the table; `seed` draws the bursts of the row that has them drawn."""
    bursts = ((5, 5), (10, 10), (20, 19), (30, 29))  # per cent of the day, slots of 48
    return [
        Ground("invalid", (SUITES["invalid"],), Bar(0.75, "share")),
        *(Ground(f"burst {share} %", (_daily(f"burst {share} %", _burst(slots)),), _SHARE) for share, slots in bursts),
        Ground(DRAWN, _drawn(seed), _SHARE),
        Ground("6 slots late", (_late(6),), Bar(0.60, "share")),
        Ground("stealth", (SUITES["stealth"],), Bar(0.40, "share")),
        Ground("bots", (SUITES["bots"],), Bar(0.0, "change")),
        Ground("persistent", (SUITES["persistent"],), Bar(0.02, "change")),
        Ground("daily", (SUITES["daily"],), Bar(-0.0005, "change")),
        Ground("steady", (SUITES["steady"],), Bar(-0.0005, "change")),
        Ground("shift", (SUITES["shift"],), Bar(-0.002, "change")),
        Ground("redrawn 0.5", (_daily("redrawn", REDRAWN),), Bar(-0.001, "change")),
        Ground("redrawn 0.8", (_daily("redrawn widely", _changed(REDRAWN, source_demand_std=0.8)),), None),
        Ground("one viral source", (_daily("one viral source", VIRAL_ONE),), Bar(-0.012, "change")),
        Ground("three viral sources", (SUITES["viral"],), Bar(-0.025, "change")),
        Ground("outage", (_daily("outage", _changed(INVALID, outage_probability=1.0)),), None),
    ]


_SHARE: Final = Bar(0.75, "share")


def _daily(name: str, market: SyntheticConfig) -> SuiteRecord:
    """A market under the forecast of `daily`, with days of its own name."""
    return replace(SUITES["daily"], name=f"traffic {name}", market=market)


def _burst(slots: int, share: float = 0.5, sources: int = DAILY.invalid_burst_sources) -> SyntheticConfig:
    """`daily` with a burst every day; nothing else is invalid."""
    return _changed(
        DAILY,
        invalid_burst_probability=1.0,
        invalid_burst_share=share,
        invalid_burst_slots=slots,
        invalid_burst_sources=sources,
    )


def _changed(market: SyntheticConfig, **changes: float) -> SyntheticConfig:
    """A market with other parameters."""
    return SyntheticConfig(**market.model_dump() | changes)


def _late(slots: int) -> SuiteRecord:
    """The suite `invalid`, with views and interactions told late; wins are told at once."""
    (campaign,) = SUITES["invalid"].campaigns
    told = Campaign.model_validate(campaign.model_dump() | {"delays": Delays(interactions=slots)})
    return replace(SUITES["invalid"], campaigns=(told,))


def _drawn(seed: int) -> tuple[SuiteRecord, ...]:
    """Markets with a burst of a size, length and number of sources from the stated ranges."""
    generator = seeding.stream(seeding.suite_domain(f"traffic {DRAWN}"), seed)
    records = []
    for k in range(DRAWS):
        share = round(float(generator.uniform(*SHARE)), 3)
        slots, sources = (int(generator.integers(low, high + 1)) for low, high in (SLOTS, SOURCES))
        records.append(_daily(f"{DRAWN} {k}", _burst(slots, share, sources)))
    return tuple(records)
