"""One of PPO's trials: a short training run without validation, checkpoints or figures."""

from __future__ import annotations

from bidpilot.agents.policy import MlpPolicy
from bidpilot.agents.ppo import make_ppo
from bidpilot.agents.ppo_config import PpoConfig
from bidpilot.agents.sb3 import BiddingVecEnv
from bidpilot.envs.bidding import BiddingVectorEnv
from bidpilot.training.setting import Setting


def short_run(ppo: PpoConfig, setting: Setting, steps: int, rows: int, seed: int) -> MlpPolicy:
    """The policy after `steps` environment steps over `rows` rows, in training days that no trial is scored on."""
    vector = BiddingVectorEnv(rows, setting.market, setting.forecast, setting.campaign)
    env = BiddingVecEnv(vector, ppo.residual, ppo.hidden)
    model = make_ppo(ppo, env, seed % 2**32)
    # Scored are the days of stream `seed`; row b's are those of a larger number.
    env.seed(seed + 1)
    model.learn(steps)
    return MlpPolicy.from_sb3(model, ppo.residual, ppo.hidden)
