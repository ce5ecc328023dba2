"""Why a request is refused before the bid."""

from __future__ import annotations

from enum import StrEnum


class Refusal(StrEnum):
    """Reason codes of requests that are not bid on because of where they come from.

    All of them are invalid traffic by statistics (SIVT, sophisticated invalid traffic, in the MRC's terms): found by
    what a source sends and what its wins bring, not by a list.
    """

    source = "refused_source"  # the source is refused whole: its multiplier is 0
    quota = "refused_quota"  # the source has sent more in this slot than is bid on
