"""The end of a server: it makes no more bids, and hears what becomes of those that it made."""

from __future__ import annotations

import asyncio


class Drain:
    """Asked once, it lasts `seconds`; asked again, it is over at once.

    While it is on, /ready answers 503, so that who spreads the traffic sends none, and no bid is made; bills and other
    notices are booked as ever.
    """

    def __init__(self, seconds: float = 0.0) -> None:
        self.on = False
        self._seconds = seconds
        self._asked, self._over = asyncio.Event(), asyncio.Event()

    def begin(self) -> None:
        """Stop bidding; a second time: stop all."""
        if self.on:
            self._over.set()
        self.on = True
        self._asked.set()

    def end(self) -> None:
        """Stop all at once."""
        self._over.set()
        self.begin()

    async def asked(self) -> None:
        """Wait until it was asked."""
        await self._asked.wait()

    async def finished(self) -> None:
        """Wait until it was asked and has lasted."""
        await self._asked.wait()
        try:
            async with asyncio.timeout(self._seconds):
                await self._over.wait()
        except TimeoutError:
            pass
