"""What an effect costs: the same held-out days are played with it and without it, and compared day by day."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bidpilot.agents.acting.agent import controller_agent
from bidpilot.bidding.campaign.scalarisation import utility
from bidpilot.bidding.campaign.segments import channel_index
from bidpilot.bidding.watch.heat import slot_hours
from bidpilot.envs.bidding_env.episode import Episode
from bidpilot.training.evaluation.catalogue import SuiteRecord
from bidpilot.training.evaluation.statistics import paired
from bidpilot.training.evaluation.suites import synthetic_suite


@dataclass(frozen=True)
class Played:
    """D days of one record."""

    ratio: NDArray[np.float64]  # (D,) R / R*
    value: NDArray[np.float64]  # (D,) R
    spend: NDArray[np.float64]  # (D,) share of the budget
    placed: NDArray[np.float64]  # (C, H) R by channel and hour, sum over days
    segments: tuple[str, ...]


@dataclass(frozen=True)
class Impact:
    """What an effect takes of days."""

    ratio: float  # of R / R*, mean over days
    ratio_low: float | None  # 95 % interval
    ratio_high: float | None
    value: float  # of R, share
    unspent: float  # of the budget, share that stays over beyond what stays without it
    placed: NDArray[np.float64]  # (C, H) of R, share of all of it
    days: int

    @property
    def money(self) -> float:
        """Share of the budget that is worth nothing: what is lost of R, or of R / R* where that is more.

        A market of another law may bring more than it did, and deciding under it still lose.
        """
        return max(self.value, self.ratio, 0.0)


@dataclass(frozen=True)
class Missed:
    """How often a constraint is missed, and what of the score that costs."""

    days: int  # that miss it by more than a thousandth
    of: int
    score: float  # share of the utility that the score is without on these days, by the exponent 2; 0 where none


def missed(record: SuiteRecord, agent: str, days: int, seed: int) -> Missed:
    """Days of a record whose campaigns have a target cost, which `agent` plays."""
    found = synthetic_suite(record, days, seed).arena.play(controller_agent(agent))
    late = found.violated > 0
    lost = 1.0 - 1.0 / (1.0 + found.violation[late]) ** 2
    return Missed(int(late.sum()), len(late), float(lost.mean()) if late.any() else 0.0)


def play(record: SuiteRecord, agent: str, days: int, seed: int) -> Played:
    """The first `days` held-out days of a record, which `agent` plays behind the detector."""
    suite = synthetic_suite(record, days, seed)
    watch = _Placed()
    found = suite.arena.play(controller_agent(agent), watch=watch)
    segments = tuple(suite.arena.market.log.segments)
    best = suite.arena.best[suite.arena.kept]
    return Played(found.ratio, found.ratio * best, found.spend_share, watch.by_hour(segments), segments)


def impact(without: Played, having: Played, seed: int) -> Impact:
    """What the effect takes of the same days."""
    lost = without.ratio - having.ratio
    low, high = paired(lost, np.arange(len(lost)), seed)
    whole = float(without.value.sum())
    return Impact(
        ratio=float(lost.mean()),
        ratio_low=low,
        ratio_high=high,
        value=1.0 - float(having.value.sum()) / whole,
        unspent=float((without.spend - having.spend).mean()),
        placed=(without.placed - having.placed) / float(without.placed.sum()),
        days=len(lost),
    )


class _Placed:
    """Adds up the value of each slot, shared out among segments by their wins: give it as `watch`."""

    def __init__(self) -> None:
        self._slots: list[NDArray[np.float64]] = []

    def __call__(self, episode: Episode) -> None:
        """Take in the slot that has just been played."""
        totals, campaigns = episode.totals, episode.today.campaigns
        value = utility(totals.true, episode.today.ideal, campaigns.preference, campaigns.kind)
        share = totals.segment_wins / np.maximum(totals.wins, 1)[:, None]
        self._slots.append((value[:, None] * share).sum(axis=0))

    def by_hour(self, segments: tuple[str, ...]) -> NDArray[np.float64]:
        """(C, H) of channels and hours."""
        slots = np.stack(self._slots)  # (T, S)
        channels, hours = channel_index(segments), slot_hours(len(slots))
        found = np.zeros((channels.max() + 1, hours.max() + 1))
        np.add.at(found, (channels[None, :], hours[:, None]), slots)
        return found
