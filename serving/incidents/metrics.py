"""Incidents as Prometheus reads them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from bidpilot.serving.incidents.incident import Action

if TYPE_CHECKING:
    from bidpilot.serving.bidder import Bidder


def metrics_of(bidder: Bidder) -> Iterator[Metric]:
    """Open incidents by campaign and risk, response levels by campaign, and alarms that nobody listened to."""
    responder = bidder.responder
    open_ = GaugeMetricFamily("bidpilot_incidents_open", "Incidents that go on.", labels=["campaign", "risk"])
    ours = responder.incidents.values()
    counts = Counter((one.campaign, one.risk.value) for one in ours if one.open)
    for campaign, risk in sorted({(one.campaign, one.risk.value) for one in ours}):
        open_.add_metric([campaign, risk], counts[campaign, risk])
    yield open_
    level = GaugeMetricFamily(
        "bidpilot_response_level", "Response level: 0 none, 1 throttle, 2 pause, 3 stop.", labels=["campaign"]
    )
    for name in bidder.days:
        found = [one.level.value for one in ours if one.open and one.campaign in ("", name)]
        level.add_metric([name], max(found, default=0))
    yield level
    text = "Open incidents whose response nobody has acknowledged."
    waiting = sum(one.open and one.deadline is not None for one in ours)
    yield GaugeMetricFamily("bidpilot_incidents_waiting", text, value=float(waiting))
    told = Counter(step.action for one in ours if one.open for step in one.steps)
    text = "Steps of open incidents by which deadlines have escalated them."
    yield GaugeMetricFamily("bidpilot_incidents_escalated", text, value=float(told[Action.escalated]))
    text = "Alarms that the response policy's factors left out."
    yield CounterMetricFamily("bidpilot_alarms_unheard", text, value=responder.unheard)
