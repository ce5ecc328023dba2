"""A run: interrupted and resumed it ends as if it had not been; what it leaves; what it refuses."""

import json
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bidpilot.agents.acting.hidden import seen_features
from bidpilot.agents.acting.policy import NetworkPolicy
from bidpilot.agents.learners.catalogue import DEFAULT, LEARNERS, LearnerName
from bidpilot.agents.learners.common.imitation_config import ImitationConfig
from bidpilot.agents.learners.common.learner import trained_policy
from bidpilot.agents.learners.common.snapshot import (
    Snapshot,
    latest_snapshot,
    restore_snapshot,
    trained_features,
)
from bidpilot.agents.learners.common.vec_env import BiddingVecEnv
from bidpilot.bidding.day.features import feature_names
from bidpilot.bidding.errors import CheckpointMismatch, InvalidConfig, NotALog, RunNotFound
from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.envs.bidding_env.pool_config import PoolConfig
from bidpilot.training.cli import main
from bidpilot.training.evaluation.statistics import interquartile_mean
from bidpilot.training.evaluation.suites import validation_arena
from bidpilot.training.setting.setting import Setting, training_setting
from bidpilot.training.tracking import download, find_run, written_to
from bidpilot.training.tracking.store import current_store
from bidpilot.training.train.config import TrainConfig
from bidpilot.training.train.environment import TrainingGround, new_model, training_ground
from bidpilot.training.train.run import run
from bidpilot.training.tune.short_run import WarmStart, short_run
from tests.bidding.day.more_features import add_feature

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("project")]

RUN_MODULE = "bidpilot.training.train.run"
ROWS, SLOTS = 4, 48
ROLLOUT = ROWS * SLOTS
NO_GROUND = {"total_steps", "checkpoint_every", "resume", "learner", *LEARNERS}  # settings that no ground depends on
GROUP = 2  # rows of the default learner that play one day
OTHER: LearnerName = next(name for name in LEARNERS if name != DEFAULT)
SMALL = {"batch_size": 64, "epochs": 2, "net": (8, 8)}


def with_settings(config: TrainConfig, **changes: Any) -> TrainConfig:
    """`config` with other hyperparameters of its learner."""
    return config.model_copy(update={config.learner: config.settings.model_copy(update=changes)})


TINY = TrainConfig(
    market="steady",
    rows=ROWS,
    total_steps=4 * ROLLOUT,
    validation_days=4,
    verdict_days=0,
    validate_every=2 * ROLLOUT,
    checkpoint_every=2 * ROLLOUT,
    pool=PoolConfig(size=4, own=0.0, max_cpa=0.0, tail=1.0),  # its tail shares move the multipliers
    imitation=ImitationConfig(rounds=1, batch_size=64),
    **{DEFAULT: LEARNERS[DEFAULT].config.model_copy(update=SMALL | {"group": GROUP})},
)
WARM = SLOTS * TINY.imitation.rounds  # steps that imitation plays before a new run begins


def tiny(learner: LearnerName) -> TrainConfig:
    """`TINY` by a learner."""
    if learner == DEFAULT:
        return TINY
    other = TINY.model_copy(update={"learner": learner, DEFAULT: LEARNERS[DEFAULT].config})
    return with_settings(other, **SMALL)


@lru_cache
def uninterrupted(config: str) -> str:
    """A run that was never interrupted, of a configuration as JSON."""
    return run(TrainConfig.model_validate_json(config))


@pytest.fixture(scope="module")
def whole() -> str:
    """A run that was never interrupted."""
    return uninterrupted(TINY.model_dump_json())


