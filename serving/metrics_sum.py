"""The metrics of several workers as one: what adds up, and what is the same everywhere.

Counters and histograms add up, those of workers that have ended too, so that no sum ever falls. A gauge has a rule.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum

import msgspec
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector


class Rule(StrEnum):
    """What becomes of the values that several workers have for one gauge."""

    add = "add"  # each has a part of it
    first = "first"  # the same everywhere
    largest = "largest"  # the same everywhere, and only grows, or an alarm: who knows most of it is right
    smallest = "smallest"  # 1 once it holds for all
    mean = "mean"  # each has its own


MONEY = {
    "promised": Rule.add,
    "free": Rule.add,
    "debt": Rule.largest,
    "budget": Rule.first,
    "settled": Rule.largest,
    "won": Rule.add,
}
"""Of the parts of a campaign's money: what a worker holds adds up, what the account has is the account's."""

ACCOUNT = MONEY | {"held": Rule.first, "won": Rule.first}
"""The same as `GET /admin/campaigns` tells it, where `won` is of the account."""

GAUGES = {
    "bidpilot_killed": Rule.smallest,
    "bidpilot_exposures_remembered": Rule.largest,
    "bidpilot_alpha": Rule.mean,
    "bidpilot_wins_unbilled": Rule.largest,
    "bidpilot_wins_unbilled_money": Rule.largest,
    "bidpilot_past_debt": Rule.largest,
    "bidpilot_traffic_share": Rule.add,
    "bidpilot_bundle_info": Rule.largest,
    "bidpilot_experiment_share": Rule.first,
    "bidpilot_orders_pending": Rule.add,
    "bidpilot_ledger_age_seconds": Rule.largest,
    "bidpilot_state_pending": Rule.add,
    "bidpilot_incidents_open": Rule.largest,
    "bidpilot_response_level": Rule.largest,
    "bidpilot_incidents_waiting": Rule.largest,
    "bidpilot_incidents_escalated": Rule.largest,
}
"""Of other gauges, by name; `bidpilot_money` goes by its label `part`."""

UNKNOWN = Rule.largest
"""Of what has no rule of its own."""

_ADDING = ("counter", "histogram")


class Sample(msgspec.Struct, array_like=True, frozen=True):
    """One line of an exposition."""

    name: str
    labels: dict[str, str]
    value: float


class Family(msgspec.Struct, array_like=True, frozen=True):
    """One metric with its samples."""

    name: str
    text: str
    kind: str
    samples: list[Sample]


_Key = tuple[str, tuple[tuple[str, str], ...]]


def told(metrics: Iterable[Metric]) -> list[Family]:
    """Families as a worker tells them."""
    return [
        Family(m.name, m.documentation, m.type, [Sample(s.name, dict(s.labels), float(s.value)) for s in m.samples])
        for m in metrics
    ]


def rule(family: Family, sample: Sample) -> Rule:
    """What becomes of one sample's values."""
    if family.kind in _ADDING:
        return Rule.add
    if family.name == "bidpilot_money":
        return MONEY.get(sample.labels.get("part", ""), UNKNOWN)
    return GAUGES.get(family.name, UNKNOWN)


def combine(rule: Rule, values: Sequence[float]) -> float:
    """One value of those of the workers."""
    if rule is Rule.add:
        return sum(values)
    if rule is Rule.first:
        return values[0]
    if rule is Rule.mean:
        return sum(values) / len(values)
    return max(values) if rule is Rule.largest else min(values)


def total(workers: Sequence[Sequence[Family]]) -> list[Family]:
    """The families of all workers as one."""
    families: dict[str, Family] = {}
    values: dict[str, dict[_Key, list[float]]] = {}
    samples: dict[_Key, Sample] = {}
    for family in (f for worker in workers for f in worker):
        families.setdefault(family.name, family)
        found = values.setdefault(family.name, {})
        for sample in family.samples:
            key = sample.name, tuple(sorted(sample.labels.items()))
            found.setdefault(key, []).append(sample.value)
            samples.setdefault(key, sample)
    return [
        Family(
            family.name,
            family.text,
            family.kind,
            [
                Sample(samples[key].name, samples[key].labels, combine(rule(family, samples[key]), several))
                for key, several in values[name].items()
            ],
        )
        for name, family in families.items()
    ]


class Totals:
    """Adds up over the life of all workers, by the number of each process."""

    def __init__(self) -> None:
        self._last: dict[int, list[Family]] = {}
        self._ended: list[Family] = []

    def take(self, process: int, families: list[Family]) -> None:
        """What a process tells now."""
        self._last[process] = families

    def end(self, process: int) -> None:
        """A process has ended: what it has counted stays, what it held is gone."""
        gone = [family for family in self._last.pop(process, []) if family.kind in _ADDING]
        self._ended = total([self._ended, gone])

    def sum(self, running: Iterable[int], more: Iterable[Metric] = ()) -> list[Family]:
        """All that is known, of running processes in this order, with `more` of the caller's own."""
        lives = [self._last[process] for process in running if process in self._last]
        return total([*lives, self._ended, told(more)])


def exposition(families: Iterable[Family]) -> bytes:
    """The text that Prometheus reads."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collected(families))
    return generate_latest(registry)


class _Collected(Collector):
    def __init__(self, families: Iterable[Family]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        """The families as the library's own."""
        for family in self._families:
            metric = Metric(family.name, family.text, family.kind)
            for sample in family.samples:
                metric.add_sample(sample.name, sample.labels, sample.value)
            yield metric
