"""Logs, markets, clearing kernels and Gymnasium environments. Importing registers the environments."""

import gymnasium as gym

for _name in ("Bidding", "MOBidding"):
    if f"bidpilot/{_name}-v0" not in gym.registry:
        gym.register(
            f"bidpilot/{_name}-v0",
            entry_point=f"bidpilot.envs.bidding_env.env:{_name}Env",
            vector_entry_point=f"bidpilot.envs.bidding_env.env:{_name}VectorEnv",
            # Gymnasium's checker knows scalar rewards only
            disable_env_checker=_name == "MOBidding",
        )
