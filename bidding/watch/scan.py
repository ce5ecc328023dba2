"""The scan of a campaign's day: holds every slot that has passed against the bands, and tells what has left them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.day.slot_totals import SlotTotals
from bidpilot.bidding.errors import InvalidBands
from bidpilot.bidding.watch.alarm import Alarm, Risk
from bidpilot.bidding.watch.bands import COLUMNS, SPAN, Bands
from bidpilot.bidding.watch.describe import Seen
from bidpilot.bidding.watch.features import WINDOWS
from bidpilot.bidding.watch.metrics import LEVELS, METRICS, NAMES, SHAPE, SILENT, TOLD, Slots

ABOVE, BELOW = range(2)
CALM: Final = 0.6
"""Share of its threshold that a metric's score must stay below for an excursion to end."""
AGAIN: Final = 8
"""Slots within its threshold after which an excursion that has not ended is told of again: it is another one."""
CALM_SLOTS: Final = max(WINDOWS)
"""Slots that it must do so for: what the longest window remembers is not told again. Silence ends with a word."""
WHOLE_DAY: Final = 4
"""Slots of a day in which a shift of requests is no step in it: the day has been of another law since it began."""
REQUESTS: Final = NAMES.index("requests")
_SHAPE: Final = NAMES.index(SHAPE.name)
_TOLD: Final = tuple(NAMES.index(metric.name) for metric in TOLD)  # interactions, conversions
_SILENT: Final = tuple(NAMES.index(metric.name) for metric in SILENT)
_FORECAST: Final = tuple(range(len(LEVELS)))  # metrics that mean nothing once the forecast does not


class Delays(NamedTuple):
    """How late a campaign is told, slots: of wins, of interactions, of conversions."""

    wins: int = 0
    interactions: int = 0
    conversions: int = 0

    @property
    def by_metric(self) -> NDArray[np.int64]:
        """(M,) slots after which what each metric is made of is complete."""
        told = {
            metric.name: max(self.wins, late)
            for pair in (TOLD, SILENT)
            for metric, late in zip(pair, self[1:], strict=True)
        }
        at_once = {"requests": 0, "refused": 0, SHAPE.name: 0}
        return np.array([(told | at_once).get(name, self.wins) for name in NAMES])


class Found(NamedTuple):
    """The greatest score of each metric, per side, day and slot, and the feature that has it."""

    score: NDArray[np.float64]  # (2, B, t, M) standard deviations; -inf where nothing can be told yet
    feature: NDArray[np.int64]  # (2, B, t, M) among all features

    def delayed(self, late: NDArray[np.int64]) -> Found:
        """What is known of them at the end of each slot, where metrics are complete `late` (M,) slots later."""
        score, feature = np.full_like(self.score, -np.inf), np.zeros_like(self.feature)
        slots = score.shape[2]
        for m, by in enumerate(late):
            score[:, :, by:, m] = self.score[:, :, : max(slots - by, 0), m]
            feature[:, :, by:, m] = self.feature[:, :, : max(slots - by, 0), m]
        return Found(score, feature)


def found(bands: Bands, features: NDArray[np.float64]) -> Found:
    """The greatest scores among features (B, t, F)."""
    scores = bands.scores(features)
    best = [scores[..., columns].argmax(axis=-1) for columns in COLUMNS.values()]
    feature = np.stack([at + columns.start for at, columns in zip(best, COLUMNS.values(), strict=True)], axis=-1)
    return Found(np.take_along_axis(scores, feature, axis=-1), feature)


def first_slots(at: NDArray[np.int64], feature: NDArray[np.int64]) -> NDArray[np.int64]:
    """The slot that each feature's window begins with, where it ends in slot `at`; 0 where it has no length."""
    span = SPAN[feature]
    return np.where(span > 0, at - span + 1, 0)


class Told(NamedTuple):
    """One thing to be told."""

    metric: int  # in `METRICS`
    side: int
    risk: Risk


