"""Errors for callers. Each message states the cause, the value and the remedy."""


class BidpilotError(Exception):
    """Base of every error that a caller may cause and can mend."""


class InvalidCampaign(BidpilotError, ValueError):
    """Raised when a campaign's budget, value or limits are not usable."""


class InvalidPreference(BidpilotError, ValueError):
    """Raised when a preference is not a distribution over the three KPIs."""


class ZeroIdealPoint(BidpilotError, ValueError):
    """Raised when the ideal point is zero for a KPI with a positive preference."""


class InvalidLandscape(BidpilotError, ValueError):
    """Raised when a bid landscape or forecast is empty or holds unusable numbers."""


class InvalidAction(BidpilotError, ValueError):
    """Raised when an action has the wrong shape or is not finite."""


class InvalidLog(BidpilotError, ValueError):
    """Raised when an auction log's columns or offsets do not fit together."""


class EmptyLog(InvalidLog):
    """Raised when a log holds no auction or no day."""


class InvalidPrice(InvalidLog):
    """Raised when a market price is negative or not finite."""


class UnevenDays(InvalidLog):
    """Raised when the days of a log differ in their number of slots."""


class MissingColumn(InvalidLog):
    """Raised when a file lacks a column that is needed; names the nearest present."""


class InvalidMarket(BidpilotError, ValueError):
    """Raised when a market's parameters are out of range, zero slots among them."""


class InvalidConfig(BidpilotError, ValueError):
    """Raised when a configuration has an unknown key or a value out of range."""


class UnknownAgent(BidpilotError, ValueError):
    """Raised when an agent's name is not one of those known."""


class UnknownSuite(BidpilotError, ValueError):
    """Raised when a suite is neither a known name nor a log's folder."""


class RunNotFound(BidpilotError, LookupError):
    """Raised when no MLflow run has the id asked for, or none has finished."""


class PolicyMismatch(BidpilotError, ValueError):
    """Raised when a policy's features, segments or slots do not fit the market."""
