"""What all campaigns of a bidder share."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

from bidpilot.bidding.bundle import Bundle
from bidpilot.bidding.errors import InvalidZone
from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.bidding.plan.planner import Planner
from bidpilot.bidding.zone import Cut
from bidpilot.serving.calendar import Clock
from bidpilot.serving.day_budgets import DayBudgets
from bidpilot.serving.guardrails import GuardrailConfig
from bidpilot.serving.ledger.keeper import Keeper
from bidpilot.serving.pricer import ShadingTable
from bidpilot.serving.reconciliation import ReconciliationConfig
from bidpilot.serving.served import ServedCampaign
from bidpilot.serving.source_book import Book
from bidpilot.serving.state import State
from bidpilot.serving.watcher import Watcher


@dataclass(frozen=True)
class Origin:
    """Which bundle decides."""

    digest: str = ""  # SHA-256 of its manifest, hex
    run: str = ""  # that it was exported of
    cut: Cut | None = None  # where the days of its forecast begin; None: in no time zone

    @classmethod
    def of(cls, bundle: Bundle) -> Origin:
        """Of a bundle."""
        return cls(bundle.digest, bundle.manifest.origin.run_id, bundle.manifest.origin.cut)


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
    expiry: float  # seconds from a bid to its bill
    grace: float  # seconds after that for which a bill is still paid
    win_hold: float  # seconds for which a win that is told waits for its bill
    settle_on_win: frozenset[str | None]  # exchanges whose win notices are their bills; None: any not told apart
    reconciliation: ReconciliationConfig
    timezone: str = "UTC"  # of the days of campaigns that name none
    book: Book | None = None  # makes the filters of traffic; None: all requests pass
    origin: Origin = Origin()  # of planner, shade and book
    budgets: DayBudgets = field(default_factory=DayBudgets)  # of campaigns' days
    watcher: Watcher = field(default_factory=Watcher)  # tells of days that leave their bands
    process: str = field(default_factory=lambda: secrets.token_hex(6))  # this one among those that share its store

    def zone_of(self, served: ServedCampaign) -> str:
        """The time zone of a campaign's days.

        Raises:
            InvalidZone: the days of the bundle's forecast were cut elsewhere.
        """
        zone, cut = served.timezone or self.timezone, self.origin.cut
        if cut is None or cut.fits(zone):
            return zone
        remedy = f"Give it `timezone: {cut.zone}`, or serve with --timezone {cut.zone}"
        if cut.starts:
            remedy = "Import the log with `day_starts: 0`, train on it and export again"
        raise InvalidZone(
            f"the bundle's forecast is of days that begin {cut}, and those of the campaign {served.name!r} begin at "
            f"0:00 in {zone}: it would take one hour for another. {remedy}."
        )

    @property
    def hold(self) -> float:
        """How long a bid's money is held where its request does not ask for longer, seconds."""
        return self.expiry + self.grace

    @property
    def forecast(self) -> Forecast:
        """The bundle's."""
        return self.planner.forecast
