"""Explaining a slot: the baseline is a day on plan, alpha is what the factors make it, the command keeps it all."""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from bidpilot.agents.acting.agent import AgentDay, controller_agent
from bidpilot.agents.acting.network import Mlp
from bidpilot.agents.acting.policy import NetworkPolicy
from bidpilot.agents.acting.residual import RESIDUAL
from bidpilot.agents.acting.state import State
from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.day.features import GROUPS, POSITION, feature_names
from bidpilot.envs import seeding
from bidpilot.envs.bidding_env.episode import Episode
from bidpilot.envs.markets.defaults import preset_campaign, preset_forecast, preset_market
from bidpilot.training.cli import main
from bidpilot.training.explain.baseline import CONTEXT, baseline_observation
from bidpilot.training.explain.config import ExplainConfig
from bidpilot.training.explain.explanation import explain_slot, group_of
from bidpilot.training.explain.function import Explainable
from bidpilot.training.explain.run import run
from bidpilot.training.tracking import download, find_run, latest_finished_run, open_run

pytestmark = pytest.mark.usefixtures("project")

SEGMENTS, DAYS = 8, 64


def begun(campaign: Campaign | None = None) -> tuple[Episode, np.ndarray]:
    """Steady days at their start."""
    market = preset_market("steady")
    days = market.days(seeding.stream(seeding.VALIDATION, 0).random((DAYS, market.draws)))
    episode = Episode(market, preset_forecast("steady"), DAYS)
    campaigns = CampaignBatch.repeat(
        campaign or preset_campaign("steady"), DAYS, days.budget, days.conversion_value, days.bounds
    )
    return episode, episode.begin(days, campaigns)


def network(residual: bool = False) -> NetworkPolicy:
    rng, sizes = np.random.default_rng(5), (len(feature_names(SEGMENTS)), 16, 3 + SEGMENTS)
    weights = [rng.normal(0, 0.7 / np.sqrt(n), (n, m)).astype(np.float32) for n, m in pairwise(sizes)]
    return NetworkPolicy(
        Mlp(tuple(weights), tuple(np.zeros(m, np.float32) for m in sizes[1:])), RESIDUAL if residual else None
    )


def advanced(episode: Episode, observation: np.ndarray, agent: Explainable, slots: int) -> tuple[np.ndarray, State]:
    """The observation before the slot after `slots` of them, and what the agent remembers there."""
    day = AgentDay(agent, episode.rows, episode.segments)
    for _ in range(slots):
        observation = episode.play(day.act(observation))
    return observation, day.state


@pytest.mark.parametrize("win_delay", [0, 3])
def test_days_that_bid_the_plan_lie_around_the_baseline(win_delay: int) -> None:
    campaign = preset_campaign("steady").model_copy(update={"win_delay": win_delay})
    episode, observation = begun(campaign)
    observation, _ = advanced(episode, observation, controller_agent("plan"), 24)
    baseline = baseline_observation(episode, observation, 0)
    usual = np.median(observation.astype(np.float64), axis=0)
    apart = {name: i for name, i in POSITION.items() if name not in CONTEXT}
    assert not {name: (usual[i], baseline[i]) for name, i in apart.items() if abs(usual[i] - baseline[i]) > 0.12}
    of_its_own = [POSITION[name] for name in CONTEXT]
    np.testing.assert_array_equal(baseline[of_its_own], observation[0, of_its_own].astype(np.float64))
    for name in ("budget_left", "budget_free", "pace_gap", "win_rate_day", "tail_share", "exposure_to_ideal"):
        assert usual[POSITION[name]] == pytest.approx(baseline[POSITION[name]], abs=0.05), name


def test_every_input_has_a_group() -> None:
    names = (*feature_names(SEGMENTS), "memory_gap")
    assert {group_of(name) for name in names} == {*GROUPS, "memory"}
    assert (group_of("replan_segment_3"), group_of("replan"), group_of("pace_gap")) == ("replan", "replan", "budget")


def test_before_the_first_slot_a_day_is_its_baseline() -> None:
    episode, observation = begun()
    baseline = baseline_observation(episode, observation, 0)
    np.testing.assert_allclose(observation[0], baseline, atol=1e-6)


def test_the_baseline_does_not_depend_on_what_a_conversion_is_worth() -> None:
    baselines = []
    for worth in (12.0, 17.64):
        campaign = preset_campaign("steady").model_copy(update={"conversion_value": worth, "min_tail_share": 0.4})
        episode, observation = begun(campaign)
        observation, _ = advanced(episode, observation, controller_agent("plan"), 12)
        baselines.append(baseline_observation(episode, observation, 0))
    np.testing.assert_array_equal(baselines[0], baselines[1])


