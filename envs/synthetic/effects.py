"""Levels and shocks of synthetic days: whole-array functions of a day's uniforms, row by row."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from bidpilot.bidding.landscape.calendar import FIRST_MONDAY, WEEKDAYS, weekday_of
from bidpilot.envs.synthetic.config import SyntheticConfig
from bidpilot.envs.synthetic.draws import DayDraws, Matrix

Scores = NDArray[np.float64]
_WEEKS = 5000  # that dates are drawn from: so many that two training days hardly share one


def resampled_curve(curve: tuple[float, ...], slots: int) -> NDArray[np.float64]:
    """A day's curve at the centres of `slots` slots, (T,), mean 1; the day is taken as periodic."""
    values = np.array(curve, dtype=np.float64)
    if values.size != slots:
        centres = (np.arange(slots) + 0.5) / slots
        values = np.interp(centres, (np.arange(values.size) + 0.5) / values.size, values, period=1.0)
    return np.asarray(values / values.mean())


def jump_profile(jump: float, decay: float, level_slots: int) -> NDArray[np.float64]:
    """Price over a block's slots, (level_slots,), mean 1: a rise of `jump` that decays exponentially."""
    profile = 1.0 + jump * np.exp(-np.arange(level_slots) / decay)
    return np.asarray(profile / profile.mean())


def mean_one(scores: Scores, std: float) -> Scores:
    """Log-normal levels of mean 1 from normal scores."""
    return np.asarray(np.exp(std * scores - 0.5 * std * std))


def autocorrelated(scores: Scores, correlation: float) -> Scores:
    """Stationary first-order autoregression along the blocks, (B, K), with standard normal marginals."""
    if correlation == 0.0:
        return scores
    chained = scores.copy()
    for block in range(1, scores.shape[1]):  # a loop over at most T blocks, never over auctions
        chained[:, block] *= np.sqrt(1.0 - correlation**2)
        chained[:, block] += correlation * chained[:, block - 1]
    return chained


def spread_uniformly(scores: Scores, halfwidth: float) -> Scores:
    """Levels uniform in 1 - halfwidth .. 1 + halfwidth from normal scores."""
    return np.asarray(1.0 + halfwidth * (2.0 * ndtr(scores) - 1.0))


def drift(scores: Scores, std: float, slots: int) -> Scores:
    """Log-linear drift over the day, (B, T), from scores (B,); 1 in the middle of the day."""
    ramp = np.linspace(-0.5, 0.5, slots)
    return np.asarray(np.exp(std * scores[:, None] * ramp))


def window(place: Matrix, happens: NDArray[np.bool_], length: int, slots: int) -> NDArray[np.bool_]:
    """Mask (B, T) of `length` slots that start at a random slot of the day, on the days it happens."""
    first = np.floor(place * (slots - length + 1)).astype(np.int64)[:, None]
    slot = np.arange(slots)
    return np.asarray(happens[:, None] & (slot >= first) & (slot < first + length))


def block_levels(config: SyntheticConfig, draws: DayDraws, uniforms: Matrix) -> tuple[Matrix, Matrix]:
    """Value and price level per slot from the blocks' levels, (B, T) each.

    Value: a category factor times an own factor, both uniform around 1, as AuctionNet's simulator draws
    them anew for each block. Price: log-normal, correlated with the value level's normal score.
    """
    phi = config.level_autocorrelation
    category = autocorrelated(draws.normal(uniforms, "category"), phi)
    own = autocorrelated(draws.normal(uniforms, "own"), phi)
    value = spread_uniformly(category, config.value_category_halfwidth)
    value = value * spread_uniformly(own, config.value_own_halfwidth)

    weight = np.array([config.value_category_halfwidth, config.value_own_halfwidth])
    weight = weight / np.linalg.norm(weight) if weight.any() else np.array([1.0, 0.0])
    rho = config.value_price_level_correlation
    score = rho * (weight[0] * category + weight[1] * own)
    score += np.sqrt(1.0 - rho**2) * autocorrelated(draws.normal(uniforms, "block_price"), phi)
    price = mean_one(score, config.block_price_std)
    return np.repeat(value, config.level_slots, axis=1), np.repeat(price, config.level_slots, axis=1)


