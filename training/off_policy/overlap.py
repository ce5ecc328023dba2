"""Whether a log overlaps enough with what a candidate would do: where not, there is no estimate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Final

from bidpilot.bidding.errors import BidpilotError

LEAST_DAYS: Final = 5
"""Days of a log below which nothing is estimated."""
MOST_BEYOND: Final = 0.10
"""Share of a candidate's wins that the model alone may answer for, where it bids above all that was tried."""
LEAST_EFFECTIVE: Final = 0.03
"""Effective share of the log's auctions, by importance weights, below which nothing is estimated."""


class TooLittleOverlap(BidpilotError):
    """Raised when a candidate does what a log has too little of; says what, by how much, and what would help."""


@dataclass(frozen=True)
class Overlap:
    """How much a log has of what a candidate does."""

    days: int
    beyond: float  # share of the candidate's expected wins above the highest bid that might have been made
    outside: float  # share of its bids above that
    effective: float  # effective sample size of the weights over the auctions

    @classmethod
    def mean(cls, overlaps: Sequence[Overlap]) -> Overlap:
        """That of several copies of the same days, each with prices of its own."""
        days = overlaps[0].days
        return cls(
            days, *(fmean(getattr(one, name) for one in overlaps) for name in ("beyond", "outside", "effective"))
        )

    def check(self, most_beyond: float = MOST_BEYOND, least_effective: float = LEAST_EFFECTIVE) -> None:
        """Refuse too little overlap.

        Raises:
            TooLittleOverlap: too few days or effective auctions, or too many wins that only the model answers for.
        """
        if self.days < LEAST_DAYS:
            raise TooLittleOverlap(
                f"the log has {self.days} days of the campaign, and an interval needs {LEAST_DAYS} at least. Serve on."
            )
        if self.beyond > most_beyond:
            raise TooLittleOverlap(
                f"{self.beyond:.1%} of the candidate's wins are at prices above every bid that might have been made "
                f"({self.outside:.1%} of its bids are), where the log tells nothing; at most {most_beyond:.0%} may be. "
                "Explore higher bids, or compare it by an experiment (bidpilot ab plan)."
            )
        if self.effective < least_effective:
            raise TooLittleOverlap(
                f"the outcomes of the candidate's bids are seen in {self.effective:.1%} of the auctions by weight, and "
                f"{least_effective:.0%} are needed. Explore such bids more often, or compare it by an experiment "
                "(bidpilot ab plan)."
            )
