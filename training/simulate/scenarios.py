"""Scenarios: the campaign as it is, and each with one thing changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.campaign.profile import named_profile
from bidpilot.bidding.kpi import KPI
from bidpilot.training.simulate.config import SimulateConfig

BASE: Final = "as it is"
TARGETS: Final = ("max_cpa", "min_roi")


@dataclass(frozen=True)
class Scenario:
    """One campaign that is played."""

    group: str  # what is changed: base, budget, a target's name, preference, rates
    name: str
    change: float  # relative, of budget, target or rates; 0 where it is none
    campaign: Campaign
    rates: float = 1.0  # interactions and conversions of every auction are this many times the market's

    @property
    def told(self) -> Campaign:
        """The same campaign counted in the market's own rates, so that scenarios of other rates share its days.

        With `f` times the rates, `c` conversions of the market are `f c`: a target cost of `m` for each is one of
        `m f`, their worth is `f` times as much, and a floor is reached by `1 / f` of it. What is bid is the same, since
        bids do not know the units that KPIs are counted in.
        """
        f, campaign = self.rates, self.campaign
        floors = campaign.kpi_floors
        changes: dict[str, Any] = {
            "conversion_value": campaign.conversion_value * f,
            "max_cpa": None if campaign.max_cpa is None else campaign.max_cpa * f,
            "kpi_floors": (floors[0], floors[1] / f, floors[2] / f),
        }
        return campaign.model_copy(update=changes)


def scenarios(campaign: Campaign, config: SimulateConfig, has: NDArray[np.bool_]) -> tuple[Scenario, ...]:
    """The base first, then budgets, targets, preferences and rates; `has` (3,) are the KPIs that the forecast has.

    Raises:
        UnknownProfile: no profile of that name.
    """
    found = [Scenario("base", BASE, 0.0, campaign)]
    found += [_scaled(campaign, "budget", change) for change in config.budgets]
    found += [
        _scaled(campaign, field, change)
        for field in TARGETS
        if getattr(campaign, field) is not None
        for change in config.targets
    ]
    found += _preferences(campaign, config, has)
    found += [
        Scenario("rates", f"rates {change:+.0%}", change, campaign, 1.0 + change)
        for change in config.rates
        if has[1:].any()
    ]
    return tuple(found)


def _scaled(campaign: Campaign, field: str, change: float) -> Scenario:
    value = getattr(campaign, field) * (1.0 + change)
    return Scenario(field, f"{field} {change:+.0%}", change, campaign.model_copy(update={field: value}))


def _preferences(campaign: Campaign, config: SimulateConfig, has: NDArray[np.bool_]) -> list[Scenario]:
    wanted = {
        f"more {KPI[j]}": moved(campaign.preference, j, config.toward)
        for j in np.flatnonzero(has).tolist()
        if campaign.preference[j] < 1.0
    }
    wanted |= {name: named_profile(name).preference for name in config.profiles}
    return [
        Scenario("preference", name, 0.0, campaign.model_copy(update={"preference": weights}))
        for name, weights in wanted.items()
    ]


def moved(preference: Sequence[float], kpi: int, share: float) -> tuple[float, float, float]:
    """A preference with `share` more on one KPI, all of the weight at most, taken from the others by their share."""
    weights = np.array(preference, np.float64)
    more = min(share, 1.0 - weights[kpi])
    others = np.arange(3) != kpi
    weights[others] *= max(0.0, 1.0 - more / weights[others].sum())
    weights[kpi] = 1.0 - weights[others].sum()
    exposure, interaction, conversion = weights.tolist()
    return exposure, interaction, conversion
