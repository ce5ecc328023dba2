"""`bidpilot tune`: as many trials for a learner as for every baseline, on training days; kept with the run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from bidpilot.agents.gains import GAINS_FILE
from bidpilot.agents.learners.catalogue import LEARNERS, LearnerName
from bidpilot.agents.learners.common.space import Choice
from bidpilot.bidding.errors import InvalidConfig
from bidpilot.envs import seeding
from bidpilot.training.cli.config import changed, given
from bidpilot.training.evaluation.suites import setting_arena
from bidpilot.training.jobs.backend import Backend
from bidpilot.training.jobs.run import crew
from bidpilot.training.setting.setting import Setting, training_setting
from bidpilot.training.tracking import Run, download, open_run, resolve_run
from bidpilot.training.train.environment import training_ground
from bidpilot.training.tune.baselines import HeldOut, gains_entry, tune_baselines
from bidpilot.training.tune.config import TuneConfig
from bidpilot.training.tune.folds import fold_count
from bidpilot.training.tune.progress import TrialProgress
from bidpilot.training.tune.results import CONFIG_FILE, TUNED_FILE, data_folder, read_table, settings_file, write_entry
from bidpilot.training.tune.search import Best, Search
from bidpilot.training.tune.short_run import ShortRuns, WarmStart, trial_config
from bidpilot.training.tune.spaces import BASELINES

STUDIES = "optuna.db"
"""The database of studies, beside MLflow's."""
_WITH_RESUME = ("resume", "out", "install", "backend", "address")


def run(config: TuneConfig) -> str:
    """Tune, keep what was found with the run, write it where it was asked for, and print it; the run's id.

    Raises:
        InvalidConfig: a learner's rows do not fill its batches, or a data file is damaged; before anything is played.
        RunNotFound: `resume` names no tuning.
        UnknownLaw: on a log, the teacher to imitate is to know the law.
    """
    resumed = None if config.resume is None else resolve_run(config.resume, ("tune",))
    config = config if resumed is None else _resumed(config, resumed.run_id)
    _check_workers(config)
    config.imitation.check_law_known(config.log)
    console = Console()
    folders = [folder for folder in (config.out, data_folder() if config.install else None) if folder is not None]
    usual = [name for name, entry in LEARNERS.items() if not entry.experimental]
    learners = _learners(config, usual)
    files = [GAINS_FILE, *(settings_file(name) for name in dict.fromkeys((*usual, *learners)))]
    for file in files:
        for folder in folders:
            read_table(folder / file)
    for learner in learners:
        _check_batches(config, learner)
    setting = training_setting(config.market, config.log, config.seed, carries=config.carries)
    tags = {"setting": setting.name, "market_digest": setting.market.digest}
    name, params = f"tune {config.agents} {setting.name}", changed(config, "agents", "trials", "seed")
    with open_run(config.experiment, name, params, tags, kind="tune", resume=config.resume) as tracked:
        tracked.log_json(config.model_dump(mode="json", exclude=set(_WITH_RESUME)), CONFIG_FILE)
        console.print(f"run {tracked.run_id}; if it is stopped, go on with: bidpilot tune --resume {tracked.run_id}")
        found = _tune(config, setting, learners, tracked, console)
        tracked.log_json(found, TUNED_FILE)
    for folder in folders:
        for file, entry in found.items():
            write_entry(folder / file, setting.tuned_as, entry)
        tables = {file: read_table(folder / file).get(setting.tuned_as) for file in files}
        _warn_if_unequal(tables, setting.name, console)
        console.print(f"written to {folder}", soft_wrap=True)
    console.print(f"kept with run {tracked.run_id}: {TUNED_FILE}")
    return tracked.run_id


