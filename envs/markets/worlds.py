"""Worlds: markets drawn at random around a preset, inside of the support that policies train on or outside of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.errors import InvalidMarket
from bidpilot.envs.logs.day_batch import DayBatch
from bidpilot.envs.markets import support as table
from bidpilot.envs.markets.mixed import MixedMarket
from bidpilot.envs.markets.presets import preset_config
from bidpilot.envs.markets.support import Range, Support
from bidpilot.envs.synthetic import SyntheticMarket
from bidpilot.envs.synthetic.config import SyntheticConfig
from bidpilot.envs.synthetic.effects import resampled_curve

WORLDS = 64
"""Worlds of one mixture, and of the suite of this name."""
_HOURS = 24
_LOG_AUCTIONS = 40_000


def worlds_market(
    preset: str,
    seeds: np.random.SeedSequence,
    support: Support = Support.TRAINING,
    worlds: int = WORLDS,
    own_share: float = 0.5,
) -> MixedMarket:
    """Days of `preset` and of `worlds` markets drawn around it, which have equal shares of the rest.

    The first market is the preset itself, its log drawn from `seeds`, where it has a share; each world has its own.

    Args:
        preset: name of the market that worlds are drawn around.
        seeds: of the logs and of what is drawn; the same give the same days.
        support: which worlds are drawn.
        worlds: how many, at least 1.
        own_share: share of days that are the preset's own, in [0, 1).

    Raises:
        InvalidMarket: no such preset, no worlds, or a share out of range.
    """
    own = preset_config(preset)
    if worlds < 1 or not 0.0 <= own_share < 1.0:
        raise InvalidMarket(
            f"{worlds} worlds beside a share of {own_share:g} of own days: give at least one world, and a share in "
            "[0, 1)."
        )
    drawn = enumerate(drawn_worlds(own, seeds, support, worlds), start=1)
    markets = [SyntheticMarket(world, _spawned(seeds, k)) for k, world in drawn]
    shares = [(1.0 - own_share) / worlds] * worlds
    if own_share == 0.0:
        return MixedMarket(markets, shares)
    return MixedMarket([SyntheticMarket(own, seeds), *markets], [own_share, *shares])


def drawn_worlds(
    own: SyntheticConfig, seeds: np.random.SeedSequence, support: Support, worlds: int = WORLDS
) -> list[SyntheticConfig]:
    """What `worlds_market` draws around `own` from `seeds`."""
    rng = np.random.default_rng(_spawned(seeds, 0))
    return [drawn_world(own, support, rng) for _ in range(worlds)]


def _spawned(seeds: np.random.SeedSequence, k: int) -> np.random.SeedSequence:
    """Child k: 0 for what is drawn, the others for the worlds' logs; whatever `seeds` has spawned before."""
    return np.random.SeedSequence(seeds.entropy, spawn_key=(*seeds.spawn_key, k))


def days_in_turn(market: MixedMarket, uniforms: NDArray[np.float64], worlds: int = WORLDS) -> DayBatch:
    """Make B days from `uniforms` (B, draws) of so many worlds of equal shares: day d is of world d modulo `worlds`."""
    turn = (np.arange(len(uniforms)) % worlds + 0.5) / worlds
    return market.days(np.column_stack([turn, uniforms[:, 1:]]))


def drawn_world(own: SyntheticConfig, support: Support, rng: np.random.Generator) -> SyntheticConfig:
    """A market around `own`, by the ranges of `envs.markets.support`.

    A held-out world is drawn as a training world is; then one to three parameters are moved beyond, or it has two or
    three traits instead of at most one. Some have a demand curve that is outside too.
    """
    combined = support is Support.HELD_OUT and rng.random() < table.COMBINED_SHARE
    names = _several_traits(rng) if combined else _one_trait(rng)
    values = {"traffic_slots": int(rng.choice(table.TRAFFIC_SLOTS)), "demand_curve": _demand(own, rng)}
    values |= _drawn(own, table.TRAINING.items(), rng)
    for name in names:
        values |= _drawn(own, table.TRAITS[name].ranges.items(), rng)
    if support is Support.HELD_OUT and rng.random() < table.UNSEEN_DEMAND_SHARE:
        values["demand_curve"] = _unseen_demand(own, rng)
    if support is Support.HELD_OUT and not combined:
        values |= _beyond(own, rng)
    calibration = (*table.CALIBRATION_STD, values.pop("conversion_calibration_std"))
    told = {"log_auctions": _LOG_AUCTIONS, "calibration_std": calibration}
    return SyntheticConfig(**own.model_dump() | values | told)


def _drawn(own: SyntheticConfig, ranges: Iterable[tuple[str, Range]], rng: np.random.Generator) -> dict[str, Any]:
    """A value of each range, by parameter."""
    return {name: values.drawn(getattr(own, name, np.nan), rng) for name, values in ranges}


def _one_trait(rng: np.random.Generator) -> list[str]:
    """At most one trait, each with its share."""
    names, edges = list(table.TRAITS), np.cumsum([trait.share for trait in table.TRAITS.values()])
    return names[(first := int(np.searchsorted(edges, rng.random(), side="right"))) : first + 1]


def _several_traits(rng: np.random.Generator) -> list[str]:
    """Two or three of them."""
    return [str(name) for name in rng.choice(list(table.TRAITS), int(rng.integers(2, 4)), replace=False)]


def _beyond(own: SyntheticConfig, rng: np.random.Generator) -> dict[str, Any]:
    """One to three parameters that lie outside of what training has."""
    names = rng.choice(list(table.BEYOND), int(rng.integers(1, 1 + table.BEYOND_COUNT)), replace=False)
    chosen = ((str(name), table.BEYOND[name]) for name in names)
    return _drawn(own, ((name, ranges[rng.integers(len(ranges))]) for name, ranges in chosen), rng)


def _demand(own: SyntheticConfig, rng: np.random.Generator) -> tuple[float, ...]:
    """The preset's demand by hour; in most worlds to a power, rolled and times two harmonics."""
    given = table.TRAINING_DEMAND
    if rng.random() < given.own_share:
        return own.demand_curve
    log_demand = np.roll(given.power.drawn(1.0, rng) * _log_demand(own), rng.integers(_HOURS))
    for waves, most in enumerate(given.harmonics, start=1):
        log_demand += _wave(waves, rng.uniform(0.0, most), rng)
    return _mean_one(log_demand)


def _unseen_demand(own: SyntheticConfig, rng: np.random.Generator) -> tuple[float, ...]:
    """The preset's demand mirrored in time and rolled, or two equal peaks a day."""
    if rng.random() < 0.5:
        return _mean_one(_wave(2, table.TWO_PEAKS.drawn(1.0, rng), rng))
    mirrored = table.MIRRORED_POWER.drawn(1.0, rng) * _log_demand(own)[::-1]
    return _mean_one(np.roll(mirrored, rng.integers(_HOURS)))


def _log_demand(own: SyntheticConfig) -> NDArray[np.float64]:
    """Of the preset, by hour (24,)."""
    return np.log(resampled_curve(own.demand_curve, _HOURS))


def _wave(waves: int, amplitude: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """So many equal waves a day, by hour (24,), from a random hour on."""
    hours = 2.0 * np.pi * (np.arange(_HOURS) + 0.5) / _HOURS
    return amplitude * np.cos(waves * hours - rng.uniform(0.0, 2.0 * np.pi))


def _mean_one(log_demand: NDArray[np.float64]) -> tuple[float, ...]:
    demand = np.exp(log_demand)
    return tuple((demand / demand.mean()).tolist())
