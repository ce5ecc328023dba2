"""Tuning: as many trials for each agent, on training days alone, into the files that training and evaluation read."""

import json
from importlib import import_module
from pathlib import Path

import numpy as np
import optuna
import pytest
from numpy.typing import NDArray

from bidpilot.agents.acting.agent import controller_agent
from bidpilot.agents.gains import tuned_gains
from bidpilot.agents.learners.catalogue import DEFAULT, LEARNERS
from bidpilot.agents.learners.common.imitation_config import ImitationConfig
from bidpilot.agents.learners.common.space import Choice
from bidpilot.agents.learners.common.tuned import tuned as tuned_settings
from bidpilot.bidding.errors import InvalidConfig
from bidpilot.envs import seeding
from bidpilot.envs.bidding_env.env import BiddingVectorEnv
from bidpilot.envs.bidding_env.pool_config import PoolConfig
from bidpilot.training.cli import main
from bidpilot.training.evaluation.play import Arena
from bidpilot.training.evaluation.statistics import interquartile_mean
from bidpilot.training.evaluation.suites import setting_arena
from bidpilot.training.setting.setting import training_setting
from bidpilot.training.tracking import current_store, download, find_run
from bidpilot.training.train.config import TrainConfig
from bidpilot.training.train.run import run as train
from bidpilot.training.tune import run as command
from bidpilot.training.tune.config import TuneConfig
from bidpilot.training.tune.results import data_folder, read_table, write_entry
from bidpilot.training.tune.short_run import trial_config
from bidpilot.training.tune.spaces import BASELINES, defaults

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("project")]

TRIALS, DAYS, FOLDS = 2, 16, 2
STEPS = 256 * 48
SETTINGS = LEARNERS[DEFAULT].config


@pytest.fixture(scope="module")
def drawn() -> set[int]:
    """Domains of every random stream that the tuning below draws from."""
    return set()


@pytest.fixture(scope="module")
def trained_days() -> set[float]:
    """The first uniform of every day that a trial of the tuning below trains on."""
    return set()


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory, drawn: set[int], trained_days: set[float]) -> tuple[str, Path]:
    """A whole tuning of two trials each: the run's id, and the folder it wrote to."""
    folder = tmp_path_factory.mktemp("data")
    training_setting("steady", None, 0)  # made and kept before the streams are watched
    stream = seeding.stream

    def watched(domain: int, seed: int) -> np.random.Generator:
        drawn.add(domain)
        return stream(domain, seed)

    begin_days = BiddingVectorEnv.begin_days

    def seen(env: BiddingVectorEnv) -> NDArray[np.float32]:
        trained_days.update(env.uniforms[:, 0].tolist())
        return begin_days(env)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(seeding, "stream", watched)
        patch.setattr(BiddingVectorEnv, "begin_days", seen)
        run_id = command.run(
            TuneConfig(
                market="steady",
                trials=TRIALS,
                days=DAYS,
                steps=STEPS,
                pool=PoolConfig(size=8),
                imitation=ImitationConfig(rounds=1),
                folds=FOLDS,
                out=folder,
            )
        )
    return run_id, folder


def test_every_agent_gets_the_same_number_of_trials_each_a_child_run(tuned: tuple[str, Path]) -> None:
    run_id, _ = tuned
    client, store = current_store().client(), current_store()
    children = client.search_runs(
        [store.experiment_id("bidpilot")], f"tags.`mlflow.parentRunId` = '{run_id}'", max_results=100
    )
    count = dict.fromkeys((*BASELINES, DEFAULT), 0)
    for child in children:
        assert child.info.status == "FINISHED"
        assert 0.3 < child.data.metrics[f"tuning/{child.data.tags['agent']}/ratio_iqm"] <= 1.0
        count[child.data.tags["agent"]] += 1
    assert set(count.values()) == {TRIALS}


def test_the_studies_are_kept_beside_the_runs(tuned: tuple[str, Path]) -> None:
    run_id, _ = tuned
    folder = current_store().folder
    assert folder is not None
    storage = f"sqlite:///{folder / command.STUDIES}"
    nested = {f"{run_id}/{agent}/{place} markets" for agent in BASELINES for place in range(FOLDS)}
    assert set(optuna.get_all_study_names(storage)) == nested | {f"{run_id}/{agent}" for agent in (*BASELINES, DEFAULT)}
    study = optuna.load_study(study_name=f"{run_id}/mpc", storage=storage)
    assert study.trials[0].params == defaults(BASELINES["mpc"])
    assert find_run(run_id).metrics["tuning/mpc/untuned_ratio_iqm"] == study.trials[0].value


def test_the_files_say_what_was_found_and_by_which_run(tuned: tuple[str, Path]) -> None:
    run_id, folder = tuned
    shipped = json.loads((data_folder() / "gains.json").read_text())["steady"]
    gains = json.loads((folder / "gains.json").read_text())["steady"]
    assert gains.keys() == shipped.keys()
    assert {agent: set(found) for agent, found in gains["gains"].items()} == {
        agent: set(found) for agent, found in shipped["gains"].items()
    }
    learnt = json.loads((folder / f"{DEFAULT}.json").read_text())["steady"]
    assert (gains["run"], gains["trials"]) == (learnt["run"], learnt["trials"]) == (run_id, TRIALS)
    assert learnt["settings"].keys() == LEARNERS[DEFAULT].load().space.keys()
    assert learnt["steps"] == STEPS


