"""The preference of a campaign on a recorded log, where nobody states one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.kpi import KPI
from bidpilot.envs.logs.auction_log import AuctionLog


def predicted_kpis(log: AuctionLog) -> NDArray[np.bool_]:
    """(3,) true for the KPIs that the log predicts of any auction."""
    return np.array([getattr(log, name).any() for name in KPI])


def default_preference(log: AuctionLog) -> tuple[float, float, float]:
    """All weight on the last KPI of the funnel that the log predicts: conversions, else interactions, else exposures.

    A log says what can be bought, not what its advertiser wants. What stands last is what the earlier KPIs are bought
    for, so that it alone counts where it is known; a mix would need weights that no log holds.
    """
    return last_of(predicted_kpis(log))


def last_of(there: NDArray[np.bool_]) -> tuple[float, float, float]:
    """All weight on the last KPI of the funnel that is `there` (3,); on exposures where none is."""
    last = int(np.flatnonzero(there).max(initial=0))
    exposure, interaction, conversion = (float(j == last) for j in range(len(KPI)))
    return exposure, interaction, conversion