def _tune(
    config: TuneConfig, setting: Setting, learners: list[LearnerName], tracked: Run, console: Console
) -> dict[str, Any]:
    """The entry of the setting in each data file."""
    searched = {"trials": config.trials, "days": config.days, "seed": config.seed}
    origin: dict[str, Any] = {"setting": setting.name, "run": tracked.run_id, **searched}
    baselines = config.agents in ("all", "baselines")
    searches = len(learners) + (len(BASELINES) * (1 + fold_count(config, setting)) if baselines else 0)
    progress = TrialProgress(console, searches, config.trials)
    backend, seed = config.spread(), config.seed % 2**32
    at_once = max(backend.workers, 1)
    search = Search(config.trials, seed, _storage(tracked), tracked, config.experiment, progress, at_once)
    entries: dict[str, Any] = {}
    if baselines:
        tuned = tune_baselines(config, setting, search, console, backend)
        for agent, baseline in tuned.items():
            played = "; won" if baseline.won else "; not won"
            _tell(baseline.best, agent, tracked, console, baseline.held_out, played)
        entries[GAINS_FILE] = {**origin, "folds": config.folds, **gains_entry(tuned)}
    for name in learners:
        best = _learner(name, config, setting, search, backend)
        _tell(best, name, tracked, console)
        entries[settings_file(name)] = {
            **origin,
            "steps": config.steps,
            "rows": config.rows,
            "settings": best.settings,
        }
    return entries


def _check_workers(config: TuneConfig) -> None:
    """Refuse a search whose findings would depend on how many CPUs a cluster happens to have.

    Raises:
        InvalidConfig: ray without a number of workers, or an address without ray.
    """
    if config.spread().name == "ray" and config.workers == 0:
        raise InvalidConfig(
            "what a search finds depends on how many trials are asked for at once: give --workers N with --backend ray."
        )


def _resumed(config: TuneConfig, run_id: str) -> TuneConfig:
    """The configuration of the tuning to go on with.

    Raises:
        InvalidConfig: other options are given with `resume`, which keeps its own.
        RunNotFound: the run holds no configuration.
    """
    ignored = [option for option in given(config) if option not in _WITH_RESUME]
    if ignored:
        raise InvalidConfig(
            f"--{' --'.join(ignored)} cannot be given with --resume {run_id}: a resumed tuning keeps its own "
            "configuration. Leave out all but --out, --install, --backend and --address, or start a new one."
        )
    stored = json.loads(download(run_id, CONFIG_FILE).read_text())
    return TuneConfig.model_validate(
        {**stored, **{name: getattr(config, name) for name in _WITH_RESUME}, "resume": run_id}
    )


def _learners(config: TuneConfig, usual: list[LearnerName]) -> list[LearnerName]:
    """The learners that are tuned."""
    if config.agents == "all":
        return usual
    return [] if config.agents == "baselines" else [config.agents]


def _learner(name: LearnerName, config: TuneConfig, setting: Setting, search: Search, backend: Backend) -> Best:
    """The best settings of a learner; each trial trains from the same warm start."""
    shared = trial_config(config, name, LEARNERS[name].config)
    ground = training_ground(shared, setting)
    arena = setting_arena(setting, config.days, seeding.TUNING, config.seed)
    # A worker makes the ground for itself, whose worlds would take longer to send than to draw.
    work = ShortRuns(shared, setting, arena, WarmStart.of(shared, ground), ground if backend.here else None)
    with crew(work, backend) as workers:
        return search.best(name, LEARNERS[name].load().space, workers.results, name)


def _tell(best: Best, agent: str, tracked: Run, console: Console, held: Sequence[HeldOut] = (), more: str = "") -> None:
    metrics = {"ratio_iqm": best.ratio, "untuned_ratio_iqm": best.untuned}
    metrics |= {f"held_out_{part.kind}": part.difference for part in held}
    tracked.log_metrics({f"tuning/{agent}/{name}": value for name, value in metrics.items()}, 0)
    shown = " ".join(f"{name} {value:g}" for name, value in best.settings.items())
    parts = "".join(f"; {part.told()}" for part in held)
    console.print(f"{agent:<13} {best.untuned:.4f} -> {best.ratio:.4f}  {shown}{parts}{more}", soft_wrap=True)


def _storage(tracked: Run) -> str:
    """The studies' database, in the folder of the local store, or in `mlruns` where a server holds the runs."""
    folder = tracked.store.folder or Path("mlruns").resolve()
    folder.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{folder / STUDIES}"


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
