"""`bidpilot train`: one training run, tracked from its configuration to its policy."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from stable_baselines3.common.logger import Logger

from bidpilot.agents.acting.agent import controller_agent
from bidpilot.agents.acting.controllers import CONTROLLERS
from bidpilot.agents.gains import tuned_gains
from bidpilot.agents.learners.catalogue import LEARNERS
from bidpilot.agents.learners.common.callback import BetweenRollouts
from bidpilot.agents.learners.common.imitation import imitate
from bidpilot.agents.learners.common.learner import trained_policy
from bidpilot.agents.learners.common.snapshot import (
    Snapshot,
    Standing,
    latest_snapshot,
    restore_snapshot,
    trained_features,
)
from bidpilot.agents.learners.common.tuned import tuned
from bidpilot.bidding.day.features import declared
from bidpilot.bidding.errors import InvalidConfig, RunNotFound, TrackingError
from bidpilot.training.cli.config import given
from bidpilot.training.evaluation.names import CHOICE, CHOICE_WHY
from bidpilot.training.evaluation.play import Arena
from bidpilot.training.evaluation.statistics import interquartile_mean
from bidpilot.training.evaluation.suites import validation_arena, validation_units
from bidpilot.training.evaluation.traffic import behind, missing_told
from bidpilot.training.report.comparison import ratio_distribution
from bidpilot.training.report.curves import budget_curves
from bidpilot.training.report.differences import difference_bands
from bidpilot.training.report.progress import waiting
from bidpilot.training.report.tables import pair_table, print_table
from bidpilot.training.setting.setting import Setting, training_setting
from bidpilot.training.setting.split import DRAWN, HoldOut, lesson
from bidpilot.training.setting.targets import rule_of, usual_campaign
from bidpilot.training.tracking import Run, download, find_run, open_run, resolve_run
from bidpilot.training.tracking.lineage import held_out_tag
from bidpilot.training.tracking.metrics import held_out, scored_suites
from bidpilot.training.tracking.run import CONFIG_FILE
from bidpilot.training.tracking.writer import MlflowWriter
from bidpilot.training.train.config import TrainConfig
from bidpilot.training.train.environment import new_model, training_ground
from bidpilot.training.train.learnt import learnt_told, training_curve
from bidpilot.training.train.told import as_it_is, describe, log_ground, run_name, run_params
from bidpilot.training.train.verdict import Verdict, reach_verdict, verdict_grounds
from bidpilot.training.train.watch import RunWatch

POLICY_SCHEMA = 1
_WITH_RESUME = ("resume", "total-steps")


def run(config: TrainConfig, kind: str = "train", tags: Mapping[str, str] | None = None) -> str:
    """Train, or go on with a run; the run's id.

    Args:
        config: what to train.
        kind: the run's tag `kind`; a learner's name in evaluation is its last finished run of kind "train".
        tags: further tags of the run.

    Raises:
        RunNotFound: `resume` names no run, or one without a checkpoint.
        CheckpointMismatch: its checkpoint is damaged, its market has changed, or its features are no longer observed.
        InvalidConfig: it has already done `total_steps`, or other options are given with `resume`.
        UnknownLaw: on a log, the teacher to imitate is to know the law.
    """
    snapshot = None
    if config.resume is not None:
        snapshot, config = _resumed(config)
    config.imitation.check_law_known(config.log)
    held_out = HoldOut(config.validation_share, config.hold_out)
    setting = training_setting(config.market, config.log, config.seed, config, held_out, config.carries)
    features = None if snapshot is None else trained_features(snapshot, len(setting.forecast.segments))
    if config.tuned:
        config = _tuned(config, setting)
    tags = {**(tags or {}), "learner": config.learner, **learnt_from(setting, config.hold_out)}
    name, params = run_name(config, setting), run_params(config, setting)
    with open_run(config.experiment, name, params, tags, kind=kind, resume=config.resume) as tracked:
        tracked.log_json(config.model_dump(mode="json", exclude={"resume"}), CONFIG_FILE)
        log_ground(tracked, config, setting)
        describe(tracked)
        _train(config, setting, tracked, snapshot, features)
        return tracked.run_id


def _resumed(config: TrainConfig) -> tuple[Snapshot, TrainConfig]:
    """The last snapshot of the run to go on with, and its own configuration.

    Only `total_steps` may be made larger. The learning rate decays over the whole of it, so a run made longer is not
    the run that was longer from the start.
    """
    assert config.resume is not None
    options = given(config)
    ignored = [option for option in options if option not in _WITH_RESUME]
    if ignored:
        raise InvalidConfig(
            f"--{' --'.join(ignored)} cannot be given with --resume {config.resume}: a resumed run keeps its own "
            "configuration. Leave out all but --total-steps, or start a new run."
        )
    found = resolve_run(config.resume)
    with tempfile.TemporaryDirectory() as folder:
        try:
            snapshot = latest_snapshot(download(found.run_id, "checkpoint", Path(folder)))
            stored = json.loads(download(found.run_id, "config.json", Path(folder)).read_text())
        except (OSError, RunNotFound) as error:
            raise RunNotFound(
                f"run {found.told} has no checkpoint to go on from ({error}). Start a new run, or choose another."
            ) from error
    asked = config.total_steps if "total-steps" in options else 0
    stored |= {"resume": found.run_id, "total_steps": max(stored["total_steps"], asked)}
    if snapshot["step"] >= stored["total_steps"]:
        raise InvalidConfig(
            f"run {found.told} has done all of its {snapshot['step']:,} steps. Give a larger --total-steps."
        )
    return snapshot, TrainConfig.model_validate(stored)


def _tuned(config: TrainConfig, setting: Setting) -> TrainConfig:
    """The configuration with the learner's tuned settings written out, so that a resumed run keeps them."""
    settings = tuned(config.learner, config.settings, setting.tuned_as)
    return TrainConfig.model_validate({**config.model_dump(), "tuned": False, config.learner: settings.model_dump()})


