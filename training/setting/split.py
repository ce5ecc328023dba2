"""Which recorded days a policy learns from, which choose it, and which it is not to see at all.

Days that were recombined from a log's own days flatter what learnt from them. So whole recorded days are held out: by
campaign where the log has several, since a policy is for advertisers to come as well, else by unit, since days of one
unit share their auctions. The choice follows from the log alone, so that trainings of several seeds share a forecast.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import numpy as np

from bidpilot.bidding.errors import InvalidConfig
from bidpilot.envs.logs.auction_log import AuctionLog, DayRecord

T = TypeVar("T")

LEAST_CAMPAIGNS: Final = 3
"""From so many campaigns on, whole campaigns are held out."""
LEAST_UNITS: Final = 3
"""From so many units on, whole units are held out."""
DRAWN, RECOMBINED, UNITS, CAMPAIGNS = "drawn", "recombined", "held-out units", "held-out campaigns"
"""Kinds of validation: on drawn days of a preset, on recombined training days, on whole recorded days held out."""

_SHOWN = 6  # names of campaigns or units that are printed


@dataclass(frozen=True)
class HoldOut:
    """What is asked to be held out of training."""

    share: float = 0.0  # of the log's campaigns or units, in [0, 1): what the policy is chosen by
    campaigns: tuple[str, ...] = ()  # by name: what is neither trained on nor chosen by


@dataclass(frozen=True)
class Split:
    """The days of a log, by index."""

    training: tuple[int, ...]
    held_out: tuple[int, ...]  # empty where training days are recombined for validation
    kind: str  # of validation
    groups: tuple[str, ...]  # names of the campaigns or units that are held out
    unseen: tuple[int, ...] = ()  # days of campaigns that were named: neither trained on nor chosen by
    judging: tuple[int, ...] = ()  # of the days held out, those that choose nothing and judge what was chosen

    @property
    def choosing(self) -> tuple[int, ...]:
        """Of the days held out, those that choose among the policies of a training."""
        return tuple(day for day in self.held_out if day not in set(self.judging))

    def __str__(self) -> str:
        apart = f"; {len(self.unseen)} days of campaigns that are never looked at" if self.unseen else ""
        if not self.held_out:
            return f"validation on {self.kind} training days, which flatters: no day is held out{apart}"
        whole, more = len(self.training) + len(self.held_out), len(self.groups) - _SHOWN
        named = ", ".join(self.groups[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
        judging = f"; {len(self.judging)} of them choose nothing and judge at the end" if self.judging else ""
        return f"validation on {len(self.held_out)} of {whole} recorded days, {self.kind}: {named}{judging}{apart}"


def split_days(log: AuctionLog, asked: HoldOut) -> Split:
    """Hold days of a log out of training: a share spread evenly over it, to choose by, and those of named campaigns.

    Of the campaigns that are not named whole ones are held out to choose by where there are three, else whole units, at
    least one; where there are fewer than three units, none. Every second of the campaigns held out judges instead of
    choosing; of units, or of those of the only campaign, every second one where each half has three.

    Raises:
        InvalidConfig: the log has no such campaign, or no other.
    """
    if asked.campaigns:
        _check_named(log, asked.campaigns)
    unseen = tuple(d for d, day in enumerate(log.days) if day.campaign in asked.campaigns)
    rest = [d for d in range(log.n_days) if d not in set(unseen)]
    kind, held_out = _chosen_by([log.days[d] for d in rest], asked.share)
    group = {d: log.days[d].campaign if kind == CAMPAIGNS else log.days[d].unit for d in rest}
    out = [d for d in rest if group[d] in held_out]
    training = tuple(d for d in rest if d not in set(out))
    judging = _judging(log, out, kind == CAMPAIGNS and len(held_out) > 1)
    return Split(training, tuple(out), kind, tuple(held_out), unseen, judging)


def _judging(log: AuctionLog, out: Sequence[int], campaigns: bool) -> tuple[int, ...]:
    """Those of the days held out that judge: of every second campaign, or of every second unit where there are six."""
    group = {d: log.days[d].campaign if campaigns else log.days[d].unit for d in out}
    names = list(dict.fromkeys(group.values()))
    apart = names[1::2] if campaigns or len(names) >= 2 * LEAST_UNITS else []
    return tuple(d for d in out if group[d] in apart)


def _chosen_by(days: Sequence[DayRecord], share: float) -> tuple[str, dict[str, None]]:
    """The kind of what is held out to choose by, and its names in order."""
    campaigns = list(dict.fromkeys(day.campaign for day in days))
    units = list(dict.fromkeys(day.unit for day in days))
    if share > 0 and len(campaigns) >= LEAST_CAMPAIGNS:
        return CAMPAIGNS, dict.fromkeys(_spread(campaigns, share))
    if share > 0 and len(units) >= LEAST_UNITS:
        return UNITS, dict.fromkeys(_spread(units, share))
    return RECOMBINED, {}


def thinned(days: Sequence[int], most: int) -> list[int]:
    """At most so many of the days, evenly spaced."""
    return list(_spread(days, most / len(days))) if len(days) > most else list(days)


def lesson(log: AuctionLog | None, split: Split | None) -> dict[str, Any]:
    """What is stored with a policy of the days that it learnt from and was chosen by."""
    if log is None or split is None:
        return {"validation": DRAWN, "training_digest": None, "training_days": [], "held_out_days": []}
    return {
        "validation": split.kind,
        "training_digest": days_digest(log, split.training),
        "training_days": _days(log, split.training),
        "held_out_days": _days(log, split.held_out),
    }


def days_digest(log: AuctionLog, days: Sequence[int]) -> str:
    """Hex digest (blake2b, 16 bytes) of the auctions of these days."""
    return hashlib.blake2b(" ".join(log.day_digests[day] for day in days).encode(), digest_size=16).hexdigest()


def _days(log: AuctionLog, days: Sequence[int]) -> list[dict[str, str]]:
    return [{"label": log.days[d].label, "campaign": log.days[d].campaign, "digest": log.day_digests[d]} for d in days]


def _check_named(log: AuctionLog, named: Sequence[str]) -> None:
    campaigns = dict.fromkeys(day.campaign for day in log.days)
    there = ", ".join(name or "(not named)" for name in campaigns)
    unknown = [name for name in named if name not in campaigns]
    if unknown:
        raise InvalidConfig(f"{log.name} has no campaign {unknown[0]!r} to hold out. It has: {there}.")
    if set(named) >= set(campaigns):
        raise InvalidConfig(f"--hold-out names every campaign of {log.name} ({there}). Leave one to train on.")


def _spread(items: Sequence[T], share: float) -> tuple[T, ...]:
    """A share of the items, at least one and never all, each from the middle of an equal part of them."""
    count = min(max(1, round(share * len(items))), len(items) - 1)
    places = ((np.arange(count) + 0.5) * len(items) / count).astype(int)
    return tuple(items[place] for place in places)
