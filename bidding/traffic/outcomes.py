"""Outcomes: views and interactions told of won auctions, against those that valid traffic would have brought."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.traffic.evidence import chance_of, evidence, log_odds

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class OutcomeSettings:
    """What is believed of invalid traffic before any is seen."""

    prior: float = 0.003  # probability that what a source sends is invalid
    surge_prior: float = 0.5  # that what a source sends beyond its usual in a surge is
    views_left: float = 0.1  # of the views that valid traffic brings, that invalid traffic brings
    events_left: float = 0.1  # of the interactions, where nobody is there
    events_faked: float = 3.0  # times the interactions, where they are faked
    faked: float = 0.3  # probability that invalid traffic fakes interactions
    views_shape: float = 40.0  # of a source's views, which scatter between like sources
    views_dispersion: float = 0.7  # variance of views over their mean: a win has one view at most
    events_shape: float = 10.0  # of a source's interactions
    rate_prior: float = 3.0  # predicted of these that a slot's own rate starts from the day's with
    forget: float = 0.01  # of a source's evidence, in a slot
    window: float = 40.0  # expected of a source that its evidence rests on at most: what is older counts less


class Told(NamedTuple):
    """What is told of one slot's wins by source, (B, C) each."""

    wins: Matrix
    exposed: Matrix  # predicted views
    views: Matrix
    predicted: Matrix  # predicted interactions, in those of the mean auction
    events: Matrix  # likes, comments, shares and follows
    excess: Matrix  # share of the slot's requests beyond the usual


class _Kind:
    """Views or interactions of B rows' C sources: the market's rate, and what each source should have had and had."""

    def __init__(self, shape: tuple[int, int], left: float, prior: float, window: float) -> None:
        self._left, self._prior, self._window = left, prior, window
        self.day = np.zeros((2, *shape))  # expected and told, what is long ago counting less
        self.since = np.zeros((3, *shape))  # since the surge: expected if valid, if the excess is not, and told
        self._market = np.zeros((2, shape[0], 1))  # predicted and told of all sources, of the day

    def begin(self) -> None:
        for array in (self.day, self.since, self._market):
            array[:] = 0.0

    def add(self, predicted: Matrix, told: Matrix, trust: Matrix, excess: Matrix, counts: NDArray[np.bool_]) -> None:
        """Add a slot: the market's rate in it is read off all sources, each as far as it is trusted.

        No rate is supposed before the day has told of one: what is never told of anyone would be missed of everyone,
        most of whoever sends most, day after day.
        """
        total = [np.einsum("bc,bc->b", column, trust)[:, None] for column in (predicted, told)]
        day, prior = self._market, self._prior
        day[0] += total[0]
        day[1] += total[1]
        rate = np.divide(day[1], day[0], out=np.zeros_like(day[0]), where=day[0] > 0)
        expected = predicted * ((total[1] + prior * rate) / (total[0] + prior))
        self.day[0] += expected
        self.day[1] += told
        self.since[0] += expected * counts
        self.since[1] += expected * counts * (1.0 - excess * (1.0 - self._left))
        self.since[2] += told * counts
        for kept in (self.day, self.since):  # a good morning, or a surge's good beginning, buys no bots afterwards
            kept *= self._window / np.maximum(kept[0], self._window)


