"""The levels of days whose blocks are independent: those that happened, and the law that they are drawn from.

R / R* weighs a day by 1 / R*, which is known at its end alone. To bound its mean, the weight is written as a level of
the day times a factor for each block, fitted to days of a stream of their own, times a rest near 1. Factors have mean
1 under the law, so that their product is a martingale: they are a change of measure, under which blocks stay
independent. The rest is left to hindsight.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import qmc

from bidpilot.bidding.errors import NoLimit
from bidpilot.envs.synthetic import effects
from bidpilot.envs.synthetic.config import SyntheticConfig
from bidpilot.envs.synthetic.day_levels import PRICE, TRAFFIC, VALUE, DayLevels
from bidpilot.envs.synthetic.draws import DayDraws

NODES: Final = 4096
"""Nodes of a block's joint law, a power of two: below a thousandth of a spread remains of a mean's error."""
_TRAFFIC_NODES = 6
_SEED = 0x11417
_OFF: Final = (
    "value_drift_std",
    "price_drift_std",
    "traffic_drift_std",
    "level_autocorrelation",
    "segment_demand_std",
    "segment_price_std",
    "platform_shock_probability",
    "surge_probability",
    "viral_probability",
    "viral_source_probability",
    "invalid_rate",
    "invalid_burst_probability",
    "bad_source_share",
    "source_demand_std",
    "source_drift_std",
    "outage_probability",
)
"""Effects that the law of independent blocks does not hold: they must be off."""

Matrix = NDArray[np.float64]


def check_law(name: str, config: SyntheticConfig) -> None:
    """Refuse a market whose blocks are not independent given the day.

    Raises:
        NoLimit: says which effects are on.
    """
    on = [effect for effect in _OFF if getattr(config, effect) != 0.0]
    if on:
        raise NoLimit(
            f"the limit on {name} is not known: its days have {', '.join(on)}, and the bound is for blocks that are "
            "independent of each other. Use daily or steady."
        )
    if config.level_slots % config.traffic_slots:
        raise NoLimit(
            f"the limit on {name} is not known: a traffic level lasts {config.traffic_slots} slots and a block "
            f"{config.level_slots}. Use a market whose blocks hold whole traffic levels."
        )


@dataclass(frozen=True)
class BlockLevels:
    """Levels of N days with K blocks; those of blocks are relative to the day's."""

    day: Matrix  # (N, 3) value, price, traffic
    value: Matrix  # (N, K)
    price: Matrix  # (N, K)
    traffic: Matrix  # (N, K, G) of each of a block's traffic levels

    @classmethod
    def of(cls, config: SyntheticConfig, levels: DayLevels) -> BlockLevels:
        """The same in the shape of blocks."""
        relative = levels.now / levels.lasting
        blocks = config.slots // config.level_slots
        return cls(
            day=levels.lasting[:, :, 0].T.copy(),
            value=relative[VALUE, :, :: config.level_slots].copy(),
            price=relative[PRICE, :, :: config.level_slots].copy(),
            traffic=relative[TRAFFIC, :, :: config.traffic_slots].reshape(len(levels.shock), blocks, -1),
        )


@dataclass(frozen=True)
class Nodes:
    """What stands for the law of a block: value, price and first traffic level jointly, later traffic levels alone."""

    value: Matrix  # (M,) of equal weight, a low-discrepancy sequence of the scores that levels are made from
    price: Matrix  # (M,)
    first: Matrix  # (M,)
    traffic: Matrix  # (J,) nodes of Gauss and Legendre
    weight: Matrix  # (J,) sums to 1

    @classmethod
    def of(cls, config: SyntheticConfig, count: int = NODES) -> Nodes:
        """`count` joint nodes, a power of two, of a market's configuration; one where no level varies."""
        draws = DayDraws(slots=config.level_slots, blocks=1, half_blocks=1, segments=1, burst_sources=1)
        uniforms = np.full((count, draws.total), 0.5)
        sequence = qmc.Sobol(4, rng=np.random.default_rng(_SEED)).random(count)
        for name, column in zip(("category", "own", "block_price", "traffic"), sequence.T, strict=True):
            draws.uniform(uniforms, name)[:, 0] = column
        value, price = (level[:, 0] for level in effects.block_levels(config, draws, uniforms))
        first = effects.spread_uniformly(draws.normal(uniforms, "traffic")[:, 0], config.traffic_halfwidth)
        if all(np.ptp(level) == 0.0 for level in (value, price, first)):
            value, price, first = value[:1], price[:1], first[:1]
        place, weight = np.polynomial.legendre.leggauss(_TRAFFIC_NODES if config.traffic_halfwidth else 1)
        return cls(value, price, first, 1.0 + config.traffic_halfwidth * place, weight / 2.0)


