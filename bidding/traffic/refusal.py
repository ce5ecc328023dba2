"""Why a request is refused before the bid."""

from __future__ import annotations

from enum import StrEnum


class Refusal(StrEnum):
    """Reason codes of requests that are not bid on because of where they come from.

    The first two are invalid traffic by statistics (SIVT, sophisticated invalid traffic, in the MRC's terms): found by
    what a source sends and what its wins bring. The others are general invalid traffic (GIVT): found by lists.
    """

    source = "refused_source"  # the source is refused whole: its multiplier is 0
    quota = "refused_quota"  # the source has sent more in this slot than is bid on
    address = "givt_address"  # of a data centre, or blocked
    agent = "givt_agent"  # the user agent is a program's
    app = "givt_app"  # the app is blocked
    site = "givt_site"  # the site is blocked
    chain = "givt_chain"  # the supply chain is not told, or not whole
    seller = "givt_seller"  # somebody sells it who is not known to
