"""What the bidder counts, for Prometheus. Counting is an addition; the text is made when it is asked for."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from bidpilot.bidding.kpi import KPI
from bidpilot.bidding.traffic.sources import Sources
from bidpilot.bidding.watch.alarm import Risk
from bidpilot.serving.bidder import Bidder
from bidpilot.serving.experiments.metrics import of_experiment
from bidpilot.serving.guardrails import Cause
from bidpilot.serving.incidents.metrics import metrics_of
from bidpilot.serving.ledger.store import MICRO, MOST_SHOWN
from bidpilot.serving.swap import origins_of

_BOUNDS = (0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1)  # seconds


class Latency:
    """A histogram of seconds."""

    def __init__(self) -> None:
        self.counts = [0] * (len(_BOUNDS) + 1)
        self.total = 0.0

    def add(self, seconds: float) -> None:
        """Count one."""
        self.counts[bisect_left(_BOUNDS, seconds)] += 1
        self.total += seconds

    def buckets(self) -> list[tuple[str, float]]:
        """Cumulative counts, as Prometheus wants them."""
        seen, out = 0, []
        for bound, count in zip((*map(str, _BOUNDS), "+Inf"), self.counts, strict=True):
            seen += count
            out.append((bound, float(seen)))
        return out


class Metrics(Collector):
    """Reads a bidder, and who tells its sources apart, when it is scraped."""

    def __init__(self, bidder: Bidder, sources: Sources, predictions: Counter[str] | None = None) -> None:
        self._bidder, self._sources, self.latency = bidder, sources, Latency()
        self._predictions = Counter[str]() if predictions is None else predictions
        self.refused: dict[str, int] = {}
        self.forms: Counter[str] = Counter()  # of values that were read in another form than the protocol's
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    def refuse(self, why: str, count: int = 1) -> None:
        """Count what was not taken: a request, or impressions of it."""
        self.refused[why] = self.refused.get(why, 0) + count

    def text(self) -> bytes:
        """The exposition."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """All families."""
        b = self._bidder
        yield CounterMetricFamily("bidpilot_auctions", "Auctions seen.", value=b.auctions)
        yield CounterMetricFamily("bidpilot_bids", "Bids made.", value=b.bids)
        yield _counter("bidpilot_no_bids", "Auctions not bid on, by reason.", "reason", b.reasons)
        yield _counter("bidpilot_refused", "Requests not taken, by reason.", "reason", self.refused)
        text = "Values of requests that were read in another form, and parts that could not be, by form."
        yield _counter("bidpilot_forms", text, "form", self.forms)
        text = "Impressions without values of their own, by who gave them or why a predictor did not."
        yield _counter("bidpilot_predictions", text, "result", self._predictions)
        yield _refused_traffic(b)
        if b.experiment is not None:
            yield from of_experiment(b.experiment)
        text = "Requests of no source that is told apart, by cause."
        yield _counter("bidpilot_pooled", text, "cause", self._sources.pooled)
        yield _counter("bidpilot_notices", "Notices, by what became of them.", "result", b.notices)
        counts = b.event_counts()
        events = {cause.value: counts[cause] for cause in Cause}  # from 0 on: a series that begins at 1 is no increase
        yield _counter("bidpilot_guardrail_events", "Interventions of guardrails, by cause.", "cause", events)
        alarms = {risk.value: b.desk.watcher.counts[risk] for risk in Risk}  # from 0 on, as events
        yield _counter("bidpilot_alarms", "Alarms of campaigns' days, by risk.", "risk", alarms)
        yield GaugeMetricFamily("bidpilot_killed", "1 where the kill switch is on.", value=float(b.killed))
        text = f"Exposures that are remembered for frequency caps; at {MOST_SHOWN} campaigns with caps do not bid."
        yield GaugeMetricFamily("bidpilot_exposures_remembered", text, value=float(b.capping.remembered))
        yield _bundles(b)
        yield from _writing(b)
        latency = HistogramMetricFamily("bidpilot_bid_seconds", "Time to answer a bid request, seconds.")
        latency.add_metric([], self.latency.buckets(), self.latency.total)
        yield latency
        money = GaugeMetricFamily("bidpilot_money", "Money of the day, currency.", labels=["campaign", "part"])
        alpha = GaugeMetricFamily("bidpilot_alpha", "Bid coefficients of the slot.", labels=["campaign", "kpi"])
        share = GaugeMetricFamily(
            "bidpilot_traffic_share",
            "Share of the requests that come to this bidder, as last measured.",
            labels=["campaign"],
        )
        for name, day in b.days.items():
            share.add_metric([name], day.sharing.share)
            wallet, state = day.wallet, day.wallet.state
            parts = {"promised": wallet.promised, "free": wallet.free, "debt": wallet.debt}
            if state is not None:
                parts |= {"budget": state.budget, "settled": state.settled, "won": wallet.won}
            for part, amount in parts.items():
                money.add_metric([name, part], amount / MICRO)
            for kpi, coefficient in zip(KPI, day.alpha, strict=True):
                alpha.add_metric([name, kpi], coefficient)
        yield money
        yield alpha
        yield share
        unbilled = GaugeMetricFamily(
            "bidpilot_wins_unbilled", "Wins whose bill is overdue, yesterday's among them.", labels=["campaign"]
        )
        owed = GaugeMetricFamily(
            "bidpilot_wins_unbilled_money", "What they were bid at, currency.", labels=["campaign"]
        )
        for name, wins in b.reconciliation.wins.items():
            unbilled.add_metric([name], wins.overdue)
            owed.add_metric([name], wins.owed / MICRO)
        yield unbilled
        yield owed
        past = GaugeMetricFamily("bidpilot_past_debt", "What days gone by owe, currency.", labels=["campaign"])
        for name in b.days:
            past.add_metric([name], sum(b.past_debt.of(name).values()))
        yield past
        yield from metrics_of(b)


def _bundles(bidder: Bidder) -> GaugeMetricFamily:
    family = GaugeMetricFamily("bidpilot_bundle_info", "1 for each bundle that decides.", labels=["digest", "run"])
    for origin in origins_of(bidder):
        family.add_metric([origin.digest, origin.run], 1.0)
    return family


def _writing(bidder: Bidder) -> Iterator[Metric]:
    """How far behind the disk and the store are."""
    text = "Orders of operators that are in force here and not durable yet."
    yield GaugeMetricFamily("bidpilot_orders_pending", text, value=float(len(bidder.control.orders.pending)))
    text = "Age of the oldest call of the ledger without an answer, seconds; 0 where none waits."
    yield GaugeMetricFamily("bidpilot_ledger_age_seconds", text, value=bidder.desk.keeper.age)
    text = "Slots that are not in the state file yet."
    yield GaugeMetricFamily("bidpilot_state_pending", text, value=float(bidder.desk.state.writer.pending))
    log = bidder.decisions
    text = "Rows of the decision log that could not be written, twice."
    yield CounterMetricFamily("bidpilot_decisions_lost", text, value=0 if log is None else log.lost)
    text = "Rows of outcomes that could not be written, twice."
    yield CounterMetricFamily("bidpilot_outcomes_lost", text, value=0 if log is None else log.lost_outcomes)


def _refused_traffic(bidder: Bidder) -> CounterMetricFamily:
    text = "Auctions that the gate by source refused, by campaign and reason code."
    family = CounterMetricFamily("bidpilot_refused_traffic", text, labels=["campaign", "reason"])
    for (campaign, reason), count in sorted(bidder.refused.items()):
        family.add_metric([campaign, reason.value], count)
    return family


def _counter(name: str, text: str, label: str, counts: dict[str, int]) -> CounterMetricFamily:
    family = CounterMetricFamily(name, text, labels=[label])
    for value, count in sorted(counts.items()):
        family.add_metric([value], count)
    return family
