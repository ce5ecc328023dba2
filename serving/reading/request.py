"""Bid requests from bytes: by the strict decoder where it can read them, in looser forms where it cannot."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec

from bidpilot.bidding.errors import InvalidRequest
from bidpilot.serving.messages import BidRequest, Imp, decode_request
from bidpilot.serving.reading.forms import Unreadable, reader_of
from bidpilot.serving.reading.offence import offence, too_deep

_read = reader_of(BidRequest)
_MARK = b"\xef\xbb\xbf"  # some serialisers begin with a byte order mark


def read_request(raw: bytes, forms: Counter[str]) -> BidRequest:
    """The request; what was read in a looser form, and impressions that cannot be read, are counted in `forms`.

    Raises:
        InvalidRequest: it is no bid request; the text says which field, by its path.
    """
    try:
        if not too_deep(raw):
            return decode_request(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        pass
    else:
        raise InvalidRequest(offence(raw) or "nested too deep")
    return _read_loosely(raw, forms)


def _read_loosely(raw: bytes, forms: Counter[str]) -> BidRequest:
    if raw.startswith(_MARK):
        raw = raw[len(_MARK) :]
    try:
        tree = msgspec.json.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InvalidRequest(offence(raw) or str(error)[:200]) from error
    try:
        request: BidRequest = _read(tree, forms)
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
