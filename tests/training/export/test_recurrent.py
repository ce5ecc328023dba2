"""A policy with memory on its whole way: exported, loaded, held against ONNX, served by the pilot, explained."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bidpilot.agents.acting.agent import AgentDay
from bidpilot.agents.acting.from_bundle import agent_of
from bidpilot.agents.acting.network import Lstm
from bidpilot.agents.acting.policy import NetworkPolicy
from bidpilot.bidding.bundle import PARITY, Bundle, Golden, load_bundle
from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.bidding.errors import BundleMismatch, InvalidBundle
from bidpilot.bidding.plan.planner import Planner
from bidpilot.envs.bidding_env.episode import Episode
from bidpilot.envs.markets.defaults import preset_market
from bidpilot.serving.calendar import ManualClock
from bidpilot.serving.guardrails import EventLog
from bidpilot.serving.pilot import Pilot
from bidpilot.training.explain.explanation import explain_slot
from bidpilot.training.export.config import ExportConfig
from bidpilot.training.export.onnx_file import OnnxPolicy, onnx_difference
from bidpilot.training.export.run import run as export
from bidpilot.training.tracking import download
from tests.training.export.conftest import make_run

SEGMENTS = 8


@pytest.fixture(scope="module")
def recurrent_run(project: Path) -> str:
    return make_run(residual=True, recurrent=True)


@pytest.fixture(scope="module")
def folder(recurrent_run: str, project: Path) -> Path:
    out = project / "recurrent"
    export(ExportConfig(run=recurrent_run, out=out, register_model=False))
    return out


@pytest.fixture(scope="module")
def bundle(folder: Path) -> Bundle:
    return load_bundle(folder)


@pytest.fixture(scope="module")
def policy(bundle: Bundle) -> NetworkPolicy:
    agent = agent_of(bundle)
    assert isinstance(agent, NetworkPolicy)
    assert isinstance(agent.network, Lstm)
    return agent


def test_the_bundle_answers_a_day_as_the_policy_that_was_trained(
    recurrent_run: str, bundle: Bundle, policy: NetworkPolicy
) -> None:
    trained = AgentDay(NetworkPolicy.load(download(recurrent_run, "policy") / "policy.npz"), 1, SEGMENTS)
    served = AgentDay(policy, 1, SEGMENTS)
    for row in bundle.observation(bundle.golden.observations):
        np.testing.assert_array_equal(served.act(row[None]), trained.act(row[None]))


def test_the_manifest_says_what_is_remembered_at_the_start_of_a_day(bundle: Bundle, policy: NetworkPolicy) -> None:
    units = policy.network.start(1)["hidden"].shape[1]
    assert bundle.manifest.initial_state == {"hidden": (0.0,) * units, "cell": (0.0,) * units}


def test_golden_outputs_are_of_a_day_in_order_and_not_of_slots_apart(bundle: Bundle, policy: NetworkPolicy) -> None:
    seen = bundle.golden.observations
    assert len(seen) == bundle.manifest.slots
    apart = AgentDay(policy, len(seen), SEGMENTS).act(bundle.observation(seen)).astype(np.float64)
    np.testing.assert_allclose(apart[0], bundle.golden.actions[0], atol=PARITY)
    with pytest.raises(BundleMismatch, match="golden"):
        agent_of(replace(bundle, golden=Golden(seen, apart)))


def test_onnx_carries_the_memory_through_the_day(folder: Path, bundle: Bundle, policy: NetworkPolicy) -> None:
    session = OnnxPolicy(folder / "policy.onnx").session
    assert [i.name for i in session.get_inputs()] == ["observation", "hidden", "cell"]
    assert [o.name for o in session.get_outputs()] == ["action", "hidden_out", "cell_out"]
    seen = bundle.observation(bundle.golden.observations)
    assert onnx_difference(folder / "policy.onnx", policy, seen) < PARITY
    assert isinstance(policy.network, Lstm)
    other = replace(policy.network, bias=policy.network.bias + np.float32(1e-3))
    assert onnx_difference(folder / "policy.onnx", replace(policy, network=other), seen) > PARITY


def test_a_bundle_that_begins_the_day_with_another_memory_is_refused(bundle: Bundle) -> None:
    manifest = bundle.manifest.model_copy(update={"initial_state": {}})
    with pytest.raises(BundleMismatch, match=r"memory of \['cell', 'hidden'\]; the bundle was written for nothing"):
        agent_of(replace(bundle, manifest=manifest))


def test_a_network_for_other_segments_is_no_part_of_the_bundle(bundle: Bundle) -> None:
    arrays = {name: array[..., :-1] if name.endswith("_2") else array for name, array in bundle.network.items()}
    with pytest.raises(InvalidBundle, match="network cannot be used"):
        agent_of(replace(bundle, network=arrays))


def test_the_pilot_gets_the_memory_back_by_closing_the_stored_slots_again(
    bundle: Bundle, policy: NetworkPolicy
) -> None:
    planner, campaign = Planner(bundle.forecast), bundle.manifest.campaign

    def begun() -> Pilot:
        return Pilot(planner, campaign, policy, 8, EventLog(ManualClock()), patience=5.0)

    first, second = begun(), begun()
    collector, stored = first.collector(8), []
    decision = first.begin()
    for slot in range(6):
        assert not decision.planned
        collector.begin(slot)
        for _ in range(20 * (slot + 1)):
            collector.request((0.5, 0.2, 0.01), slot % SEGMENTS, 0)
        stored.append(collector.totals())
        decision = first.close_slot(stored[-1])
    again = second.begin()
    for totals in stored:  # as after a restart in the middle of the day
        again = second.close_slot(totals)
    np.testing.assert_array_equal(again.observation, decision.observation)
    np.testing.assert_array_equal(again.action, decision.action)
    forgetful, _ = policy.act(decision.observation[None], policy.start(1))
    assert np.abs(forgetful[0] - decision.action).max() > 0.01
    first.close()
    second.close()


def test_a_decision_is_explained_at_what_was_remembered(bundle: Bundle, policy: NetworkPolicy) -> None:
    market = preset_market("steady")
    days = market.days(np.random.default_rng(0).random((4, market.draws)))
    episode = Episode(market, bundle.forecast, 4)
    observation = episode.begin(days, CampaignBatch.repeat(bundle.manifest.campaign, 4, days.budget))
    day = AgentDay(policy, 4, SEGMENTS)
    for _ in range(20):
        observation = episode.play(day.act(observation))
    found = explain_slot(episode, observation, policy, day.state, row=2)
    np.testing.assert_array_equal(found.action, policy.act(observation, day.state)[0][2])
    assert found.parts == ("network", "re-plan")
    assert found.gap < 1e-4
    assert np.abs(found.shares[0]).max() > 0.001
    fresh = explain_slot(episode, observation, policy, policy.start(4), row=2)
    assert np.abs(fresh.at_baseline - found.at_baseline).max() > 0.001  # the memory is in the offset
