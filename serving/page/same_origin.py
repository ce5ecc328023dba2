"""Whether a request that changes something was made by our own page, or by no browser at all."""

from __future__ import annotations

from bidpilot.serving.http import Request

_READS = ("GET", "HEAD", "OPTIONS")
_OWN = ("same-origin", "none")  # none: typed by a person


def foreign(request: Request) -> bool:
    """Whether a page of somebody else asks for a change.

    Browsers say where a request was made by `Sec-Fetch-Site` and `Origin`, which no page can set; programs say nothing.
    The token in a header keeps such requests out already: this holds even if a page should learn it.
    """
    if request.method in _READS:
        return False
    site = request.header("sec-fetch-site")
    if site is not None and site not in _OWN:
        return True
    origin = request.header("origin")
    if origin is None:
        return False
    return origin.partition("://")[2].lower() != (request.header("host") or "?").lower()
