"""`bidpilot tune`: as many trials for a learner as for every baseline, on training days, into the data files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from bidpilot.agents.acting.agent import controller_agent
from bidpilot.agents.learners.catalogue import LEARNERS, LearnerName
from bidpilot.agents.learners.common.space import Choice, Space
from bidpilot.bidding.errors import InvalidConfig
from bidpilot.envs import seeding
from bidpilot.training.cli.config import flat
from bidpilot.training.evaluation.names import CONSTANT
from bidpilot.training.evaluation.play import Arena, Outcome
from bidpilot.training.evaluation.statistics import interquartile_mean
from bidpilot.training.evaluation.suites import setting_arena
from bidpilot.training.setting.setting import Setting, training_setting
from bidpilot.training.tracking import Run, open_run
from bidpilot.training.train.environment import training_ground
from bidpilot.training.tune.config import TuneConfig
from bidpilot.training.tune.results import GAINS_FILE, data_folder, read_table, settings_file, write_entry
from bidpilot.training.tune.search import Best, Score, search
from bidpilot.training.tune.short_run import WarmStart, short_run, trial_config
from bidpilot.training.tune.spaces import BASELINES

STUDIES = "optuna.db"
"""The database of studies, beside MLflow's."""


def run(config: TuneConfig) -> str:
    """Tune, write the entries of the setting, and print what was found; the run's id.

    Raises:
        InvalidConfig: a learner's rows do not fill its batches, or a data file is damaged; before anything is played.
    """
    console = Console()
    folder = config.out or data_folder()
    usual = [name for name, entry in LEARNERS.items() if not entry.experimental]
    learners = _learners(config, usual)
    files = [GAINS_FILE, *(settings_file(name) for name in dict.fromkeys((*usual, *learners)))]
    for file in files:
        read_table(folder / file)
    for learner in learners:
        _check_batches(config, learner)
    setting = training_setting(config.market, config.log, config.seed, carries=config.carries)
    arena = setting_arena(setting, config.days, seeding.TUNING, config.seed)
    tags = {"setting": setting.name, "market_digest": setting.market.digest}
    with open_run(config.experiment, f"tune {setting.name}", flat(config), tags, kind="tune") as tracked:
        study = Study(config, setting, arena, tracked, console)
        if config.agents in ("all", "baselines"):
            gains = {agent: study.baseline(agent).settings for agent in BASELINES}
            write_entry(folder / GAINS_FILE, setting.name, {**_origin(config, tracked), "gains": gains})
        for learner in learners:
            origin = {**_origin(config, tracked), "steps": config.steps, "rows": config.rows}
            write_entry(
                folder / settings_file(learner), setting.name, {**origin, "settings": study.learner(learner).settings}
            )
        tables = {file: read_table(folder / file).get(setting.name) for file in files}
        tracked.log_json(tables, "tuned.json")
    _warn_if_unequal(tables, setting.name, console)
    console.print(f"written to {folder}, by run {tracked.run_id}", soft_wrap=True)
    return tracked.run_id


def _learners(config: TuneConfig, usual: list[LearnerName]) -> list[LearnerName]:
    """The learners that are tuned."""
    if config.agents == "all":
        return usual
    return [] if config.agents == "baselines" else [config.agents]


@dataclass(frozen=True)
class Study:
    """What all searches of one tuning share."""

    config: TuneConfig
    setting: Setting
    arena: Arena
    tracked: Run
    console: Console

    def baseline(self, agent: str) -> Best:
        """The best gains of a baseline."""
        if agent == CONSTANT:
            return self._search(agent, BASELINES[agent], lambda gains: self._ratio(self.arena.play_constant(**gains)))
        return self._search(
            agent, BASELINES[agent], lambda gains: self._ratio(self.arena.play(controller_agent(agent, gains)))
        )

    def learner(self, name: LearnerName) -> Best:
        """The best settings of a learner; each trial trains from the same warm start."""
        default = LEARNERS[name].config
        shared = trial_config(self.config, name, default)
        ground = training_ground(shared, self.setting)
        warm = WarmStart.of(shared, ground)

        def trained(settings: dict[str, Any]) -> float:
            trial = trial_config(self.config, name, type(default)(**settings))
            return self._ratio(self.arena.play(short_run(trial, ground, warm)))

        return self._search(name, LEARNERS[name].load().space, trained)

    def _search(self, agent: str, space: Space, score: Score) -> Best:
        config, tracked = self.config, self.tracked
        seed, storage = config.seed % 2**32, _storage(tracked)
        best = search(agent, space, score, config.trials, seed, storage, tracked, config.experiment)
        tracked.log_metrics({f"{agent}/ratio_iqm": best.ratio, f"{agent}/untuned": best.untuned}, 0)
        shown = " ".join(f"{name} {value:g}" for name, value in best.settings.items())
        self.console.print(f"{agent:<13} {best.untuned:.4f} -> {best.ratio:.4f}  {shown}", soft_wrap=True)
        return best

    @staticmethod
    def _ratio(outcome: Outcome) -> float:
        return interquartile_mean(outcome.ratio)


def _storage(tracked: Run) -> str:
    """The studies' database, in the folder of the local store, or in `mlruns` where a server holds the runs."""
    folder = tracked.store.folder or Path("mlruns").resolve()
    folder.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{folder / STUDIES}"


def _origin(config: TuneConfig, tracked: Run) -> dict[str, Any]:
    return {"run": tracked.run_id, "trials": config.trials, "days": config.days, "seed": config.seed}


def _check_batches(config: TuneConfig, learner: LearnerName) -> None:
    sizes = LEARNERS[learner].load().space["batch_size"]
    assert isinstance(sizes, Choice)
    rollout = config.rows * LEARNERS[learner].config.n_steps
    unfit = [size for size in sizes.values if rollout % size]
    if unfit:
        raise InvalidConfig(
            f"rows = {config.rows} make rollouts of {rollout} samples, which batches of {unfit[0]} do not fill. "
            "Give a multiple of 256 rows."
        )


def _warn_if_unequal(tables: dict[str, Any], setting: str, console: Console) -> None:
    """Say so where the baselines and the learners do not stand on the same number of trials."""
    trials = {file: None if entry is None else entry["trials"] for file, entry in tables.items()}
    if len(set(trials.values())) > 1:
        stand = ", ".join(f"{file} {count or 'no'} trials" for file, count in trials.items())
        console.print(f"{setting} is not tuned alike: {stand}. Tune the other as often before you compare.")
