"""Steps per second: the native vector environment, and learning on it beside stable-baselines3's DummyVecEnv."""

from __future__ import annotations

import json
import time

import gymnasium as gym
import numpy as np
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv

import bidpilot  # noqa: F401 - registers the environments
from bidpilot.agents.learners.catalogue import DEFAULT, LEARNERS
from bidpilot.agents.learners.common.vec_env import BiddingVecEnv
from bidpilot.envs.bidding_env.env import BiddingVectorEnv

ROWS, AUCTIONS = 256, 200


def report(name: str, value: float, unit: str, baseline: float) -> None:
    """Print one measurement."""
    print(json.dumps({"name": name, "value": value, "unit": unit, "baseline": baseline, "ratio": value / baseline}))


def vector_steps(rows: int, steps: int) -> float:
    """Environment steps per second through the public vector API, the full kernel, 200 auctions a slot.

    Best of the rounds; each is a whole day and the reset that follows it.
    """
    env = gym.make_vec("bidpilot/Bidding-v0", num_envs=rows, vectorization_mode="vector_entry_point")
    env.reset(seed=0)
    action = np.zeros((rows, *env.single_action_space.shape), np.float32)  # type: ignore[misc]
    rates = []
    for _ in range(20):
        episode = env.unwrapped.episode  # type: ignore[attr-defined]
        days, log = episode.today.days, episode.market.log
        days.count[:] = AUCTIONS
        np.minimum(days.start, log.n - AUCTIONS, out=days.start)
        start = time.perf_counter()
        for _ in range(steps):
            env.step(action)
        rates.append(rows * steps / (time.perf_counter() - start))
    return max(rates)


def training_steps(env: VecEnv, rows: int, rollouts: int) -> float:
    """Training steps per second of the default learner with its updates; the best of five rounds of `rollouts`."""
    config = LEARNERS[DEFAULT].config.model_copy(update={"batch_size": min(2048, rows * 48)})
    model = LEARNERS[DEFAULT].load().make(config, env, 0)
    model.learn(rows * 48)
    rates = []
    for _ in range(5):
        start = time.perf_counter()
        model.learn(rows * 48 * rollouts, reset_num_timesteps=False)
        rates.append(rows * 48 * rollouts / (time.perf_counter() - start))
    return max(rates)


def main() -> None:
    """Print one JSON line per measurement."""
    report("vector_env_steps", vector_steps(ROWS, 48), "steps/s", vector_steps(1, 48))
    dummy = DummyVecEnv([lambda: gym.make("bidpilot/Bidding-v0") for _ in range(16)])
    usual = training_steps(dummy, 16, 2)
    report("training_steps", training_steps(BiddingVecEnv(BiddingVectorEnv(ROWS)), ROWS, 4), "steps/s", usual)


if __name__ == "__main__":
    main()
