"""Whose target costs days are played under: those that they record, the campaign's own, or none.

A campaign that asks for a target itself has that one on every day. Where it asks for none, a log's days bring the
targets that they record, and a day that records none has none. This page says how that is told and stored with a run;
`CampaignBatch.repeat` does it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.campaign.batch import has_soft_bound, own_bounds, without_soft_bounds
from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.constraints.together import constraint_of

TargetRule = Literal["recorded", "campaign", "none"]
RECORDED: Final = "recorded"
"""Each day's own; the campaign that is stored has their mean, for days that record none, as in serving."""
OWN: Final = "campaign"
"""The campaign's, on every day."""
NONE: Final = "none"

Bounds = Mapping[str, NDArray[np.float64]]


def applied(campaign: Campaign, recorded: Bounds) -> dict[str, NDArray[np.float64]]:
    """Those of the recorded bounds, (D,) by row name, that `CampaignBatch.repeat` puts beside the campaign's own."""
    own = own_bounds(campaign)
    return {name: bound for name, bound in recorded.items() if name not in own and not np.isnan(bound).all()}


def rule_of(campaign: Campaign, recorded: Bounds) -> TargetRule:
    """Whose targets apply to a campaign on days that record these bounds, (D,) by row name."""
    if applied(campaign, recorded):
        return RECORDED
    return OWN if has_soft_bound(campaign) else NONE


def usual_campaign(campaign: Campaign, recorded: Bounds) -> Campaign:
    """The campaign of a day that records nothing: where days bring bounds, their mean stands for them.

    Budget and worth of a conversion of a log's campaign are means over its days likewise.
    """
    means = {constraint_of(name).field: float(np.nanmean(bound)) for name, bound in applied(campaign, recorded).items()}
    return Campaign.model_validate({**campaign.model_dump(), **means})


def asked_campaign(usual: Campaign, rule: TargetRule | None) -> tuple[Campaign, bool]:
    """What was asked for of a campaign that `usual_campaign` made, and whether days bring their targets.

    Without the means of what days record. `rule` is None where a run or bundle of before does not say.
    """
    return (without_soft_bounds(usual) if rule == RECORDED else usual), rule != NONE