@dataclass(frozen=True)
class Tilt:
    """The change of measure by 1 / R*."""

    day: Matrix  # (F,) coefficients of a day's features
    block: Matrix  # (K, E) of a block's value, price and first traffic level
    traffic: Matrix  # (K, G - 1, 3) of later traffic levels

    @classmethod
    def fitted(cls, levels: BlockLevels, weight: Matrix) -> Tilt:
        """The logarithm of `weight` (N,) by least squares on features of the levels of N days."""
        rows, blocks = levels.value.shape
        first = _block_features(levels.value, levels.price, levels.traffic[:, :, 0])  # (N, K, E)
        later = _traffic_features(levels.value[:, :, None], levels.traffic[:, :, 1:])  # (N, K, G - 1, 3)
        columns = [_day_features(levels.day), first.reshape(rows, -1), later.reshape(rows, -1)]
        found = np.linalg.lstsq(np.concatenate(columns, axis=1), np.log(weight), rcond=None)[0]
        day, block, traffic = np.split(found, np.cumsum([c.shape[1] for c in columns])[:-1])
        return cls(day, block.reshape(blocks, -1), traffic.reshape(blocks, -1, 3))

    def node_weights(self, nodes: Nodes, block: int) -> Matrix:
        """(M,) of the nodes under the changed measure; sum to 1."""
        weight = np.exp(self._log_first(nodes, block, nodes.value, nodes.price, nodes.first))
        return np.asarray(weight / weight.sum())

    def traffic_weights(self, nodes: Nodes, block: int, value: Matrix) -> Matrix:
        """(N, G - 1, J) the same of the nodes of later traffic levels, given value levels (N,)."""
        weight = nodes.weight * np.exp(self._log_traffic(nodes, block, value))
        return np.asarray(weight / weight.sum(axis=-1, keepdims=True))

    def of(self, nodes: Nodes, levels: BlockLevels) -> tuple[Matrix, Matrix]:
        """The level (N,) of 1 / R* that days have at their start, and the product (N,) of their blocks' factors."""
        log_start, log_factor = _day_features(levels.day) @ self.day, np.zeros(len(levels.day))
        for k in range(levels.value.shape[1]):
            value, price, traffic = levels.value[:, k], levels.price[:, k], levels.traffic[:, k]
            mean = np.log(np.exp(self._log_first(nodes, k, nodes.value, nodes.price, nodes.first)).mean())
            log_start += mean
            log_factor += self._log_first(nodes, k, value, price, traffic[:, 0]) - mean
            own = np.einsum("ngf,gf->ng", _traffic_features(value[:, None], traffic[:, 1:]), self.traffic[k])
            log_factor += (own - self._log_mean_traffic(nodes, k, value)).sum(axis=1)
        return np.exp(log_start), np.exp(log_factor)

    def _log_first(self, nodes: Nodes, block: int, value: Matrix, price: Matrix, traffic: Matrix) -> Matrix:
        """(N,) log factor, but for a constant, of what a block's first slot reveals."""
        own = _block_features(value, price, traffic) @ self.block[block]
        return np.asarray(own + self._log_mean_traffic(nodes, block, value).sum(axis=1))

    def _log_mean_traffic(self, nodes: Nodes, block: int, value: Matrix) -> Matrix:
        """(N, G - 1) log mean of the factors of later traffic levels, given value levels (N,)."""
        return np.asarray(np.log(np.exp(self._log_traffic(nodes, block, value)) @ nodes.weight))

    def _log_traffic(self, nodes: Nodes, block: int, value: Matrix) -> Matrix:
        """(N, G - 1, J) of the nodes."""
        features = _traffic_features(value[:, None], nodes.traffic)  # (N, J, 3)
        return np.asarray(np.einsum("njf,gf->ngj", features, self.traffic[block]))


def _day_features(day: Matrix) -> Matrix:
    return np.concatenate([np.ones((len(day), 1)), np.log(day)], axis=1)


def _block_features(value: Matrix, price: Matrix, traffic: Matrix) -> Matrix:
    """(..., E) powers of a block's log levels and of its traffic."""
    v, p, t = np.log(value), np.log(price), traffic - 1.0
    return np.stack([v, v * v, v**3, p, p * p, v * p, t, t * t, v * t, p * t], axis=-1)


def _traffic_features(value: Matrix, traffic: Matrix) -> Matrix:
    """(..., 3) of a traffic level in a block of a value level."""
    v, t = np.broadcast_arrays(np.log(value), traffic - 1.0)
    return np.stack([t, t * t, v * t], axis=-1)