@pytest.fixture(scope="module", autouse=True)
def one_ground() -> Iterator[None]:
    """A ground is made once for all runs of its settings: half of what a tiny run takes, and not what is tested here.

    That the same seeds make the same ground again is held where it is drawn, and by the digest that a run resumes with.
    """
    made: dict[str, TrainingGround] = {}

    def ground(config: TrainConfig, setting: Setting) -> TrainingGround:
        key = config.model_dump_json(exclude=NO_GROUND)
        if key not in made:
            made[key] = training_ground(config, setting)
        return made[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(f"{RUN_MODULE}.training_ground", ground)
        yield


def end(run_id: str) -> Snapshot:
    return latest_snapshot(download(run_id, "checkpoint"))


def interrupt_after(patch: pytest.MonkeyPatch, steps: int) -> None:
    """Let the user press Ctrl-C during the environment step after `steps` of them."""
    step_wait, calls = BiddingVecEnv.step_wait, iter(range(steps))

    def counted(env: BiddingVecEnv) -> Any:
        if next(calls, None) is None:
            raise KeyboardInterrupt
        return step_wait(env)

    patch.setattr(BiddingVecEnv, "step_wait", counted)


def interrupted(steps: int, config: TrainConfig = TINY) -> str:
    """A run stopped by Ctrl-C after `steps` environment steps of all rows."""
    with pytest.MonkeyPatch.context() as patch:
        interrupt_after(patch, WARM + steps)
        with pytest.raises(KeyboardInterrupt):
            run(config)
    found = (
        current_store()
        .client()
        .search_runs(
            [str(current_store().experiment_id(config.experiment))],
            max_results=1,
            order_by=["attributes.start_time DESC"],
        )
    )
    return str(found[0].info.run_id)


def assert_same(first: Any, second: Any) -> None:
    """Equal bit for bit, through dicts and lists."""
    assert type(first) is type(second)
    if isinstance(first, dict):
        assert first.keys() == second.keys()
        for key in first:
            assert_same(first[key], second[key])
    elif isinstance(first, (list, tuple)):
        assert len(first) == len(second)
        for one, other in zip(first, second, strict=True):
            assert_same(one, other)
    elif isinstance(first, torch.Tensor):
        assert torch.equal(first, second)
    else:
        assert first == second


@pytest.mark.parametrize(
    ("steps", "residual", "learner"),
    [(2 * SLOTS + 7, False, DEFAULT), *((3 * SLOTS + 1, True, learner) for learner in LEARNERS)],
)
def test_an_interrupted_run_resumed_ends_bit_for_bit_as_an_uninterrupted_one(
    steps: int, residual: bool, learner: LearnerName
) -> None:
    config = with_settings(tiny(learner), residual=residual)
    stopped = interrupted(steps, config)
    assert find_run(stopped).status == "KILLED"
    assert end(stopped)["step"] == steps // SLOTS * ROLLOUT  # the last day boundary before Ctrl-C
    assert run(TrainConfig(resume=stopped)) == stopped
    assert find_run(stopped).status == "FINISHED"
    assert_same(end(stopped), end(uninterrupted(config.model_dump_json())))


def test_a_checkpoint_read_back_plays_as_the_run_did_to_the_last_digit(whole: str) -> None:
    snapshot, setting = end(whole), training_setting(TINY.market, None, TINY.seed)
    assert snapshot["prices"].any()
    model, env = new_model(TINY, training_ground(TINY, setting))
    standing = restore_snapshot(snapshot, model, env)
    arena = validation_arena(setting, TINY.validation_days, TINY.seed, worlds=True)
    last = arena.play(trained_policy(LEARNERS[TINY.learner].load(), model, env)).ratio
    assert interquartile_mean(last) == standing.curve[-1].iqm
    kept = standing.shrunk(TINY.shrinkage).policy
    assert kept is not None
    stored = NetworkPolicy.load(download(whole, "policy") / "policy.npz")
    np.testing.assert_array_equal(arena.play(kept).ratio, arena.play(stored).ratio)


@pytest.mark.parametrize("learner", LEARNERS)
def test_a_rollout_that_is_no_whole_day_resumes_from_a_day_boundary_bit_for_bit(learner: LearnerName) -> None:
    config = with_settings(tiny(learner), n_steps=32).model_copy(
        update={
            "total_steps": 6 * ROWS * 32,  # days begin with rollouts 0, 3 and 6
            "checkpoint_every": ROWS * 32,
        }
    )
    stopped = interrupted(5 * 32, config)
    assert end(stopped)["step"] == 3 * ROWS * 32
    run(TrainConfig(resume=stopped[:20]))
    assert_same(end(stopped), end(uninterrupted(config.model_dump_json())))


def test_imitation_alone_ends_where_ppo_would_begin_and_goes_on_with_it_once_given_steps(whole: str) -> None:
    alone = run(TINY.model_copy(update={"total_steps": 0}))
    assert find_run(alone).status == "FINISHED"
    assert end(alone)["curve"] == end(whole)["curve"][:1]
    assert NetworkPolicy.load(download(alone, "policy") / "policy.npz").residual
    with pytest.raises(InvalidConfig, match="has done all of its 0 steps"):
        run(TrainConfig(resume=alone))
    written_to(alone).log_metrics({"heldout/shift/ratio_iqm": 0.9, "heldout/shift/days": 64}, 0)
    run(TrainConfig(resume=alone, total_steps=TINY.total_steps))
    assert find_run(alone).metrics["heldout/shift/days"] == 0  # that score is of the policy before
    assert_same(end(alone), end(whole))


def test_what_is_hidden_stays_so_in_a_resumed_run_and_its_policy_does_not_read_it() -> None:
    hidden = ("replan", "nash")
    stopped = interrupted(2 * SLOTS + 7, with_settings(TINY, hidden=hidden))
    run(TrainConfig(resume=stopped))
    policy = NetworkPolicy.load(download(stopped, "policy") / "policy.npz")
    assert policy.features == seen_features(hidden, policy.segments)
    told = json.loads((download(stopped, "policy") / "policy.json").read_text())["features"]
    assert tuple(feature["name"] for feature in told) == policy.features


def test_a_run_goes_on_with_its_own_features_once_more_are_observed(
    whole: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped = interrupted(2 * SLOTS + 7, TINY)
    add_feature(monkeypatch, before="budget_left")
    run(TrainConfig(resume=stopped))
    assert "moon_phase" not in NetworkPolicy.load(download(stopped, "policy") / "policy.npz").features
    assert_same(end(stopped), end(whole))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"moon_phase": [0.0, 1.0]}, "does not observe: moon_phase"),
        ({"time_left": [0.0, 7.0]}, r"does not observe: time_left in \[0, 7\] and not \[0, 1\]"),
    ],
)
def test_a_run_on_features_that_are_not_observed_is_not_gone_on_with(
    whole: str, change: dict[str, list[float]], why: str
) -> None:
    snapshot = end(whole)
    assert trained_features(snapshot, 8) == feature_names(8)
    with pytest.raises(CheckpointMismatch, match=why):
        trained_features(snapshot | {"features": snapshot["features"] | change}, 8)