def _train(
    config: TrainConfig, setting: Setting, tracked: Run, snapshot: Snapshot | None, features: tuple[str, ...] | None
) -> None:
    console, learner = Console(), LEARNERS[config.learner].load()
    console.print(f"run {tracked.run_id}: {setting.name}, {config.total_steps:,} steps, {config.rows} rows")
    console.print(missing_told(setting.name, setting.forecast, config.traffic_filter), end="")
    if setting.split is not None:
        console.print(str(setting.split), soft_wrap=True)
    if setting.carries is not None:
        console.print(str(setting.carries), soft_wrap=True)
    filter_of = behind(config.traffic_filter)
    arena = validation_arena(setting, config.validation_days, config.seed, filter_of, config.broadens)
    if config.broadens:
        console.print(f"planning {config.pool.size} campaigns to train on ...")
    model, env = new_model(config, training_ground(config, setting), features)
    model.set_logger(Logger(folder=None, output_formats=[MlflowWriter(tracked)]))
    standing = Standing() if snapshot is None else restore_snapshot(snapshot, model, env)
    rounds = config.imitation.rounds
    if snapshot is None:
        imitate(learner, model, env, config.imitation, lambda *told: _imitated(tracked, console, rounds, *told))
    done = model.num_timesteps
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[note]}"), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        callback = BetweenRollouts(
            env,
            lambda trained: trained_policy(learner, trained, env),
            RunWatch(env, arena, validation_units(setting, arena), tracked, progress, done, config.total_steps),
            standing,
            done,
            config.validate_every,
            config.checkpoint_every,
        )
        try:
            # A resumed run keeps its horizon, so that the learning rate decays as if uninterrupted.
            model.learn(config.total_steps - done, callback, reset_num_timesteps=snapshot is None)
        except KeyboardInterrupt:
            callback.checkpoint()
            console.print(f"stopped; go on with: bidpilot train --resume {tracked.run_id}")
            raise
        callback.finish()
    _finish(config, setting, tracked, arena, callback.standing, model.num_timesteps, console)


