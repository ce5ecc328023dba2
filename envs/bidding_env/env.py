"""The bidding environments: one vector implementation; the single one is the vector one with one row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.day.action import action_size
from bidpilot.bidding.day.features import bounds
from bidpilot.bidding.day.replanners import Replan
from bidpilot.bidding.errors import InvalidMarket
from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.bidding.traffic.detector import detector_for
from bidpilot.bidding.traffic.gate import Gate
from bidpilot.envs import seeding
from bidpilot.envs.bidding_env.campaign_pool import CampaignPool
from bidpilot.envs.bidding_env.constraint_prices import ConstraintPrices
from bidpilot.envs.bidding_env.episode import Episode
from bidpilot.envs.bidding_env.rewards.base import Reward
from bidpilot.envs.bidding_env.rewards.regret import RegretReward
from bidpilot.envs.bidding_env.rewards.utility import UtilityReward
from bidpilot.envs.bidding_env.rewards.vector import VectorReward
from bidpilot.envs.bidding_env.viewer import DayTrace, draw_day
from bidpilot.envs.markets.base import Market
from bidpilot.envs.markets.defaults import default_setting

Info = dict[str, Any]


class BiddingVectorEnv(gym.vector.VectorEnv[NDArray[np.float32], NDArray[np.float32], NDArray[np.float64]]):
    """B campaigns buying traffic for a day, one slot a step, all rows in step.

    Description:
        Each row is one campaign on one day of the market, redrawn at every reset. The action sets the
        bid rule for the coming slot; the slot's auctions are cleared in arrival order.

    Action Space:
        `Box(-1, 1, (3 + S,))` per row: scale, interaction tilt, conversion tilt, a multiplier per segment
        (`bidpilot.bidding.day.action`). Zero bids the plan.

    Observation Space:
        `Box(low, high, (F,))` per row: the named dimensionless features of `bidpilot.bidding.day.features.FEATURES`,
        then the re-plan's entry of each segment.

    Rewards:
        The slot's increment of utility over the plan's expected utility; a day's rewards sum to
        `u(day) / u_plan`. With a CPA target the last reward turns the sum into `score / u_plan`. `prices` and
        `regret` change that (below).

    Starting State:
        A day drawn by the row's own generator: row b of an environment seeded s is the single
        environment seeded s + b. With `group` g > 1, g rows on end play one day and campaign, drawn by the first's.

    Episode End:
        Termination after the last slot, T. Rows end together and the same step begins the next day
        (`AutoresetMode.SAME_STEP`); the last observation is in `info["final_obs"]`.

    Arguments:
        num_envs: rows.
        market: what is bid in, or a preset's name; the preset `daily` where none.
        forecast: of the market; the preset's own where none.
        campaign: what is asked for, or the name of a KPI profile, whose preference the preset's campaign then has.
        seed_domain: domain of the random stream (`bidpilot.envs.seeding`).
        pool: planned campaigns that each day draws one of, in place of `campaign`.
        prices: multipliers of missed constraints, taken off a day's last reward.
        regret: rewards are regrets against hindsight (`bidpilot.envs.bidding_env.rewards`), in 1 / 32 of plan utility.
        reward: what pays for a slot, in place of the one that `prices` and `regret` ask for.
        traffic_filter: whether the detector of invalid traffic decides each slot's gate, where the forecast tells
            sources apart.
        replan: which re-plan the observation holds: that of the agent who plays, or of a residual policy's base.
        group: rows on end that play one day and campaign; divides `num_envs`. It may be set anew, from the next day on.
        threads: that a slot's auctions are cleared on; any number gives the same days, to the last bit.

    Version History:
        v0: first.
    """

    metadata: ClassVar[dict[str, Any]] = {  # type: ignore[misc]
        "autoreset_mode": AutoresetMode.SAME_STEP,
        "render_modes": ["rgb_array"],
        "render_fps": 4,
    }

    def __init__(
        self,
        num_envs: int = 1,
        market: Market | str | None = None,
        forecast: Forecast | None = None,
        campaign: Campaign | str | None = None,
        seed_domain: int = seeding.TRAINING,
        render_mode: str | None = None,
        max_episode_steps: int | None = None,
        pool: CampaignPool | None = None,
        prices: ConstraintPrices | None = None,
        regret: bool = False,
        reward: Reward | None = None,
        traffic_filter: bool = False,
        replan: Replan = Replan.FORECAST,
        group: int = 1,
        threads: int = 1,
    ) -> None:
        if num_envs < 1:
            raise InvalidMarket(f"an environment needs at least one row; got num_envs = {num_envs}. Give 1 or more.")
        market, forecast, campaign = default_setting(market, forecast, campaign)
        self.num_envs, self.render_mode, self.campaign = num_envs, render_mode, campaign
        self.group = group
        self.episode = Episode(market, forecast, num_envs, threads)
        self._traffic = detector_for(forecast, num_envs) if traffic_filter else None
        self._domain, self.replan = seed_domain, replan
        low, high = bounds(self.episode.segments)
        self.single_observation_space = gym.spaces.Box(low, high, dtype=np.float32)
        self.single_action_space = gym.spaces.Box(-1.0, 1.0, (action_size(self.episode.segments),), np.float32)
        self.observation_space = gym.vector.utils.batch_space(self.single_observation_space, num_envs)
        self.action_space = gym.vector.utils.batch_space(self.single_action_space, num_envs)
        self.generators: list[np.random.Generator] = []
        self.pool, self.prices = pool, prices
        self._reward = reward or self._asked_reward(prices, regret)
        self.uniforms = np.zeros((num_envs, market.draws + (pool is not None)))
        self._trace = DayTrace() if render_mode == "rgb_array" else None

    @property
    def group(self) -> int:
        """Rows on end that play one day."""
        return self._group

    @group.setter
    def group(self, group: int) -> None:
        if group < 1 or self.num_envs % group:
            raise InvalidMarket(
                f"groups of {group} do not divide {self.num_envs} rows. Give a group that does, or 1 for a day per row."
            )
        self._group = group

    def _asked_reward(self, prices: ConstraintPrices | None, regret: bool) -> Reward:
        """What the arguments of that name ask for."""
        return RegretReward(prices) if regret else UtilityReward(prices)

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: Info | None = None
    ) -> tuple[NDArray[np.float32], Info]:
        """Begin a day in every row; `seed` seeds row b with seed + b, or each row with its own of a list."""
        if isinstance(seed, (int, np.integer)):
            seeds: list[int | None] = [int(seed) + b for b in range(self.num_envs)]
        elif seed is None:
            entropy = None if self.generators else int(np.random.SeedSequence().generate_state(1)[0])
            seeds = [None if entropy is None else entropy + b for b in range(self.num_envs)]
        else:
            seeds = list(seed)
            if len(seeds) != self.num_envs:
                raise InvalidMarket(f"got {len(seeds)} seeds for {self.num_envs} rows. Give one seed, or one per row.")
        if not self.generators:
            self.generators = [seeding.stream(self._domain, 0 if s is None else s) for s in seeds]
        else:
            for b, s in enumerate(seeds):
                if s is not None:
                    self.generators[b] = seeding.stream(self._domain, s)
        return self._draw_days(), {}

    def _draw_days(self) -> NDArray[np.float32]:
        for generator, uniforms in zip(self.generators[:: self.group], self.uniforms[:: self.group], strict=True):
            generator.random(out=uniforms)
        if self.group > 1:
            self.uniforms[:] = np.repeat(self.uniforms[:: self.group], self.group, axis=0)
        return self.begin_days()

    def begin_days(self) -> NDArray[np.float32]:
        """Begin the days that `uniforms` describe; the observation (B, F)."""
        days = self.episode.market.days(self.uniforms[:, : self.episode.market.draws])
        if self.pool is None:
            campaigns = CampaignBatch.repeat(
                self.campaign, self.num_envs, days.budget, days.conversion_value, days.bounds
            )
            observation = self.episode.begin(days, campaigns, traffic=self._traffic, replan=self.replan)
        else:
            pick = (self.uniforms[:, -1] * len(self.pool)).astype(np.int64)
            plan = self.pool.plan, self.pool.index[pick]
            campaigns = self.pool.campaigns.take(pick)
            observation = self.episode.begin(days, campaigns, plan=plan, traffic=self._traffic, replan=self.replan)
        self._reward.begin(self.episode)
        if self._trace is not None:
            self._trace.begin(self.episode)
        return observation

    def step(  # type: ignore[override]
        self, actions: NDArray[np.floating]
    ) -> tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], Info]:
        """Play one slot in every row."""
        if not self.generators:
            raise gym.error.ResetNeeded("no day has begun. Call reset before step.")
        observation, reward, done = self.play(np.asarray(actions))
        info: Info = {}
        if done:
            info = self._final(observation)
            observation = self._draw_days()
        ended = np.full(self.num_envs, done)
        return observation, reward, ended, np.zeros(self.num_envs, np.bool_), info

    def play(
        self, actions: NDArray[np.floating], gate: Gate | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.float64], bool]:
        """Play one slot in every row, without what follows a finished day; observation, reward, whether it is over.

        With a gate, the slot's bids pass it.
        """
        episode = self.episode
        observation = episode.play(actions, gate)
        if self._trace is not None:
            self._trace.record(episode)
        return observation, self._reward.pay(episode), episode.t == episode.slots

    def _final(self, observation: NDArray[np.float32]) -> Info:
        """What a finished day leaves: observation, utility, score, spend and KPI per row."""
        e = self.episode
        yes = np.ones(self.num_envs, np.bool_)
        result: Info = {
            "utility": e.utility.copy(),
            "score": e.score().copy(),
            "plan_utility": e.today.plan_utility.copy(),
            "spend": e.today.campaigns.budget - e.left,
            "budget": e.today.campaigns.budget.copy(),
            "kpi": e.kpi.copy(),
        }
        result |= {f"_{key}": yes for key in list(result)}
        final = np.empty(self.num_envs, object)
        final[:] = list(observation)
        return {"final_obs": final, "_final_obs": yes, "final_info": result, "_final_info": yes}

    def render(self) -> tuple[Any, ...]:
        """A picture (H, W, 3) of row 0's day so far: budget left against plan, alpha, wins, KPI."""
        if self._trace is None:
            raise InvalidMarket('render needs render_mode="rgb_array". Pass it to make or make_vec.')
        return (draw_day(self._trace),)


