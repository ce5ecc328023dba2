"""What workers bring: a job of minutes by one worker and by two, and 200 campaigns planned and evaluated by two.

`gain`: suites are played by one worker process, then by two, the same days, sized so that one takes two minutes or
more; `value` is seconds by two, `baseline` seconds by one, `ratio` the gain; rows are checked to be the same. `--ray`
measures a Ray of this machine's own beside it, its start included. `campaigns`: seconds of `train-many` and
`evaluate-many` over random campaigns of `daily`, against the ten minutes that they may take.

    python benchmarks/jobs.py
    python benchmarks/jobs.py --only campaigns --campaigns 20
"""

from __future__ import annotations

import argparse
import io
import json
import os
import tempfile
import time
from contextlib import chdir, redirect_stdout
from pathlib import Path

import numpy as np
import yaml

from bidpilot.training.evaluation.catalogue import SUITES
from bidpilot.training.evaluation.config import EvaluateConfig
from bidpilot.training.evaluation.contestants import Contestant
from bidpilot.training.evaluation.spread import SuitePlayed, played_by_workers
from bidpilot.training.jobs.backend import Backend
from bidpilot.training.many import evaluate, train
from bidpilot.training.many.config import EvaluateManyConfig, TrainManyConfig

PLAYED = ("steady", "daily", "shift", "sparse", "won_only", "delayed", "cpa", "balanced")
AGENTS = ("mpc", "mpc_informed", "adaptive", "plan", "pid", "dual_descent")
LEAST_S = 120.0  # that one worker takes
MOST_S = 600.0  # that 200 campaigns may take


def played(backend: Backend, days: int) -> tuple[float, list[SuitePlayed]]:
    config = EvaluateConfig(suites=PLAYED, days=days)
    records = [SUITES[name] for name in PLAYED]
    began = time.perf_counter()
    found = list(played_by_workers(config, records, [Contestant(name) for name in AGENTS], backend, str))
    return time.perf_counter() - began, found


def check_same(one: list[SuitePlayed], other: list[SuitePlayed]) -> None:
    for a, b in zip(one, other, strict=True):
        for row in a.outcomes:
            np.testing.assert_array_equal(a.outcomes[row].ratio, b.outcomes[row].ratio)


def gain(days: int, with_ray: bool) -> None:
    played(Backend("local", 2), 8)  # what is compiled is compiled now
    single, rows = played(Backend("local", 1), days)
    while single < LEAST_S:
        days = int(days * 1.2 * LEAST_S / single) + 1
        single, rows = played(Backend("local", 1), days)
    backends = {"local": Backend("local", 2)} | ({"ray": Backend("ray", 2)} if with_ray else {})
    for name, backend in backends.items():
        seconds, found = played(backend, days)
        check_same(found, rows)
        tell(f"jobs_two_workers_{name}", seconds, single, days=days, suites=len(PLAYED), load=os.getloadavg()[0])


def campaigns(count: int) -> None:
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as place, chdir(place):
        os.environ.pop("MLFLOW_TRACKING_URI", None)
        folder = Path("campaigns")
        folder.mkdir()
        for k in range(count):
            preference = np.round(rng.dirichlet(np.ones(3)), 3)
            preference[0] = round(1.0 - float(preference[1:].sum()), 3)
            campaign = {
                "budget": round(float(rng.lognormal(3.5, 0.7)), 2),
                "preference": preference.tolist(),
                "scalarisation": str(rng.choice(["weighted_sum", "nash", "chebyshev"])),
            }
            (folder / f"c{k:03}.yaml").write_text(yaml.safe_dump({"market": "daily", "campaign": campaign}))
        began = time.perf_counter()
        with redirect_stdout(io.StringIO()):
            first = train.run(TrainManyConfig(folder=folder, workers=2, train=False))
            planned = time.perf_counter() - began
            second = evaluate.run(EvaluateManyConfig(folder=folder, workers=2))
        seconds = time.perf_counter() - began
    tell(
        "campaigns_two_workers", seconds, MOST_S * count / 200, campaigns=count, planned_s=planned, runs=[first, second]
    )


def tell(name: str, value: float, baseline: float, **more: object) -> None:
    line = {"name": name, "value": value, "unit": "s", "baseline": baseline, "ratio": baseline / value}
    print(json.dumps(line | more), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=("gain", "campaigns"))
    parser.add_argument("--days", type=int, default=2048, help="of each suite, at first")
    parser.add_argument("--campaigns", type=int, default=200)
    parser.add_argument("--ray", action="store_true")
    asked = parser.parse_args()
    if asked.only != "campaigns":
        gain(asked.days, asked.ray)
    if asked.only != "gain":
        campaigns(asked.campaigns)


if __name__ == "__main__":
    main()
