"""Proposed weights: those under which utility counts KPIs as orders do, moved no further than the data insist."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bidpilot.bidding.campaign.profile import FunnelWeights, KpiProfile
from bidpilot.bidding.event import COMMENT, COMPLETE, LIKE, SHARE
from bidpilot.training.profiles.propose import Proposal, propose
from tests.training.profiles.orders import WORTH, orders

IDEAL = np.array([1000.0, 200.0, 20.0])
BY_ORDERS = WORTH * IDEAL / (WORTH @ IDEAL)  # 20, 60 and 200 of 280
FLAT = FunnelWeights(like=1.0, comment=1.0, share=1.0, follow=1.0, completion=1.0)


def profile(*preference: float) -> KpiProfile:
    return KpiProfile(weights=FLAT, preference=preference)


def proposed(present: KpiProfile, **changes: Any) -> Proposal:
    return propose(replace(orders(0), **changes), IDEAL, present, "shorts")


def test_a_weight_moves_to_the_nearer_end_of_its_interval() -> None:
    found = proposed(profile(0.6, 0.2, 0.2))
    exposure, interaction, conversion = found.preference
    for change, truth in zip(found.preference, BY_ORDERS, strict=True):
        assert change.measured.low is not None
        assert change.measured.high is not None
        assert change.measured.low - 0.02 <= truth <= change.measured.high + 0.02
    assert exposure.proposed < 0.35  # far too much before
    assert conversion.measured.value is not None
    assert 0.2 < conversion.proposed < conversion.measured.value
    assert sum(found.proposed.preference) == pytest.approx(1.0)
    assert found.proposed.preference == pytest.approx([c.proposed for c in found.preference])
    assert (exposure.moved, conversion.moved, found.platform) == (True, True, "shorts")
    assert interaction.present == 0.2


def test_weights_that_orders_do_not_contradict_stay_as_they_are() -> None:
    present = profile(*BY_ORDERS.tolist())
    found = proposed(present)
    assert found.proposed == present
    assert not any(change.moved for change in found.preference)


def test_what_orders_say_nothing_of_keeps_its_least_weight() -> None:
    """Orders go with conversions alone: exposure and interaction keep five hundredths, one without weight gets none."""
    alone = np.array([0.0, 0.0, 10.0])
    found = propose(orders(0, worth=alone), IDEAL, profile(0.5, 0.5, 0.0), "shorts", least=0.05)
    assert found.proposed.preference[0] >= 0.05
    assert found.proposed.preference[1] >= 0.05
    assert found.proposed.preference[2] > 0.6
    none = propose(orders(0, worth=alone), IDEAL, profile(0.0, 0.5, 0.5), "shorts", least=0.0)
    assert none.proposed.preference[0] == pytest.approx(0.0, abs=1e-9)


@settings(max_examples=10, deadline=None)
@given(st.tuples(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1)).filter(lambda w: sum(w) > 0.1))
def test_a_proposal_never_leaves_the_orders_further_off(weights: tuple[float, float, float]) -> None:
    present = np.array(weights) / sum(weights)
    found = propose(orders(3, days=30, each=150), IDEAL, profile(*present.tolist()), "shorts", least=0.0)
    measured = np.array([change.measured.value for change in found.preference], np.float64)
    before, after = (float(np.abs(w - measured).sum()) for w in (present, np.array(found.proposed.preference)))
    assert after <= before + 1e-6
    assert min(found.proposed.preference) >= 0


def test_events_count_by_what_orders_go_with_them_at_as_many_interactions_in_all() -> None:
    evidence, rng = orders(0), np.random.default_rng(1)
    counts = np.zeros((len(evidence.value), 7), np.int64)
    for kind, rate in ((COMPLETE, 0.3), (LIKE, 0.1), (COMMENT, 0.05), (SHARE, 0.05)):
        counts[:, kind] = rng.random(len(counts)) < rate
    value = evidence.value + 0.5 * counts[:, LIKE] + 3.0 * counts[:, SHARE]
    found = proposed(profile(0.2, 0.3, 0.5), funnel=counts, value=value)
    by_name = {change.name: change for change in found.weights}
    assert set(by_name) == {"completion", "like", "comment", "share"}
    assert any("follow were told" in note for note in found.notes)  # of which there was none
    assert found.proposed.weights.follow == 1.0
    assert by_name["share"].proposed > 2.5 * by_name["like"].proposed
    assert by_name["comment"].proposed < by_name["like"].proposed
    told = np.array([counts[:, kind].sum() for kind in (COMPLETE, LIKE, COMMENT, SHARE)])
    now = np.array([by_name[name].proposed for name in ("completion", "like", "comment", "share")])
    assert told @ now == pytest.approx(told.sum())  # at 1 each before


def test_events_that_say_nothing_leave_the_weights() -> None:
    evidence = orders(0)
    none = np.zeros((len(evidence.value), 7), np.int64)
    assert proposed(profile(0.2, 0.3, 0.5), funnel=none).weights == ()
    likes = none.copy()
    likes[:, LIKE : LIKE + 2] = 1
    silent = proposed(profile(0.2, 0.3, 0.5), funnel=likes, value=0 * evidence.value)
    assert silent.weights == ()
    assert silent.proposed.preference == (0.2, 0.3, 0.5)
    assert any("no KPI goes with order value" in note for note in silent.notes)
    assert any("no type of event" in note for note in silent.notes)
    weightless = KpiProfile(weights=FLAT.model_copy(update={"like": 0.0, "comment": 0.0}), preference=(0.2, 0.3, 0.5))
    found = propose(replace(evidence, funnel=likes), IDEAL, weightless, "shorts")
    assert found.weights == ()


def test_a_least_weight_that_leaves_no_room_leaves_all_as_it_is() -> None:
    third = profile(1 / 3, 1 / 3, 1 / 3)
    found = propose(orders(0), IDEAL, third, "shorts", least=1 / 3)
    assert found.proposed.preference == pytest.approx(third.preference)


def test_a_kpi_that_cannot_be_bought_keeps_its_weight() -> None:
    found = propose(orders(0), IDEAL * np.array([1.0, 0.0, 1.0]), profile(0.1, 0.0, 0.9), "shorts")
    assert found.preference[1].proposed == 0.0
