"""What the exchange asks with: requests of the OpenRTB fixtures, whose auctions are the loop's own.

They are forms of one request, exact and sloppy ones, and the sample creative fits all of them: what is bid must not
depend on which of them it comes in.
"""

from __future__ import annotations

import json
from typing import Any

from tests.serving.openrtb.desks import HERE

NAMES = (
    "format-video", "form-unknown-fields", "form-ids-as-numbers", "form-numbers-as-text", "form-fraction-of-a-whole",
    "video-mimes-left-out", "video-linear", "people-of-age", "consent-told", "region-not-told",
)  # fmt: skip
_OWN = ("id", "imp", "site", "app", "tmax", "test")
"""Fields that are the exchange's: a busy machine answers late."""


def _read(name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    request = json.loads((HERE / "cases" / f"{name}.json").read_text())["request"]
    (imp,) = request["imp"]
    return {k: v for k, v in request.items() if k not in _OWN}, {k: v for k, v in imp.items() if k == "video"}


_FORMS = [_read(name) for name in NAMES]


def form(turn: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """The fields of a request and of its impression, beside those of an auction; another form at each turn."""
    return _FORMS[turn % len(_FORMS)]
