"""What a day's purchases are held to in hindsight: the hard rows of a campaign over groups of auctions."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.bidding.constraints.row import Row
from bidpilot.bidding.constraints.together import hard_rows, target_cost
from bidpilot.bidding.errors import InvalidCampaign

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Held:
    """What one campaign insists on, in currency, the KPIs' own units and auctions."""

    budget: float  # currency
    target: float = math.inf  # currency per conversion: a part of the score
    rows: tuple[Row, ...] = ()  # hard, beside the budget and the floors; bounds >= 0
    floors: Floats = field(default_factory=lambda: np.zeros(3))  # (3,) least totals of the KPIs

    @classmethod
    def of(cls, campaigns: CampaignBatch, row: int, segments: tuple[str, ...]) -> Held:
        """What row `row` of a batch is held to.

        Raises:
            UnknownChannel: a bound names a channel that no segment belongs to.
            InvalidCampaign: a constraint asks for something that hindsight has no program for.
        """
        one = campaigns.take(np.array([row]))
        own_units = replace(one.terms(0, segments, np.ones(3), np.ones(3), 1.0), budget=1.0)
        rows, floors = [], np.zeros(3)
        for asked in hard_rows(own_units):
            if (j := asked.floor_of) is not None:
                floors[j] = max(floors[j], -asked.bound / asked.value[j])
            elif asked.bound < 0 or (asked.slots is not None and asked.value.any()):
                raise InvalidCampaign(
                    f"hindsight knows rows that buying nothing keeps, floors of single KPIs, and hours of spend and "
                    f"wins; {asked.name} is none of them (bound {asked.bound:g}). Leave it out to evaluate."
                )
            else:
                rows.append(asked)
        target = float(target_cost(one.bounds, one.conversion_value, soft_alone=True)[0])
        return cls(float(one.budget[0]), target, tuple(rows), floors)

    @property
    def only_budget(self) -> bool:
        """Whether nothing but the budget (and a target cost) limits the day."""
        return not self.rows and not self.floors.any()


@dataclass(frozen=True)
class Groups:
    """Auctions that every row treats alike: by segment and by class of slots, or all of them together."""

    segments: int  # S; 1 where no row tells auctions apart
    classes: Floats  # (J, C) part of each class of slots that a row counts, for the J rows that count some slots alone
    of_slot: NDArray[np.int64] | None  # (T,) class of each slot; None: all slots are alike

    @classmethod
    def of(cls, rows: tuple[Row, ...], segments: int) -> Groups:
        """The coarsest groups that the rows can be written on."""
        timed = [row.slots for row in rows if row.slots is not None]
        if not timed:
            return cls(segments if any(row.by_segment for row in rows) else 1, np.ones((0, 1)), None)
        classes, of_slot = np.unique(np.stack(timed), axis=1, return_inverse=True)
        return cls(segments, classes, of_slot.reshape(-1))

    @property
    def count(self) -> int:
        """How many groups, G."""
        return self.segments * int(self.classes.shape[1])

    def group(self, segment: NDArray[np.integer], slot: NDArray[np.integer]) -> NDArray[np.int64]:
        """The group of auctions (N,) of these segments and slots; segments as they are where all are alike."""
        own = segment.astype(np.int64)
        return own if self.of_slot is None else self.of_slot[slot] * self.segments + own

    def spread(self, rows: tuple[Row, ...]) -> list[tuple[Row, Floats, Floats]]:
        """Each row, with its money and its wins by group, (G,) each."""
        found, timed = [], 0
        for row in rows:
            counts = np.ones(self.classes.shape[1])
            if row.slots is not None:
                counts, timed = self.classes[timed], timed + 1
            money, wins = (np.multiply.outer(counts, part[: self.segments]).ravel() for part in (row.money, row.wins))
            found.append((row, money, wins))
        return found
