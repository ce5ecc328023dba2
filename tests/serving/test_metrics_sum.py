"""The metrics of several workers as one: what each has a part of adds up, what is the same everywhere does not."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from bidpilot.bidding.traffic.sources import Sources
from bidpilot.serving.auction import Opportunity
from bidpilot.serving.build import open_bidder
from bidpilot.serving.calendar import ManualClock
from bidpilot.serving.config import ServeConfig
from bidpilot.serving.metrics import Metrics
from bidpilot.serving.metrics_sum import GAUGES, MONEY, Family, Rule, Sample, Totals, combine, exposition, told, total
from tests.serving.experiments.conftest import experiment_file


def counter(value: float, **labels: str) -> Family:
    return Family("c", "A counter.", "counter", [Sample("c_total", labels, value)])


def gauge(name: str, value: float, **labels: str) -> Family:
    return Family(name, "A gauge.", "gauge", [Sample(name, labels, value)])


def values(families: list[Family]) -> dict[str, float]:
    """By the text of a sample as Prometheus reads it."""
    parsed = text_string_to_metric_families(exposition(families).decode())
    return {f"{s.name}{sorted(s.labels.items())}": s.value for f in parsed for s in f.samples}


@pytest.mark.parametrize(
    ("rule", "expected"),
    [(Rule.add, 6.0), (Rule.first, 2.0), (Rule.largest, 3.0), (Rule.smallest, 1.0), (Rule.mean, 2.0)],
)
def test_each_rule_by_numbers(rule: Rule, expected: float) -> None:
    assert combine(rule, [2.0, 1.0, 3.0]) == expected


def test_every_gauge_and_every_part_of_the_money_has_a_rule(bundle_folder: Path, tmp_path: Path) -> None:
    """Whoever adds one says what becomes of it in several workers."""
    experiment = experiment_file(tmp_path, campaigns=["default"])
    config = ServeConfig(bundle=bundle_folder, state=tmp_path, experiment=experiment)
    with open_bidder(config, ManualClock(1e9)) as bidder:
        bidder.bid(Opportunity((0.6, 0.2, 0.004), 0))
        families = told(Metrics(bidder, Sources(8)).collect())
    gauges = {f.name for f in families if f.kind not in ("counter", "histogram")}
    assert gauges == {*GAUGES, "bidpilot_money"}
    (money,) = (f for f in families if f.name == "bidpilot_money")
    assert {s.labels["part"] for s in money.samples} <= set(MONEY)


def test_parts_of_the_money_that_workers_hold_add_up_and_those_of_the_account_do_not() -> None:
    def worker(**parts: float) -> list[Family]:
        samples = [Sample("bidpilot_money", {"campaign": "x", "part": p}, v) for p, v in parts.items()]
        return [Family("bidpilot_money", "Money.", "gauge", samples)]

    found = total(
        [
            worker(promised=1.0, free=2.0, debt=0.0, budget=40.0, settled=5.0),
            worker(promised=3.0, free=4.0, debt=0.5, budget=50.0, settled=6.0),
        ]
    )
    (family,) = found
    assert {s.labels["part"]: s.value for s in family.samples} == {
        "promised": 4.0, "free": 6.0, "debt": 0.5, "budget": 40.0, "settled": 6.0,
    }  # fmt: skip


def test_killed_is_told_once_it_holds_everywhere() -> None:
    for states, expected in (((0.0, 0.0), 0.0), ((1.0, 0.0), 0.0), ((1.0, 1.0), 1.0)):
        (family,) = total([[gauge("bidpilot_killed", state)] for state in states])
        assert family.samples[0].value == expected


def test_labels_that_one_worker_alone_has_stay() -> None:
    found = total([[counter(1, reason="a")], [counter(2, reason="b")], [counter(4, reason="a")]])
    assert values(found) == {"c_total[('reason', 'a')]": 5.0, "c_total[('reason', 'b')]": 2.0}


def test_buckets_counts_and_sums_of_a_histogram_add_up() -> None:
    def worker(low: float, all_: float, seconds: float) -> list[Family]:
        buckets = [Sample("h_bucket", {"le": "0.1"}, low), Sample("h_bucket", {"le": "+Inf"}, all_)]
        return [Family("h", "H.", "histogram", [*buckets, Sample("h_count", {}, all_), Sample("h_sum", {}, seconds)])]

    assert values(total([worker(1, 3, 0.5), worker(2, 2, 0.25)])) == {
        "h_bucket[('le', '0.1')]": 3.0, "h_bucket[('le', '+Inf')]": 5.0, "h_count[]": 5.0, "h_sum[]": 0.75,
    }  # fmt: skip


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("count"), st.integers(0, 2), st.integers(1, 9)),
            st.tuples(st.just("end"), st.integers(0, 2), st.just(0)),
            st.tuples(st.just("silent"), st.integers(0, 2), st.just(0)),
        ),
        max_size=30,
    )
)
def test_a_sum_never_falls_whatever_workers_end_and_come_again(steps: list[tuple[str, int, int]]) -> None:
    """Prometheus would take a fall for a restart, and count everything a second time."""
    totals, process, counts = Totals(), [0, 1, 2], [0, 0, 0]
    shown, booked, following = 0.0, 0, 3
    for step, which, more in steps:
        if step == "count":
            counts[which] += more
            booked += more
        elif step == "end":
            totals.end(process[which])
            process[which], counts[which], following = following, 0, following + 1
        for k in range(3):
            if not (step == "silent" and k == which):
                totals.take(process[k], [counter(counts[k]), gauge("bidpilot_alpha", 1.0)])
        families = totals.sum(process)
        now = values(families)["c_total[]"]
        assert shown <= now == booked
        shown = now
        assert values(families)["bidpilot_alpha[]"] == 1.0


def test_of_a_worker_that_has_ended_what_it_held_is_gone() -> None:
    totals = Totals()
    totals.take(1, [counter(3), gauge("bidpilot_alpha", 8.0)])
    totals.take(2, [counter(4), gauge("bidpilot_alpha", 2.0)])
    totals.end(1)
    assert values(totals.sum([2, 5])) == {"c_total[]": 7.0, "bidpilot_alpha[]": 2.0}
