"""How an auction is priced, by the `at` of a request or a deal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum

from bidpilot.bidding.errors import InvalidServing


class Pricing(Enum):
    """What a winner pays."""

    first = "first"  # the bid
    second = "second"  # the market price
    fixed = "fixed"  # the floor, which was agreed upon


_KNOWN = {1: Pricing.first, 2: Pricing.second, 3: Pricing.fixed}
_OWN = 500  # values above are an exchange's own (OpenRTB 2.6, 3.2.1)


class AuctionTypes:
    """What values of `at` mean.

    Args:
        own: those of exchanges, as `501=first`.

    Raises:
        InvalidServing: one cannot be read.
    """

    def __init__(self, own: Sequence[str] = ()) -> None:
        self.pricing: Mapping[int, Pricing] = _KNOWN | dict(_read(text) for text in own)
        """What each value means."""

    def of(self, at: int) -> Pricing | None:
        """How it is priced; None where nobody has said."""
        return self.pricing.get(at)


def _read(text: str) -> tuple[int, Pricing]:
    number, _, name = text.partition("=")
    try:
        at, pricing = int(number), Pricing(name.strip())
    except ValueError:
        at, pricing = 0, Pricing.second
    if at <= _OWN:
        raise InvalidServing(
            f"{text!r} is no auction type of an exchange. Write NUMBER=first, second or fixed, the number above {_OWN}."
        )
    return at, pricing
