"""bidpilot: learned bids and budgets for short-video promotion in real-time auctions.

    import bidpilot

    plan = bidpilot.solve(bidpilot.Campaign(budget=40.0))           # a campaign's plan on an average day
    run = bidpilot.train(market="daily", seed=0)                    # a training run, in MLflow
    policy = bidpilot.load_policy(run)                              # or a bundle's folder
    found = bidpilot.evaluate(["mpc", policy], suites=["daily"])    # R / R* on held-out days, paired
    log = bidpilot.AuctionLog.from_frame(frame, mapping)            # auctions of your own

    import gymnasium
    env = gymnasium.make("bidpilot/Bidding-v0", market="steady")    # `import bidpilot` registers it

These names are the public API. Whatever else is importable may change with any version. Importing `bidpilot` loads none
of it: a name is loaded when it is first used.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

from bidpilot.checkout import require_links
from bidpilot.gymnasium_hook import register_once_imported

if TYPE_CHECKING:
    from bidpilot.bidding.campaign.campaign import Campaign
    from bidpilot.bidding.errors import BidpilotError
    from bidpilot.envs.logs.auction_log import AuctionLog
    from bidpilot.training.api import Evaluation, evaluate, load_policy, solve, train

__version__ = "0.1.0"
__all__ = ["AuctionLog", "BidpilotError", "Campaign", "Evaluation", "evaluate", "load_policy", "solve", "train"]

_HOMES = {
    "AuctionLog": "bidpilot.envs.logs.auction_log",
    "BidpilotError": "bidpilot.bidding.errors",
    "Campaign": "bidpilot.bidding.campaign.campaign",
    **dict.fromkeys(("Evaluation", "evaluate", "load_policy", "solve", "train"), "bidpilot.training.api"),
}


if not TYPE_CHECKING:  # to a type checker only the names above exist

    def __getattr__(name: str) -> Any:
        """A public name, loaded on its first use (PEP 562)."""
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}; public are {', '.join(__all__)}")
        try:
            found = getattr(import_module(_HOMES[name]), name)
        except ModuleNotFoundError as error:
            if error.name is None or error.name.partition(".")[0] == __name__:
                raise
            raise ImportError(
                f"bidpilot.{name} needs {error.name}, which is not installed here: pip install 'bidpilot[train]'"
            ) from error
        globals()[name] = found
        return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


require_links(os.path.dirname(__file__))
register_once_imported()
