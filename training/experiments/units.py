"""What an experiment is analysed from: what each arm was offered, spent and brought in every unit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.campaign.scalarisation import Scalarisation, utility
from bidpilot.bidding.errors import InvalidExperiment

Array = NDArray[np.float64]
Design = Literal["split", "switchback", "shared"]

OFFERED: Final = ("requests", "value", "price", "bought", "cost")
"""Covariates of a unit that no arm's policy has a hand in: requests, their mean value by the preference and mean price;
and what one fixed rule with money enough would have bought of them, and paid."""
_OF_SHARE: Final = np.array([True, False, False, True, True])  # which of them an arm has as much of as it has users
COLUMNS: Final = ("assigned", "spend", "wins", "invalid_wins", "expected", "realised", "offered")
"""What a unit holds of each arm."""
PREFERENCE: Final = Campaign(budget=1.0).preference


@dataclass(frozen=True)
class Units:
    """N units of two arms, the control first. Money in currency, KPIs in their own units."""

    arms: tuple[str, str]
    labels: tuple[str, ...]  # (N,) of units, in time order
    assigned: Array  # (N, 2) users that each arm got, each counted once; NaN where nobody knows
    spend: Array  # (N, 2)
    wins: Array  # (N, 2)
    invalid_wins: Array  # (N, 2) known to be invalid; NaN where nobody knows
    expected: Array  # (N, 2, 3) KPIs that were to be expected of the valid exposures that were won
    realised: Array  # (N, 2, 3) KPIs that came of them
    offered: Array  # (N, 2, 5) `OFFERED`; NaN where not known
    design: Design = "split"
    shares: tuple[float, float] = (0.5, 0.5)  # of users and money that the arms were to have
    preference: tuple[float, float, float] = PREFERENCE
    kind: Scalarisation = Scalarisation.weighted_sum
    ideal: tuple[tuple[float, ...], tuple[float, ...]] | None = None  # (2, 3) of each arm's money; None: unknown
    notes: tuple[str, ...] = ()  # what is to be told beside what is found

    def __len__(self) -> int:
        return len(self.labels)

    def __post_init__(self) -> None:
        if len(self) == 0:
            raise InvalidExperiment("an experiment without a unit cannot be analysed. Give rows of both arms.")
        for name in ("spend", "wins", "expected", "realised"):
            column = getattr(self, name)
            if not (np.isfinite(column).all() and (column >= 0).all()):
                raise InvalidExperiment(f"{name} of a unit are negative or no number. Leave the unit out, or mend it.")

    @property
    def expected_utility(self) -> Array:
        """(N, 2) the primary metric: utility of the expected KPIs, over what the arm's own money could buy at most."""
        return self._utility(self.expected)

    @property
    def realised_utility(self) -> Array:
        """(N, 2) utility of what came of them, on the same scale."""
        return self._utility(self.realised)

    @property
    def counts_users(self) -> NDArray[np.bool_]:
        """(N,) whether it is known how many users each arm got."""
        return np.asarray(np.isfinite(self.assigned).all(axis=1))

    @property
    def tells_invalid(self) -> NDArray[np.bool_]:
        """(N,) whether it is known of each arm which wins were invalid."""
        return np.asarray(np.isfinite(self.invalid_wins).all(axis=1))

    @property
    def covariates(self) -> Array:
        """(N, 2, 5) `OFFERED` as if each arm had all users, so that none is expected to have more of anything."""
        share = np.where(_OF_SHARE, np.array(self.shares)[:, None], 1.0)
        return np.asarray(self.offered / share)

    @property
    def known_offered(self) -> tuple[int, ...]:
        """The places in `OFFERED` of covariates that are known of all units."""
        known = (np.isfinite(self.offered) & (self.offered > 0)).all(axis=(0, 1))
        return tuple(int(k) for k in np.flatnonzero(known))

    def at(self, chosen: Sequence[int] | NDArray[np.integer]) -> Units:
        """Some of the units, in this order."""
        parts = {name: getattr(self, name)[chosen] for name in COLUMNS}
        return replace(self, labels=tuple(self.labels[k] for k in chosen), **parts)

    def _utility(self, kpi: Array) -> Array:
        rows = kpi.reshape(-1, 3)
        weights = np.tile(np.array(self.preference, np.float64), (len(rows), 1))
        code = np.full(len(rows), self.kind.code)
        return utility(rows, np.tile(self._scale(), (len(kpi), 1)), weights, code).reshape(kpi.shape[:2])

    def _scale(self) -> Array:
        """(2, 3) the ideal point of each arm; where none is known, what an arm of its share was expected to have.

        Raises:
            InvalidExperiment: a KPI that is weighed was never expected.
        """
        if self.ideal is not None:
            return np.array(self.ideal, np.float64)
        mean = self.expected.mean(axis=(0, 1))
        if (mean[np.array(self.preference) > 0] <= 0).any():
            raise InvalidExperiment("a KPI that the preference weighs was expected of no unit. Set its weight to 0.")
        return np.outer(np.array(self.shares) * 2.0, np.where(mean > 0, mean, 1.0))
