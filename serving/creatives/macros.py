"""Macros in markup: the exchange's are left to it, ours are filled in, and others are an error."""

from __future__ import annotations

import re

from bidpilot.bidding.errors import InvalidCreative

EVENT = "${BIDPILOT_EVENT}"
"""Signed address that events of the exposure are told to: append `&e=view` and so on."""
CAMPAIGN, CRID = "${BIDPILOT_CAMPAIGN}", "${BIDPILOT_CRID}"

OURS = (EVENT, CAMPAIGN, CRID)
THEIRS = tuple(
    f"${{AUCTION_{name}}}"
    for name in (
        *("ID", "BID_ID", "IMP_ID", "SEAT_ID", "AD_ID", "PRICE", "CURRENCY", "MBR", "LOSS", "MIN_TO_WIN"),
        *("MULTIPLIER", "IMP_TS"),
    )
)
"""Of OpenRTB 2.6, 4.4; `${AUCTION_PRICE:B64}` and the like are the same macro in another form."""
_MACRO = re.compile(r"\$\{([^}]*)\}?")


def check_macros(crid: str, text: str) -> None:
    """See that every macro is known.

    Raises:
        InvalidCreative: one is not, and would be shown as it is.
    """
    for match in _MACRO.finditer(text):
        if "${" + match[1].partition(":")[0] + "}" not in OURS + THEIRS or not match[0].endswith("}"):
            raise InvalidCreative(
                f"creative {crid[:80]!r} has the macro {match[0][:60]!r}, which nobody fills in. Use "
                f"{', '.join(OURS)} or one of OpenRTB's ${{AUCTION_...}}."
            )


class Template:
    """Markup whose macros of a bid are filled in quickly."""

    __slots__ = ("_parts", "tells_events")

    def __init__(self, text: str, campaign: str, crid: str) -> None:
        self._parts = text.replace(CAMPAIGN, campaign).replace(CRID, crid).split(EVENT)
        self.tells_events = len(self._parts) > 1

    def filled(self, event_url: str) -> str:
        """The markup of one bid."""
        return event_url.join(self._parts)
