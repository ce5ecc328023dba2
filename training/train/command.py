"""`bidpilot train` as it is typed: one training, or one for each of several seeds."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field
from rich.console import Console

from bidpilot.bidding.errors import InvalidConfig
from bidpilot.training.cli.config import Seed
from bidpilot.training.jobs.config import JobOptions
from bidpilot.training.report.progress import waiting
from bidpilot.training.tracking import find_run
from bidpilot.training.train.config import TrainConfig


class TrainCommand(TrainConfig, JobOptions):
    """Train a bid policy, on synthetic days or on a recorded log."""

    basic: ClassVar[tuple[str, ...]] = (*TrainConfig.basic, "seeds", "workers")
    examples: ClassVar[tuple[str, ...]] = (*TrainConfig.examples, "bidpilot train --seeds 0 1 2 --workers 2")

    seeds: tuple[Seed, ...] = Field((), description="Seeds to train with, a run for each, in place of --seed.")

    def training(self, **changes: Any) -> TrainConfig:
        """The configuration of one training, with what was typed alone set."""
        own = {name: getattr(self, name) for name in self.model_fields_set if name in TrainConfig.model_fields}
        return TrainConfig.model_validate(own | changes)


def run(config: TrainCommand) -> str:
    """Train; the run's id, or those of all seeds with commas between them, as `evaluate` takes them.

    Raises:
        InvalidConfig: seeds beside a seed or a run to go on with, or workers for one training; what a training raises.
    """
    # torch loads only where something is trained.
    from bidpilot.training.train.many import Training, trained
    from bidpilot.training.train.run import run as train

    backend = config.spread()
    if not config.seeds:
        if not backend.here:
            raise InvalidConfig("one training is one job: give --seeds too, or leave --workers and --backend out.")
        return train(config.training())
    if config.resume is not None or "seed" in config.model_fields_set:
        raise InvalidConfig("--seeds train new runs: leave --resume and --seed out.")
    seeds = list(dict.fromkeys(config.seeds))
    named = {} if config.run_name is None else {"run_name": config.run_name}
    console, runs = Console(), {}
    trainings = [
        Training(config.training(seed=seed, **{key: f"{name} s{seed}" for key, name in named.items()}))
        for seed in seeds
    ]
    with waiting(console, f"training with {len(seeds)} seeds"):
        for place, run_id in trained(trainings, backend):
            runs[seeds[place]] = run_id
            best = find_run(run_id).metrics["validation/best_ratio_iqm"]
            console.print(f"seed {seeds[place]}: R / R* {best:.4f} on validation days, run {run_id}", soft_wrap=True)
    ids = ",".join(runs[seed] for seed in seeds)
    console.print(f"compare them: bidpilot evaluate --agents {config.learner}@{ids}", soft_wrap=True)
    return ids


def _named(name: str | None, seed: int) -> dict[str, str]:
    """The name of a seed's run, where one was asked for."""
    return {} if name is None else {"run_name": f"{name} s{seed}"}
