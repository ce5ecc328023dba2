"""Campaigns of many rows as arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.constraints.base import Terms
from bidpilot.bidding.constraints.catalogue import CATALOGUE
from bidpilot.bidding.constraints.together import asks_hard, held_back, moves_segments
from bidpilot.bidding.errors import InvalidCampaign

_NOT_ASKED = -1.0  # in a key, where NaN would not equal itself; no bound is negative


@dataclass(frozen=True)
class CampaignBatch:
    """Campaigns of B rows as arrays."""

    budget: NDArray[np.float64]  # (B,) currency
    conversion_value: NDArray[np.float64]  # (B,) currency per conversion
    preference: NDArray[np.float64]  # (B, 3)
    kind: NDArray[np.int64]  # (B,) Scalarisation.code
    first_price: NDArray[np.bool_]  # (B,)
    full_feedback: NDArray[np.bool_]  # (B,)
    win_delay: NDArray[np.int64]  # (B,) slots
    interaction_delay: NDArray[np.int64]  # (B,) slots
    conversion_delay: NDArray[np.int64]  # (B,) slots
    bounds: Mapping[str, NDArray[np.float64]]  # of constraints, by row name: (B,) own units, NaN where not asked

    def __len__(self) -> int:
        return len(self.budget)

    @cached_property
    def constrained(self) -> NDArray[np.bool_]:
        """(B,) true where anything but the whole budget limits the campaign."""
        limited = np.zeros(len(self), np.bool_)
        for bound in self.bounds.values():
            limited |= ~np.isnan(bound)
        return limited

    @cached_property
    def targets_alone(self) -> NDArray[np.bool_]:
        """(B,) true where the campaign asks for nothing beside its budget but what is a part of its score."""
        return ~asks_hard(self.bounds, len(self))

    @cached_property
    def steers_segments(self) -> NDArray[np.bool_]:
        """(B,) true where a constraint makes segments differ."""
        return moves_segments(self.bounds, len(self))

    @cached_property
    def held_back(self) -> NDArray[np.float64]:
        """(B,) share of the budget that is not to be planned, and kept until the day's last block."""
        return held_back(self.bounds, len(self))

    def asked(self, row: int) -> dict[str, float]:
        """The bounds that one row asks for, by row name, own units."""
        return {name: float(bound[row]) for name, bound in self.bounds.items() if not np.isnan(bound[row])}

    def terms(
        self,
        row: int,
        segments: tuple[str, ...],
        ideal: NDArray[np.float64],
        kpi_unit: NDArray[np.float64],
        auctions_per_budget: float,
    ) -> Terms:
        """What the linear rows of one row's constraints are made from.

        `kpi_unit` (3,) is what one of each KPI is in the forecast's columns (`Forecast.kpi_unit`), `ideal` (3,) the
        row's ideal point in these. `auctions_per_budget` is the share of a day's auctions that the budget buys at mean
        price; it brings shares of wins to order 1.
        """
        return Terms(
            bounds=self.asked(row),
            budget=float(self.budget[row]),
            conversion_value=float(self.conversion_value[row]),
            ideal=ideal,
            kpi_unit=kpi_unit,
            segments=segments,
            auctions_per_budget=auctions_per_budget,
        )

    def plan_key(self) -> tuple[tuple[str, ...], NDArray[np.float64]]:
        """What tells plans apart: the names of the bounds, and (B, K) the numbers of each row.

        Every bound is in it, so that no constraint can be left out.
        """
        columns = [self.budget, self.conversion_value, self.preference, self.kind, self.first_price]
        columns += [np.where(np.isnan(bound), _NOT_ASKED, bound) for bound in self.bounds.values()]
        return tuple(self.bounds), np.column_stack(columns)

    @classmethod
    def of(cls, campaigns: Sequence[Campaign]) -> CampaignBatch:
        """One row for each campaign."""
        return cls.concatenate([cls.repeat(campaign, 1) for campaign in campaigns])

    def take(self, index: NDArray[np.int64]) -> CampaignBatch:
        """Rows `index` (R,)."""
        arrays = {name: getattr(self, name)[index] for name in _ARRAYS}
        return CampaignBatch(**arrays, bounds={name: bound[index] for name, bound in self.bounds.items()})

    @classmethod
    def repeat(
        cls,
        campaign: Campaign,
        rows: int,
        budget: NDArray[np.float64] | None = None,
        conversion_value: NDArray[np.float64] | None = None,
        bounds: Mapping[str, NDArray[np.float64]] | None = None,
    ) -> CampaignBatch:
        """`rows` copies of one campaign, each with what is recorded of its day.

        Args:
            campaign: what is copied.
            rows: B.
            budget: (B,) currency, in place of the campaign's own; NaN: its own.
            conversion_value: likewise, currency per conversion.
            bounds: of constraints, by row name: (B,) own units, NaN where a day has none. A constraint that the
                campaign asks for itself is the same on every row; a recorded one stands where it asks for none.

        Raises:
            InvalidCampaign: a recorded value is not positive.
        """
        own = np.full(rows, 1.0)
        asked = {name: own * b for name, b in own_bounds(campaign).items()}
        recorded = {name: b for name, b in (bounds or {}).items() if name not in asked and not np.isnan(b).all()}
        for name, bound in recorded.items():
            _check_positive(bound[~np.isnan(bound)], name)
        return cls(
            budget=_override(own * campaign.budget, budget, "budget"),
            conversion_value=_override(own * campaign.conversion_value, conversion_value, "conversion_value"),
            preference=np.tile(np.asarray(campaign.preference, np.float64), (rows, 1)),
            kind=np.full(rows, campaign.scalarisation.code),
            first_price=np.full(rows, campaign.auction == "first"),
            full_feedback=np.full(rows, campaign.feedback == "full"),
            win_delay=np.full(rows, campaign.delays.wins),
            interaction_delay=np.full(rows, campaign.delays.interactions),
            conversion_delay=np.full(rows, campaign.delays.conversions),
            bounds=asked | recorded,
        )

    @classmethod
    def concatenate(cls, batches: Sequence[CampaignBatch]) -> CampaignBatch:
        """The rows of several batches in order; what only some of them ask for is not asked in the others.

        Raises:
            InvalidCampaign: there is no batch.
        """
        if not batches:
            raise InvalidCampaign("no batches to concatenate; got 0. Give at least one.")
        names = dict.fromkeys(name for batch in batches for name in batch.bounds)
        bounds = {
            name: np.concatenate([b.bounds.get(name, np.full(len(b), np.nan)) for b in batches]) for name in names
        }
        return cls(bounds=bounds, **{name: np.concatenate([getattr(b, name) for b in batches]) for name in _ARRAYS})


def own_bounds(campaign: Campaign) -> dict[str, float]:
    """The bounds that a campaign asks for, by row name, own units."""
    return {name: b for c in CATALOGUE for name, b in c.bounds(getattr(campaign, c.field)).items()}


def has_soft_bound(campaign: Campaign) -> bool:
    """Whether a campaign asks for something that is a part of its score: a target."""
    return any(c.soft and c.bounds(getattr(campaign, c.field)) for c in CATALOGUE)


def without_soft_bounds(campaign: Campaign) -> Campaign:
    """The campaign without its targets."""
    return campaign.model_copy(update={c.field: Campaign.model_fields[c.field].default for c in CATALOGUE if c.soft})


_ARRAYS = tuple(field.name for field in fields(CampaignBatch) if field.name != "bounds")


def _override(own: NDArray[np.float64], given: NDArray[np.float64] | None, name: str) -> NDArray[np.float64]:
    if given is None:
        return own
    value = np.where(np.isnan(given), own, given)
    _check_positive(value, name)
    return value


def _check_positive(value: NDArray[np.float64], name: str) -> None:
    if not (value > 0).all() or not np.isfinite(value).all():
        raise InvalidCampaign(f"{name} must be positive and finite; got {value.min()}. Mend the day's record.")
