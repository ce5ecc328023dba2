"""The synthetic market: a seeded log of auctions, and days as windows into it with levels and shocks."""

from bidpilot.envs.synthetic.config import SyntheticConfig
from bidpilot.envs.synthetic.market import SyntheticMarket

__all__ = ["SyntheticConfig", "SyntheticMarket"]
