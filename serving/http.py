"""The applications' common ground: requests with limited bodies, and responses, whole or as a stream, over RSGI."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NamedTuple, Protocol

from granian import rsgi

from bidpilot.serving.arrival import ARRIVED
from bidpilot.serving.guardrails import LOGGER
from bidpilot.serving.patience import Patience
from bidpilot.serving.privacy.faults import frames_of

JSON = [("content-type", "application/json")]
TEXT = [("content-type", "text/plain; charset=utf-8")]
_CLOSED: type[Exception] = rsgi.ProtocolClosed  # type: ignore[attr-defined]  # which granian hands on


class BodyRefused(Exception):  # never leaves the applications: it becomes a status
    """Raised when a body is too large, too slow, or cut short."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status, self.why = status, why


class Request(Protocol):
    """One request. What nobody looks at is not fetched: each part costs a bid a hundredth of its time."""

    @property
    def method(self) -> str:
        """GET, POST, ..."""

    @property
    def path(self) -> str:
        """Of the address, without its query."""

    @property
    def query(self) -> str:
        """What follows the question mark."""

    @property
    def authorization(self) -> str | None:
        """The header, None where there is none."""

    @property
    def encoding(self) -> str | None:
        """Of the body, as its header says."""

    @property
    def accepts(self) -> str | None:
        """Encodings of the answer, as the header says."""

    @property
    def peer(self) -> str:
        """Address and port of who sent it."""

    @property
    def arrived(self) -> float | None:
        """When it was handed over to the loop, `time.perf_counter` seconds; None: now."""

    def header(self, name: str, /) -> str | None:
        """A header by its name in small letters, None where there is none."""

    async def read(self, most: int, seconds: float, /) -> bytes:
        """The body, of at most so many bytes, within so much time; may raise BodyRefused."""

    def hangup(self) -> Hangup:
        """Tells whether the client has gone."""


class Response(NamedTuple):
    """What is sent back, whole, or bit by bit where there are `parts`."""

    status: int
    body: bytes = b""
    headers: list[tuple[str, str]] = JSON
    parts: Parts | None = None


class Parts(Protocol):
    """A body that is sent as it comes. The server keeps what a slow client has not taken: end it after some bytes."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        """The parts. Whether the client is still there is looked at when one comes: let one come every so often."""

    def close(self) -> None:
        """No more is wanted; called once in any case."""


class Hangup:
    """Whether the client of a request has gone away. Close it: watching costs memory until then."""

    def __init__(self, protocol: Any) -> None:
        self._told = protocol.client_disconnect()

    @property
    def gone(self) -> bool:
        """Whether it has, as far as it is known."""
        done = getattr(self._told, "done", None)  # what is over at once has none
        return done is None or bool(done())

    def close(self) -> None:
        """Watch no longer."""
        cancel = getattr(self._told, "cancel", None)
        if cancel is not None:
            cancel()


class Incoming:
    """A request that granian hands over."""

    __slots__ = ("_patience", "_protocol", "_scope", "arrived", "method", "path")

    def __init__(self, scope: Any, protocol: Any, patience: Patience) -> None:
        self._scope, self._protocol, self._patience = scope, protocol, patience
        self.method: str = scope.method
        self.path: str = scope.path
        self.arrived = ARRIVED.get()

    @property
    def query(self) -> str:
        """What follows the question mark."""
        return self._scope.query_string  # type: ignore[no-any-return]

    @property
    def authorization(self) -> str | None:
        """The header, None where there is none."""
        return self._scope.headers.get("authorization")  # type: ignore[no-any-return]

    @property
    def encoding(self) -> str | None:
        """Of the body, as its header says."""
        return self._scope.headers.get("content-encoding")  # type: ignore[no-any-return]

    @property
    def accepts(self) -> str | None:
        """Encodings of the answer, as the header says."""
        return self._scope.headers.get("accept-encoding")  # type: ignore[no-any-return]

    @property
    def peer(self) -> str:
        """Address and port of who sent it."""
        return self._scope.client  # type: ignore[no-any-return]

    def header(self, name: str) -> str | None:
        """A header by its name in small letters, None where there is none."""
        return self._scope.headers.get(name)  # type: ignore[no-any-return]

    async def read(self, most: int, seconds: float) -> bytes:
        """The body; may raise BodyRefused."""
        length = self._scope.headers.get("content-length")
        return await read_body(length, self._protocol, most, seconds, self._patience)

    def hangup(self) -> Hangup:
        """Tells whether the client has gone."""
        return Hangup(self._protocol)


Handle = Callable[[Request], Awaitable[Response]]


class Application:
    """A handler as an RSGI application."""

    def __init__(self, handle: Handle) -> None:
        self._handle, self._patience = handle, Patience()

    async def __rsgi__(self, scope: Any, protocol: Any) -> None:
        """Answer one request."""
        if scope.proto != "http":
            return

        request = Incoming(scope, protocol, self._patience)
        try:
            response = await self._handle(request)
        except Exception as error:  # a fault of ours: logged with its trace, and the connection goes on
            LOGGER.error("a request failed\n%s", frames_of(error))  # its text may be the request's
            response = Response(500, b'{"error":"internal error"}')
        if response.parts is not None:
            await stream(protocol, response, response.parts)
        elif response.body:
            protocol.response_bytes(response.status, response.headers, response.body)
        else:
            protocol.response_empty(response.status, [] if response.headers is JSON else response.headers)


async def stream(protocol: Any, response: Response, parts: Parts) -> None:
    """Send a body part by part until it ends or the client has gone; `protocol` is RSGI's."""
    hangup = Hangup(protocol)
    try:
        transport = protocol.response_stream(response.status, response.headers)
        async for part in parts:
            if hangup.gone:
                break
            await transport.send_bytes(part)
    except _CLOSED:
        pass  # the client has gone
    except Exception:  # a fault of ours: logged with its trace, and the connection ends
        LOGGER.exception("a stream failed")
    finally:
        parts.close()
        hangup.close()


async def read_body(length: str | None, protocol: Any, most: int, seconds: float, patience: Patience) -> bytes:
    """The request's body; `length` is what its header says, and `protocol` RSGI's.

    Raises:
        BodyRefused: it is larger than `most` bytes, not there after `seconds`, or the client went away meanwhile.
    """
    if length is not None and (not length.isdecimal() or len(length) > 18 or int(length) > most):
        raise BodyRefused(413, "body_too_large")
    try:
        return await patience.wait(protocol() if length is not None else _joined(protocol, most), seconds)
    except TimeoutError:
        raise BodyRefused(408, "body_too_slow") from None
    except RuntimeError as error:  # granian's word for a connection that is closed, or that sends no valid chunks
        raise BodyRefused(400, "body_cut_short") from error


async def _joined(protocol: Any, most: int) -> bytes:
    parts, size = [], 0
    async for part in protocol:
        size += len(part)
        if size > most:
            raise BodyRefused(413, "body_too_large")
        parts.append(part)
    return b"".join(parts)
