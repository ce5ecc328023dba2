"""The risk register: how likely each risk is on a day and what it costs, as a matrix of five by five classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from bidpilot.bidding.watch.alarm import Risk

LIKELIHOODS: Final = ("rare", "unlikely", "possible", "likely", "frequent")
LIKELIHOOD_FROM: Final = (1 / 365, 1 / 90, 1 / 30, 1 / 7)
"""Per day, from which on the second to the fifth class holds: once a year, a quarter, a month, a week."""
IMPACTS: Final = ("negligible", "minor", "moderate", "major", "severe")
IMPACT_FROM: Final = (0.001, 0.01, 0.03, 0.1)
"""Share of the budget, from which on the second to the fifth class holds."""
RANKS: Final = ("low", "medium", "high", "critical")
_RANK_FROM: Final = (5, 10, 16)  # product of both classes, 1 to 25


class RiskEntry(BaseModel):
    """One line of the register."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    risk: Risk = Field(description="what can go wrong")
    effect: str = Field(description="in which form, in words")
    source: Literal["suite", "history"] = Field(description="whether suites or incident files say how likely it is")
    likelihood: float = Field(ge=0.0, le=1.0, description="probability of a day that has it")
    likelihood_low: float = Field(ge=0.0, le=1.0, description="least of the 95 % interval, or of the suites")
    likelihood_high: float = Field(ge=0.0, le=1.0, description="greatest of it")
    ratio_lost: float | None = Field(
        None, description="R / R* without the effect minus with it, mean over days; none: it is not measured"
    )
    ratio_low: float | None = Field(None, description="least of its 95 % interval; none below three days")
    ratio_high: float | None = Field(None, description="greatest of it")
    value_lost: float | None = Field(None, description="share of the day's R that the effect takes")
    money_lost: float | None = Field(
        None, ge=0.0, description="share of the budget that is worth nothing: the share of R or of R / R* that is lost"
    )
    unspent: float | None = Field(None, description="share of the budget that stays over beyond what stays without it")
    days: int = Field(0, ge=0, description="days that impact was measured on")
    evidence: str = Field("", description="what the numbers rest on, in words")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.likelihood_low <= self.likelihood <= self.likelihood_high:
            raise ValueError(
                f"likelihood {self.likelihood:g} lies outside of {self.likelihood_low:g} to {self.likelihood_high:g}: "
                "give an interval that holds it"
            )
        return self

    @property
    def likelihood_class(self) -> int:
        """0 to 4, rare to frequent."""
        return likelihood_class(self.likelihood)

    @property
    def impact_class(self) -> int | None:
        """0 to 4, negligible to severe; None where impact is not measured."""
        return None if self.money_lost is None else impact_class(self.money_lost)

    @property
    def expected(self) -> float | None:
        """Share of the budget that a day is expected to lose; None where impact is not measured."""
        return None if self.money_lost is None else self.likelihood * self.money_lost

    @property
    def rank(self) -> str | None:
        """One of `RANKS`, by the place in the matrix; None where impact is not measured."""
        return None if self.impact_class is None else rank(self.likelihood_class, self.impact_class)


def likelihood_class(per_day: float) -> int:
    """The class 0 to 4 of a probability per day."""
    return int(np.searchsorted(LIKELIHOOD_FROM, per_day, side="right"))


def impact_class(share: float) -> int:
    """The class 0 to 4 of a share of the budget."""
    return int(np.searchsorted(IMPACT_FROM, share, side="right"))


def rank(likelihood: int, impact: int) -> str:
    """What a place of the matrix is called, by the product of its classes counted from 1."""
    return RANKS[int(np.searchsorted(_RANK_FROM, (likelihood + 1) * (impact + 1), side="right"))]


def matrix(entries: Sequence[RiskEntry]) -> NDArray[np.int64]:
    """How many entries are of each class, (5, 5): likelihood by impact; those without an impact are left out."""
    counts = np.zeros((len(LIKELIHOODS), len(IMPACTS)), np.int64)
    for entry in entries:
        if entry.impact_class is not None:
            counts[entry.likelihood_class, entry.impact_class] += 1
    return counts
