"""The environment beside rtbgym, the fastest public simulator of bidding, in auctions per second, in turns.

rtbgym (in the package scope-rl) needs NumPy below 2 and the old gym, so it runs in a virtual environment of its own,
which is made from the package registry for the time of the run, or is that of `--python`.

`simulator_N_threads_K`: whole days of 48 slots of N auctions, ours at 256 rows on K threads; `baseline` is rtbgym's one
row, as it has no others. The bars are 50 on one thread and 100 on two.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
import venv
from pathlib import Path

import numpy as np

from bidpilot.envs.bidding_env.env import BiddingVectorEnv

SLOTS, ROWS, AUCTIONS, BARS = 48, 256, (200, 10_000), {1: 50.0, 2: 100.0}
RIVAL = """
import sys, time, warnings
import numpy as np
warnings.filterwarnings("ignore")
from rtbgym import RTBEnv
from rtbgym.utils import NormalDistribution
slots, auctions = int(sys.argv[1]), int(sys.argv[2])
volume = NormalDistribution(mean=np.full(slots, auctions), std=np.full(slots, 1e-9), random_state=0)
env = RTBEnv(step_per_episode=slots, search_volume_distribution=volume, initial_budget=10**9, random_state=0)
best = 0.0
for _ in range(5):
    env.reset(seed=0)
    begun, played = time.perf_counter(), 0
    for _ in range(slots):
        played += env.step(1.0)[4]["search_volume"]
    best = max(best, played / (time.perf_counter() - begun))
print(best)
"""


def with_rtbgym(folder: str) -> str:
    """Makes a virtual environment in `folder` that has rtbgym; its interpreter."""
    venv.create(folder, with_pip=True)
    python = str(Path(folder) / "bin" / "python")
    for packages in (["--no-deps", "scope-rl==0.2.1"], ["numpy==1.26.4", "gym==0.26.2", "scikit-learn==1.5.2"]):
        subprocess.run([python, "-m", "pip", "install", "-q", *packages], check=True)
    return python


def theirs(python: str, auctions: int) -> float:
    """Auctions per second of rtbgym; the best of five days."""
    asked = [python, "-c", RIVAL, str(SLOTS), str(auctions)]
    return float(subprocess.run(asked, check=True, capture_output=True, text=True).stdout.split()[-1])


def ours(auctions: int, threads: int) -> float:
    """Auctions per second of the environment, resets included; the best of five times 48 steps."""
    env = BiddingVectorEnv(ROWS, threads=threads)
    env.reset(seed=0)
    action = np.zeros((ROWS, *env.single_action_space.shape), np.float32)  # type: ignore[misc]
    best = 0.0
    for _ in range(5):
        days, log = env.episode.today.days, env.episode.market.log
        days.count[:] = auctions
        np.minimum(days.start, log.n - auctions, out=days.start)
        begun = time.perf_counter()
        for _ in range(SLOTS):
            env.step(action)
        best = max(best, ROWS * SLOTS * auctions / (time.perf_counter() - begun))
    return best


def compare(python: str, auctions: int, rounds: int) -> None:
    """Print one JSON line for each number of threads."""
    found, rival = dict.fromkeys(BARS, 0.0), 0.0
    for _ in range(rounds):
        rival = max(rival, theirs(python, auctions))
        found = {threads: max(best, ours(auctions, threads)) for threads, best in found.items()}
    for threads, bar in BARS.items():
        name = f"simulator_{auctions}_threads_{threads}"
        line = {"name": name, "value": found[threads], "unit": "auctions/s", "baseline": rival}
        print(json.dumps(line | {"ratio": found[threads] / rival, "bar": bar}), flush=True)


def main() -> None:
    """Compare at each number of auctions a slot."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", help="an interpreter that has rtbgym; default: of an environment made for the run")
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        python = asked.python or with_rtbgym(folder)
        for auctions in AUCTIONS:
            compare(python, auctions, asked.rounds)


if __name__ == "__main__":
    main()
