"""What may be wrong with a report that is asked for."""

from __future__ import annotations

from bidpilot.bidding.errors import BidpilotError


class PlotlyMissing(BidpilotError):
    """Raised when interactive figures are asked for and plotly is not installed."""


class NothingToReport(BidpilotError):
    """Raised when what a report is asked of is neither a run, nor a log, nor a bid server's decisions."""


class ReportTooLarge(BidpilotError):
    """Raised when a report would be larger than its limit."""
