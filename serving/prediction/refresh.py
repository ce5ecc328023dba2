"""Other rates for a running server, by an order or SIGHUP: read and checked beside the loop, then taken at once.

What cannot be read or used changes nothing.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from bidpilot.bidding.errors import InvalidPredictor
from bidpilot.serving import replacing
from bidpilot.serving.bidder import Bidder
from bidpilot.serving.guardrails import LOGGER, Cause
from bidpilot.serving.prediction.build import read_rates
from bidpilot.serving.prediction.predictions import Predictions


class Refresh:
    """Brings other rates into the predictors of one bidder.

    Args:
        path: of the file that `again` reads until another has come; None: there is none.
    """

    def __init__(self, predictions: Predictions, bidder: Bidder, path: Path | None) -> None:
        self._predictions, self._bidder, self.path = predictions, bidder, path
        self._order = self._taken = 0  # of what is read; a file that was asked for later is not undone by one before

    async def begin(self, path: Path) -> dict[str, Any]:
        """Read a file beside the loop and let its rates hold; what holds then.

        Raises:
            InvalidPredictor: it cannot be read or used; the rates of before hold.
        """
        self._order += 1
        order, events = self._order, self._bidder.events
        try:
            rates = await asyncio.to_thread(read_rates, path, self._bidder)
        except InvalidPredictor as error:
            events.record(Cause.predictor_refused, str(error))
            raise
        if order > self._taken:
            self._taken, self.path = order, path
            self._predictions.renew(rates)
            events.record(Cause.predictor_swapped, f"{rates.digest} of {rates.file.days} days to {rates.file.last}")
        return self.state()

    async def again(self) -> None:
        """Read the file anew, as SIGHUP asks for; what is wrong with it is an event."""
        if self.path is None:
            return
        try:
            await self.begin(self.path)
        except InvalidPredictor as error:
            LOGGER.warning("the rates of %s were not taken: %s", self.path, error)

    def state(self) -> dict[str, Any]:
        """Whose values are taken, and how often so far."""
        rates, own = self._predictions.rates, self._predictions.own
        told = None
        if rates is not None:
            file = rates.file
            told = {"path": str(rates.path), "digest": rates.digest, "wins": file.wins, "days": file.days}
            told |= {"first": file.first, "last": file.last, "strength": file.strength}
        return {
            "rates": told,
            "own": None if own is None else {"limit_ms": 1000 * own.limit, "rests": own.breaker.rests},
            "counts": dict(self._predictions.counts),
        }


async def answer(refresh: Refresh, method: str, body: bytes) -> tuple[int, dict[str, Any]]:
    """GET and POST of /admin/predictor: status and body.

    Raises:
        MsgspecError, InvalidPredictor: what is asked for cannot be.
    """
    return await replacing.answer(refresh, method, body, done=200)
