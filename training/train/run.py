"""`bidpilot train`: one PPO run, tracked from its configuration to its policy."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from stable_baselines3.common.logger import Logger

from bidpilot.agents.policy import MlpPolicy
from bidpilot.agents.ppo import make_ppo
from bidpilot.agents.sb3 import BiddingVecEnv
from bidpilot.bidding.errors import InvalidConfig, RunNotFound
from bidpilot.bidding.observation import FEATURES
from bidpilot.envs import seeding
from bidpilot.envs.bidding import BiddingVectorEnv
from bidpilot.training.config import TrainConfig, flat
from bidpilot.training.evaluation.suites import setting_arena
from bidpilot.training.report.curves import Curve, budget_curves, learning_curve
from bidpilot.training.setting import Setting, training_setting
from bidpilot.training.tracking import Run, download, find_run, open_run
from bidpilot.training.tracking.writer import MlflowWriter
from bidpilot.training.train.callback import TrainingCallback

POLICY_SCHEMA = 1


def run(config: TrainConfig) -> str:
    """Train, or go on with a run; the run's id.

    Raises:
        RunNotFound: `resume` names no run, or one without a checkpoint.
        InvalidConfig: the resumed run has already done `total_steps`.
    """
    checkpoint = None
    if config.resume is not None:
        checkpoint, config = _resumed(config)
    setting = training_setting(config.market, config.log, config.seed)
    tags = {
        "setting": setting.name,
        "market_digest": setting.market.digest,
        "log_digest": _log_digest(setting) or "none",
    }
    with open_run(config.experiment, config.run_name, flat(config), tags, resume=config.resume) as tracked:
        tracked.log_json(config.model_dump(mode="json", exclude={"resume"}), "config.json")
        _train(config, setting, tracked, checkpoint)
        return tracked.run_id


def _resumed(config: TrainConfig) -> tuple[Path, TrainConfig]:
    """The checkpoint of the run to go on with, and its own configuration; only `total_steps` may be larger."""
    assert config.resume is not None
    find_run(config.resume)
    folder = Path(tempfile.mkdtemp())
    try:
        checkpoint = download(config.resume, "checkpoint", folder)
        stored = json.loads(download(config.resume, "config.json", folder).read_text())
    except (OSError, RunNotFound) as error:
        raise RunNotFound(
            f"run {config.resume} has no checkpoint to go on from ({error}). Start a new run, or choose another."
        ) from error
    stored |= {"resume": config.resume, "total_steps": max(stored["total_steps"], config.total_steps)}
    done = json.loads((checkpoint / "state.json").read_text())["num_timesteps"]
    if done >= stored["total_steps"]:
        raise InvalidConfig(f"run {config.resume} has done {done} steps already. Give a larger --total-steps.")
    return checkpoint, TrainConfig.model_validate(stored)


def _train(config: TrainConfig, setting: Setting, tracked: Run, checkpoint: Path | None) -> None:
    console = Console()
    console.print(f"run {tracked.run_id}: {setting.name}, {config.total_steps:,} steps, {config.rows} rows")
    arena = setting_arena(setting, config.validation_days, seeding.VALIDATION, config.seed)
    vector = BiddingVectorEnv(config.rows, setting.market, setting.forecast, setting.campaign)
    env = BiddingVecEnv(vector, config.ppo.residual)
    model = make_ppo(config.ppo, env, config.seed % 2**32)
    env.seed(config.seed)
    model.set_logger(Logger(folder=None, output_formats=[MlflowWriter(tracked)]))
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[note]}"), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        callback = TrainingCallback(config, env, arena, tracked, progress, checkpoint)
        # total_timesteps stays the whole run's, so that the learning rate decays as if uninterrupted
        done = 0 if checkpoint is None else json.loads((checkpoint / "state.json").read_text())["num_timesteps"]
        model.num_timesteps = done
        model.learn(config.total_steps - done, callback, reset_num_timesteps=checkpoint is None)
    callback.validate()
    callback.checkpoint()
    _finish(config, setting, tracked, callback, console)


def _finish(config: TrainConfig, setting: Setting, tracked: Run, callback: TrainingCallback, console: Console) -> None:
    assert callback.best is not None
    score, step, policy = callback.best
    outcome = callback.arena.play(policy)
    steps, iqm, low, high = (np.array(column) for column in zip(*callback.curve, strict=True))
    curves = {"ppo": Curve(steps, iqm, low, high)}
    tracked.log_figure(learning_curve(curves, title=f"{setting.name}: validation days"), "figures/learning_curve.png")
    sample = np.linspace(0, len(outcome.ratio) - 1, 6).astype(int)
    labels = [f"R / R* {outcome.ratio[d]:.3f}" for d in sample]
    left = np.clip(outcome.left[sample], 0.0, 1.0)
    planned = np.clip(callback.arena.planned[sample], 0.0, 1.0)
    tracked.log_figure(budget_curves(left, planned, labels), "figures/budget_left.png")
    tracked.log_metrics({"best/ratio_iqm": score, "best/step": step}, callback.ppo.num_timesteps)
    with tempfile.TemporaryDirectory() as folder:
        save_policy(Path(folder), policy, setting, config, score, step, callback)
        tracked.log_folder(Path(folder), "policy")
    console.print(f"best policy: R / R* {score:.4f} on {len(outcome.ratio)} validation days, at step {step:,}")
    console.print(f"bidpilot evaluate --agents ppo@{tracked.run_id}   compares it with the baselines")
    console.print("bidpilot ui   opens the run in the MLflow UI")


def save_policy(
    folder: Path,
    policy: MlpPolicy,
    setting: Setting,
    config: TrainConfig,
    score: float,
    step: int,
    callback: TrainingCallback,
) -> None:
    """Write the policy with its forecast, ideal point and plan."""
    policy.save(folder / "policy.npz")
    setting.forecast.save(folder / "forecast.npz")
    plan = callback.arena.episode.plan
    description = {
        "schema": POLICY_SCHEMA,
        "features": [f._asdict() for f in FEATURES],
        "segments": list(setting.forecast.segments),
        "slots": setting.forecast.slots,
        "campaign": setting.campaign.model_dump(mode="json"),
        "setting": setting.name,
        "market_digest": setting.market.digest,
        "log": None if config.log is None else str(config.log),
        "log_digest": _log_digest(setting),
        "ideal": plan.ideal.tolist(),
        "alpha": plan.alpha.tolist(),
        "planned_spend": plan.spend.tolist(),
        "validation_ratio_iqm": score,
        "best_step": step,
        "config": config.model_dump(mode="json"),
    }
    (folder / "policy.json").write_text(json.dumps(description, indent=1))


def _log_digest(setting: Setting) -> str | None:
    return None if setting.reference_log is None else setting.reference_log.digest
