"""The vector environment as stable-baselines3 wants it: natively, without a wrapper per row."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv

from bidpilot.agents.acting.residual import Residual, compose
from bidpilot.bidding.day.features import bounds, columns, feature_names
from bidpilot.bidding.errors import InvalidMarket
from bidpilot.envs.bidding_env.env import BiddingVectorEnv

Indices = None | int | Iterable[int]
Step = tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.bool_], list[dict[str, Any]]]


class BiddingVecEnv(VecEnv):
    """A stable-baselines3 `VecEnv` over a `BiddingVectorEnv`; rows step together in one call.

    A step's infos are one shared list of empty dicts, except at the day's end, where row b's holds
    `terminal_observation`, `score`, `utility`, `spend_share`, and `episode` with `r = score / u_plan` and
    `l = T`, from which stable-baselines3 computes its rollout statistics.

    Args:
        env: the environment; its campaigns, market and seeds are its own.
        residual: what actions are added to (`bidpilot.agents.acting.residual.RESIDUALS`); None: they are played alone.
        features: names (N,) of what an observation returned holds, in order; all F where None. The controller of a
            residual action sees all.

    Raises:
        InvalidMarket: the environment's re-plan is not the one that the base follows.
    """

    def __init__(
        self, env: BiddingVectorEnv, residual: Residual | None = None, features: tuple[str, ...] | None = None
    ) -> None:
        if residual is not None and env.replan is not residual.base.replan:
            raise InvalidMarket(
                f"actions are added to {residual.base.name}, which follows the re-plan {residual.base.replan!s}, and "
                f"the environment observes {env.replan!s}. Make it with replan={residual.base.replan!s}."
            )
        self.vector, self.residual = env, residual
        segments = env.episode.segments
        self.features = feature_names(segments) if features is None else features
        self._columns = columns(self.features, segments)
        low, high = (end[self._columns] for end in bounds(segments))
        super().__init__(env.num_envs, gym.spaces.Box(low, high, dtype=np.float32), env.single_action_space)
        self._quiet: list[dict[str, Any]] = [{} for _ in range(env.num_envs)]
        self._seed: int | None = None

    def seed(self, seed: int | None = None) -> list[int | None]:
        """Seed the next reset: row b begins the stream of seed + b."""
        self._seed = seed
        return [None if seed is None else seed + b for b in range(self.num_envs)]

    def reset(self) -> NDArray[np.float32]:
        """Begin a day in every row; the observation (B, N)."""
        self._observation, _ = self.vector.reset(seed=self._seed)
        self._seed = None
        return self._observation[:, self._columns]

    @property
    def whole(self) -> NDArray[np.float32]:
        """The last observation (B, F) with all features."""
        return self._observation

    def resume(self, states: list[dict[str, Any]], uniforms: NDArray[np.float64]) -> NDArray[np.float32]:
        """Begin the days of `uniforms` (B, draws), with row b's generator in `states[b]`; the observation (B, N)."""
        self.vector.reset(seed=0)  # makes the generators
        for generator, state in zip(self.vector.generators, states, strict=True):
            generator.bit_generator.state = state
        self.vector.uniforms[:] = uniforms
        self._observation = self.vector.begin_days()
        return self._observation[:, self._columns]

    def step(self, actions: NDArray[np.float32]) -> Step:
        """Play one slot in every row with actions (B, 3 + S): observation (B, N), reward (B,), done (B,), infos."""
        self.step_async(actions)
        return self.step_wait()

    def step_async(self, actions: NDArray[np.float32]) -> None:
        """Keep the actions (B, 3 + S) for `step_wait`."""
        self._actions = compose(self._observation, actions, self.residual)

    def step_wait(self) -> Step:
        """Play one slot in every row: observation (B, N), reward (B,), done (B,), infos."""
        self._observation, reward, done, _, info = self.vector.step(self._actions)
        seen = self._observation[:, self._columns]
        return seen, reward, done, self._final(info) if info else self._quiet

    def _final(self, info: dict[str, Any]) -> list[dict[str, Any]]:
        final, last = info["final_info"], np.stack(info["final_obs"])[:, self._columns]
        slots = self.vector.episode.slots
        earned = final["score"] / final["plan_utility"]
        spend = final["spend"] / final["budget"]
        return [
            {
                "terminal_observation": last[b],
                "score": float(final["score"][b]),
                "utility": float(final["utility"][b]),
                "spend_share": float(spend[b]),
                "episode": {"r": float(earned[b]), "l": slots},
            }
            for b in range(self.num_envs)
        ]

    def close(self) -> None:
        """Nothing is held open."""
        self.vector.close()

    def get_attr(self, attr_name: str, indices: Indices = None) -> list[Any]:
        """The vector environment's attribute, once per row asked for."""
        return [getattr(self.vector, attr_name)] * len(self._rows(indices))

    def set_attr(self, attr_name: str, value: Any, indices: Indices = None) -> None:
        """Set an attribute of the vector environment, which all rows share."""
        setattr(self.vector, attr_name, value)

    def env_method(self, method_name: str, *args: Any, indices: Indices = None, **kwargs: Any) -> list[Any]:
        """Call a method of the vector environment once; its result, once per row asked for."""
        return [getattr(self.vector, method_name)(*args, **kwargs)] * len(self._rows(indices))

    def env_is_wrapped(self, wrapper_class: type[gym.Wrapper], indices: Indices = None) -> list[bool]:
        """False for every row: there are no wrappers."""
        return [False] * len(self._rows(indices))

    def _rows(self, indices: Indices) -> list[int]:
        return list(self._get_indices(indices))