def _imitated(tracked: Run, console: Console, rounds: int, turn: int, actor: float, critic: float) -> None:
    tracked.log_metrics({"imitation/actor_loss": actor, "imitation/critic_loss": critic}, turn)
    console.print(f"imitation {turn + 1:>2} of {rounds}: actor loss {actor:.4f}, critic loss {critic:.4f}")


def _finish(
    config: TrainConfig, setting: Setting, tracked: Run, arena: Arena, standing: Standing, steps: int, console: Console
) -> None:
    """Play the best policy and the controllers on the validation days; figures, files, and what to do next."""
    name, best = str(config.learner), standing.best
    standing = standing.shrunk(config.shrinkage) if config.shrinks else standing
    policy = standing.policy
    assert policy is not None
    gains = tuned_gains(setting.tuned_as)
    with waiting(console, "playing the controllers on the validation days"):
        rivals = {rival: arena.play(controller_agent(rival, gains.get(rival))).ratio for rival in CONTROLLERS}
        outcome = arena.play(policy)
    kind = DRAWN if setting.split is None else setting.split.kind
    kind += ", half of them of held-out worlds" if config.broadens else ""
    title = f"{setting.name}: validation days, {kind}"
    tracked.log_figure(ratio_distribution({**rivals, name: outcome.ratio}, title), "figures/ratio.png")
    sample = np.linspace(0, len(outcome.ratio) - 1, 6).astype(int)
    labels = [f"R / R* {outcome.ratio[d]:.3f}" for d in sample]
    left = np.clip(outcome.left[sample], 0.0, 1.0)
    planned = np.clip(arena.planned[sample], 0.0, 1.0)
    tracked.log_figure(budget_curves(left, planned, labels), "figures/budget_left.png")
    kept = interquartile_mean(outcome.ratio)
    tracked.log_metrics({"validation/best_ratio_iqm": kept, "validation/best_step": best.step}, steps)
    with tempfile.TemporaryDirectory() as folder:
        save_policy(Path(folder), setting, config, arena, standing, outcome.ratio)
        tracked.log_folder(Path(folder), "policy")
        try:
            tracked.log_model(Path(folder), run_name(config, setting), "policy", best.step)
        except TrackingError as error:  # a server of another version; the policy itself is kept
            console.print(f"not among the models of the UI: {error}", soft_wrap=True)
    verdict = None
    before = scored_suites(find_run(tracked.run_id).metrics)  # of the policy that a resumed run had
    tracked.log_metrics({held_out(suite, "days"): 0.0 for suite in before}, steps)
    if config.verdict_days > 0:
        means = {agent: float(ratio.mean()) for agent, ratio in {**rivals, name: outcome.ratio}.items()}
        verdict = _judge(config, setting, tracked, standing, means, console)
    told = learnt_told(config, setting, arena, standing, verdict)
    references = {rival: interquartile_mean(ratio) for rival, ratio in rivals.items()}
    tracked.log_figure(training_curve(name, standing, references, title, told), "figures/learning_curve.png")
    tracked.set_tags({"learnt": told})
    describe(tracked)
    console.print(told, soft_wrap=True)
    days = len(outcome.ratio)
    mean = outcome.ratio.mean()
    said = f"best policy: mean R / R* {mean:.4f} on {days} validation days ({kind}), at step {best.step:,}"
    console.print(said, soft_wrap=True)
    console.print(f"its files: artifacts policy/ of run {tracked.run_id} in {tracked.store.uri}", soft_wrap=True)
    agents = f"{' '.join(CONTROLLERS)} {name}@{tracked.run_id}"
    suite = f"--suites {setting.name}" if config.log is None else "--log TESTLOG"
    suite += "" if config.targets else " --no-targets"
    console.print(f"compare it:  bidpilot evaluate --agents {agents} {suite}", soft_wrap=True)
    console.print("open the UI: bidpilot ui")