class Teller:
    """Decides what of one day's scores is told: each excursion of a metric once, unless it comes again after `AGAIN`
    slots within the threshold, and a changed regime alone."""

    def __init__(self, threshold: NDArray[np.float64]) -> None:
        """Of thresholds (2, M)."""
        self._threshold = threshold
        self._calm = np.full(len(NAMES), CALM_SLOTS)  # slots since each metric was near its threshold
        self._out = np.zeros(len(NAMES), np.bool_)
        self._within = np.zeros(len(NAMES), np.int64)  # slots since each metric was beyond its threshold
        self._rest = np.where(np.isin(np.arange(len(NAMES)), _SILENT), 1, CALM_SLOTS)
        self.regime = False  # whether the day is known to be of another law
        self._score = np.full_like(threshold, -np.inf)  # of the slot before

    @property
    def lasting(self) -> dict[str, float]:
        """Metrics that were told of and are near their thresholds still, with their scores in the last slot.

        Of a day of another law the forecast's bands say nothing.
        """
        with np.errstate(invalid="ignore"):  # of one that is not watched
            ratio = np.nan_to_num(self._score / self._threshold, nan=0.0, posinf=0.0, neginf=-np.inf)
        side = ratio.argmax(axis=0)
        return {
            NAMES[m]: float(self._score[side[m], m])
            for m in np.flatnonzero(self._out & (self._calm == 0))
            if not (self.regime and m in _FORECAST)
        }

    def drop(self, metrics: list[int]) -> None:
        """Tell of these no more."""
        self._threshold = self._threshold.copy()
        self._threshold[:, metrics] = np.inf

    def tell(self, score: NDArray[np.float64], first: NDArray[np.int64]) -> list[Told]:
        """What is to be told of a slot's scores (2, M); `first` (2, M): the slot that each one's window begins with."""
        over, self._score = score > self._threshold, score
        near = (score > CALM * self._threshold).any(axis=0)
        self._calm = np.where(near, 0, self._calm + 1)
        new = over & (~self._out | (self._within >= AGAIN))
        self._within = np.where(over.any(axis=0), 0, self._within + 1)
        self._out = (self._out | over.any(axis=0)) & (self._calm < self._rest)
        if not new.any():
            return []
        early = over[:, REQUESTS] & (first[:, REQUESTS] < WHOLE_DAY)
        if not self.regime and (over[ABOVE, _SHAPE] or (early & new[:, REQUESTS]).any()):
            self.regime = True
            by_shape = bool(over[ABOVE, _SHAPE])
            metric, side = (_SHAPE, ABOVE) if by_shape else (REQUESTS, int(np.flatnonzero(early)[0]))
            return [Told(metric, side, Risk.regime_change), *self._others(new)]
        return self._others(new)

    def _others(self, new: NDArray[np.bool_]) -> list[Told]:
        told = []
        for m in np.flatnonzero(new.any(axis=0)):
            if m == _SHAPE or (self.regime and m in _FORECAST):
                continue
            if m in _TOLD and self._out[_SILENT[_TOLD.index(m)]]:  # of an outage too little is told, which says no more
                continue
            side = ABOVE if new[ABOVE, m] else BELOW
            risk = METRICS[m].sides[side]
            if risk is not None:
                told.append(Told(int(m), side, risk))
        return told


