"""The base of all errors for callers."""


class BidpilotError(Exception):
    """Base of every error that a caller may cause and can mend."""
