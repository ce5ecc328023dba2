"""The stored policy: the network that was trained, without its library, and only where it fits."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from pydantic import ValidationError
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

from bidpilot.agents.acting.agent import AgentDay
from bidpilot.agents.acting.hidden import HIDEABLE, seen_features
from bidpilot.agents.acting.network import Mlp
from bidpilot.agents.acting.policy import NetworkPolicy
from bidpilot.agents.acting.residual import RESIDUAL, RESIDUALS, Residual
from bidpilot.agents.learners.catalogue import DEFAULT, LEARNERS
from bidpilot.agents.learners.common.config import LearnerConfig
from bidpilot.agents.learners.common.learner import linear, trained_policy
from bidpilot.agents.learners.common.vec_env import BiddingVecEnv
from bidpilot.bidding.campaign.scalarisation import Scalarisation
from bidpilot.bidding.day.features import POSITION, bounds, columns, feature_names
from bidpilot.bidding.day.replanners import Replan
from bidpilot.bidding.errors import PolicyMismatch
from bidpilot.bidding.kpi import KPI
from bidpilot.envs.bidding_env.env import BiddingVectorEnv
from bidpilot.envs.markets.defaults import preset_campaign, preset_forecast, preset_market
from tests.bidding.day.more_features import add_feature

LEARNER = LEARNERS[DEFAULT].load()
CONFIG = LEARNERS[DEFAULT].config.model_copy(update={"batch_size": 32, "net": (16, 8), "residual": False})
ZEROS = np.zeros(11, np.float32)


def environment(hidden: tuple[str, ...] = (), residual: Residual | None = None) -> BiddingVecEnv:
    replan = Replan.FORECAST if residual is None else residual.base.replan
    setting = preset_market("steady"), preset_forecast("steady"), preset_campaign("steady")
    vector = BiddingVectorEnv(2, *setting, replan=replan)
    return BiddingVecEnv(vector, residual, seen_features(hidden, 8))


def read(model: OnPolicyAlgorithm, hidden: tuple[str, ...] = ()) -> NetworkPolicy:
    return trained_policy(LEARNER, model, environment(hidden))


def made(hidden: tuple[str, ...] = ()) -> OnPolicyAlgorithm:
    model = LEARNER.make(CONFIG, environment(hidden), seed=3)
    torch.manual_seed(0)
    with torch.no_grad():  # an output as large as a trained one's, some of it beyond [-1, 1]
        for parameter in model.policy.get_submodule("action_net").parameters():
            parameter.normal_()
    return model


@pytest.fixture(scope="module")
def model() -> OnPolicyAlgorithm:
    return made()


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


@pytest.mark.parametrize("hidden", [("preference",), ("replan", "hour_sin"), ("history",), ()])
def test_a_stored_policy_reads_nothing_of_what_was_hidden_from_its_network(hidden: tuple[str, ...]) -> None:
    model = made(hidden)
    policy, seen = read(model, hidden), observations()
    own = seen_features(hidden, 8)
    expected, _ = model.predict(seen[:, columns(own, 8)], deterministic=True)
    np.testing.assert_allclose(acted(policy, seen), expected, atol=1e-5)
    unseen = np.setdiff1d(np.arange(seen.shape[1]), [feature_names(8).index(name) for name in own])
    seen[:, unseen] = np.nan
    np.testing.assert_allclose(acted(policy, seen), expected, atol=1e-5)


def test_a_policy_that_reads_all_in_order_looks_at_the_observation_itself(model: OnPolicyAlgorithm) -> None:
    seen = observations()
    assert np.shares_memory(read(model).seen(seen), seen)
    assert read(model).seen(seen).shape == seen.shape


def test_a_policy_reads_its_features_by_name_and_in_its_own_order(model: OnPolicyAlgorithm, tmp_path: Path) -> None:
    names = ("pace_gap", "time_left", "replan_segment_7")
    network = Mlp((np.diag([0.5, 0.25, 1.0]).astype(np.float32) @ np.eye(3, 11, dtype=np.float32),), (ZEROS,))
    NetworkPolicy(network, features=names).save(tmp_path / "policy.npz")
    seen = np.full((1, len(feature_names(8))), np.nan, np.float32)
    seen[0, [POSITION["pace_gap"], POSITION["time_left"], -1]] = 0.2, 0.4, -0.5
    action = acted(NetworkPolicy.load(tmp_path / "policy.npz"), seen)
    np.testing.assert_allclose(action, [[0.1, 0.1, -0.5, *[0.0] * 8]], rtol=1e-6)


@pytest.mark.parametrize("residual", [None, RESIDUAL])
def test_a_policy_acts_the_same_once_more_features_are_observed(
    model: OnPolicyAlgorithm, tmp_path: Path, residual: Residual | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy, seen = replace(read(model), residual=residual), observations()
    before = acted(policy, seen)
    policy.save(tmp_path / "policy.npz")
    place = add_feature(monkeypatch, before="budget_left")
    grown = np.insert(seen, place, 0.77, axis=1)
    after = NetworkPolicy.load(tmp_path / "policy.npz")
    assert "moon_phase" in feature_names(8)
    assert "moon_phase" not in after.features
    np.testing.assert_allclose(acted(after, grown), before, atol=1e-6)


def test_a_group_of_features_hides_all_of_it_and_nothing_else() -> None:
    def named(*hidden: str) -> list[str]:
        return [name for name in feature_names(2) if name not in seen_features(hidden, 2)]

    assert named("replan") == ["replan", "replan_change", "replan_segment_0", "replan_segment_1"]
    assert named("replan_change", "time_left") == ["time_left", "replan_change"]
    assert len(named("history")) == 31
    kpis = [f"{kpi}_preference" for kpi in KPI]
    assert named("preference", "nash") == [*kpis, *(kind.value for kind in Scalarisation)]


def test_an_unknown_feature_is_an_error_that_lists_the_known_ones() -> None:
    with pytest.raises(
        ValidationError, match="no feature is called 'moon_phase': use preference replan history time_left"
    ):
        LearnerConfig(hidden=("replan", "moon_phase"))


def test_a_network_must_be_left_something_to_see() -> None:
    with pytest.raises(ValidationError, match="nothing is left"):
        LearnerConfig(hidden=HIDEABLE)


def test_a_fresh_model_bids_close_to_the_plan() -> None:
    fresh = LEARNER.make(CONFIG, environment(), seed=1)
    assert np.abs(acted(read(fresh), observations())).max() < 0.1


def test_the_same_seed_makes_the_same_weights() -> None:
    first, same, other = (
        read(LEARNER.make(CONFIG, environment(), seed)).network.arrays()["weight_0"] for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, same)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("residual", [None, *RESIDUALS.values()], ids=["alone", *RESIDUALS])
def test_a_stored_policy_acts_the_same(model: OnPolicyAlgorithm, tmp_path: Path, residual: Residual | None) -> None:
    policy = trained_policy(LEARNER, model, environment(residual=residual))
    policy.save(tmp_path / "policy.npz")
    again = NetworkPolicy.load(tmp_path / "policy.npz")
    assert again.residual is residual
    assert again.replan is (Replan.FORECAST if residual is None else residual.base.replan)
    np.testing.assert_array_equal(acted(again, observations()), acted(policy, observations()))


def test_a_file_that_names_no_base_is_added_to_mpc_and_an_unknown_one_is_refused(
    model: OnPolicyAlgorithm, tmp_path: Path
) -> None:
    policy, path = replace(read(model), residual=RESIDUALS["adaptive"]), tmp_path / "policy.npz"
    np.savez(path, residual=np.array(True), **policy.arrays())  # type: ignore[arg-type]
    assert NetworkPolicy.load(path).residual is RESIDUALS["mpc"]
    np.savez(path, residual=np.array(True), base=np.array("oracle"), **policy.arrays())  # type: ignore[arg-type]
    with pytest.raises(PolicyMismatch, match="added to 'oracle', and this version adds to mpc or adaptive"):
        NetworkPolicy.load(path)


def test_a_policy_refuses_another_number_of_segments(model: OnPolicyAlgorithm) -> None:
    policy = read(model)
    policy.check(policy.segments)
    with pytest.raises(PolicyMismatch, match=f"acts on {policy.segments} segments, the market has 1"):
        policy.check(1)


def test_a_policy_for_other_features_is_refused(model: OnPolicyAlgorithm) -> None:
    policy = read(model)
    with pytest.raises(PolicyMismatch, match="moon_phase"):
        NetworkPolicy(policy.network, features=("moon_phase", *feature_names(8)[1:]))
    with pytest.raises(PolicyMismatch, match=f"{len(feature_names(8))} inputs for {len(feature_names(8)) - 1}"):
        NetworkPolicy(policy.network, features=("pace_gap", *feature_names(8)[1:]))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"features": None}, r"does not name the features .* or train again"),
        ({"features": np.array([], np.str_), "ranges": np.zeros((0, 2))}, "does not name the features"),
        ({"ranges": None}, "does not name the features that it reads, and their ranges"),
        ({"features": np.array(["moon_phase", *feature_names(8)[1:]])}, "does not observe: moon_phase.* train again"),
        (
            {"ranges": np.array([(0, 7), *zip(*(end[1:] for end in bounds(8)), strict=True)])},
            r"does not observe: time_left in \[0, 7\] and not \[0, 1\]\. ",
        ),
    ],
)
def test_a_file_that_names_no_features_or_others_is_refused_with_the_remedy(
    model: OnPolicyAlgorithm, tmp_path: Path, changes: dict[str, NDArray[Any] | None], why: str
) -> None:
    arrays = {**read(model).arrays(), "residual": np.array(False), **changes}
    kept = {name: array for name, array in arrays.items() if array is not None}
    np.savez(tmp_path / "policy.npz", **kept)  # type: ignore[arg-type]
    with pytest.raises(PolicyMismatch, match=why):
        NetworkPolicy.load(tmp_path / "policy.npz")


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
