"""What all campaigns of a bidder share."""

from __future__ import annotations

from dataclasses import dataclass

from bidpilot.bidding.bundle import Bundle
from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.bidding.plan.planner import Planner
from bidpilot.serving.calendar import Clock
from bidpilot.serving.guardrails import GuardrailConfig
from bidpilot.serving.ledger.keeper import Keeper
from bidpilot.serving.pricer import ShadingTable
from bidpilot.serving.source_book import Book
from bidpilot.serving.state import State


@dataclass(frozen=True)
class Origin:
    """Which bundle decides."""

    digest: str = ""  # SHA-256 of its manifest, hex
    run: str = ""  # that it was exported of

    @classmethod
    def of(cls, bundle: Bundle) -> Origin:
        """Of a bundle."""
        return cls(bundle.digest, bundle.manifest.origin.run_id)


@dataclass(frozen=True)
class Desk:
    """What all campaigns of a bidder share."""

    planner: Planner
    shade: ShadingTable
    keeper: Keeper
    state: State
    clock: Clock
    guardrails: GuardrailConfig
    sources: int  # clusters and the pool, which is the last
    bidders: int
    hold: float  # seconds
    book: Book | None = None  # makes the filters of traffic; None: all requests pass
    origin: Origin = Origin()  # of planner, shade and book

    @property
    def forecast(self) -> Forecast:
        """The bundle's."""
        return self.planner.forecast
