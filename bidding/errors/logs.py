"""Errors of logs and of the files that they are read from."""

from bidpilot.bidding.errors.base import BidpilotError


class InvalidLog(BidpilotError):
    """Raised when an auction log's columns or offsets do not fit together."""


class EmptyLog(InvalidLog):
    """Raised when a log holds no auction or no day."""


class InvalidPrice(InvalidLog):
    """Raised when a market price is negative or not finite."""


class UnevenDays(InvalidLog):
    """Raised when the days of a log differ in their number of slots."""


class MissingColumn(InvalidLog):
    """Raised when a file lacks a column that is needed; names the nearest present."""


class NotALog(InvalidLog):
    """Raised when a folder holds no auction log, or holds something else where one is to be saved."""


class UnknownLogVersion(InvalidLog):
    """Raised when a log's folder was written in a layout that this version cannot read."""


class DamagedLog(InvalidLog):
    """Raised when a log's files are truncated, altered or do not belong together."""


class UnreadableFile(BidpilotError, ValueError):
    """Raised when a file to import is empty, truncated or not what its ending says."""


class UndecodableText(UnreadableFile):
    """Raised when a text file holds a byte that is not in its encoding, where a column is read."""


class MissingHeader(UnreadableFile):
    """Raised when a text file begins with a row of data and the names of its columns are not given."""


class UnknownFormat(BidpilotError, ValueError):
    """Raised when no importer is known for a format, or for a file's ending."""


class NoFilesMatched(BidpilotError, LookupError):
    """Raised when no file to import was named, or a name or pattern matches none."""


class InvalidMapping(BidpilotError):
    """Raised when a mapping file does not say how its columns become auctions."""


class CensoredLog(InvalidLog):
    """Raised when a log has lost auctions whose prices nobody saw, so that it cannot be replayed as it is."""


class MisdatedLog(InvalidLog):
    """Raised when the times of a file to import cannot be what its mapping says, or have no time of the day."""


class LossyIds(InvalidLog):
    """Raised when ids were rounded before the import, so that different ones may have become one."""


class ChangedTerms(InvalidLog):
    """Raised when a day's budget or targets change and the import is to refuse such days."""


class LogExists(InvalidLog):
    """Raised when an import would overwrite what is there without being told to."""


class MissingPrices(InvalidLog):
    """Raised when a format has no market prices and no log was named to draw them from."""


class InvalidPriceModel(BidpilotError):
    """Raised when prices, bids and wins do not suffice to fit a price model."""