def test_training_moves_the_weights_and_the_best_policy_is_kept(whole: str, tmp_path: Path) -> None:
    final = end(whole)
    curve = {step: (mean, iqm) for step, iqm, _, _, mean, *_ in final["curve"]}
    assert list(curve) == [0, 2 * ROLLOUT, 4 * ROLLOUT]
    stored = json.loads((download(whole, "policy", tmp_path) / "policy.json").read_text())
    assert max(curve.values()) == curve[stored["best_step"]]
    assert stored["validation_ratio_iqm"] == find_run(whole).metrics["validation/best_ratio_iqm"]
    best = NetworkPolicy.load(tmp_path / "policy" / "policy.npz").network.arrays()
    last = f"{len(SMALL['net'])}"  # type: ignore[arg-type]
    for name, kept in final["best"].items():
        if isinstance(kept, str):
            assert best[name] == kept
        else:
            factor = TINY.shrinkage if name.endswith(last) else 1.0
            np.testing.assert_array_equal(best[name], kept.numpy() * factor)


def test_a_run_holds_what_evaluation_and_a_reader_need(whole: str, tmp_path: Path) -> None:
    found = find_run(whole)
    assert found.status == "FINISHED"
    assert (found.tags["kind"], found.tags["setting"]) == ("train", "steady")
    assert len(found.tags["market_digest"]) == 32
    assert found.params[f"{DEFAULT}.batch_size"] == "64"
    assert found.tags["learner"] == DEFAULT
    asked = {"learner", "market", "seed", "total_steps"}  # and beside these what is not at its default
    assert asked < set(found.params)
    assert not {"regret", "run_name", "experiment", "ppo.discount"} & set(found.params)
    assert len(found.params) < 20
    assert found.name == f"{DEFAULT} steady s0"
    assert found.tags["mlflow.note.content"].startswith(f"**What:** training of {DEFAULT}, seed 0")
    beside = [found.metrics[f"validation/ratio_vs_mpc{end}"] for end in ("_low", "", "_high")]
    assert beside == sorted(beside)
    assert 0.5 < found.metrics["validation/best_ratio_iqm"] <= 1.0
    folder = download(whole, "policy", tmp_path)
    stored = json.loads((folder / "policy.json").read_text())
    assert (stored["slots"], stored["setting"], stored["log"]) == (SLOTS, "steady", None)
    assert Forecast.load(folder / "forecast.npz").segments == tuple(stored["segments"])
    for figure in ("learning_curve", "budget_left"):
        assert download(whole, f"figures/{figure}.png").stat().st_size > 1000