class Outcomes:
    """Evidence for invalid traffic of B rows' C sources over a day, in nats.

    Expectations are predictions times the rate that the market realises in the same slot, so that a slot whose events
    are lost for all speaks against no source. Row b is told of slot t in slot `t + late[b]`.

    Args:
        retold: whether more may be told of a slot afterwards (`add`); keeps every slot.
    """

    def __init__(self, shape: tuple[int, int], slots: int, settings: OutcomeSettings, retold: bool) -> None:
        self.settings, self._shape, self._slots, self._retold = settings, shape, slots, retold
        s = settings
        self.views = _Kind(shape, s.views_left, s.rate_prior, s.window)
        self.events = _Kind(shape, s.events_left, s.rate_prior, s.window)
        self.prior = np.full(shape, log_odds(s.prior))
        self.odds = self.prior.copy()  # that what a source sends is invalid, of the day
        self.surge = np.zeros(shape)  # nats for invalid traffic, of the excess since the surge began
        self._wins, self._events = np.zeros((2, shape[0])), np.zeros((2, shape[0]))  # told, and what of them is suspect
        self._last = np.zeros(shape[0])  # share of the last slot's wins that is
        self.filtered = np.zeros(shape[0])  # share of them whose source is more likely invalid than not
        self._late = np.zeros(shape[0], np.int64)
        self._kept: NDArray[np.float32] | None = None
        self._told = 0
        self._stale = False

    def begin(self, late: NDArray[np.int64]) -> None:
        """Begin a day; row b is told of a slot `late[b]` slots after it."""
        self._late = late
        keeps = self._retold or bool(late.any())
        self._kept = np.zeros((self._slots, len(Told._fields), *self._shape), np.float32) if keeps else None
        self._told, self._stale = 0, False
        self._forget_day()

    def _forget_day(self) -> None:
        self.views.begin()
        self.events.begin()
        for array in (self._wins, self._events, self._last, self.filtered, self.surge):
            array[:] = 0.0
        self.odds[:] = self.prior

    def restart(self, begun: NDArray[np.bool_]) -> None:
        """Count the evidence of surges that have begun, (B, C), from nothing."""
        for kind in (self.views, self.events):
            kind.since[:, begun] = 0.0
        self.surge[begun] = 0.0

    def update(self, t: int, told: Told, onset: NDArray[np.int64]) -> None:
        """Take in slot `t`; surges began in slots `onset` (B, C)."""
        if self._kept is None:
            self._count(np.full(len(self._late), t), told, onset)
            return
        self._kept[t] = told
        if self._stale:
            self._forget_day()
            for slot in range(self._told):
                self._count_kept(slot, onset)
            self._stale = False
        self._count_kept(t, onset)
        self._told = t + 1

    def add(self, t: int, told: Told) -> None:
        """Add what is told only now of slot `t`; it counts from the next `update` on.

        Raises:
            IndexError: the slots are not kept.
        """
        if self._kept is None:
            raise IndexError("what is told afterwards needs `retold`")
        self._kept[t] += np.array(told, np.float32)
        self._stale = True

    def _count_kept(self, t: int, onset: NDArray[np.int64]) -> None:
        assert self._kept is not None
        slot = t - self._late
        told = self._kept[np.maximum(slot, 0), :, np.arange(len(slot))].astype(np.float64)  # (B, 6, C)
        told[slot < 0] = 0.0
        self._count(slot, Told(*told.swapaxes(0, 1)), onset)

    def _count(self, slot: NDArray[np.int64], told: Told, onset: NDArray[np.int64]) -> None:
        s, suspect = self.settings, self.suspicion(told.excess)
        trust = 1.0 - suspect
        counts = (slot[:, None] >= onset) & (told.excess > 0.0)
        for kind in (self.views, self.events):
            kind.day *= 1.0 - s.forget
        self.views.add(told.exposed, told.views, trust, told.excess, counts)
        self.events.add(told.predicted, told.events, trust, told.excess, counts)
        wins, bad = told.wins.sum(axis=1), np.einsum("bc,bc->b", told.wins, suspect)
        self._wins += wins, bad
        self._events += told.events.sum(axis=1), np.einsum("bc,bc->b", told.events, suspect)
        self._last[:] = bad / np.maximum(wins, 1.0)
        self.filtered[:] = np.einsum("bc,bc->b", told.wins, suspect > 0.5) / np.maximum(wins, 1.0)
        self.odds[:] = self.prior + self._evidence(self.views.day, s.views_left, self.events.day, s.events_left)
        self._judge_surges(counts)

    def _judge_surges(self, told: NDArray[np.bool_]) -> None:
        """Evidence of the surges that something was told of, (B, C): only what is beyond the usual may be invalid."""
        views, events = self.views.since[:, told], self.events.since[:, told]  # (3, N)
        left = [np.divide(of[1], of[0], out=np.ones_like(of[0]), where=of[0] > 0) for of in (views, events)]
        self.surge[told] = self._evidence(views[::2], left[0], events[::2], left[1])

    def _evidence(self, views: Matrix, views_left: Matrix | float, events: Matrix, left: Matrix | float) -> Matrix:
        """Nats for invalid traffic of expected and told views, and interactions, (2, ...), and what of them is left."""
        s = self.settings
        of_views = evidence(views[1], views[0], views_left, s.views_shape) / s.views_dispersion
        absent = evidence(events[1], events[0], left, s.events_shape)
        faked = evidence(events[1], events[0], s.events_faked, s.events_shape)
        found: Matrix = of_views + np.logaddexp(np.log(1.0 - s.faked) + absent, np.log(s.faked) + faked)
        return found

    def estimates(self) -> Matrix:
        """Shares (3, B) of what was told: invalid of the day's wins, of the last slot's, of the day's interactions."""
        of_wins, of_events = (suspect / np.maximum(told, 1.0) for told, suspect in (self._wins, self._events))
        return np.stack([of_wins, self._last, of_events])

    def suspicion(self, excess: Matrix) -> Matrix:
        """Probability (B, C) that a request is invalid, of sources with this `excess` (B, C) share of a surge."""
        of_surge = excess * chance_of(log_odds(self.settings.surge_prior) + self.surge)
        return np.maximum(chance_of(self.odds), of_surge)
