"""Counts what one slot brings, auction by auction, in the form the environment's kernel counts it."""

from __future__ import annotations

from array import array
from copy import copy
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.day.slot_totals import SlotTotals
from bidpilot.bidding.event import EVENTS, INTERACTIONS, VIEW
from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.bidding.landscape.octaves import RATIOS
from bidpilot.bidding.plan.budget_plan import RATIO_QUANTILES
from bidpilot.bidding.traffic.refusal import Refusal
from bidpilot.serving.seen import Seen, of_all
from bidpilot.serving.slot_gate import SlotGate

if TYPE_CHECKING:
    from bidpilot.serving.told import Told

Value = tuple[float, float, float]

_EDGES = RATIOS.edges()
_BATCH = 4096  # shown prices are binned so many at a time ...
_SHOWN = 5  # numbers each
_COUNTS = (
    "slot", "auctions", "spend", "_gate", "_requested", "_segment_auctions", "_shown", "_bins", "_price_sum", "_priced",
    "_won",
)  # fmt: skip


def ratio_bins(
    value: NDArray[np.float32],
    price: NDArray[np.float32],
    discount: NDArray[np.float32],
    reference: NDArray[np.float64],
) -> NDArray[np.int64]:
    """Bins (N,) of value per price, in float32.

    Args:
        value, price: (N, 3) and (N,) of the auctions.
        discount: (N,) multipliers of their sources.
        reference: (3,) coefficients.
    """
    a = reference.astype(np.float32)
    worth = (a[0] * value[:, 0] + a[1] * value[:, 1] + a[2] * value[:, 2]) * discount
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = worth / price
    return RATIOS.bins_of(ratio)


def ratio_quantiles(counts: NDArray[np.int64], quantiles: NDArray[np.float64]) -> NDArray[np.float64]:
    """Quantiles (K,) of value per price, interpolated inside the bin they fall into, from counts per bin."""
    total = int(counts.sum())
    ends = np.cumsum(counts)
    goal = np.ceil(quantiles * total).astype(np.int64)
    k = np.minimum(np.searchsorted(ends, goal, side="left"), RATIOS.bins - 1)
    seen = ends[k] - counts[k]
    inside = np.divide(quantiles * total - seen, counts[k], out=np.zeros(len(k)), where=counts[k] > 0)
    found: NDArray[np.float64] = _EDGES[k] + (_EDGES[k + 1] - _EDGES[k]) * inside
    return found


