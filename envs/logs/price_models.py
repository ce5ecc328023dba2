"""Price models for censored logs: the distribution of market prices that are seen only when won.

All give a `PriceLandscape`. In a second-price log the price of a lost auction is known to exceed the
bid, which is right censoring: `kaplan_meier` (Kaplan and Meier, JASA 1958; for bid landscapes Wang,
Zhang et al., "Functional bid landscape forecasting", ECML PKDD 2016) or `fit_log_normal` (the censored
likelihood of Tobin, Econometrica 1958). In a first-price log not even a won auction shows the market
price, so only wins at bids are left: `fit_win_curve` (pool adjacent violators, Ayer et al., 1955).
All suppose that, given what the fit is stratified by, bids and prices are independent.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import isotonic_regression, minimize
from scipy.stats import norm

from bidpilot.bidding.errors import InvalidPriceModel

Array = NDArray[np.float64]

_LEAST_UNIFORM = 2.0**-54  # a uniform of exactly 0 would be an infinite price
_LOG_NORMAL_POINTS = 2048


@dataclass(frozen=True)
class PriceLandscape:
    """Market prices as a survival curve: a step function, and an exponential tail beyond its last step."""

    name: str  # the estimator
    price: Array  # (K,) currency, >= 0, increasing
    survival: Array  # (K,) probability of a market price above price[k], in [0, 1], not increasing
    tail: float  # mean excess over price[-1] of the prices beyond it, currency, > 0

    def survival_at(self, bid: ArrayLike) -> Array:
        """Probability that the market price exceeds each bid, same shape as `bid`, in [0, 1]."""
        bids = np.asarray(bid, dtype=np.float64)
        place = np.searchsorted(self.price, bids, side="right")
        steps = np.concatenate([[1.0], self.survival])[place]
        beyond = np.exp(-np.maximum(bids - self.price[-1], 0.0) / self.tail)
        return np.asarray(np.where(place == len(self.price), steps * beyond, steps))

    def win_probability(self, bid: ArrayLike) -> Array:
        """Probability that each bid wins (a tie wins), same shape as `bid`, in [0, 1]."""
        return 1.0 - self.survival_at(bid)

    def draw(self, uniforms: Array, above: ArrayLike | None = None) -> Array:
        """Market prices (N,) from uniforms (N,) in [0, 1), each given that it exceeds `above` (N,).

        A drawn price is above its bound also in float32.
        """
        bound = None if above is None else np.asarray(above, dtype=np.float64)
        reach = 1.0 if bound is None else self.survival_at(bound)
        goal = np.maximum(uniforms, _LEAST_UNIFORM) * reach
        # The first price that no more than `goal` of all prices exceed.
        place = np.searchsorted(-self.survival, -goal, side="left")
        price = self.price[np.minimum(place, len(self.price) - 1)]
        last = self.survival[-1]
        if last > 0:
            excess = self.tail * np.log(last / np.maximum(goal, np.finfo(np.float64).tiny))
            price = np.where(place == len(self.price), self.price[-1] + excess, price)
        if bound is not None:
            price = np.maximum(price, np.nextafter(bound.astype(np.float32), np.float32(np.inf)))
        return np.asarray(price, dtype=np.float64)


def kaplan_meier(price: ArrayLike, bid: ArrayLike, won: ArrayLike) -> PriceLandscape:
    """The product-limit estimate from won prices and lost bids.

    Args:
        price: market prices (N,), currency; read where won.
        bid: bids (N,), currency; read where lost.
        won: (N,) bool.

    Raises:
        InvalidPriceModel: no won auction, or a price or bid that is negative or not finite.
    """
    seen, is_won = _seen(price, bid, won)
    grid, wins = np.unique(seen[is_won], return_counts=True)
    # A tie wins, so an auction lost at a bid was still at risk at that very price.
    at_risk = len(seen) - np.searchsorted(np.sort(seen), grid, side="left")
    survival = np.cumprod(1.0 - wins / at_risk, dtype=np.float64)
    return PriceLandscape("Kaplan-Meier", grid, survival, _tail(seen, is_won))


def fit_log_normal(price: ArrayLike, bid: ArrayLike, won: ArrayLike) -> PriceLandscape:
    """The log-normal law of greatest censored likelihood, tabulated at 2048 quantiles.

    Arguments and errors are those of `kaplan_meier`; prices of zero count as half the least positive one.
    """
    seen, is_won = _seen(price, bid, won)
    positive = seen[seen > 0]
    if not len(positive):
        raise InvalidPriceModel("All prices and bids are zero: a log-normal law needs some above zero.")
    logs = np.log(np.maximum(seen, positive.min() / 2))
    events, lost = logs[is_won], logs[~is_won]

    def loss(parameters: Array) -> float:
        mean, spread = parameters[0], np.exp(parameters[1])
        likelihood = norm.logpdf(events, mean, spread).sum() + norm.logsf(lost, mean, spread).sum()
        return float(-likelihood / len(logs))

    start = np.array([events.mean(), np.log(max(float(events.std()), 0.05))])
    found = minimize(loss, start, method="Nelder-Mead", options={"xatol": 1e-6, "fatol": 1e-10, "maxiter": 2000})
    mean, spread = float(found.x[0]), float(np.exp(found.x[1]))
    share = (np.arange(_LOG_NORMAL_POINTS) + 0.5) / _LOG_NORMAL_POINTS
    grid = np.exp(mean + spread * norm.ppf(share))
    return PriceLandscape("log-normal", grid, 1.0 - share, float(grid[-1] * spread**2))


def fit_win_curve(bid: ArrayLike, won: ArrayLike) -> PriceLandscape:
    """The monotone win curve of greatest likelihood from bids (N,) and wins (N,) alone.

    Raises:
        InvalidPriceModel: nothing was won, or a bid is negative or not finite.
    """
    bids, is_won = _seen(bid, bid, won)
    grid, place, weight = np.unique(bids, return_inverse=True, return_counts=True)
    share = np.bincount(place, weights=is_won.astype(np.float64)) / weight
    curve = isotonic_regression(share, weights=weight.astype(np.float64)).x
    return PriceLandscape("monotone win curve", grid, np.clip(1.0 - curve, 0.0, 1.0), _tail(bids, is_won))


def _seen(price: ArrayLike, bid: ArrayLike, won: ArrayLike) -> tuple[Array, NDArray[np.bool_]]:
    """What each auction shows: its price where won, else its bid; checked."""
    is_won = np.asarray(won, dtype=np.bool_)
    seen = np.where(is_won, np.asarray(price, dtype=np.float64), np.asarray(bid, dtype=np.float64))
    if not is_won.any():
        raise InvalidPriceModel(f"None of {len(is_won)} auctions was won: a price model needs prices that were seen.")
    bad = ~(np.isfinite(seen) & (seen >= 0))
    if bad.any():
        where = int(np.flatnonzero(bad)[0])
        raise InvalidPriceModel(
            f"{int(bad.sum())} prices of won or bids of lost auctions are negative or not finite, the first at index "
            f"{where}: {seen[where]}. Leave such auctions out."
        )
    return seen, is_won


def _tail(seen: Array, is_won: NDArray[np.bool_]) -> float:
    """Mean of the exponential law that the whole sample suggests: all that was survived over the wins."""
    mean = float(seen.sum() / is_won.sum())
    return mean if mean > 0 else 1.0
