"""What is counted of the experiment that is served, for Prometheus; money of an arm is that of its campaigns."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from bidpilot.serving.experiments.experiment import Experiment


def of_experiment(experiment: Experiment) -> Iterator[Metric]:
    """Requests of each arm, and the share of users that it is to have now."""
    labels, file = ["experiment", "arm"], experiment.file
    requests = CounterMetricFamily(
        "bidpilot_experiment_requests",
        "Requests by arm, and by what they were assigned by: user, device, or the request alone.",
        labels=[*labels, "by"],
    )
    for (arm, by), count in sorted(experiment.requests.items()):
        requests.add_metric([file.name, arm, by], count)
    yield requests
    share = GaugeMetricFamily("bidpilot_experiment_share", "Share of users that an arm is to have.", labels=labels)
    for entry in file.arms:
        ended = experiment.ended_to
        share.add_metric([file.name, entry.name], entry.share if ended is None else float(entry.name == ended))
    yield share