def _judge(
    config: TrainConfig,
    setting: Setting,
    tracked: Run,
    standing: Standing,
    validated: Mapping[str, float],
    console: Console,
) -> Verdict:
    """Judge on days that have chosen nothing, and keep with the run what is exported by default, and why."""
    assert standing.policy is not None
    filter_of = behind(config.traffic_filter)
    console.print("judging what to export ...")
    grounds = verdict_grounds(setting, config.verdict_days, config.seed, filter_of, config.broadens)
    imitated = standing.first if config.imitation.rounds > 0 and standing.best.step > 0 else None
    verdict = reach_verdict(grounds, standing.policy, imitated, tuned_gains(setting.tuned_as), validated)
    tracked.log_json(verdict.record(), "verdict.json")
    if as_it_is(config):
        tracked.log_metrics(verdict.scores, 0)
    tracked.set_tags({CHOICE: verdict.choice, CHOICE_WHY: verdict.why})
    if verdict.pairs:
        title = f"{setting.name}: the verdict, {verdict.choice} is exported"
        tracked.log_figure(difference_bands(verdict.pairs, title), "figures/verdict.png")
        print_table(pair_table(verdict.pairs), console)
    if verdict.alike:
        console.print("the policy plays as its base: the learner found nothing to change")
    console.print(f"exported by default: {verdict.choice} ({verdict.why})", soft_wrap=True)
    return verdict


def save_policy(
    folder: Path,
    setting: Setting,
    config: TrainConfig,
    arena: Arena,
    standing: Standing,
    validated: NDArray[np.float64],
) -> None:
    """Write the best policy with its forecast, ideal point and plan; `validated` (D,) is its R / R* by day.

    The campaign is that of a day without a record of its own, which serving takes; `targets` says whether its target
    is the mean of those that days record.
    """
    assert standing.policy is not None
    ours = declared(standing.policy.segments)
    standing.policy.save(folder / "policy.npz")
    setting.forecast.save(folder / "forecast.npz")
    plan = arena.episode.today.plan
    description = {
        "schema": POLICY_SCHEMA,
        "learner": config.learner,
        "features": [{**ours[name]._asdict(), "name": name} for name in standing.policy.features],
        "segments": list(setting.forecast.segments),
        "slots": setting.forecast.slots,
        "campaign": usual_campaign(setting.campaign, setting.recorded).model_dump(mode="json"),
        "targets": rule_of(setting.campaign, setting.recorded),
        "setting": setting.name,
        "market_digest": setting.market.digest,
        "log": None if config.log is None else str(config.log),
        "log_digest": None if setting.reference_log is None else setting.reference_log.digest,
        "fitted_to": setting.fitted_to,
        "timezone": None if setting.cut is None else setting.cut.zone,
        "day_starts": 0 if setting.cut is None else setting.cut.starts,
        **lesson(setting.reference_log, setting.split),
        "carries": None if setting.carries is None else asdict(setting.carries),
        "ideal": plan.ideal.tolist(),
        "alpha": plan.alpha.tolist(),
        "planned_spend": plan.spend.tolist(),
        "validation_ratio_iqm": interquartile_mean(validated),
        "validation_ratio_mean": float(validated.mean()),
        "best_step": standing.best.step,
        "config": config.model_dump(mode="json"),
    }
    (folder / "policy.json").write_text(json.dumps(description, indent=1))


def learnt_from(setting: Setting, held_out: Sequence[str] = ()) -> dict[str, str]:
    """Tags by which a training run is found again: what it learnt from, and the campaigns held out of it by name."""
    log, learnt = setting.reference_log, lesson(setting.reference_log, setting.split)
    return {
        "setting": setting.name,
        "market_digest": setting.market.digest,
        "log_digest": "none" if log is None else log.digest,
        "training_digest": learnt["training_digest"] or "none",
        "fitted_to": setting.fitted_to or "none",
        "validation": learnt["validation"],
        "held_out": held_out_tag(held_out),
        "carries": "rates" if setting.carries is None else setting.carries.carries,
    }
