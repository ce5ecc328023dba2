"""The link between the supervisor and one worker: questions and answers both ways, over a pair of sockets.

Its end tells each side that the other has gone, whatever killed it.
"""

from __future__ import annotations

import asyncio
import itertools
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping

import msgspec

from bidpilot.bidding.errors import BidpilotError, LinkLost
from bidpilot.serving.guardrails import LOGGER

Handler = Callable[[bytes], Awaitable[bytes]]

PATIENCE = 2.0
"""Seconds that an answer may take."""

_LENGTH = struct.Struct(">I")


class _Frame(msgspec.Struct, array_like=True):
    number: int  # of the question that is answered, or asked; 0 where no answer is wanted
    what: str  # what is asked for; "" for an answer, "!" for a failure
    body: bytes


_ENCODER, _DECODER = msgspec.msgpack.Encoder(), msgspec.msgpack.Decoder(_Frame)


class Link:
    """One end.

    Args:
        handlers: what answers each question that may come from the other end; more may be added later.
    """

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, handlers: Mapping[str, Handler]
    ) -> None:
        self.handlers = dict(handlers)
        self._lost = False
        self._when_lost: Callable[[], None] = _nothing
        self._reader, self._writer = reader, writer
        self._numbers = itertools.count(1)
        self._asked: dict[int, asyncio.Future[bytes]] = {}
        self._answering: set[asyncio.Task[None]] = set()
        self._reading = asyncio.get_running_loop().create_task(self._read())

    @classmethod
    async def over(cls, end: socket.socket, handlers: Mapping[str, Handler]) -> Link:
        """The link over one socket of a pair."""
        reader, writer = await asyncio.open_unix_connection(sock=end)
        return cls(reader, writer, handlers)

    def tell(self, what: str, body: bytes = b"") -> None:
        """Say something that needs no answer; nothing where the other side has gone."""
        self._send(_Frame(0, what, body))

    async def ask(self, what: str, body: bytes = b"", patience: float = PATIENCE) -> bytes:
        """The answer to a question.

        Raises:
            LinkLost: there is none within `patience` seconds.
        """
        if self._lost:
            raise LinkLost(f"nobody is there to be asked for {what}")
        number = next(self._numbers)
        waiting: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._asked[number] = waiting
        self._send(_Frame(number, what, body))
        try:
            async with asyncio.timeout(patience):
                return await waiting
        except TimeoutError:
            raise LinkLost(f"no answer to {what} within {patience} seconds") from None
        finally:
            del self._asked[number]

    def on_lost(self, call: Callable[[], None]) -> None:
        """Have a call made when the other side has gone."""
        self._when_lost = call
        if self._lost:
            call()

    def close(self) -> None:
        """End it."""
        self._when_lost = _nothing
        self._reading.cancel()
        self._end()

    def _send(self, frame: _Frame) -> None:
        if not self._lost:
            payload = _ENCODER.encode(frame)
            self._writer.write(_LENGTH.pack(len(payload)) + payload)

    async def _read(self) -> None:
        try:
            while True:
                (length,) = _LENGTH.unpack(await self._reader.readexactly(_LENGTH.size))
                self._take(_DECODER.decode(await self._reader.readexactly(length)))
        except (OSError, asyncio.IncompleteReadError):
            self._end()

    def _take(self, frame: _Frame) -> None:
        if frame.what in ("", "!"):
            waiting = self._asked.get(frame.number)
            if waiting is None or waiting.done():
                return  # it was not waited for so long
            if frame.what:
                waiting.set_exception(LinkLost(frame.body.decode()))
            else:
                waiting.set_result(frame.body)
            return
        task = asyncio.get_running_loop().create_task(self._answer(frame))
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)

    async def _answer(self, frame: _Frame) -> None:
        try:
            body = await self.handlers[frame.what](frame.body)
        except Exception as error:  # who asks gets to know it, and the link goes on
            if not isinstance(error, BidpilotError):
                LOGGER.exception("a question over the link failed: %s", frame.what)
            if frame.number:
                self._send(_Frame(frame.number, "!", f"{type(error).__name__}: {error}".encode()))
            return
        if frame.number:
            self._send(_Frame(frame.number, "", body))

    def _end(self) -> None:
        if self._lost:
            return
        self._lost = True
        self._writer.close()
        self._when_lost()
        for waiting in self._asked.values():
            if not waiting.done():
                waiting.set_exception(LinkLost("the other side has gone"))


def _nothing() -> None:
    pass
