"""Tunes every controller on training days with the same number of trials; stores gains with their run.

`python -m bidpilot.training.tuning [LOG]` rewrites the entry of the presets, or of one imported log,
in agents/data/gains.json.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy.stats import qmc

from bidpilot.agents.agent import ControllerAgent
from bidpilot.agents.controllers import CONTROLLERS, Controller
from bidpilot.agents.controllers.base import Gain
from bidpilot.envs import seeding
from bidpilot.training.evaluation.play import Arena
from bidpilot.training.evaluation.statistics import interquartile_mean
from bidpilot.training.evaluation.suites import setting_arena
from bidpilot.training.setting import training_setting
from bidpilot.training.tracking import open_run

TRIALS, DAYS, SEED = 32, 256, 0
_CONSTANT = {"gain": Gain(1.0, 0.7, 2.0, logarithmic=True)}


def tune(setting: str, arena: Arena) -> dict[str, dict[str, float]]:
    """The best gains of `TRIALS` Sobol points and the defaults, by interquartile mean of R / R* on training days."""
    found = {"constant": _search(_CONSTANT, lambda gains: interquartile_mean(arena.play_constant(**gains).ratio))}
    for controller in CONTROLLERS.values():
        if controller.gains:
            found[controller.name] = _search(dict(controller.gains), _score(arena, controller))
    print(setting, found)
    return found


def _score(arena: Arena, controller: Controller) -> Callable[[dict[str, float]], float]:
    return lambda gains: interquartile_mean(arena.play(ControllerAgent(controller, gains)).ratio)


def _search(gains: dict[str, Gain], score: Callable[[dict[str, float]], float]) -> dict[str, float]:
    points = qmc.Sobol(len(gains), rng=np.random.default_rng(SEED)).random(TRIALS)
    trials = [{name: gain.default for name, gain in gains.items()}]
    for point in points:
        trials.append({name: _place(gain, u) for (name, gain), u in zip(gains.items(), point, strict=True)})
    return max(trials, key=score)


def _place(gain: Gain, u: float) -> float:
    value = gain.low * (gain.high / gain.low) ** u if gain.logarithmic else gain.low + (gain.high - gain.low) * u
    return float(round(value, 5))


def main() -> None:
    """Tune on the presets, or on the log named on the command line."""
    logs = [Path(argument) for argument in sys.argv[1:]]
    path = Path(__file__).resolve().parents[1] / "agents" / "data" / "gains.json"
    table = json.loads(path.read_text()) if path.exists() else {}
    targets: list[tuple[str, Path | None]] = [("", log) for log in logs]
    for market, log in targets or [("steady", None), ("daily", None)]:
        setting = training_setting(market, log, SEED)
        name, arena = setting.name, setting_arena(setting, DAYS, seeding.TRAINING, SEED)
        with open_run(
            "bidpilot", f"tune {name}", {"trials": TRIALS, "days": DAYS, "setting": name}, kind="tune"
        ) as run:
            gains = tune(name, arena)
            run.log_json(gains, "gains.json")
        table[name] = {"run": run.run_id, "trials": TRIALS, "days": DAYS, "seed": SEED, "gains": gains}
    path.write_text(json.dumps(table, indent=2) + "\n")


if __name__ == "__main__":
    main()
