"""The traffic detector: which sources send invalid traffic, by how much they send and by what follows what was won.

Volume is there at once: a source gets a few times its usual requests in a slot, and what is beyond is refused. Outcomes
come later. Volume limits a source and never refuses it whole, since honest sources surge as well: outcomes told of the
surge's own slots lift the limit, and only outcomes refuse a source whole. Multipliers are at most 1: nobody earns a
higher bid by what can be faked.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.traffic.evidence import chance_of
from bidpilot.bidding.traffic.filter import SourceTotals
from bidpilot.bidding.traffic.gate import Gate
from bidpilot.bidding.traffic.memory import SourceMemory
from bidpilot.bidding.traffic.outcomes import Outcomes, OutcomeSettings, Told
from bidpilot.bidding.traffic.report import SourceReport, Status
from bidpilot.bidding.traffic.volume import Volumes, VolumeSettings

if TYPE_CHECKING:
    from bidpilot.bidding.landscape.forecast import Forecast

Matrix = NDArray[np.float64]
_INTERACTION = 1  # of the KPI triple


@dataclass(frozen=True)
class DetectorSettings:
    """What the detector believes before it has seen a day, and when it acts; chosen on training seeds."""

    volume: VolumeSettings = field(default_factory=VolumeSettings)
    outcomes: OutcomeSettings = field(default_factory=OutcomeSettings)
    clear: float = -1.0  # nats for invalid traffic, of a surge's outcomes, below which its limit is lifted
    refuse: float = 0.9  # probability of invalid traffic from which a source is refused whole
    doubt: float = 0.2  # probability from which its bids are discounted by it
    most: float = 0.5  # of the day's requests: where outcomes speak against more, tracking is doubted, not sources


class Detector:
    """A `TrafficFilter` that estimates the invalid traffic of B rows by source.

    Args:
        share: (C,) share of requests that each source usually has (`Forecast.source_share`), 0 where not known.
        expected: (T,) requests per slot of the forecast.
        rows: B.
        interaction: predicted interactions of the mean auction, > 0: the unit that predictions are counted in.
        memory: what is known of the sources from days before, of these rows or of one for all.
        retold: whether more may be told of a slot once it has been taken in (`late`).
        watchers: of one even share of the traffic each, that all of it is told as: totals are so many times what was
            seen, which alone is evidence.
    """

    def __init__(
        self,
        share: Matrix,
        expected: Matrix,
        rows: int,
        interaction: float = 1.0,
        settings: DetectorSettings | None = None,
        memory: SourceMemory | None = None,
        retold: bool = False,
        watchers: int = 1,
    ) -> None:
        settings = DetectorSettings() if settings is None else settings
        shape = rows, len(share)
        self.settings, self.memory, self._interaction = settings, memory or SourceMemory.none(shape[1:]), interaction
        self._watchers, seen = watchers, expected / watchers
        self._told_share, self._day_requests = share, float(seen.sum())
        self.volumes = Volumes(seen, shape, settings.volume)
        self.outcomes = Outcomes(shape, len(expected), settings.outcomes, retold)
        self._refused_since = np.full(shape, -1)

    def begin(self, late: NDArray[np.int64]) -> None:
        """Begin a day; row b is told what its wins brought `late[b]` slots after them, (B,)."""
        self.outcomes.prior[:] = self.memory.prior(self.settings.outcomes.prior)
        self.volumes.begin(self.memory.share(self._told_share, self._day_requests))
        self.outcomes.begin(late)
        self._refused_since[:] = np.where(self.multiplier() == 0.0, 0, -1)

    def gate(self, t: int) -> Gate:
        """The gate of slot `t`."""
        return Gate(self.multiplier(), np.where(self.cleared(), np.inf, self._watchers * self.volumes.limits(t)))

    def multiplier(self) -> Matrix:
        """What a source's requests are worth bidding, (B, C)."""
        s, chance = self.settings, chance_of(self.outcomes.odds)
        multiplier = np.where(chance > s.refuse, 0.0, np.where(chance < s.doubt, 1.0, 1.0 - chance))
        requests = self.volumes.total
        against = np.einsum("bc,bc->b", requests, 1.0 - multiplier) > s.most * requests.sum(axis=1)
        return np.where(against[:, None], 1.0, multiplier)

    def cleared(self) -> NDArray[np.bool_]:
        """(B, C) whether a source surges, and outcomes have shown that people do."""
        cleared: NDArray[np.bool_] = self.volumes.surging & (self.outcomes.surge < self.settings.clear)
        return cleared

    def update(self, t: int, totals: SourceTotals) -> None:
        """Take in slot `t`, which has just passed."""
        begun = self.volumes.update(t, totals.source_auctions / self._watchers)
        self.outcomes.restart(begun)
        self.outcomes.update(t, self._told(totals, self.volumes.excess), self.volumes.onset)
        refused = self.multiplier() == 0.0
        self._refused_since[:] = np.where(refused, np.where(self._refused_since < 0, t + 1, self._refused_since), -1)

    def late(self, t: int, totals: SourceTotals) -> None:
        """Add what is told only now of slot `t`, which was taken in before."""
        self.outcomes.add(t, self._told(totals, np.zeros_like(self.volumes.excess)))

    def suspicion(self) -> Matrix:
        """Probability (B, C) that what a source sends is invalid."""
        return self.outcomes.suspicion(self.volumes.excess)

    def estimates(self) -> Matrix:
        """Shares (3, B) of what was told: invalid of the day's wins, of the last slot's, of the day's interactions."""
        return self.outcomes.estimates()

    def filtered(self) -> Matrix:
        """Share (B,) of the wins of the last slot told that are more likely invalid than not: of sources, or surges."""
        return self.outcomes.filtered

    def found(self) -> tuple[Matrix, Matrix]:
        """What the day has told of the sources (B, C): nats for invalid traffic, and requests without excess."""
        return self.outcomes.odds - self.outcomes.prior, self.volumes.ordinary

    def remember(self) -> SourceMemory:
        """What is known of the sources after the day that ends."""
        return self.memory.after(*self.found())

    def explain(self, row: int, source: int) -> SourceReport:
        """What is known of a source, and what follows from it for the coming slot."""
        s, v, o, at = self.settings, self.volumes, self.outcomes, (row, source)
        multiplier, cleared = float(self.multiplier()[at]), bool(self.cleared()[at])
        limited = bool(v.surging[at]) and not cleared
        if multiplier == 0.0:
            status, since = Status.refused, int(self._refused_since[at])
        elif limited:
            status, since = Status.limited, int(v.onset[at])
        else:
            status, since = (Status.doubted if multiplier < 1.0 else Status.open), None
        return SourceReport(
            source=source,
            status=status,
            since=since,
            multiplier=multiplier,
            probability=float(self.suspicion()[at]),
            requests=float(v.requests[at]),
            usual=float(v.usual[at]),
            quota=float(v.quota[at]),
            views=float(o.views.day[1][at]),
            views_expected=float(o.views.day[0][at]),
            events=float(o.events.day[1][at]),
            events_expected=float(o.events.day[0][at]),
            surge_evidence=float(o.surge[at]) if v.surging[at] else None,
            clear=s.clear,
            remembered=float(o.prior[at]),
        )

    def _told(self, totals: SourceTotals, excess: Matrix) -> Told:
        n = self._watchers
        return Told(
            totals.source_wins / n,
            totals.source_exposed / n,
            totals.source_views / n,
            totals.source_predicted / (n * self._interaction),
            totals.source_events / n,
            excess,
        )


def detector_for(
    forecast: Forecast, rows: int, memory: SourceMemory | None = None, retold: bool = False
) -> Detector | None:
    """The detector of `rows` days under a forecast; None where the forecast does not tell sources apart."""
    if forecast.source_share is None:
        return None
    unit = mean_interaction(forecast)
    return Detector(forecast.source_share, forecast.auctions, rows, unit, memory=memory, retold=retold)


def mean_interaction(forecast: Forecast) -> float:
    """Predicted interactions of a forecast's mean auction; 1 where it has none."""
    mean = float(forecast.landscape.mean_value[_INTERACTION])
    return mean if mean > 0 else 1.0
