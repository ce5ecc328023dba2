"""Addresses that a server listens on, and which of its applications answers there."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from granian.constants import HTTPModes, Interfaces
from granian.server.embed import Server

from bidpilot.bidding.errors import InvalidServing
from bidpilot.serving.config import ServeConfig
from bidpilot.serving.exchange_app import NOTICE_PATH
from bidpilot.serving.http import Application, Handle, Request, Response

_BACKLOG = 2048
_PATIENCE = 500  # turns of 20 milliseconds until it listens
_NOT_HERE = Response(404, b'{"error":"no such path on this port"}')


@dataclass(frozen=True)
class Addresses:
    """Where bids, notices and administration are listened for: address and port."""

    bids: tuple[str, int]
    notices: tuple[str, int]  # that of bids, where they have none of their own
    admin: tuple[str, int]

    @property
    def notice_url(self) -> str:
        """The address that notices are sent to where no other is given."""
        host, port = self.notices
        return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def addresses(config: ServeConfig) -> Addresses:
    """The addresses of a configuration, with free ports in place of 0.

    Raises:
        InvalidServing: nothing can listen at one of them.
    """
    with ExitStack() as held:  # until all are found, so that no two get the same

        def find(host: str, port: int) -> tuple[str, int]:
            return host, held.enter_context(held_port(host, port))

        bids = find(config.host, config.port)
        apart = config.notice_port is not None and (config.notice_port == 0 or config.notice_port != config.port)
        notices = find(config.host, config.notice_port or 0) if apart else bids
        return Addresses(bids, notices, find(config.admin_host, config.admin_port))


def check_admin_host(host: str, explicit: bool) -> None:
    """Administration is reached from this machine alone, unless its token was set by whoever opens it.

    Raises:
        InvalidServing: `host` is no loopback address and the token is one that the server made.
    """
    if not explicit and not is_loopback(host):
        raise InvalidServing(
            f"administration would be open to others on {host} with a token that nobody has set. Set "
            "BIDPILOT_ADMIN_TOKEN, or leave --admin-host at 127.0.0.1 and reach it through a tunnel."
        )


def is_loopback(host: str) -> bool:
    """Whether an address is this machine's own."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def without_notices(handle: Handle) -> Handle:
    """The application, without its notices: they have a port of their own."""

    async def answer(request: Request) -> Response:
        return _NOT_HERE if request.path.startswith(NOTICE_PATH) else await handle(request)

    return answer


def notices_alone(handle: Handle) -> Handle:
    """The application's notices, and whether it lives; no bids."""

    async def answer(request: Request) -> Response:
        here = request.path.startswith(NOTICE_PATH) or request.path in ("/health", "/ready")
        return await handle(request) if here else _NOT_HERE

    return answer


def listeners(at: Addresses, exchange: Handle, admin: Handle) -> list[Server]:
    """One server for each address."""
    if at.notices == at.bids:
        handles = [(exchange, at.bids), (admin, at.admin)]
    else:
        handles = [
            (without_notices(exchange), at.bids),
            (notices_alone(exchange), at.notices),
            (admin, at.admin),
        ]
    return [listener(handle, host, port) for handle, (host, port) in handles]


def listener(handle: Handle, host: str, port: int) -> Server:
    """A server of one application."""
    return Server(
        Application(handle),
        address=host,
        port=port,
        interface=Interfaces.RSGI,
        http=HTTPModes.http1,
        websockets=False,
        backlog=_BACKLOG,
        log_enabled=False,
    )


@contextmanager
def held_port(host: str, port: int) -> Iterator[int]:
    """The port, or a free one for 0, held while the block lasts; granian would only log that it cannot listen.

    Raises:
        InvalidServing: nothing can listen there.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as at:
        at.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            at.bind((host, port))
            at.listen(1)  # two sockets may be bound to a port, but only one may listen
        except OSError as error:
            raise InvalidServing(f"cannot listen on {host}:{port} ({error}). Give another port.") from None
        found: int = at.getsockname()[1]
        yield found


@contextmanager
def kept(at: Addresses) -> Iterator[None]:
    """Keep the ports from others while workers that share them come and go: bound, and listening nowhere."""
    with ExitStack() as open_:
        for host, port in dict.fromkeys((at.bids, at.notices, at.admin)):
            keeping = open_.enter_context(socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET))
            keeping.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            keeping.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            keeping.bind((host, port))
        yield


async def listening(at: Addresses) -> None:
    """Wait until all addresses answer.

    Raises:
        InvalidServing: one does not.
    """
    for host, port in dict.fromkeys((at.bids, at.notices, at.admin)):
        for _ in range(_PATIENCE):
            try:
                _, writer = await asyncio.open_connection(host, port)
            except OSError:
                await asyncio.sleep(0.02)
                continue
            writer.close()
            break
        else:
            raise InvalidServing(f"the server does not listen on {host}:{port}. Give another address.")