def platform_shock(config: SyntheticConfig, draws: DayDraws, uniforms: Matrix) -> Matrix:
    """Factor on traffic, (B, T): 1 before a random slot and, on shock days, 1 - depth from it on."""
    whether, where, how_deep = draws.uniform(uniforms, "platform_shock").T
    least, greatest = config.platform_shock_depth
    depth = np.where(whether < config.platform_shock_probability, least + (greatest - least) * how_deep, 0.0)
    first = np.floor(where * config.slots).astype(np.int64)
    return np.where(np.arange(config.slots) >= first[:, None], 1.0 - depth[:, None], 1.0)


def surge(config: SyntheticConfig, draws: DayDraws, uniforms: Matrix) -> Matrix:
    """Factor on market prices, (B, T), while competitors surge."""
    whether, where = draws.uniform(uniforms, "surge").T
    on = window(where, whether < config.surge_probability, config.surge_slots, config.slots)
    return np.where(on, config.surge_price_factor, 1.0)


def viral(config: SyntheticConfig, draws: DayDraws, uniforms: Matrix) -> Matrix:
    """Factor on traffic, (B, T), while a video is viral."""
    if config.viral_probability == 0.0:
        return np.ones((len(uniforms), config.slots))
    whether, where = draws.stream(uniforms, "viral", 2).T
    on = window(where, whether < config.viral_probability, config.viral_slots, config.slots)
    return np.where(on, config.viral_traffic_factor, 1.0)


def invalid_burst(
    config: SyntheticConfig, draws: DayDraws, uniforms: Matrix
) -> tuple[NDArray[np.float32], NDArray[np.int16]]:
    """Share (B, T) of auctions that a burst overlays as invalid, and the source (B, T) they come from."""
    whether, where = draws.uniform(uniforms, "burst").T
    happens = whether < config.invalid_burst_probability
    on = window(where, happens, config.invalid_burst_slots, config.slots)
    picks = np.floor(draws.uniform(uniforms, "burst_sources") * config.sources).astype(np.int16)
    turn = np.arange(config.slots) % config.invalid_burst_sources
    share = np.where(on, np.float32(config.invalid_burst_share), np.float32(0.0))
    return share, np.where(on, picks[:, turn], np.int16(0))


def dates(draws: DayDraws, uniforms: Matrix) -> NDArray[np.int64]:
    """Days since 1970 (B,), any within whole weeks of a century: nothing but their weekday matters."""
    day = np.floor(WEEKDAYS * _WEEKS * draws.stream(uniforms, "weekday", 1)[:, 0])
    return FIRST_MONDAY + day.astype(np.int64)


def weekly(config: SyntheticConfig, draws: DayDraws, uniforms: Matrix) -> Matrix:
    """Factor on traffic of the day's weekday, (B, 1)."""
    if not config.weekly_curve:
        return np.ones((len(uniforms), 1))
    curve = np.array(config.weekly_curve)
    return np.asarray((curve / curve.mean())[weekday_of(dates(draws, uniforms)), None])


def traffic(config: SyntheticConfig, draws: DayDraws, uniforms: Matrix) -> Matrix:
    """Auctions expected per slot relative to the demand curve, (B, T): day, week, drift, levels, shock, viral video."""
    level = spread_uniformly(
        autocorrelated(draws.normal(uniforms, "traffic"), config.level_autocorrelation),
        config.traffic_halfwidth,
    )
    factor = np.repeat(level, config.traffic_slots, axis=1)
    factor *= mean_one(draws.normal(uniforms, "day")[:, 2:], config.day_traffic_std)
    factor *= drift(draws.normal(uniforms, "drift")[:, 2], config.traffic_drift_std, config.slots)
    factor *= platform_shock(config, draws, uniforms)
    factor *= viral(config, draws, uniforms)
    factor *= weekly(config, draws, uniforms)
    return factor
