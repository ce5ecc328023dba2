"""CUPED: noise that what was known beforehand explains is taken away (Deng, Xu, Kohavi and Walker, WSDM 2013, eq. 4).

    adjusted = y - theta . (x - centre)

`x` are the logs of what a unit was offered, whatever its arm did with it: requests, their value, their prices. That is
independent of the policy, so that the difference of two arms has the same mean for every theta; theta is fitted on
days before the experiment, where the arms were alike, so that it is no choice made on the result either.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.errors import InvalidExperiment

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Cuped:
    """Which part of a unit's result its covariates explain."""

    theta: tuple[float, ...]  # (K,) of the result over its mean, per unit of a log covariate
    centre: tuple[float, ...]  # (K,) mean log covariate of the days that it was fitted on
    left: float  # share of the variance that is left on these days

    def adjust(self, result: Array, offered: Array, scale: float | Array) -> Array:
        """Results (...) less what covariates (..., K) explain; `scale` is the mean result, in its unit."""
        explained: Array = (np.log(offered) - np.array(self.centre)) @ np.array(self.theta)
        return np.asarray(result - scale * explained)


def fit_paired(result: Array, offered: Array) -> Cuped:
    """Fit on pairs of arms that were alike: results (N, 2), covariates (N, 2, K).

    Differences within a pair are regressed on differences, without an intercept, since neither arm is favoured.

    Raises:
        InvalidExperiment: too few pairs, or a covariate that is not positive.
    """
    _check(result, offered)
    x = np.log(offered)
    y = result / result.mean()
    return _fitted(y[:, 1] - y[:, 0], x[:, 1] - x[:, 0], x.reshape(-1, x.shape[-1]).mean(axis=0))


def fit_single(result: Array, offered: Array) -> Cuped:
    """Fit on single units of one policy: results (N, 1), covariates (N, 1, K), where days are not shared by arms.

    Raises:
        InvalidExperiment: too few units, or a covariate that is not positive.
    """
    _check(result, offered)
    x = np.log(offered).reshape(-1, offered.shape[-1])
    y = result.reshape(-1) / result.mean()
    centre = x.mean(axis=0)
    return _fitted(y - 1.0, x - centre, centre)


def _fitted(y: Array, x: Array, centre: Array) -> Cuped:
    theta, *_ = np.linalg.lstsq(x, y, rcond=None)
    total = float(y @ y)
    left = float(((y - x @ theta) ** 2).sum()) / total if total > 0 else 1.0
    return Cuped(tuple(theta.tolist()), tuple(centre.tolist()), left)


def _check(result: Array, offered: Array) -> None:
    least = 3 * offered.shape[-1] + 2
    if len(result) < least:
        raise InvalidExperiment(
            f"{len(result)} past units are too few to fit {offered.shape[-1]} covariates. Give {least}, or leave the "
            "past out."
        )
    if not (np.isfinite(offered).all() and (offered > 0).all() and result.mean() > 0):
        raise InvalidExperiment(
            "a past unit has no requests, value or price, or past units brought nothing. Leave it out."
        )
