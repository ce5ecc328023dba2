"""`bidpilot tune`: as many trials for PPO as for every baseline, on training days, into the data files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console

from bidpilot.agents.acting.agent import controller_agent
from bidpilot.agents.learners.ppo.config import PpoConfig
from bidpilot.bidding.errors import InvalidConfig
from bidpilot.envs import seeding
from bidpilot.training.cli.config import flat
from bidpilot.training.evaluation.names import CONSTANT
from bidpilot.training.evaluation.play import Arena
from bidpilot.training.evaluation.statistics import interquartile_mean
from bidpilot.training.evaluation.suites import setting_arena
from bidpilot.training.setting.setting import Setting, training_setting
from bidpilot.training.tracking import Run, open_run
from bidpilot.training.train.environment import training_ground
from bidpilot.training.tune.config import TuneConfig
from bidpilot.training.tune.results import GAINS_FILE, PPO_FILE, data_folder, read_table, write_entry
from bidpilot.training.tune.search import Best, Score, search
from bidpilot.training.tune.short_run import WarmStart, short_run, trial_config
from bidpilot.training.tune.spaces import BASELINES, PPO, Choice

STUDIES = "optuna.db"
"""The database of studies, beside MLflow's."""
_RESULT = {"baselines": GAINS_FILE, "ppo": PPO_FILE}


def run(config: TuneConfig) -> str:
    """Tune, write the entries of the setting, and print what was found; the run's id.

    Raises:
        InvalidConfig: PPO's rows do not fill its batches, or a data file is damaged; before anything is played.
    """
    console = Console()
    folder = config.out or data_folder()
    for file in _RESULT.values():
        read_table(folder / file)
    if config.agents != "baselines":
        _check_batches(config)
    setting = training_setting(config.market, config.log, config.seed)
    arena = setting_arena(setting, config.days, seeding.TUNING, config.seed)
    tags = {"setting": setting.name, "market_digest": setting.market.digest}
    with open_run(config.experiment, f"tune {setting.name}", flat(config), tags, kind="tune") as tracked:
        if config.agents != "ppo":
            baselines = {agent: _search(agent, config, setting, arena, tracked, console) for agent in BASELINES}
            gains = {agent: best.settings for agent, best in baselines.items()}
            write_entry(folder / GAINS_FILE, setting.name, {**_origin(config, tracked), "gains": gains})
        if config.agents != "baselines":
            best = _search("ppo", config, setting, arena, tracked, console)
            origin = {**_origin(config, tracked), "steps": config.steps, "rows": config.rows}
            write_entry(folder / PPO_FILE, setting.name, {**origin, "settings": best.settings})
        tables = {file: read_table(folder / file).get(setting.name) for file in _RESULT.values()}
        tracked.log_json(tables, "tuned.json")
    _warn_if_unequal(tables, setting.name, console)
    console.print(f"written to {folder}, by run {tracked.run_id}", soft_wrap=True)
    return tracked.run_id


def _search(agent: str, config: TuneConfig, setting: Setting, arena: Arena, tracked: Run, console: Console) -> Best:
    space = PPO if agent == "ppo" else BASELINES[agent]
    best = search(
        agent,
        space,
        _score(agent, config, setting, arena),
        config.trials,
        config.seed % 2**32,
        _storage(tracked),
        tracked,
        config.experiment,
    )
    tracked.log_metrics({f"{agent}/ratio_iqm": best.ratio, f"{agent}/untuned": best.untuned}, 0)
    shown = " ".join(f"{name} {value:g}" for name, value in best.settings.items())
    console.print(f"{agent:<13} {best.untuned:.4f} -> {best.ratio:.4f}  {shown}", soft_wrap=True)
    return best


def _score(agent: str, config: TuneConfig, setting: Setting, arena: Arena) -> Score:
    """What one trial of `agent` plays."""
    if agent == CONSTANT:
        return lambda gains: interquartile_mean(arena.play_constant(**gains).ratio)
    if agent != "ppo":
        return lambda gains: interquartile_mean(arena.play(controller_agent(agent, gains)).ratio)

    shared = trial_config(config, PpoConfig())
    ground = training_ground(shared, setting)
    warm = WarmStart.of(shared, ground)

    def trained(settings: dict[str, Any]) -> float:
        policy = short_run(trial_config(config, PpoConfig(**settings)), ground, warm)
        return interquartile_mean(arena.play(policy).ratio)

    return trained


def _storage(tracked: Run) -> str:
    """The studies' database, in the folder of the local store, or in `mlruns` where a server holds the runs."""
    folder = tracked.store.folder or Path("mlruns").resolve()
    folder.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{folder / STUDIES}"


def _origin(config: TuneConfig, tracked: Run) -> dict[str, Any]:
    return {"run": tracked.run_id, "trials": config.trials, "days": config.days, "seed": config.seed}


def _check_batches(config: TuneConfig) -> None:
    sizes = PPO["batch_size"]
    assert isinstance(sizes, Choice)
    rollout = config.rows * PpoConfig().n_steps
    unfit = [size for size in sizes.values if rollout % size]
    if unfit:
        raise InvalidConfig(
            f"rows = {config.rows} make rollouts of {rollout} samples, which batches of {unfit[0]} do not fill. "
            "Give a multiple of 256 rows."
        )


def _warn_if_unequal(tables: dict[str, Any], setting: str, console: Console) -> None:
    """Say so where the baselines and PPO do not stand on the same number of trials."""
    trials = {file: None if entry is None else entry["trials"] for file, entry in tables.items()}
    if len(set(trials.values())) > 1:
        stand = ", ".join(f"{file} {count or 'no'} trials" for file, count in trials.items())
        console.print(f"{setting} is not tuned alike: {stand}. Tune the other as often before you compare.")
