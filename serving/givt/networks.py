"""Sets of addresses, of thousands of networks, in which one is found in a microsecond."""

from __future__ import annotations

import socket
from bisect import bisect_right
from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network

Network = IPv4Network | IPv6Network
_V4_WITHIN = bytes(10) + b"\xff\xff"  # ::ffff:0:0/96: an address of version 4 written as one of 6


class Networks:
    """Addresses of some networks.

    Args:
        networks: of both versions; they may overlap.
    """

    def __init__(self, networks: Iterable[Network]) -> None:
        given = [*networks]
        self._v4 = _Spans(net for net in given if isinstance(net, IPv4Network))
        self._v6 = _Spans(net for net in given if isinstance(net, IPv6Network))
        self.count = len(given)

    def __contains__(self, text: str) -> bool:
        """Whether an address lies in one of them; no for what is no address."""
        try:
            if ":" not in text:
                return socket.inet_aton(text) in self._v4 if text.count(".") == 3 else False
            raw = socket.inet_pton(socket.AF_INET6, text.partition("%")[0])
        except (OSError, UnicodeError, ValueError):
            return False
        return raw[12:] in self._v4 if raw.startswith(_V4_WITHIN) else raw in self._v6


class _Spans:
    """Spans of addresses that do not touch, in order."""

    def __init__(self, networks: Iterable[Network]) -> None:
        self._begins: list[bytes] = []
        self._ends: list[bytes] = []
        spans = sorted((net.network_address.packed, net.broadcast_address.packed) for net in networks)
        for begin, end in spans:
            if self._ends and begin <= self._ends[-1]:
                self._ends[-1] = max(self._ends[-1], end)
            else:
                self._begins.append(begin)
                self._ends.append(end)

    def __contains__(self, address: bytes) -> bool:
        at = bisect_right(self._begins, address) - 1
        return at >= 0 and address <= self._ends[at]