def test_the_best_trial_is_what_is_written(tuned: tuple[str, Path]) -> None:
    """Playing the gains that were written gives the ratio that the run reports for them."""
    run_id, folder = tuned
    setting = training_setting("steady", None, 0)
    arena = setting_arena(setting, DAYS, seeding.TUNING, 0)
    gains = json.loads((folder / "gains.json").read_text())["steady"]["found"]["pid"]
    metrics = find_run(run_id).metrics
    ratio = interquartile_mean(arena.play(controller_agent("pid", gains)).ratio)
    assert ratio == pytest.approx(metrics["tuning/pid/ratio_iqm"], abs=1e-12)
    assert metrics["tuning/pid/ratio_iqm"] >= metrics["tuning/pid/untuned_ratio_iqm"]


def test_trials_are_scored_on_training_days_that_no_trial_trains_on(
    tuned: tuple[str, Path], drawn: set[int], trained_days: set[float]
) -> None:
    assert drawn == {seeding.TUNING, seeding.TRAINING, seeding.CAMPAIGNS}
    setting = training_setting("steady", None, 0)
    scored = seeding.stream(seeding.TUNING, 0).random((DAYS, setting.market.draws))[:, 0]
    rows = seeding.stream(seeding.TRAINING, 0).random(setting.market.draws)[0]
    assert rows in trained_days  # the first row's first day, so that days were indeed watched
    assert trained_days.isdisjoint(scored.tolist())


def test_a_trial_of_the_defaults_is_a_training_of_the_defaults() -> None:
    assert trial_config(TuneConfig(), DEFAULT, SETTINGS) == TrainConfig(total_steps=TuneConfig().steps)
    unwarmed = ImitationConfig(rounds=0)
    asked = TuneConfig(seed=3, market="steady", rows=512, randomise=False, regret=False, imitation=unwarmed)
    assert trial_config(asked, DEFAULT, SETTINGS.model_copy(update={"epochs": 3})) == TrainConfig(
        seed=3,
        market="steady",
        rows=512,
        randomise=False,
        regret=False,
        imitation=unwarmed,
        total_steps=asked.steps,
        **{DEFAULT: SETTINGS.model_copy(update={"epochs": 3})},
    )


def test_training_takes_the_tuned_settings_where_nothing_else_was_asked_for(tuned: tuple[str, Path]) -> None:
    _, folder = tuned
    found = json.loads((folder / f"{DEFAULT}.json").read_text())["steady"]["settings"]
    taken = tuned_settings(DEFAULT, SETTINGS.model_copy(update={"epochs": 7}), "steady", folder)
    assert (taken.epochs, taken.residual) == (7, True)
    assert {name: getattr(taken, name) for name in found} == {**found, "epochs": 7}


def test_an_entry_leaves_the_others_alone(tmp_path: Path) -> None:
    path = tmp_path / "gains.json"
    write_entry(path, "steady", {"run": "a"})
    write_entry(path, "daily", {"run": "b"})
    write_entry(path, "steady", {"run": "c"})
    assert read_table(path) == {"steady": {"run": "c"}, "daily": {"run": "b"}}
    assert list(tmp_path.iterdir()) == [path]


def test_every_searched_setting_exists_and_starts_at_its_default() -> None:
    spaces = {name: learner.load().space for name, learner in LEARNERS.items()}
    for learner, searched in spaces.items():
        default = LEARNERS[learner].config
        assert type(default)(**defaults(searched)) == default
    for space in (*BASELINES.values(), *spaces.values()):
        for name, entry in space.items():
            if isinstance(entry, Choice):
                assert defaults(space)[name] in entry.values
            else:
                assert entry.low <= entry.default <= entry.high
    assert set(tuned_gains("steady")) == set(BASELINES)


@pytest.mark.parametrize(
    ("options", "reason"),
    [(["--rows", "100"], "do not fill"), (["--trials", "0"], "trials"), (["--agents", "pid"], "agents")],
)
def test_a_tuning_that_cannot_run_is_one_line_before_any_work(
    options: list[str], reason: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Arena, "play", None)
    with pytest.raises(SystemExit) as caught:
        main(["tune", *options])
    message = capsys.readouterr().err
    assert caught.value.code == 2
    assert reason in message
    assert message.count("\n") == 1


def test_a_damaged_file_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / f"{DEFAULT}.json").write_text("{")
    with pytest.raises(InvalidConfig, match="is no table of tuned settings"):
        command.run(TuneConfig(out=tmp_path, agents="baselines"))
    assert (tmp_path / f"{DEFAULT}.json").read_text() == "{"


def test_training_with_settings_that_nobody_tuned_is_a_named_error(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfig, match="not tuned for 'steady'"):
        tuned_settings(DEFAULT, SETTINGS, "steady", tmp_path)


def test_a_training_run_keeps_the_tuned_settings_written_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A resumed run reads its stored configuration, which a later tuning must not change."""
    folder = tmp_path
    write_entry(folder / f"{DEFAULT}.json", "steady", {"settings": {"epochs": 3, "clip_range": 0.3}})
    monkeypatch.setattr(
        import_module("bidpilot.training.train.run"),
        "tuned",
        lambda learner, settings, setting: tuned_settings(learner, settings, setting, folder),
    )
    trained = train(
        TrainConfig(
            market="steady",
            tuned=True,
            total_steps=STEPS,
            validation_days=8,
            pool=PoolConfig(size=8),
            imitation=ImitationConfig(rounds=1),
        )
    )
    stored = TrainConfig.model_validate_json(download(trained, "config.json").read_text())
    assert stored.settings == SETTINGS.model_copy(update={"epochs": 3, "clip_range": 0.3})
    assert not stored.tuned
