"""Every constraint, in the order of rows and features: a line each."""

from __future__ import annotations

from typing import Final

from bidpilot.bidding.constraints.base import Constraint
from bidpilot.bidding.constraints.budget import Budget
from bidpilot.bidding.constraints.channel_caps import ChannelCaps
from bidpilot.bidding.constraints.kpi_floors import KpiFloors
from bidpilot.bidding.constraints.max_channel_share import MaxChannelShare
from bidpilot.bidding.constraints.max_cpa import MaxCpa
from bidpilot.bidding.constraints.min_roi import MinRoi
from bidpilot.bidding.constraints.min_tail_share import MinTailShare

CATALOGUE: Final[tuple[Constraint, ...]] = (
    Budget(),
    MaxCpa(),
    MinRoi(),
    KpiFloors(),
    MinTailShare(),
    ChannelCaps(),
    MaxChannelShare(),
)