class MOBiddingVectorEnv(BiddingVectorEnv):
    """The same, with the vector reward `delta x_j / z_j` (B, 3) in MO-Gymnasium's convention."""

    reward_space = gym.spaces.Box(0.0, np.inf, (3,), np.float32)

    def _asked_reward(self, prices: ConstraintPrices | None, regret: bool) -> Reward:
        if regret or prices is not None:
            raise InvalidMarket("regret and prices shape one reward, not three. Leave them out, or use Bidding-v0.")
        return VectorReward()


class BiddingEnv(gym.Env[NDArray[np.float32], NDArray[np.float32]]):
    """One campaign's day: `BiddingVectorEnv` with one row; see there for spaces, rewards and arguments."""

    metadata: ClassVar[dict[str, Any]] = {"render_modes": ["rgb_array"], "render_fps": 4}  # type: ignore[misc]
    _vector: ClassVar[Callable[..., BiddingVectorEnv]] = BiddingVectorEnv

    def __init__(self, render_mode: str | None = None, **setting: Any) -> None:
        self.vector = type(self)._vector(1, render_mode=render_mode, **setting)
        self.render_mode = render_mode
        self.observation_space = self.vector.single_observation_space
        self.action_space = self.vector.single_action_space

    def reset(self, *, seed: int | None = None, options: Info | None = None) -> tuple[NDArray[np.float32], Info]:
        """Begin a day."""
        super().reset(seed=seed)
        observation, info = self.vector.reset(seed=seed)
        return observation[0], info

    def step(self, action: NDArray[np.floating]) -> tuple[NDArray[np.float32], Any, bool, bool, Info]:
        """Play one slot; after the last one, `reset` begins the next day."""
        vector = self.vector
        if not vector.generators or vector.episode.t >= vector.episode.slots:
            raise gym.error.ResetNeeded("no day has begun, or it is over. Call reset before step.")
        observation, rewards, done = vector.play(np.asarray(action)[None])
        info: Info = {}
        if done:
            final = vector._final(observation)["final_info"]
            info = {key: value[0] for key, value in final.items() if not key.startswith("_")}
        return observation[0], self._row_reward(rewards), done, False, info

    def _row_reward(self, reward: NDArray[np.float64]) -> Any:
        return float(reward[0])

    def render(self) -> Any:
        """A picture (H, W, 3) of the day so far."""
        return self.vector.render()[0]


class MOBiddingEnv(BiddingEnv):
    """The same, with the vector reward `delta x_j / z_j` (3,) in MO-Gymnasium's convention."""

    _vector = MOBiddingVectorEnv

    def __init__(self, render_mode: str | None = None, **setting: Any) -> None:
        super().__init__(render_mode, **setting)
        self.reward_space = MOBiddingVectorEnv.reward_space
        self.reward_dim = 3

    def _row_reward(self, reward: NDArray[np.float64]) -> Any:
        return reward[0].astype(np.float32)
