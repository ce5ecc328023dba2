"""Logs, markets, clearing kernels and Gymnasium environments. Importing registers the environments."""

import gymnasium as gym

for _id, _name in (("bidpilot/Bidding-v0", "Bidding"), ("bidpilot/MOBidding-v0", "MOBidding")):
    if _id not in gym.registry:
        gym.register(
            _id,
            entry_point=f"bidpilot.envs.bidding:{_name}Env",
            vector_entry_point=f"bidpilot.envs.bidding:{_name}VectorEnv",
        )
