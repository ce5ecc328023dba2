"""Which auctions of a day were won, one by one, where the rules that it was bid by are known slot by slot.

Clearing counts wins by slot; a report asks which exposures these were. The rule is applied again to the same auctions
in the same order with the same budget.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.landscape.shading import shade
from bidpilot.bidding.rule import Rule
from bidpilot.envs.clearing.columns import FirstPrice
from bidpilot.envs.clearing.day import DayAuctions

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Cleared:
    """What became of the N auctions of one day."""

    won: NDArray[np.int64]  # (W,) places of those won
    cost: Array  # (W,) currency
    refused: NDArray[np.bool_]  # (N,) refused by the gate


def cleared(
    auctions: DayAuctions,
    rules: Sequence[Rule],
    row: int,
    budget: float,
    first_price: FirstPrice,
    withheld: Array | None = None,
) -> Cleared:
    """Clear one day again.

    Args:
        auctions: of the day, in arrival order.
        rules: of its T slots.
        row: of the rules, and of `first_price`.
        budget: currency.
        first_price: which rows pay their bid, and how bids are shaded there.
        withheld: (T,) money that may not be bid at the beginning of each slot, currency, since wins are reported late;
            None: they are reported at once.
    """
    slot, segment, source = auctions.slot, auctions.segment, auctions.source
    alpha = np.stack([rule.alpha[row] for rule in rules])
    multiplier = np.stack([rule.multiplier[row] for rule in rules])
    beta = np.stack([rule.beta[row] for rule in rules])
    value = (auctions.predicted * alpha[slot]).sum(axis=1)
    bid = multiplier[slot, segment] * value + beta[slot, segment]
    refused = np.zeros(len(slot), np.bool_)
    if rules[0].gate is not None:
        gates = [rule.gate for rule in rules if rule.gate is not None]
        share = np.stack([gate.multiplier[row] for gate in gates])[slot, source]
        quota = np.stack([gate.quota[row] for gate in gates])[slot, source]
        refused = (share == 0) | (_number(slot, source) > quota)
        bid = bid * share
    pays = bool(first_price.rows[row])
    if pays:
        levels = [first_price.at(rule.price_level).unit[row] for rule in rules]
        bid = _shaded(bid, slot, levels, first_price.factors)
    reach = np.flatnonzero(~refused & (bid.astype(np.float32) >= auctions.price))
    offers = _Offers(auctions.price[reach].astype(np.float64), bid[reach], slot[reach], pays)
    won, cost = _paid(offers, budget, withheld)
    return Cleared(reach[won], cost, refused)


def _number(slot: NDArray[np.int16], source: NDArray[np.int16]) -> NDArray[np.int64]:
    """(N,) the how-manieth request of its source in its slot each is, from 1."""
    cell = slot.astype(np.int64) * (int(source.max(initial=0)) + 1) + source
    order = np.argsort(cell, kind="stable")
    begins = np.r_[True, np.diff(cell[order]) != 0]
    place = np.arange(len(cell))
    number = np.empty(len(cell), np.int64)
    number[order] = place - np.maximum.accumulate(np.where(begins, place, 0)) + 1
    return number


def _shaded(bid: Array, slot: NDArray[np.int16], units: Sequence[float], factors: Array) -> Array:
    """First-price bids; the unit is the mean price as it is believed in each slot."""
    out = np.empty_like(bid)
    for t, unit in enumerate(units):
        here = slot == t
        out[here] = shade(bid[here], factors, float(unit))
    return out


class _Offers(NamedTuple):
    """Auctions that a bid reaches, in arrival order."""

    price: Array  # (N,) market price, currency
    bid: Array  # (N,) currency
    slot: NDArray[np.int16]  # (N,)
    pays_bid: bool


def _paid(offers: _Offers, budget: float, withheld: Array | None) -> tuple[NDArray[np.bool_], Array]:
    """Which of the offers (N,) are won while the budget lasts, and what each of these costs."""
    won, paid = np.ones(len(offers.price), np.bool_), (offers.bid if offers.pays_bid else offers.price).copy()
    begins = np.flatnonzero(np.diff(offers.slot, prepend=-1))
    for first, end in pairwise([*begins.tolist(), len(won)]):
        held = None if withheld is None else float(withheld[offers.slot[first]])
        part = slice(first, end)
        needed = float((paid if held is None else offers.bid)[part].sum())
        if needed <= budget - (held or 0.0):
            budget -= float(paid[part].sum())
        else:
            budget = _short(offers, range(first, end), budget, held, won, paid)
    return won, paid[won]


def _short(
    offers: _Offers, places: range, left: float, held: float | None, won: NDArray[np.bool_], paid: Array
) -> float:
    """Pay offers one by one where money is short, in `won` and `paid`; the money left."""
    for i in places:
        offer = min(float(offers.bid[i]), left - (held or 0.0))
        if offer < offers.price[i]:
            won[i] = False
            continue
        paid[i] = offer if offers.pays_bid else offers.price[i]
        left -= float(paid[i])
        if held is not None:
            held += offer - float(paid[i])
    return left
