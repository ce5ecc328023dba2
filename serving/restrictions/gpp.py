"""The Global Privacy Platform (IAB, OpenRTB 2.6-202211): the laws that a request names, and the opt-outs that it tells.

A string is a header with the ids of its sections (Fibonacci coding), and behind it the sections, parted by `~`. Of a
section of the United States the opt-outs of sale, sharing and targeted advertising are read, and the browser's Global
Privacy Control; no other section is looked into.
"""

from __future__ import annotations

import re

TCF_EU = frozenset({1, 2})
"""Sections that say that the GDPR holds."""

TCF_CANADA, US_PRIVACY = 5, 6

_STATES = 7  # from here on sections are of the United States: national, then one state each
_OPT_OUTS = {7: (18, 20, 22), 8: (12, 14), 9: (12, 14), 10: (12, 14), 11: (14, 16), 12: (12, 14)}
"""By section: at which bit its opt-outs of sale, sharing and targeted advertising lie, of two bits each."""

_DIGITS_READ = 4  # of a section: all of those bits are in them

_VERSIONS = {7: (1, 2)}  # whose opt-outs lie there; of other sections the first alone
_OPTED_OUT, _NO_VALUE = 1, 3
_GPC_ON = 0b011  # type 1 of two bits, and that it is on
_DIGITS = {
    digit: f"{value:06b}"
    for value, digit in enumerate("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
}
_TERMS = (1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233, 377)  # Fibonacci numbers: section ids are far smaller
_USP = re.compile(r"1[YN-]{3}", re.IGNORECASE)


class _Malformed(Exception):
    """Raised where a text is none of the platform's."""


def sections_of(text: str | None) -> dict[int, str]:
    """The sections that a string holds, by their ids; none where it cannot be read."""
    header, *sections = (text or "").strip().split("~")
    try:
        ids = _ids(_bits(header), len(sections))
    except _Malformed:
        return {}
    return dict(zip(ids, sections, strict=True)) if len(ids) == len(sections) else {}


def opted_out(law: int, held: dict[int, str]) -> bool:
    """Whether a section that holds for a request says, or may say, that somebody has opted out.

    Args:
        law: id of the section; those of no opt-outs (EU, Canada, header) have none.
        held: the sections that came; what should be there and is not, or cannot be read, may say so.
    """
    if law == US_PRIVACY:
        return says_opted_out(held.get(law, ""))
    if law < _STATES:
        return False
    try:
        return _of_state(law, held.get(law, ""))
    except _Malformed:
        return True


def says_opted_out(us_privacy: str) -> bool:
    """Whether a US privacy string (as 1YNN) says that somebody has opted out of sale, or is none."""
    text = us_privacy.strip()
    return _USP.fullmatch(text) is None or text[2] in "Yy"


def _of_state(law: int, section: str) -> bool:
    core, *others = section.split(".")
    bits, places = _bits(core[:_DIGITS_READ]), _OPT_OUTS.get(law)
    if places is None or int(bits[:6] or "0", 2) not in _VERSIONS.get(law, (1,)):
        raise _Malformed
    told = [_number(bits, place, 2) for place in places]
    if _OPTED_OUT in told or _NO_VALUE in told:
        return True
    return any(_number(_bits(part[:1]), 0, 3) == _GPC_ON for part in others)


def _ids(bits: str, most: int) -> list[int]:
    """Ids of sections in a header, of which there are `most`."""
    if (_number(bits, 0, 6), _number(bits, 6, 6)) != (3, 1):
        raise _Malformed
    found: list[int] = []
    last, place = 0, 24
    for _ in range(_number(bits, 12, 12)):
        spans = _number(bits, place, 1)
        first, place = _fibonacci(bits, place + 1)
        first += last
        last = first
        if spans:
            more, place = _fibonacci(bits, place)
            last += more
        if len(found) + last - first >= most:
            raise _Malformed  # before a span of any length is written out
        found.extend(range(first, last + 1))
    return found


def _fibonacci(bits: str, start: int) -> tuple[int, int]:
    """A number that ends with two ones, and where the next one begins."""
    end = bits.find("11", start)
    if not 0 <= end - start < len(_TERMS):
        raise _Malformed
    return sum(term for term, bit in zip(_TERMS, bits[start : end + 1], strict=False) if bit == "1"), end + 2


def _number(bits: str, start: int, length: int) -> int:
    if len(bits) < start + length:
        raise _Malformed
    return int(bits[start : start + length], 2)


def _bits(text: str) -> str:
    try:
        return "".join([_DIGITS[digit] for digit in text])
    except KeyError:
        raise _Malformed from None