@pytest.mark.parametrize("residual", [False, True])
def test_plan_offset_and_groups_multiply_to_alpha(residual: bool) -> None:
    episode, observation = begun()
    policy = network(residual)
    observation, state = advanced(episode, observation, policy, 20)
    found = explain_slot(episode, observation, policy, state, row=3)
    np.testing.assert_array_equal(found.action, policy.act(observation, state)[0][3])
    assert found.gap < 1e-4
    data = found.as_data()
    for entry in data["alpha"].values():
        product = (
            entry["plan"] * entry["factor_on_a_day_as_forecast"] * np.prod(list(entry["factor_by_group"].values()))
        )
        assert product == pytest.approx(entry["played"], rel=1e-4)
    assert data["alpha"]["exposure"]["factor_by_group"]["clock"] == 1.0  # the same on a day as forecast
    parts = data["action"]["scale"]["parts"]
    assert list(parts) == (["network", "re-plan"] if residual else ["network"])
    assert not CONTEXT & set(parts["network"]["by_feature"])
    if residual:
        assert list(parts["re-plan"]["by_feature"]) == ["replan"]


def test_the_plan_is_moved_by_nothing() -> None:
    episode, observation = begun()
    plan = controller_agent("plan")
    observation, state = advanced(episode, observation, plan, 10)
    found = explain_slot(episode, observation, plan, state, row=0)
    assert not found.shares.any()
    np.testing.assert_array_equal(found.alpha, found.reference)


def test_under_a_tail_share_the_segments_are_moved_by_the_replans_entries() -> None:
    episode, observation = begun(preset_campaign("steady").model_copy(update={"min_tail_share": 0.6}))
    mpc = controller_agent("mpc")
    observation, state = advanced(episode, observation, mpc, 24)
    found = explain_slot(episode, observation, mpc, state, row=1)
    assert np.abs(found.action[3:]).max() > 0.005
    moved = found.by_group()[0, 3:, found.groups.index("replan")]
    np.testing.assert_allclose(moved, found.action[3:], atol=1e-6)


def test_a_policys_explanation_is_kept_with_its_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    network(residual=True).save(tmp_path / "policy.npz")
    with open_run("bidpilot") as trained:
        trained.log_artifact(tmp_path / "policy.npz", "policy")
    file = tmp_path / "explained.json"
    main(["explain", trained.run_id, "--suite", "steady", "--day", "2", "--slot", "30", "--json", str(file)])
    written = json.loads(file.read_text())
    assert (written["run"], written["day"], written["slot"]) == (trained.run_id, 2, 30)
    name = "explain/ppo_steady_day2_slot30"
    assert json.loads(download(trained.run_id, f"{name}.json").read_text()) == written
    assert download(trained.run_id, f"{name}.png").read_bytes().startswith(b"\x89PNG")
    assert find_run(trained.run_id).status == "FINISHED"
    assert "replan" in capsys.readouterr().out
    again = run(ExplainConfig(suite="steady", day=2, slot=30))  # the latest run
    assert again.action.tolist() == [entry["played"] for entry in written["action"].values()]


def test_a_controllers_explanation_gets_a_run_of_its_own() -> None:
    found = run(ExplainConfig(agent="mpc", suite="steady", slot=12))
    made = latest_finished_run("explain")
    kept = json.loads(download(made.run_id, "explain/mpc_steady_day0_slot12.json").read_text())
    assert kept["run"] is None
    assert kept["alpha"]["exposure"]["played"] == found.alpha[0]


def test_any_day_of_days_in_a_row_can_be_explained() -> None:
    found = run(ExplainConfig(agent="mpc", suite="persistent", day=2, slot=3))
    assert np.isfinite(found.alpha).all()


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--agent", "constant"], "that could be explained"),
        (["--agent", "mpc", "--suite", "steady", "--slot", "48"], "1 days of 48 slots"),
        (["--agent", "mpc", "--suite", "mars"], "no suite is called 'mars'"),
        (["0" * 32], "does not exist"),
    ],
)
def test_what_cannot_be_explained_is_one_line(
    options: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["explain", *options])
    assert caught.value.code == 2
    message = capsys.readouterr().err
    assert reason in message
    assert message.count("\n") == 1
