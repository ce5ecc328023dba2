"""What a training's run tells a reader: its name, its few parameters, the days it is about, and its description."""

from __future__ import annotations

from typing import Any

from bidpilot.training.cli.config import changed
from bidpilot.training.setting.setting import Setting
from bidpilot.training.setting.targets import NONE, rule_of
from bidpilot.training.setting.terms import own_terms
from bidpilot.training.tracking import Run, find_run
from bidpilot.training.tracking.story import NOTE, training_note
from bidpilot.training.train.config import TrainConfig


def run_name(config: TrainConfig, setting: Setting) -> str:
    """As it was asked for; else what trains, on what, by which seed."""
    return config.run_name or f"{config.learner} {setting.name} s{config.seed}"


def run_params(config: TrainConfig, setting: Setting) -> dict[str, Any]:
    """What trains on what, by which seed, for how long, and what is not as usual; terms are the campaign's."""
    ground = "market" if config.log is None else "log"
    rule = rule_of(setting.campaign, setting.recorded)
    params = changed(config, "learner", ground, "seed", "total_steps") | own_terms(setting.campaign)
    return params | ({} if rule == NONE else {"targets": rule})


def log_ground(run: Run, config: TrainConfig, setting: Setting) -> None:
    """Say which log or market is trained on."""
    log = setting.reference_log
    digest = setting.market.digest if log is None else log.digest
    origin = {"market": config.market} if config.log is None else {"log": config.log}
    run.log_dataset(setting.name, digest, {**origin, "seed": config.seed, "digest": digest}, "training")


def as_it_is(config: TrainConfig) -> bool:
    """Whether a verdict's scores are those of the suite of that name: on a preset without terms of one's own.

    A log's campaign is whatever its training asked for; without the filter of traffic days are played otherwise.
    """
    return config.traffic_filter and (config.log is not None or not config.terms())


def describe(run: Run) -> None:
    """Bring the run's description up to date."""
    run.set_tags({NOTE: training_note(find_run(run.run_id, store=run.store))})
