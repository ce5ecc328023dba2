"""What synthetic days do to sources of traffic: bad ones, surging ones, redrawn volumes, and outages of tracking."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.errors import InvalidMarket
from bidpilot.envs.logs.day_batch import INVALID_VIEWS, SourceDays
from bidpilot.envs.synthetic.config import SyntheticConfig
from bidpilot.envs.synthetic.draws import DayDraws, Matrix
from bidpilot.envs.synthetic.effects import window

BAD_SOURCES_KEY: Final = 0xBAD  # of the stream that chooses a market's bad sources, beside that of its log


def touches_sources(config: SyntheticConfig) -> bool:
    """Whether any effect of this module is on."""
    chances = config.bad_source_share, config.viral_source_probability, config.outage_probability
    spreads = config.source_demand_std, config.source_drift_std
    return any((*chances, *spreads, config.fake_engagement)) or config.fake_views != INVALID_VIEWS


def bad_sources(
    config: SyntheticConfig, seed: np.random.SeedSequence, shares: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """The market's bad sources (C,): in random order as many as keep within their share of traffic.

    Args:
        seed: the market's; the same sources are bad on all of its days.
        shares: of traffic by source, (C,).

    Raises:
        InvalidMarket: every source sends more than the share asked for.
    """
    bad = np.zeros(shares.size, np.bool_)
    if config.bad_source_share == 0.0:
        return bad
    own = np.random.SeedSequence(seed.entropy, spawn_key=(*seed.spawn_key, BAD_SOURCES_KEY))
    total = 0.0
    for source in np.random.default_rng(own).permutation(np.flatnonzero(shares)):
        if total + shares[source] <= config.bad_source_share:
            bad[source] = True
            total += shares[source]
    if not bad.any():
        raise InvalidMarket(
            f"bad_source_share {config.bad_source_share:g} is below the {shares[shares > 0].min():.3g} of the smallest "
            "source: raise it, or give more sources"
        )
    return bad


def source_days(
    config: SyntheticConfig, draws: DayDraws, uniforms: Matrix, bad: NDArray[np.bool_]
) -> SourceDays | None:
    """What the days do to sources, of which some are `bad` (C,); None where no effect is on."""
    if not touches_sources(config):
        return None
    rows, rate = len(uniforms), np.where(bad, np.float32(config.bad_source_rate), np.float32(0.0))
    viral_share, viral_source = _surges(config, draws, uniforms)
    return SourceDays(
        viral_share=viral_share,
        viral_source=viral_source,
        invalid_rate=np.tile(rate, (rows, 1)),
        keep=_keep(config, draws, uniforms),
        fake=np.tile(np.array([config.fake_engagement, config.fake_views], np.float32), (rows, 1)),
        tracked=~_outage(config, draws, uniforms),
    )


def _surges(
    config: SyntheticConfig, draws: DayDraws, uniforms: Matrix
) -> tuple[NDArray[np.float32], NDArray[np.int16]]:
    """Share (B, T) of auctions that come from surging sources, and which source (B, T) that is."""
    drawn = draws.stream(uniforms, "viral_source", 2 + config.viral_sources)
    on = window(drawn[:, 1], drawn[:, 0] < config.viral_source_probability, config.viral_source_slots, config.slots)
    picks = np.floor(drawn[:, 2:] * config.sources).astype(np.int16)
    turn = np.arange(config.slots) % config.viral_sources
    share = np.where(on, np.float32(config.viral_source_share), np.float32(0.0))
    return share, np.where(on, picks[:, turn], np.int16(0))


def _keep(config: SyntheticConfig, draws: DayDraws, uniforms: Matrix) -> NDArray[np.float32]:
    """Share (B, T, C) of each source's auctions that arrive: all of the one whose volume grew most."""
    shape = len(uniforms), config.slots, config.sources
    if config.source_demand_std == config.source_drift_std == 0.0:
        return np.ones(shape, np.float32)
    level = config.source_demand_std * draws.stream_normal(uniforms, "source_demand", config.sources)
    change = config.source_drift_std * draws.stream_normal(uniforms, "source_drift", config.sources)
    ramp = np.linspace(-0.5, 0.5, config.slots)
    volume = (level[:, None, :] + change[:, None, :] * ramp[:, None]).astype(np.float32)  # log
    volume -= volume.max(axis=2, keepdims=True)
    return np.exp(volume, out=volume)


def _outage(config: SyntheticConfig, draws: DayDraws, uniforms: Matrix) -> NDArray[np.bool_]:
    """Slots (B, T) in which nothing is told of what wins bring."""
    whether, where = draws.stream(uniforms, "outage", 2).T
    return window(where, whether < config.outage_probability, config.outage_slots, config.slots)
