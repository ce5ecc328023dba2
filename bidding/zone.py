"""Time zones: in which a campaign's days are, and in which those of a forecast were cut."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, tzinfo
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator

from bidpilot.bidding.errors import InvalidZone


def zone_of(name: str) -> tzinfo:
    """The time zone of an IANA name.

    Raises:
        InvalidZone: there is none of this name on this machine.
    """
    if name == "UTC":
        return UTC  # without a database of zones, too
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:  # a folder of zones is an OSError
        raise InvalidZone(
            f"{name[:80]!r} is no time zone here ({error}). Name one of the IANA database such as Asia/Shanghai; where "
            "the machine has no such database, install the package tzdata."
        ) from error


def _known(name: str) -> str:
    try:
        zone_of(name)
    except InvalidZone as error:
        raise ValueError(str(error)) from error  # part of what is wrong with the file or the options
    return name


ZoneName = Annotated[str, AfterValidator(_known)]
"""The IANA name of a time zone that this machine knows."""


@dataclass(frozen=True)
class Cut:
    """Where the days of a log begin: at an hour of the wall's clock in a time zone."""

    zone: str  # IANA name
    starts: int = 0  # hour

    def __str__(self) -> str:
        return f"at {self.starts}:00 in {self.zone}"

    def fits(self, zone: str) -> bool:
        """Whether days of `zone` that begin at midnight are cut as these."""
        return self.starts == 0 and (self.zone == zone or {self.zone, zone} <= _UTC)


_UTC = {"UTC", "Etc/UTC", "Etc/UCT", "UCT", "Zulu", "Etc/Zulu", "Universal", "Etc/Universal", "GMT", "Etc/GMT"}
