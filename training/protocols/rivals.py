"""The `rivals` command: published offline learners, trained on what an imported log's training days bring.

d3rlpy, which trains them, pins other versions than this project does. So it has an environment of its own
(`make rivals`), is called as a program, and gives back weights. They are kept by the days that they learnt from, so
that no day is ever played by weights that have seen it.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Final

import numpy as np
from rich.console import Console

from bidpilot.agents.acting.network import Mlp
from bidpilot.agents.baselines.learned import fit
from bidpilot.agents.baselines.learned.bidder import LearnedBidder, Scaling
from bidpilot.agents.baselines.learned.state import Usual
from bidpilot.bidding.errors import RivalNotTrained
from bidpilot.training.protocols.config import RivalsConfig
from bidpilot.training.protocols.rivals_data import OfflineDays, offline_days
from bidpilot.training.setting.setting import training_setting
from bidpilot.training.setting.split import HoldOut, days_digest
from bidpilot.training.setting.terms import LogTerms

Settings = Mapping[str, float | int]

_FAST: Final = {"batch_size": 256, "actor_learning_rate": 1e-3, "critic_learning_rate": 1e-3, "tau": 0.05}
"""A target network that follows soon: what money is worth at the day's end must reach its start, T slots before."""

SETTINGS: Final[Mapping[str, Settings]] = MappingProxyType(
    {
        "iql": {**_FAST, "expectile": 0.7, "weight_temp": 0.5},
        "cql": {
            **_FAST,
            "temp_learning_rate": 1e-3,
            "alpha_learning_rate": 1e-3,
            "initial_temperature": 0.1,
            "conservative_weight": 1.0,
            "n_action_samples": 4,
        },
    }
)
"""Of each algorithm's configuration in d3rlpy, what differs from its defaults: chosen on recombined training days."""

_TERMS = LogTerms.model_validate({"preference": (0.0, 0.0, 1.0)})


def run(config: RivalsConfig) -> None:
    """Make the data set of a log's training days, train every algorithm and seed on it, and keep the weights.

    Raises:
        RivalNotTrained: there is no environment to train in, or training failed.
        InvalidConfig: a campaign is to be held out that is not there.
        InvalidLog: the folder holds no readable log.
    """
    if not config.python.is_file():
        raise RivalNotTrained(
            f"{config.python} is no Python that has d3rlpy. Make the environment with `make rivals`, or name one "
            "with --python."
        )
    console = Console()
    hold_out = HoldOut(campaigns=config.hold_out)
    setting = training_setting("", config.train, 0, _TERMS, hold_out, config.carries)
    assert setting.reference_log is not None
    assert setting.split is not None
    log, training = setting.reference_log, setting.split.training
    usual = Usual.of(log.select_days(training))
    days = offline_days(setting, usual, config.days, config.data_seed)
    console.print(f"{len(days.rewards)} days of {len(training)} recorded ones, {days.rewards.size:,} slots")
    for algorithm in dict.fromkeys(config.algorithms):
        for seed in config.seeds:
            settings = {**SETTINGS[algorithm], "steps": config.steps, "seed": seed}
            console.print(f"training {algorithm}, seed {seed}, {config.steps:,} steps ...")
            bidder = trained(config.python, algorithm, days, usual, settings)
            path = weights_of(config.out, algorithm, days_digest(log, training), seed)
            path.parent.mkdir(parents=True, exist_ok=True)
            bidder.save(path)
            console.print(f"{algorithm}, seed {seed}: {path}", soft_wrap=True)


def trained(python: Path, algorithm: str, days: OfflineDays, usual: Usual, settings: Settings) -> LearnedBidder:
    """A rival trained on these days by the d3rlpy of another Python.

    Raises:
        RivalNotTrained: that failed; with the last lines of what it said.
    """
    scaling = Scaling.of(days.states, days.bids)
    with TemporaryDirectory() as folder:
        data, out = Path(folder) / "days.npz", Path(folder) / "layers.npz"
        states, actions = scaling.states(days.states), scaling.actions(days.bids)
        np.savez(data, states=states, actions=actions, rewards=days.rewards)
        command = [str(python), fit.__file__, algorithm, str(data), str(out), json.dumps(dict(settings))]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            said = " | ".join(done.stderr.strip().splitlines()[-3:])
            raise RivalNotTrained(f"{python} did not train {algorithm}: {said}. Make its environment: make rivals.")
        with np.load(out, allow_pickle=False) as layers:
            network = Mlp.of(dict(layers))
    return LearnedBidder(network, scaling, usual)


def weights_of(folder: Path, algorithm: str, training_digest: str, seed: int) -> Path:
    """The file of a rival's weights, by the days that it learnt from."""
    return folder / f"{algorithm}-{training_digest}-{seed}.npz"


def find_rivals(folder: Path, algorithm: str, training_digest: str, train: str) -> dict[int, LearnedBidder]:
    """The rivals of an algorithm that learnt from exactly these days, by seed.

    Raises:
        RivalNotTrained: there is none; `train` is the command that makes it.
        PolicyMismatch: a file holds none of this version.
    """
    found = sorted(folder.glob(f"{algorithm}-{training_digest}-*.npz"))
    if not found:
        raise RivalNotTrained(
            f"{folder} has no weights of {algorithm} that learnt from these training days alone. Make its environment "
            f"with `make rivals`, then train it: {train}"
        )
    return {int(path.stem.rpartition("-")[2]): LearnedBidder.load(path) for path in found}
