"""Generate the synthetic log: users, content and publishers, the funnel, and log-normal prices."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.errors import InvalidMarket
from bidpilot.envs.logs.auction_log import AuctionLog, DayRecord
from bidpilot.envs.synthetic.config import SyntheticConfig

Column = NDArray[np.float32]

CHANNELS: Final = ("feed", "search", "challenge", "external")
TIERS: Final = ("head", "tail")
USERS: Final = ("new", "active", "loyal", "dormant")
SEGMENTS: Final = tuple(f"{channel}/{tier}" for channel in CHANNELS for tier in TIERS)

# Relative levels are assumptions (no public log names such segments): search users intend to buy and
# cost more, challenges engage but convert little, external traffic is cheap and poor; long-tail content
# is cheaper and a little weaker. Shifts of logarithms, except quality (shift of a logit).
CHANNEL_PRICE: Final = (0.05, 0.25, -0.05, -0.35)
CHANNEL_QUALITY: Final = (0.10, 0.00, 0.25, -0.55)
CHANNEL_VALUE: Final = (0.00, 0.40, -0.30, -0.30)
TIER_PRICE: Final = (0.06, -0.18)
TIER_QUALITY: Final = (0.05, -0.15)
TIER_VALUE: Final = (0.02, -0.06)
USER_PRICE: Final = (0.15, 0.00, 0.10, -0.30)
USER_VALUE: Final = (-0.10, 0.00, 0.35, -0.40)

# The funnel, in logits at average quality (assumptions, of the order that video platforms report).
PLAY_LOGIT: Final = 0.3  # a 3-second play follows an exposure
COMPLETION_LOGIT: Final = -0.8  # a completion follows a play
RESPONSE_LOGITS: Final = (-3.0, -5.0, -4.8, -5.3)  # like, comment, share, follow after a play
CONVERSION_CAP: Final = 0.25  # levels multiply conversions by up to about 3: the product stays below 1


class Audience(NamedTuple):
    """Who and what each auction is about, and the shifts that follow from it."""

    segment: NDArray[np.int16]  # (N,)
    source: NDArray[np.int16]  # (N,)
    price_shift: Column  # (N,) of the log market price
    value_shift: Column  # (N,) of the log conversion propensity
    quality_shift: Column  # (N,) of the logit of a play


def segment_shares(config: SyntheticConfig) -> NDArray[np.float64]:
    """Share of auctions per segment, (S,), in the order of `SEGMENTS`."""
    tiers = np.array([1.0 - config.tail_share, config.tail_share])
    return np.outer(config.channel_shares, tiers).ravel()


def residual_price_std(config: SyntheticConfig) -> float:
    """Standard deviation of the log price that segments and users leave over of `price_log_std`.

    Raises `InvalidMarket` when they spread prices more than `price_log_std`.
    """
    shares, user_shares = segment_shares(config), np.array(config.user_shares)
    segment = _centred(_segment_table(CHANNEL_PRICE, TIER_PRICE), shares, config.segment_spread)
    user = _centred(np.array(USER_PRICE), user_shares, config.user_spread)
    explained = float(shares @ segment**2 / shares.sum() + user_shares @ user**2 / user_shares.sum())
    if explained > config.price_log_std**2:
        raise InvalidMarket(
            f"price_log_std {config.price_log_std:g} is below the {explained**0.5:.3g} that segments and "
            "users spread: raise it, or lower segment_spread and user_spread"
        )
    return float(np.sqrt(config.price_log_std**2 - explained))


def generate_log(config: SyntheticConfig, rng: np.random.Generator, name: str) -> AuctionLog:
    """Draw the log's N auctions, all at unit level; realised outcomes are left to be drawn per day.

    Raises `InvalidMarket` when segments and users spread prices more than `price_log_std` allows.
    """
    residual_price_std(config)  # an impossible spread fails before any work
    audience = _draw_audience(config, rng)
    propensity = rng.standard_normal(config.log_auctions, dtype=np.float32)
    price = _draw_prices(config, rng, audience, propensity)
    exposure, interaction, conversion = _draw_funnel(config, rng, audience, propensity)
    true = [
        _true_expectation(rng, column, spread, cap)
        for column, spread, cap in zip(
            (exposure, interaction, conversion),
            config.prediction_noise,
            (1.0, np.inf, CONVERSION_CAP),
            strict=True,
        )
    ]
    notes = ("synthetic, at unit level: days are windows with levels",)
    price, exposure, interaction, conversion, *true = _together(price, exposure, interaction, conversion, *true)
    return AuctionLog(
        name=name,
        market_price=price,
        exposure=exposure,
        interaction=interaction,
        conversion=conversion,
        true_exposure=true[0],
        true_interaction=true[1],
        true_conversion=true[2],
        segment=audience.segment,
        source=audience.source,
        invalid=_draw_invalid(config, rng, audience.source),
        interacted=None,
        converted=None,
        offsets=np.linspace(0, config.log_auctions, config.slots + 1).astype(np.int64)[None, :],
        days=(DayRecord("unit level", name, config.budget, config.conversion_value),),
        segments=SEGMENTS,
        sources=config.sources,
        notes=notes if any(config.prediction_noise) else (*notes, "true = predicted"),
    )


def _together(*columns: Column) -> list[Column]:
    """The columns in one allocation, which systems back with large pages; one given twice stays one.

    Days are read at random places of the log: with small pages, finding them took a twentieth of a step.
    """
    distinct = {id(column): column for column in columns}
    rows = dict(zip(distinct, np.stack(list(distinct.values())), strict=True))
    return [rows[id(column)] for column in columns]


def _pick(rng: np.random.Generator, shares: NDArray[np.float64], n: int) -> NDArray[np.int16]:
    """Draw n categories with these shares."""
    edges = (np.cumsum(shares)[:-1] / np.sum(shares)).astype(np.float32)
    return np.searchsorted(edges, rng.random(n, dtype=np.float32), side="right").astype(np.int16)


def _centred(table: NDArray[np.float64], shares: NDArray[np.float64], scale: float) -> Column:
    """A table of shifts with mean zero under the shares, times `scale`."""
    return np.asarray(scale * (table - table @ shares / shares.sum()), dtype=np.float32)


def _segment_table(channel: tuple[float, ...], tier: tuple[float, ...]) -> NDArray[np.float64]:
    return np.add.outer(channel, tier).ravel()


def _draw_audience(config: SyntheticConfig, rng: np.random.Generator) -> Audience:
    n = config.log_auctions
    shares, user_shares = segment_shares(config), np.array(config.user_shares)
    segment, user = _pick(rng, shares, n), _pick(rng, user_shares, n)

    def shift(by_segment: NDArray[np.float64], by_user: tuple[float, ...]) -> Column:
        first = _centred(by_segment, shares, config.segment_spread)
        second = _centred(np.array(by_user), user_shares, config.user_spread)
        table: Column = np.add.outer(first, second).ravel()
        return np.take(table, segment * np.int16(len(USERS)) + user)

    none = (0.0,) * len(USERS)
    return Audience(
        segment=segment,
        source=_draw_sources(config, rng, segment),
        price_shift=shift(_segment_table(CHANNEL_PRICE, TIER_PRICE), USER_PRICE),
        value_shift=shift(_segment_table(CHANNEL_VALUE, TIER_VALUE), USER_VALUE),
        quality_shift=shift(_segment_table(CHANNEL_QUALITY, TIER_QUALITY), none),
    )


def _draw_sources(config: SyntheticConfig, rng: np.random.Generator, segment: NDArray[np.int16]) -> NDArray[np.int16]:
    """Publisher clusters belong to one channel each; their shares within it fall as 1 / rank."""
    channels = len(CHANNELS)
    ranks = config.sources // channels  # sources beyond a multiple of the channels appear in bursts alone
    rank = _pick(rng, 1.0 / np.arange(1, ranks + 1), config.log_auctions)
    return (rank * np.int16(channels) + segment // np.int16(len(TIERS))).astype(np.int16)


def _draw_prices(config: SyntheticConfig, rng: np.random.Generator, audience: Audience, propensity: Column) -> Column:
    """Log-normal prices with the log-std asked for in all, and the correlation within segments."""
    rho = np.float32(config.value_price_correlation)
    noise = rng.standard_normal(config.log_auctions, dtype=np.float32)
    noise = rho * propensity + np.sqrt(1 - rho * rho) * noise
    price = np.exp(audience.price_shift + np.float32(residual_price_std(config)) * noise)
    return _scaled_to_mean(price, config.price_level)


def _draw_funnel(
    config: SyntheticConfig, rng: np.random.Generator, audience: Audience, propensity: Column
) -> tuple[Column, Column, Column]:
    """Predicted exposure, interaction and conversion, from play to conversion."""
    n = config.log_auctions
    quality = audience.quality_shift + np.float32(0.8) * rng.standard_normal(n, dtype=np.float32)
    warmth = np.float32(0.4) * quality + np.float32(0.8) * rng.standard_normal(n, dtype=np.float32)
    play = _logistic(quality + np.float32(PLAY_LOGIT))
    completion = play * _logistic(warmth + np.float32(COMPLETION_LOGIT))
    sentiment = _logistic(warmth + np.float32(0.5))
    freshness = rng.random(n, dtype=np.float32)
    exposure = 0.4 * play + 0.3 * completion + 0.2 * sentiment + 0.1 * freshness

    responses = completion * np.float32(config.kpi_weights[-1])
    for weight, logit in zip(config.kpi_weights, RESPONSE_LOGITS, strict=False):
        responses += np.float32(weight) * play * _logistic(warmth + np.float32(logit))

    desire = audience.value_shift + np.float32(config.conversion_log_std) * propensity
    conversion = _scaled_to_mean(play * np.exp(desire), config.conversion_rate)
    np.minimum(conversion, np.float32(CONVERSION_CAP), out=conversion)
    return exposure.astype(np.float32), responses.astype(np.float32), conversion


def _true_expectation(rng: np.random.Generator, predicted: Column, spread: float, cap: float) -> Column:
    """The truth scatters around the prediction with mean one, so that the prediction is calibrated."""
    if spread == 0.0:
        return predicted
    noise = np.float32(spread) * rng.standard_normal(predicted.size, dtype=np.float32)
    true: Column = predicted * np.exp(noise - np.float32(spread * spread / 2))
    np.minimum(true, np.float32(cap), out=true)
    return true


def _draw_invalid(config: SyntheticConfig, rng: np.random.Generator, source: NDArray[np.int16]) -> NDArray[np.bool_]:
    """Invalid auctions, each source with its own rate (exponential over sources, mean kept)."""
    if config.invalid_rate == 0.0:
        return np.zeros(source.size, dtype=np.bool_)
    weight = rng.exponential(size=config.sources)
    share = np.bincount(source, minlength=config.sources) / source.size
    rate = np.minimum(config.invalid_rate * weight / (share @ weight), 0.95)
    return np.asarray(rng.random(source.size, dtype=np.float32) < rate.astype(np.float32)[source])


def _logistic(logit: Column) -> Column:
    return np.asarray(1.0 / (1.0 + np.exp(-logit)), dtype=np.float32)


def _scaled_to_mean(column: Column, mean: float) -> Column:
    """Scale in place, so that logs of any seed have the same level."""
    column *= np.float32(mean / column.mean(dtype=np.float64))
    return column
