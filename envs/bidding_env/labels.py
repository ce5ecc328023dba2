"""What labels a day's actions for imitation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.constraints.together import target_cost
from bidpilot.bidding.kpi import CONVERSION
from bidpilot.envs.bidding_env.episode import Episode

NEAR = 0.9
"""Of a target: a plan that costs less is far from it, and doubt needs no room."""


class Labels(Protocol):
    """Labels of the day that an episode has begun, in the states that it comes to."""

    def action(self) -> NDArray[np.float64]:
        """The label (B, 3 + S) of the coming slot."""


Labeller = Callable[[Episode], Labels]
"""Makes the labels of the day that an episode has just begun."""


def near_target(episode: Episode) -> NDArray[np.bool_]:
    """(B,) true where a row's plan comes near a target cost.

    Such rows are labelled with their own re-plan: what is told more than a bidder has less doubt, and would teach them
    to leave no room for it.
    """
    today, campaigns = episode.today, episode.today.campaigns
    spend, conversions = today.plan.spend[today.index, -1], today.plan.kpi[today.index, CONVERSION]
    target = target_cost(campaigns.bounds, campaigns.conversion_value)
    asked = np.isfinite(target)
    near: NDArray[np.bool_] = asked & (spend > NEAR * conversions * np.where(asked, target, 0.0))
    return near
