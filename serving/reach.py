"""What becomes of an order: whether it is durable, and which bidders obey it. Nothing here blocks the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from bidpilot.serving.ledger.reservations import WalletConfig
from bidpilot.serving.ledger.store import LedgerStore, Seen
from bidpilot.serving.orders import Orders, Pending

T = TypeVar("T")

DURABLE, REACHED = 0.25, 1.0
"""Seconds that an answer waits for an order to be durable, and for all bidders to obey it."""

ALIVE = WalletConfig(chunk=0, hold=0.0).slack + 1.0
"""Seconds without a word after which a bidder cannot bid: it is cut off from the store, and its lease has run out."""

_TURN = 0.05  # seconds between two looks at who obeys


class Reach:
    """Follows the orders of one bidder.

    Args:
        orders: the bidder's.
        durable, reached: seconds that are waited for either.
    """

    def __init__(self, orders: Orders, durable: float = DURABLE, reached: float = REACHED) -> None:
        self._orders, self._durable, self._reached = orders, durable, reached

    async def follow(self, given: Sequence[Pending]) -> dict[str, Any]:
        """Wait a moment, and say what has become of orders: `durable`, and with other bidders `reached` and `missing`.

        `missing` is None where the store does not tell who obeys.
        """
        if not await self._written(given):
            return {"durable": False}
        if not self._orders.shared:
            return {"durable": True}
        version = max((one.version for one in given if one.version is not None), default=0)
        return {"durable": True} | await self._obeyed(version)

    async def bidders(self) -> Mapping[str, Seen] | None:
        """Who was heard of; None where the store does not answer."""
        return await self._ask(lambda store: store.bidders(), self._reached)

    async def _written(self, given: Sequence[Pending]) -> bool:
        loop = asyncio.get_running_loop()
        waiting = [loop.create_future() for _ in given]
        for one, future in zip(given, waiting, strict=True):
            one.when_durable(lambda future=future: future.done() or future.set_result(None))  # type: ignore[misc]
        try:
            async with asyncio.timeout(self._durable):
                await asyncio.gather(*waiting)
        except TimeoutError:
            return False
        return True

    async def _obeyed(self, version: int) -> dict[str, Any]:
        loop = asyncio.get_running_loop()
        end = loop.time() + self._reached
        while True:
            left = end - loop.time()
            seen = await self._ask(lambda store: store.bidders(), max(left, _TURN))
            if seen is None:
                return {"reached": [self._orders.bidder], "missing": None}
            alive = {name: one for name, one in seen.items() if one.age < ALIVE}
            missing = sorted(name for name, one in alive.items() if one.version < version)
            if not missing or left <= 0:
                return {"reached": sorted(alive.keys() - missing), "missing": missing}
            await asyncio.sleep(_TURN)

    async def _ask(self, call: Callable[[LedgerStore], T], patience: float) -> T | None:
        future: asyncio.Future[T | None] = asyncio.get_running_loop().create_future()
        self._orders.keeper.run(call, lambda found: None if future.done() else future.set_result(found))
        try:
            async with asyncio.timeout(patience):
                return await future
        except TimeoutError:
            return None


def shown(bidders: Mapping[str, Seen]) -> dict[str, dict[str, Any]]:
    """What bidders believe, as administration tells it."""
    found = {}
    for name, seen in bidders.items():
        try:
            what = msgspec.json.decode(seen.what, type=dict[str, Any])
        except msgspec.MsgspecError:
            what = {}
        alive = seen.age < ALIVE
        found[name] = {"version": seen.version, "last_seen": round(seen.age, 3), "alive": alive} | what
    return found