class SlotCollector:
    """The slot of one campaign that is under way. Amounts are currency, KPI in units of the triple.

    Args:
        forecast: the bundle's.
        sources: sources that are told apart.
        reference: coefficients (3,) at which value per price is counted.
        usual: mean KPI (3,) of an auction as expected of the date: what an unseen auction is taken to offer.
        ratios: value per price at the observed quantiles (5,) as expected of the date, for slots that show no price.
        price, traffic: market price and auctions that the calendar expects of the date, as factors on the forecast's.
    """

    def __init__(
        self,
        forecast: Forecast,
        sources: int,
        reference: NDArray[np.float64],
        usual: NDArray[np.float64],
        ratios: NDArray[np.float64],
        price: float = 1.0,
        traffic: float = 1.0,
    ) -> None:
        self._price, self._traffic = price, traffic
        self._forecast, self._sources, self._reference = forecast, sources, reference
        self._usual, self._ratios = usual, ratios
        self._segments = len(forecast.segments)
        self.begin(0)

    def begin(self, slot: int, gate: SlotGate | None = None) -> None:
        """Begin a slot with nothing seen; None where its rule has no gate."""
        self.slot, self._gate = slot, gate
        self.auctions = 0
        self._requested = [0.0, 0.0, 0.0]
        self._segment_auctions = [0] * self._segments
        self._shown: array[float] = array("f")  # KPI triple, price and multiplier of auctions with a price
        self._bins = np.zeros(RATIOS.bins, np.int64)
        self._price_sum = 0.0
        self._priced = 0
        self._won = SlotTotals.zeros(1, self._segments, self._sources)
        self.spend = 0.0

    def another(self, slot: int, gate: SlotGate | None = None) -> SlotCollector:
        """One that counts another slot of the same day."""
        made = copy(self)
        made.begin(slot, gate)
        return made

    def count_on(self, before: SlotCollector) -> SlotCollector:
        """Go on with what another has counted of its slot; this one."""
        for name in _COUNTS:
            setattr(self, name, getattr(before, name))
        return self

    def follow(self, gate: SlotGate | None) -> None:
        """Let another gate decide the rest of the slot; what was counted stays."""
        if gate is not None and self._gate is not None:
            gate.count_on(self._gate)
        self._gate = gate

    def request(self, value: Value, segment: int, source: int) -> Refusal | None:
        """An auction was offered, whatever became of it; why the gate refuses it, which is then no arrival.

        KPIs count as far as the gate lets the rule value them, so that who plans by them sees the value it bids for.
        """
        gate, passing = self._gate, 1.0
        if gate is not None:
            refusal = gate.admit(source)
            if refusal is not None:
                return refusal
            passing = gate.multiplier(source)
        self.auctions += 1
        requested = self._requested
        requested[0] += passing * value[0]
        requested[1] += passing * value[1]
        requested[2] += passing * value[2]
        self._segment_auctions[segment] += 1
        return None

    def refusal(self, source: int) -> Refusal | None:
        """Why the next auction of a source would be refused; nothing is counted."""
        return None if self._gate is None else self._gate.refusal(source)

    def price(self, value: Value, source: int, price: float) -> None:
        """The market price of an auction that was not refused has become known."""
        self._shown.extend((*value, price, 1.0 if self._gate is None else self._gate.multiplier(source)))
        self._priced += 1
        self._price_sum += price
        if len(self._shown) >= _SHOWN * _BATCH:
            self._drain()

    def win(self, value: Value, segment: int, source: int, cost: float, bid: float) -> None:
        """An auction was won and billed."""
        add_win(self._won, value, segment, source, cost, bid)
        self.spend += cost

    def outcome(self, source: int, told: Told) -> None:
        """What a won auction brought has become known."""
        add_outcome(self._won, source, told)

    @property
    def won(self) -> SlotTotals:
        """Of wins that were billed and of what is told of them, one row; what is offered is not in it."""
        return self._won

    def seen(self, unwatched: float = 0.0) -> Seen:
        """What has been counted so far; the collector did not run for the share `unwatched` of the slot."""
        self._drain()
        totals = of_all(self._won, 1)
        totals.auctions[0] = self.auctions
        totals.requested[0] = self._requested
        totals.segment_auctions[0] = self._segment_auctions
        if self._gate is not None:
            totals.source_auctions[0] = self._gate.requests
            totals.source_refused[0] = self._gate.refused
        return Seen(totals, self._price_sum, self._priced, self._bins.copy(), unwatched)

    def totals(self, unwatched: float = 0.0, bidders: float = 1) -> SlotTotals:
        """The slot's totals of all `bidders`, one row: what this one saw was its even share of the traffic."""
        return self.totals_of(self.seen(unwatched).times(bidders))

    def totals_of(self, seen: Seen) -> SlotTotals:
        """The slot's totals, one row, of what all bidders have seen.

        The share of the slot in which no bidder ran is taken to have been as the forecast says of the date; of its
        sources nothing is said. Prices stand for all auctions, also where only some were shown.
        """
        totals, auctions = seen.totals, seen.auctions
        expected = self._forecast.auctions[self.slot] * self._traffic
        extra = round(expected * seen.unwatched)
        usual = self._forecast.landscape.mean_price * float(self._forecast.price_curve[self.slot]) * self._price
        if seen.priced:
            price_sum = seen.shown * auctions / seen.priced + usual * extra
            ratios = ratio_quantiles(seen.bins, RATIO_QUANTILES)
        else:
            price_sum, ratios = usual * (auctions + extra), self._ratios
        return replace(
            totals,
            auctions=totals.auctions + extra,
            requested=totals.requested + self._usual * extra,
            price_sum=np.array([price_sum]),
            ratio_quantiles=ratios[None].copy(),
        )

    def _drain(self) -> None:
        if not len(self._shown):
            return
        rows = np.frombuffer(self._shown, np.float32).reshape(-1, _SHOWN)
        self._shown = array("f")
        bins = ratio_bins(rows[:, :3], rows[:, 3], rows[:, 4], self._reference)
        self._bins += np.bincount(bins, minlength=RATIOS.bins)


def add_win(totals: SlotTotals, value: Value, segment: int, source: int, cost: float, bid: float) -> None:
    """Add one won auction to a row of totals. Realised exposure is the predicted one: no notice tells it."""
    totals.wins[0] += 1
    totals.spend[0] += cost
    totals.committed[0] += bid
    totals.predicted[0] += value
    totals.realised[0, 0] += value[0]
    totals.segment_wins[0, segment] += 1
    totals.segment_spend[0, segment] += cost
    totals.source_wins[0, source] += 1
    totals.source_spend[0, source] += cost
    totals.source_predicted[0, source] += value[1]
    totals.source_exposed[0, source] += value[0]


def add_outcome(totals: SlotTotals, source: int, told: Told) -> None:
    """Add what is told, weighed, of a won auction to a row of totals.

    Views told of one auction are one view of its source, as many as they are: one is expected of each at most.
    """
    totals.realised[0, 1:] += told.interaction, told.conversion
    totals.source_realised[0, source] += told.interaction
    totals.source_converted[0, source] += told.conversion
    if told.event is None:
        return
    kind = EVENTS.index(told.event)
    totals.funnel[0, kind] += told.count
    if kind == VIEW:
        totals.source_views[0, source] += 1
    elif INTERACTIONS.start <= kind < INTERACTIONS.stop:
        totals.source_events[0, source] += told.count