class Scan:
    """One campaign's day: `close` with each slot's totals, in order, answers what is to be told of it.

    Nothing needs to be stored: closing the slots of a day again tells the same again.

    Args:
        bands: of the forecast that the day is bid by.
        budget: of the day, currency; bands of money are scaled to it.
        weekday: Monday 0 to Sunday 6; None: the mean day.
        requests: expected factor on requests beyond what a weekday brings, as of a planned event.
        delays: how late the campaign is told of wins and outcomes.
        unwatched: metrics that are not watched, by name.
        tracked: whether interactions, and conversions, are known to be told of; one that is not is watched from the
            first that is told on.
    """

    def __init__(
        self,
        bands: Bands,
        budget: float,
        weekday: int | None = None,
        requests: float = 1.0,
        delays: Delays | None = None,
        tracked: tuple[bool, bool] = (True, True),
        unwatched: Collection[str] = (),
    ) -> None:
        if not budget > 0 or not requests > 0:
            raise InvalidBands(f"a day's budget and expected factor on requests are above 0; got {budget}, {requests}.")
        self.bands, self.slots = bands, Slots(np.array([budget]), bands.slots)
        self._weekday = np.array([-1 if weekday is None else weekday])
        self._requests = float(np.log(requests))  # log of that factor
        self._tracked = tracked
        late = delays or Delays()
        self._late = late.by_metric
        self._expected = bands.expected(weekday).copy()
        self._expected[:, REQUESTS] += self._requests
        self._teller = Teller(bands.threshold)
        self.unwatch(unwatched)

    @property
    def over(self) -> bool:
        """Whether all slots are closed."""
        return self.slots.t >= self.bands.slots

    @property
    def tracked(self) -> tuple[bool, bool]:
        """Whether interactions, and conversions, are known to be told of."""
        interactions, conversions = (
            known or bool(self.slots.of(name).any())
            for known, name in zip(self._tracked, ("interactions_told", "conversions_told"), strict=True)
        )
        return interactions, conversions

    @property
    def lasting(self) -> dict[str, float]:
        """What was told of and goes on: scores by metric."""
        return self._teller.lasting

    @property
    def regime(self) -> bool:
        """Whether the day was told to be of another law, so that its forecast's bands are silent."""
        return self._teller.regime

    def late(self, slot: int, totals: SlotTotals) -> None:
        """Add what is told only now of a slot that is closed; one row."""
        self.slots.late(slot, totals)

    def close(self, totals: SlotTotals | None, played: bool = True) -> list[Alarm]:
        """Take in the slot that has passed, one row, or None where nobody saw the whole of it; what is to be told now.

        One in which no bids were `played`, as of a campaign that is paused, tells of requests alone.

        Raises:
            InvalidBands: the day is over.
        """
        if self.over:
            raise InvalidBands(f"all {self.bands.slots} slots of the day are closed. Begin the next day.")
        self.slots.close(totals, played)
        residual, features, now = self._look(since=self.slots.t - 1)
        score, feature = now.score[:, 0, -1], now.feature[:, 0, -1]
        at = self.slots.t - 1 - self._late  # (M,) the last slot that each metric is complete of
        seen = Seen(self.bands, residual[0], self._expected, features[0], self.slots.silent()[0])
        return [
            seen.alarm(told.risk, told.metric, told.side, int(at[told.metric]), int(feature[told.side, told.metric]))
            for told in self._teller.tell(score, first_slots(at, feature))
        ]

    def unwatch(self, names: Collection[str]) -> None:
        """Tell of these metrics no more, by name."""
        self._teller.drop([NAMES.index(name) for name in names])

    def go_on(self, before: Scan) -> None:
        """Go on with the slots that another scan of the same day has closed, without telling of them again."""
        self.slots = before.slots
        if self.slots.t == 0:
            return
        _, _, found_ = self._look()
        at = np.arange(self.slots.t)[:, None] - self._late  # (t, M)
        for t in range(self.slots.t):
            self._teller.tell(found_.score[:, 0, t], first_slots(at[t], found_.feature[:, 0, t]))

    def _look(self, since: int = 0) -> tuple[NDArray[np.float64], NDArray[np.float64], Found]:
        """Residuals (1, t, L), features (1, t, F) and greatest scores at the end of each slot from `since` on."""
        residual = self.bands.residual(self.slots, self._weekday)
        residual[..., REQUESTS] -= np.where(self.slots.seen[: self.slots.t], self._requests, 0.0)
        features = self.bands.features_of(self.slots, residual, since)
        now = found(self.bands, features).delayed(self._late)
        for known, told, silent in zip(self.tracked, _TOLD, _SILENT, strict=True):
            if not known:
                now.score[..., [told, silent]] = -np.inf
        return residual, features, now
