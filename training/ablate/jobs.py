"""The trainings that an ablation needs, and those that have been done already."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pydantic import ValidationError

from bidpilot.agents.learners.catalogue import LEARNERS
from bidpilot.bidding.day.features import FEATURES
from bidpilot.bidding.errors import InvalidConfig, RunNotFound
from bidpilot.training.ablate.catalogue import SETTINGS, Variant
from bidpilot.training.ablate.config import AblateConfig
from bidpilot.training.cli.yaml_file import explain
from bidpilot.training.tracking import RunInfo, latest_finished_run
from bidpilot.training.train.config import TrainConfig

KIND: Final = "ablate"
"""Tag of the trainings: they are found by id, and not taken for the last training run."""

_SHARED: Final = {
    "total_steps",
    "rows",
    "validation_days",
    "worlds",
    "experiment",
    "pool",
    "imitation",
    "learner",
    *LEARNERS,
}
_NAMES: Final = {"run_name", "experiment", "resume"}


@dataclass(frozen=True)
class Job:
    """One training of one variant."""

    variant: Variant
    config: TrainConfig

    @property
    def tags(self) -> dict[str, str]:
        """By which it is found again: the variant, and a digest of the configuration and of what is observed."""
        settings = [self.config.model_dump(mode="json", exclude=_NAMES), [feature.name for feature in FEATURES]]
        digest = hashlib.blake2b(json.dumps(settings, sort_keys=True).encode(), digest_size=16).hexdigest()
        return {"ablation.variant": self.variant.name, "ablation.configuration": digest}

    def finished(self) -> RunInfo | None:
        """The training of this configuration that finished last; None where there is none."""
        try:
            return latest_finished_run(KIND, experiment=self.config.experiment, tags=self.tags)
        except RunNotFound:
            return None


def jobs(variants: Sequence[Variant], config: AblateConfig) -> list[Job]:
    """A training per variant and seed.

    Raises:
        InvalidConfig: what is asked for cannot be trained.
    """
    try:
        return [Job(variant, _training(variant, config, seed)) for variant in variants for seed in _seeds(config)]
    except ValidationError as error:
        raise InvalidConfig(f"{explain(error, TrainConfig)}; bidpilot ablate --help shows what may be set") from None


def _seeds(config: AblateConfig) -> tuple[int, ...]:
    return tuple(dict.fromkeys(config.seeds))


def _training(variant: Variant, config: AblateConfig, seed: int) -> TrainConfig:
    fields = config.model_dump(include=_SHARED)
    if variant.overrides.get("learner", config.learner) != config.learner:
        del fields[config.learner]  # another learner has settings of its own
    for key, value in variant.overrides.items():
        name = config.learner if key == SETTINGS else key
        fields[name] = {**fields[name], **value} if isinstance(value, Mapping) else value
    name = f"ablate {variant.name} {seed}"
    return TrainConfig(**fields, seed=seed, verdict_days=0, shrinkage=1.0, run_name=name)
