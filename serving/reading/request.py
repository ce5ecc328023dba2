"""Bid requests from bytes: by the strict decoder where it can read them, in looser forms where it cannot."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import cast

import msgspec

from bidpilot.bidding.errors import InvalidRequest
from bidpilot.serving.messages import BidRequest, Imp
from bidpilot.serving.reading.forms import Unreadable, reader_of
from bidpilot.serving.reading.offence import offence, too_deep

_MARK = b"\xef\xbb\xbf"  # some serialisers begin with a byte order mark


class Fields:
    """Which fields of requests are read, strictly and loosely: those of `struct`."""

    def __init__(self, struct: type[BidRequest]) -> None:
        self.strict = cast("Callable[[bytes], BidRequest]", msgspec.json.Decoder(struct).decode)
        self.loose = reader_of(struct)


PLAIN = Fields(BidRequest)
"""Nothing of users and devices."""


def read_request(raw: bytes, forms: Counter[str], fields: Fields = PLAIN) -> BidRequest:
    """The request; what was read in a looser form, and impressions that cannot be read, are counted in `forms`.

    Raises:
        InvalidRequest: it is no bid request; the text says which field, by its path.
    """
    try:
        if not too_deep(raw):
            return fields.strict(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        pass
    else:
        raise InvalidRequest(offence(raw) or "nested too deep")
    return _read_loosely(raw, forms, fields)


def _read_loosely(raw: bytes, forms: Counter[str], fields: Fields) -> BidRequest:
    if raw.startswith(_MARK):
        raw = raw[len(_MARK) :]
    try:
        tree = msgspec.json.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InvalidRequest(offence(raw) or str(error)[:200]) from error
    try:
        request: BidRequest = fields.loose(tree, forms)
    except Unreadable as error:
        raise InvalidRequest(str(error)[:200]) from error
    return request


def apart(imps: Sequence[Imp]) -> tuple[Sequence[Imp], int]:
    """The impressions whose ids are theirs alone, and how many are not: a bid could not say which one it is for."""
    if len(imps) == 1 and imps[0].id:
        return imps, 0
    times = Counter(imp.id for imp in imps)
    alone = [imp for imp in imps if imp.id and times[imp.id] == 1]
    return alone, len(imps) - len(alone)
