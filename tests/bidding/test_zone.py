"""Time zones by name, and whether days of a campaign begin where those of a forecast do."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from bidpilot.bidding.errors import InvalidZone
from bidpilot.bidding.zone import Cut, zone_of


@pytest.mark.parametrize(("name", "hours"), [("UTC", 0), ("Asia/Shanghai", 8), ("America/New_York", -5)])
def test_a_zone_is_found_by_its_name(name: str, hours: int) -> None:
    assert datetime(2026, 1, 15, tzinfo=zone_of(name)).utcoffset() == timedelta(hours=hours)


@pytest.mark.parametrize("name", ["", "Mars/Olympus", "../etc/passwd", "/etc/localtime", "Europe", "UTC+8", "a\0b"])
def test_what_is_no_zone_is_named_with_a_remedy(name: str) -> None:
    with pytest.raises(InvalidZone, match=r"no time zone here.*Asia/Shanghai.*tzdata"):
        zone_of(name)


@pytest.mark.parametrize(
    ("cut", "zone", "fits"),
    [
        (Cut("Asia/Shanghai"), "Asia/Shanghai", True),
        (Cut("Asia/Shanghai"), "UTC", False),
        (Cut("Asia/Shanghai", 4), "Asia/Shanghai", False),
        (Cut("UTC"), "Etc/UTC", True),
        (Cut("GMT"), "UTC", True),
        (Cut("Europe/London"), "UTC", False),  # alike in winter
    ],
)
def test_days_fit_where_they_begin_together_all_year(cut: Cut, zone: str, fits: bool) -> None:
    assert cut.fits(zone) is fits
