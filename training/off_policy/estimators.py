"""Doubly robust estimates of what other bids would have won, from auctions whose prices are seen only when won.

An auction was bid on at one of K levels, `levels[k]` with probability `shares[k]`. Its price `p` is seen where the
level drawn reached it, else it is known to lie above. Of a candidate's bid `b` the outcome is `h = (1, p)` where
`p <= b`, else 0: wins and cost at second price. With `D_k` what is expected of `h` once it is known how levels up to k
ended (`D_0`: nothing is), `D_k - D_{k-1}` is seen where level k or a higher one was drawn, so that

    h* = D_0 + sum over k <= drawn of (D_k - D_{k-1}) / P(a level of k at least is drawn)

telescopes, in expectation, to `D_K`, which is `h` where the highest level reaches `b`. It is right if the shares are,
whatever the model; and if the model is, whatever the shares: then every difference is 0 in expectation (augmented
inverse probability weights of monotone coarsening; Robins, Rotnitzky and Zhao 1994, Tsiatis 2006, ch. 9). With one
level it is `D_1`: what is known where the log says so, and the model's answer above the bid.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class PriceModel(Protocol):
    """What is believed of N auctions' market prices."""

    def given(self, above: Array, bid: Array) -> Array:
        """Expected wins and cost (N, 2) of bids (N,), where the price is known to lie above `above` (N,)."""


class Tries(NamedTuple):
    """How N auctions were bid on, and what is known of their prices."""

    levels: Array  # (N, K) bids that might have been made, ascending, currency
    shares: Array  # (K,) probability of each; sums to 1
    drawn: NDArray[np.int64]  # (N,) which was made
    price: Array  # (N,) market price where it is known, else NaN

    @property
    def made(self) -> Array:
        """(N,) the bid that was made."""
        bids: Array = np.take_along_axis(self.levels, self.drawn[:, None], axis=1)[:, 0]
        return bids

    @property
    def reach(self) -> Array:
        """(K,) probability that a level of k at least is drawn."""
        beyond = np.cumsum(self.shares[::-1])[::-1]
        return np.asarray(beyond / beyond[0])


class Estimated(NamedTuple):
    """What bids would have won and paid, auction by auction."""

    robust: Array  # (N, 2) wins and cost, doubly robust
    plain: Array  # (N, 2) the same by what the log says and, above the bid made, by the model
    beyond: Array  # (N, 2) what of it the model alone says: prices above the highest level


def outcome(price: Array, bid: Array) -> Array:
    """Wins and cost (N, 2) of bids (N,) at known prices (N,), at second price; a tie wins."""
    won = price <= bid
    return np.stack([won.astype(np.float64), np.where(won, price, 0.0)], axis=-1)


def estimate(bid: Array, tries: Tries, model: PriceModel, most_weight: float = np.inf) -> Estimated:
    """What bids (N,) would have won and paid. Weights are cut at `most_weight`, which trades variance for bias.

    Prices that are known although nothing was won are taken as they are where nothing was explored, or where all are
    known; else they are left alone, since who was told of them is not known.
    """
    known = np.isfinite(tries.price)
    exact = outcome(np.where(known, tries.price, 0.0), bid)
    plain = np.where(known[:, None], exact, model.given(tries.made, bid))
    nothing, highest = np.zeros_like(bid), np.minimum(bid, tries.levels[:, -1])
    beyond = np.maximum(model.given(nothing, bid) - model.given(nothing, highest), 0.0)
    if known.all() or tries.levels.shape[1] == 1:
        told = known & (tries.price > tries.made)
        return Estimated(plain, plain, np.where((told | known.all())[:, None], 0.0, beyond))
    return Estimated(_telescoped(bid, tries, model, exact, most_weight), plain, beyond)


def _telescoped(bid: Array, tries: Tries, model: PriceModel, exact: Array, most_weight: float) -> Array:
    """`h*` (N, 2), with `exact` (N, 2) the outcome where the price is known."""
    price = np.where(np.isfinite(tries.price), tries.price, np.inf)
    weights = np.minimum(1.0 / tries.reach, most_weight)
    lowest = tries.levels[:, 0]
    before = np.where((price <= lowest)[:, None], exact, model.given(lowest, bid))
    robust = before.copy()  # the lowest level is always seen, so that D_0 falls out
    for k in range(1, tries.levels.shape[1]):
        level = tries.levels[:, k]
        after = np.where((price <= level)[:, None], exact, model.given(level, bid))
        robust += np.where((tries.drawn >= k)[:, None], weights[k] * (after - before), 0.0)
        before = after
    return robust


def importance(bid: Array, tries: Tries) -> Array:
    """(N,) weights by which the outcome of each bid is seen: 1 over its probability where it is, 0 where not.

    It is seen where the level drawn reaches the bid; where the highest level does not, never.
    """
    needed = (tries.levels < bid[:, None]).sum(axis=1)
    within = needed < tries.levels.shape[1]
    chance = tries.reach[np.minimum(needed, tries.levels.shape[1] - 1)]
    return np.where(within & (tries.drawn >= needed), 1.0 / chance, 0.0)


def effective_share(weights: Array) -> float:
    """Effective sample size of weights (N,), `(sum w)^2 / sum w^2` (Kish 1965), over N; 0 where all are 0."""
    squares = float((weights**2).sum())
    return 0.0 if squares == 0 else float(weights.sum()) ** 2 / squares / len(weights)
