"""Who may ask for bids: networks that are allowed, and exchanges that are known by a token or by their networks."""

from __future__ import annotations

import hashlib
import re
import secrets
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from bidpilot.bidding.errors import InvalidServing
from bidpilot.bidding.sealed_files import read_object

Network = IPv4Network | IPv6Network
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_TOKEN = r"^[A-Za-z0-9_.~-]{16,256}$"  # as it stands in an address, and too long to be guessed
_REMEMBERED = 4096  # addresses whose verdict, or whose failures, are kept


class Exchange(BaseModel):
    """Who sends bid requests: known by a token, by the networks it sends from, or, where both are given, by both."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    token: str | None = Field(None, pattern=_TOKEN, description="shared secret, 16 characters or more")
    networks: tuple[str, ...] = Field((), description="networks it sends from, as 203.0.113.0/24 or 2001:db8::/32")
    seat: str | None = Field(None, min_length=1, description="buyer seat in its responses; --seat where none")
    settle_on: Literal["win", "bill"] | None = Field(
        None, description="notice that settles its bids; --settle-on where none"
    )

    @field_validator("networks")
    @classmethod
    def _are_networks(cls, networks: tuple[str, ...]) -> tuple[str, ...]:
        for text in networks:
            ip_network(text)
        return networks

    @model_validator(mode="after")
    def _is_known_by_something(self) -> Exchange:
        if self.token is None and not self.networks:
            raise ValueError("an exchange is known by a token, by networks, or by both; give one of them")
        return self


def exchanges_of(path: Path | None) -> dict[str, Exchange]:
    """Exchanges of a file, none where there is none; raises as `read_exchanges` does."""
    return {} if path is None else read_exchanges(path)


def read_exchanges(path: Path) -> dict[str, Exchange]:
    """Exchanges by name, of a JSON file {NAME: {"token": ..., "networks": [...], "seat": ..., "settle_on": ...}}.

    Raises:
        InvalidServing: the file cannot be read, is empty, or gives two exchanges one token.
    """
    try:
        entries = read_object(path.read_bytes())
        if not entries:
            raise ValueError("it names no exchange")
        for name in entries:
            if not _NAME.fullmatch(name):
                raise ValueError(f"{name!r} is no name of letters, digits, dots, dashes and underscores")
        found = {name: Exchange.model_validate(entry) for name, entry in entries.items()}
    except ValidationError as error:  # its own text would show the token
        told = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_input=False))
        raise InvalidServing(_no_exchanges(path, told)) from None
    except (OSError, ValueError) as error:
        raise InvalidServing(_no_exchanges(path, str(error))) from None
    tokens = [one.token for one in found.values() if one.token is not None]
    if len(set(tokens)) < len(tokens):
        raise InvalidServing(f"{path} gives two exchanges the same token. Give each its own.")
    return found


def _no_exchanges(path: Path, why: str) -> str:
    return f'{path} is no list of exchanges ({why}). Write {{"NAME": {{"token": ..., "networks": [...]}}}}.'


def networks_of(texts: Iterable[str]) -> tuple[Network, ...]:
    """Networks by their texts.

    Raises:
        InvalidServing: one is none.
    """
    try:
        return tuple(ip_network(text) for text in texts)
    except ValueError as error:
        raise InvalidServing(f"{error}. Write networks as 203.0.113.0/24, one address as 203.0.113.7.") from None


def host_of(peer: str) -> IPv4Address | IPv6Address | None:
    """The address of `ADDRESS:PORT`; None where there is none."""
    try:
        found = ip_address(peer.rpartition(":")[0].strip("[]"))
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return mapped or found


class Attempts:
    """Wrong tokens by the address that they came from: who has brought `most` in `window` seconds is not listened to.

    A token that is wrong again is no guess: it is not compared once it has come `most` times, but it takes the right
    one's turn from nobody. A job with an old token thus locks out no operator on the same machine.
    Of an IPv6 address only the network of 64 bits counts, which one host may have whole. The memory is bounded: where
    it is full, the address whose failures began first is forgotten.
    """

    def __init__(self, most: int = 10, window: float = 60.0, watch: Callable[[], float] = time.monotonic) -> None:
        self._most, self._window, self._watch = most, window, watch
        self._failures: OrderedDict[str, _Failures] = OrderedDict()

    @property
    def remembered(self) -> int:
        """Addresses whose failures are remembered."""
        return len(self._failures)

    def blocked(self, peer: str, token: str) -> bool:
        """Whether this token of this address is not to be compared."""
        if not self._failures:
            return False
        found = self._failures.get(_key(peer))
        if found is None or self._watch() >= found.until:
            return False
        return len(found.tokens) >= self._most or found.tokens[hash(token)] >= self._most

    def failed(self, peer: str, token: str) -> None:
        """An address has brought a wrong token."""
        key, now = _key(peer), self._watch()
        found = self._failures.get(key)
        if found is None or now >= found.until:
            self._failures.pop(key, None)
            found = self._failures[key] = _Failures(now + self._window)
            if len(self._failures) > _REMEMBERED:
                self._failures.popitem(last=False)
        found.tokens[hash(token)] += 1


@dataclass
class _Failures:
    """Of one address."""

    until: float
    tokens: Counter[int] = field(default_factory=Counter)  # how often each came, by a hash of this process alone


def _key(peer: str) -> str:
    host = host_of(peer)
    return str(IPv6Network((int(host) >> 64 << 64, 64))) if isinstance(host, IPv6Address) else str(host)


class Partner(NamedTuple):
    """An exchange that may ask for bids."""

    name: str | None  # None where exchanges are not told apart
    seat: str | None = None  # of its responses; None: the server's


class Refused(NamedTuple):
    """Who may not ask, and why; the client is told the status alone."""

    status: int
    why: str


ANYONE = Partner(None)


class Access:
    """Decides who may ask for bids.

    An exchange's token comes as `Authorization: Bearer TOKEN`, or at the end of the address, `/openrtb2/bid/TOKEN`.
    Tokens are looked up by a digest whose key is of this process alone, so that the time of it tells nothing of them.

    Args:
        exchanges: by name; where there are none, whoever is allowed may ask.
        allow: networks that requests may come from; none: any.
        attempts: counts wrong tokens.
    """

    def __init__(
        self,
        exchanges: Mapping[str, Exchange] | None = None,
        allow: Sequence[Network] = (),
        attempts: Attempts | None = None,
    ) -> None:
        self.attempts = attempts or Attempts()
        self._key = secrets.token_bytes(32)
        self._allow = tuple(allow)
        self._by_token: dict[bytes, tuple[Partner, tuple[Network, ...]]] = {}
        self._by_network: list[tuple[Partner, tuple[Network, ...]]] = []
        for name, exchange in (exchanges or {}).items():
            entry = Partner(name, exchange.seat), networks_of(exchange.networks)
            if exchange.token is None:
                self._by_network.append(entry)
            else:
                self._by_token[self._digest(exchange.token)] = entry
        self.told_apart = bool(exchanges)
        self.open = not exchanges and not self._allow  # to anyone
        self._verdicts: dict[str, Partner | Refused] = {}  # without a token, by address

    def admit(self, peer: str, authorization: str | None = None, token: str | None = None) -> Partner | Refused:
        """Who asks, from `ADDRESS:PORT`; `token` is what the request's address ends with."""
        if self.open:
            return ANYONE
        host = peer.rpartition(":")[0]
        verdict = self._verdicts.get(host)
        if verdict is None:
            verdict = self._without_token(host_of(peer))
            if len(self._verdicts) >= _REMEMBERED:
                self._verdicts.clear()
            self._verdicts[host] = verdict
        if not self._by_token or verdict == _OUTSIDE:
            return verdict
        if token is None:
            if authorization is None:
                return verdict
            token = authorization.removeprefix("Bearer ")
        if self.attempts.blocked(peer, token):
            return Refused(429, "too_many_tokens")
        found = self._by_token.get(self._digest(token))
        if found is None:
            self.attempts.failed(peer, token)
            return Refused(403, "unknown_token")
        partner, networks = found
        return partner if not networks or _within(host_of(peer), networks) else _ELSEWHERE

    def _without_token(self, host: IPv4Address | IPv6Address | None) -> Partner | Refused:
        if self._allow and not _within(host, self._allow):
            return _OUTSIDE
        if not self.told_apart:
            return ANYONE
        for partner, networks in self._by_network:
            if _within(host, networks):
                return partner
        return Refused(403, "no_token" if self._by_token else "unknown_network")

    def _digest(self, token: str) -> bytes:
        return hashlib.blake2b(token.encode(errors="replace"), key=self._key, digest_size=32).digest()


_OUTSIDE, _ELSEWHERE = Refused(403, "network_not_allowed"), Refused(403, "token_from_elsewhere")


def _within(host: IPv4Address | IPv6Address | None, networks: Sequence[Network]) -> bool:
    return host is not None and any(host in network for network in networks)