def test_a_finished_run_is_not_resumed_unless_made_longer(whole: str) -> None:
    with pytest.raises(InvalidConfig, match=f"has done all of its {4 * ROLLOUT} steps"):
        run(TrainConfig(resume=whole, total_steps=1))


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ([f"--{DEFAULT}.epochs", "3"], f"--{DEFAULT}.epochs cannot"),
        (
            [f"--{DEFAULT}.epochs", str(LEARNERS[DEFAULT].config.epochs)],
            f"--{DEFAULT}.epochs cannot",
        ),  # the default, which is not the run's
        (["--seed", "8", "--no-randomise", "--total-steps", "9999"], "--seed --randomise cannot"),
    ],
)
def test_a_resumed_run_is_given_no_options_of_its_own(
    options: list[str], named: str, whole: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["train", "--resume", whole, *options])
    message = capsys.readouterr().err
    assert f"{named} be given with --resume {whole}" in message
    assert "Leave out all but --total-steps" in message


def test_a_trial_of_tuning_ends_with_the_weights_of_a_run(whole: str) -> None:
    ground = training_ground(TINY, training_setting(TINY.market, None, TINY.seed))
    policy = short_run(TINY, ground, WarmStart.of(TINY, ground))
    trained = end(whole)["parameters"]["policy"]
    np.testing.assert_array_equal(
        policy.network.arrays()[f"weight_{len(TINY.settings.net)}"], trained["action_net.weight"].numpy().T
    )


@pytest.mark.parametrize(
    ("entry", "other", "reason"),
    [("market", "0" * 32, "the run's was 0000"), ("observation", torch.zeros(ROWS, 3), "begin with another plan")],
)
def test_another_market_or_plan_is_not_mistaken_for_the_runs(
    entry: str, other: Any, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped = interrupted(SLOTS + 1)
    snapshot = end(stopped) | {entry: other}
    monkeypatch.setattr(f"{RUN_MODULE}.latest_snapshot", lambda folder: snapshot)
    with pytest.raises(CheckpointMismatch, match=reason):
        run(TrainConfig(resume=stopped))


def test_of_two_checkpoints_one_cut_short_is_passed_over(whole: str, tmp_path: Path) -> None:
    folder = download(whole, "checkpoint", tmp_path)
    files = {torch.load(path, weights_only=True)["step"]: path for path in folder.glob("*.pt")}
    assert sorted(files) == [2 * ROLLOUT, 4 * ROLLOUT]
    last = files[4 * ROLLOUT]
    last.write_bytes(last.read_bytes()[:1000])
    assert latest_snapshot(folder)["step"] == 2 * ROLLOUT
    files[2 * ROLLOUT].write_bytes(b"")
    with pytest.raises(CheckpointMismatch, match="no whole checkpoint"):
        latest_snapshot(folder)


def test_a_run_without_a_checkpoint_is_a_named_error() -> None:
    stopped = interrupted(0)  # Ctrl-C in the first slot: the state before it is kept
    assert end(stopped)["step"] == 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bidpilot.agents.learners.common.callback.BetweenRollouts.checkpoint", lambda self: None)
        without = interrupted(0)
    with pytest.raises(RunNotFound, match="no checkpoint"):
        run(TrainConfig(resume=without))


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--rows", "0"], "rows"),
        (["--rows", "256", "--ppo.group", "7"], "rows = 256 is no multiple of ppo.group = 7"),
        ([f"--{DEFAULT}.batch-size", "1000"], "no multiple"),
        ([f"--{DEFAULT}.learning-rate", "nan"], "learning_rate"),
        (["--total-steps", "0", "--imitation.rounds", "0"], "train nothing"),
        ([f"--{DEFAULT}.hidden", "moon_phase"], "no feature is called 'moon_phase'"),
        (["--stepz", "3"], "stepz"),
        (["--learner", "dqn"], "learner"),
        ([f"--{OTHER}.epochs", "3"], f"give learner = {OTHER}"),
    ],
)
def test_a_bad_option_is_one_line_before_any_work(
    options: list[str], reason: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{RUN_MODULE}.training_setting", None)
    with pytest.raises(SystemExit) as caught:
        main(["train", *options])
    message = capsys.readouterr().err
    assert caught.value.code == 2
    assert reason in message
    assert message.count("\n") == 1


def test_a_folder_that_is_no_log_is_a_named_error_and_opens_no_run(tmp_path: Path) -> None:
    with pytest.raises(NotALog):
        run(TINY.model_copy(update={"log": tmp_path, "experiment": "nothing"}))
    assert current_store().client().get_experiment_by_name("nothing") is None
