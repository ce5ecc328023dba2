"""What one unit of other currencies is worth in the bidder's own."""

from __future__ import annotations

import json
import math
from pathlib import Path

from bidpilot.bidding.errors import InvalidServing

_USUAL = "USD"  # what no currency means in OpenRTB


class Rates:
    """Rates of exchange of one time.

    Args:
        own: the currency of budgets and bids, ISO 4217.
        worth: units of `own` for one unit of another.
    """

    def __init__(self, own: str, worth: dict[str, float] | None = None) -> None:
        self.own = own.upper()
        self._worth = {name.upper(): rate for name, rate in (worth or {}).items()} | {self.own: 1.0}

    def of(self, currency: str) -> float | None:
        """Units of our own for one of that currency, however it is written; None where nobody has said."""
        return self._worth.get(currency) or self._worth.get(currency.strip().upper() or _USUAL)

    @classmethod
    def load(cls, path: Path | None, own: str) -> Rates:
        """The rates of a file, {"base": "EUR", "rates": {"USD": 1.08}}: what one unit of `base` buys.

        Raises:
            InvalidServing: it cannot be read, or says nothing of `own`.
        """
        if path is None:
            return cls(own)
        try:
            told = json.loads(path.read_text())
            buys = {str(name).upper(): float(rate) for name, rate in told["rates"].items()}
            buys[str(told["base"]).upper()] = 1.0
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise InvalidServing(
                f'{path} has no rates of exchange ({error!r}). Write {{"base": "EUR", "rates": {{"USD": 1.08}}}}.'
            ) from error
        wrong = [name for name, rate in buys.items() if not (math.isfinite(rate) and rate > 0)]
        if wrong or own not in buys:
            raise InvalidServing(
                f"{path} has no usable rate of {', '.join(wrong) or own}. Rates are above 0, and {own}, in which "
                "budgets are counted, must be among them."
            )
        return cls(own, {name: buys[own] / rate for name, rate in buys.items()})
