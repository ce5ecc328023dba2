"""The stored policy: the network that was trained, without its library, and only where it fits."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from pydantic import ValidationError
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

from bidpilot.agents.acting.agent import AgentDay
from bidpilot.agents.acting.hidden import hidden_columns
from bidpilot.agents.acting.policy import NetworkPolicy
from bidpilot.agents.acting.residual import RESIDUAL
from bidpilot.agents.learners.catalogue import DEFAULT, LEARNERS
from bidpilot.agents.learners.common.config import LearnerConfig
from bidpilot.agents.learners.common.learner import linear, trained_policy
from bidpilot.agents.learners.common.vec_env import BiddingVecEnv
from bidpilot.bidding.campaign.scalarisation import Scalarisation
from bidpilot.bidding.day.features import bounds, feature_names
from bidpilot.bidding.errors import PolicyMismatch
from bidpilot.bidding.kpi import KPI
from bidpilot.envs.bidding_env.env import BiddingVectorEnv
from bidpilot.envs.markets.defaults import preset_campaign, preset_forecast, preset_market

LEARNER = LEARNERS[DEFAULT].load()
CONFIG = LEARNERS[DEFAULT].config.model_copy(update={"batch_size": 32, "net": (16, 8), "residual": False})


def read(model: OnPolicyAlgorithm, hidden: tuple[str, ...] = ()) -> NetworkPolicy:
    return trained_policy(LEARNER, model, CONFIG.model_copy(update={"hidden": hidden}))


@pytest.fixture(scope="module")
def model() -> OnPolicyAlgorithm:
    vector = BiddingVectorEnv(2, preset_market("steady"), preset_forecast("steady"), preset_campaign("steady"))
    made = LEARNER.make(CONFIG, BiddingVecEnv(vector), seed=3)
    torch.manual_seed(0)
    with torch.no_grad():  # an output as large as a trained one's, some of it beyond [-1, 1]
        for parameter in made.policy.get_submodule("action_net").parameters():
            parameter.normal_()
    return made


def observations(count: int = 200) -> NDArray[np.float32]:
    low, high = bounds(8)
    return np.random.default_rng(0).uniform(low, high, (count, len(low))).astype(np.float32)


def acted(policy: NetworkPolicy, seen: NDArray[np.float32]) -> NDArray[np.floating]:
    """What the policy does in the first slot of a day in every row."""
    return AgentDay(policy, len(seen), policy.segments).act(seen)


def test_numpy_and_torch_give_the_same_action(model: OnPolicyAlgorithm) -> None:
    expected, _ = model.predict(observations(), deterministic=True)
    action = acted(read(model), observations())
    assert (np.abs(expected) == 1.0).any()
    np.testing.assert_allclose(action, expected, atol=1e-5)


@pytest.mark.parametrize("hidden", [("preference",), ("replan", "hour_sin"), ()])
def test_a_stored_policy_ignores_what_was_hidden_from_its_network(
    model: OnPolicyAlgorithm, hidden: tuple[str, ...]
) -> None:
    policy, seen = read(model, hidden), observations()
    masked = seen.copy()
    masked[:, hidden_columns(hidden, 8)] = 0.0
    expected, _ = model.predict(masked, deterministic=True)
    np.testing.assert_allclose(acted(policy, seen), expected, atol=1e-5)
    np.testing.assert_array_equal(acted(policy, masked), acted(policy, seen))


def test_hiding_leaves_the_model_that_is_exported_as_it_was(model: OnPolicyAlgorithm) -> None:
    before = read(model)
    read(model, ("preference",))
    after = read(model).network.arrays()
    np.testing.assert_array_equal(after["weight_0"], before.network.arrays()["weight_0"])


def test_a_group_of_features_hides_all_of_it_and_nothing_else() -> None:
    def named(*hidden: str) -> list[str]:
        return [feature_names(2)[column] for column in hidden_columns(hidden, 2)]

    assert named("replan") == ["replan", "replan_change", "replan_segment_0", "replan_segment_1"]
    assert named("replan_change", "time_left") == ["time_left", "replan_change"]
    kpis = [f"{kpi}_preference" for kpi in KPI]
    assert named("preference", "nash") == [*kpis, *(kind.value for kind in Scalarisation)]


def test_an_unknown_feature_is_an_error_that_lists_the_known_ones() -> None:
    with pytest.raises(ValidationError, match="no feature is called 'moon_phase': use preference replan time_left"):
        LearnerConfig(hidden=("replan", "moon_phase"))


def test_a_fresh_model_bids_close_to_the_plan() -> None:
    vector = BiddingVectorEnv(2, preset_market("steady"), preset_forecast("steady"), preset_campaign("steady"))
    fresh = LEARNER.make(CONFIG, BiddingVecEnv(vector), seed=1)
    assert np.abs(acted(read(fresh), observations())).max() < 0.1


def test_the_same_seed_makes_the_same_weights() -> None:
    vector = BiddingVectorEnv(2, preset_market("steady"), preset_forecast("steady"), preset_campaign("steady"))
    first, same, other = (
        read(LEARNER.make(CONFIG, BiddingVecEnv(vector), seed)).network.arrays()["weight_0"] for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, same)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("residual", [False, True])
def test_a_stored_policy_acts_the_same(model: OnPolicyAlgorithm, tmp_path: Path, residual: bool) -> None:
    policy = trained_policy(LEARNER, model, CONFIG.model_copy(update={"residual": residual}))
    policy.save(tmp_path / "policy.npz")
    again = NetworkPolicy.load(tmp_path / "policy.npz")
    assert again.residual is (RESIDUAL if residual else None)
    np.testing.assert_array_equal(acted(again, observations()), acted(policy, observations()))


def test_a_policy_refuses_another_number_of_segments(model: OnPolicyAlgorithm) -> None:
    policy = read(model)
    policy.check(policy.segments)
    with pytest.raises(PolicyMismatch, match=f"acts on {policy.segments} segments, the market has 1"):
        policy.check(1)


def test_a_policy_for_other_features_is_refused(model: OnPolicyAlgorithm) -> None:
    policy = read(model)
    with pytest.raises(PolicyMismatch, match="moon_phase"):
        NetworkPolicy(policy.network, features=("moon_phase", *feature_names(8)[1:]))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 not a policy", b"text"])
def test_a_file_that_is_no_policy_is_a_named_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "policy.npz").write_bytes(content)
    with pytest.raises(PolicyMismatch, match="not a saved policy"):
        NetworkPolicy.load(tmp_path / "policy.npz")


def test_a_linear_decay_meets_both_its_ends() -> None:
    schedule = linear(1e-3, 1e-4)
    assert schedule(1.0) == pytest.approx(1e-3)
    assert schedule(0.0) == pytest.approx(1e-4)
    assert schedule(0.5) == pytest.approx(5.5e-4)
