"""Purchases from a recorded log: which of its auctions a controller wins when it plays the recorded days."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bidpilot.agents.acting.agent import Agent, controller_agent
from bidpilot.agents.acting.controllers import MPC
from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.bidding.rule import Rule
from bidpilot.bidding.traffic.gate import Gate
from bidpilot.envs.bidding_env.episode import Episode
from bidpilot.envs.logs.auction_log import AuctionLog
from bidpilot.training.evaluation.play import Arena
from bidpilot.training.evaluation.suites import log_arena
from bidpilot.training.roi.purchases import Array, Purchases, Valued

NOTE_PLAYED: Final = "played on the recorded days by {agent}, under the forecast of {whose}"
NOTE_FUNNEL: Final = "its events are of auctions that the recorded bidder won, and are left out"


@dataclass(frozen=True, eq=False)
class PlayedDays:
    """What was bought, and how near to the best that the days allowed."""

    purchases: Purchases
    ratios: Array  # (D,) R / R*, mean of the campaigns of each day; NaN where none can keep its constraints


def played_purchases(
    log: AuctionLog,
    forecast: Forecast,
    campaign: Campaign,
    whose: str,
    agent: Agent | None = None,
    targets: bool = True,
) -> PlayedDays:
    """Play a log's days, at second price, and list what was bought of it.

    Days of one unit (campaigns of one date) are one day of the purchases. Exposures known to be invalid bring nothing.
    Orders are worth what the log tells; its conversions without a worth, or its expected conversions where it records
    none, are worth the day's conversion value.

    Args:
        log: what is played.
        forecast: that the controller has.
        campaign: what is asked for; days have their own budget and worth of a conversion.
        whose: where the forecast comes from, for people.
        agent: what plays; None: the model-predictive controller.
        targets: whether days have the targets that they record.

    Raises:
        InfeasibleCampaign, NothingBought: no day can keep the constraints, or nothing was won.
    """
    arena = log_arena(log, forecast, campaign, targets)
    won = _Won(log, arena)
    outcome = arena.play(agent or controller_agent(MPC.name), watch=won.slot)
    units = tuple(sorted({day.unit: None for day in log.days}, key=None if log.dates is not None else lambda _: 0))
    unit = np.array([units.index(day.unit) for day in log.days])
    sums = np.bincount(unit[arena.kept], outcome.ratio, len(units))
    counts = np.bincount(unit[arena.kept], minlength=len(units))
    budget = np.bincount(unit, [day.budget for day in log.days], len(units)).astype(np.float64)
    note = NOTE_PLAYED.format(agent="mpc" if agent is None else "the agent", whose=whose)
    ratios = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    return PlayedDays(won.purchases(units, unit, budget, note), ratios)


class _Won:
    """Lists the auctions that are won, slot by slot."""

    def __init__(self, log: AuctionLog, arena: Arena) -> None:
        self._log, self._left = log, arena.campaigns.budget.copy()
        self._found: list[tuple[int, int, NDArray[np.int64]]] = []

    def slot(self, episode: Episode) -> None:
        """Take in what the slot just played has won."""
        t = episode.t - 1
        for d in range(episode.rows):
            first, last = int(self._log.offsets[d, t]), int(self._log.offsets[d, t + 1])
            if last > first and self._left[d] > episode.left[d]:
                self._found.append((d, t, first + won_auctions(self._log, first, last, episode.rule, d, self._left[d])))
        self._left = episode.left.copy()

    def purchases(self, units: tuple[str, ...], unit: NDArray[np.int64], budget: Array, note: str) -> Purchases:
        """All that was won; `unit` (D,) is the place in `units` of each recorded day."""
        log, found = self._log, self._found
        index = np.concatenate([np.zeros(0, np.int64), *(place for *_, place in found)])
        day, slot = (
            np.repeat(np.array([entry[k] for entry in found], np.int64), [len(entry[2]) for entry in found])
            for k in range(2)
        )
        worth = np.array([record.conversion_value for record in log.days])[day]
        valid = ~log.invalid[index]
        kpi = np.stack([_column(log, f"true_{name}", index) for name in ("exposure", "interaction", "conversion")], 1)
        kpi = kpi * valid[:, None]
        recorded = log.converted is not None
        converted = _column(log, "converted", index) if recorded else kpi[:, 2]
        interacted = kpi[:, 1] if log.interacted is None else _column(log, "interacted", index)
        value, valued = _worth(log, index, converted, worth) if recorded else (kpi[:, 2] * worth, Valued.expected)
        # counts of events are of all auctions only where their outcomes are
        told = log.funnel is not None and (recorded or log.interacted is not None)
        notes = (note, *log.notes, *((NOTE_FUNNEL,) if log.funnel is not None and not told else ()))
        return Purchases(
            name=log.name,
            days=units,
            budget=budget,
            slots=log.slots,
            segments=log.segments,
            day=unit[day],
            slot=slot,
            segment=log.segment[index].astype(np.int64),
            source=log.source[index].astype(np.int64),
            cost=_column(log, "market_price", index),
            kpi=kpi,
            interacted=interacted,
            converted=converted,
            value=value,
            valued=valued,
            funnel=None if log.funnel is None or not told else log.funnel[index].astype(np.int64),
            invalid=log.invalid[index] if log.invalid.any() else None,
            notes=notes,
        )


def won_auctions(log: AuctionLog, first: int, last: int, rule: Rule, row: int, left: float) -> NDArray[np.int64]:
    """Which of the log's auctions `first` to `last` a row's rule wins at second price, counted from `first`, in order.

    As clearing has it: what the gate refuses is not bid for, a tie wins, and spend never passes `left`.
    """
    part: Any = slice(first, last)
    alpha = rule.alpha[row].astype(np.float32)
    value = alpha[0] * log.exposure[part] + alpha[1] * log.interaction[part] + alpha[2] * log.conversion[part]
    segment = log.segment[part]
    bid = rule.multiplier[row].astype(np.float32)[segment] * value + rule.beta[row].astype(np.float32)[segment]
    price = log.market_price[part]
    reaches = bid >= price
    if rule.gate is not None:
        passing = _passing(rule.gate, row, log.source[part])
        reaches = (bid * passing >= price) & (passing > 0)
    reached = np.flatnonzero(reaches)
    cost = price[reached].astype(np.float64)
    if cost.sum() <= left:
        return reached
    kept = []
    for place, amount in zip(reached.tolist(), cost.tolist(), strict=True):
        if amount <= left:
            left -= amount
            kept.append(place)
    return np.array(kept, np.int64)


def _passing(gate: Gate, row: int, source: NDArray[np.int16]) -> NDArray[np.float32]:
    """Multiplier of each auction by its source, 0 beyond the quota of the slot."""
    multiplier: NDArray[np.float32] = gate.multiplier[row].astype(np.float32)[source]
    quota = gate.quota[row][source]
    if np.isfinite(quota).any():
        order = np.argsort(source, kind="stable")
        begins = np.searchsorted(source[order], source[order], side="left")
        number = np.empty(len(source), np.int64)
        number[order] = np.arange(len(source)) - begins + 1
        multiplier = np.where(number <= quota, multiplier, np.float32(0.0))
    return multiplier


def _column(log: AuctionLog, name: str, index: NDArray[np.int64]) -> Array:
    return np.asarray(getattr(log, name)[index], np.float64)


def _worth(log: AuctionLog, index: NDArray[np.int64], converted: Array, worth: Array) -> tuple[Array, Valued]:
    """What recorded conversions were worth (N,), and by whose word."""
    if log.order_value is None:
        return converted * worth, Valued.constant
    told = np.asarray(log.order_value[index], np.float64)
    untold = (told == 0) & (converted > 0)
    return np.where(untold, converted * worth, told), Valued.mixed if untold.any() else Valued.orders
