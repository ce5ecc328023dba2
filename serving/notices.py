"""Signed tickets: what a notice brings back of its bid. Only who holds the secret can make one.

A ticket holds all that is needed to book the bid after a restart. Each kind of notice has its own signature, so
that the address of a loss notice is no billing notice. The price in a notice is the exchange's word: OpenRTB puts
it into the address after we signed it. It cannot exceed the bid, which the ticket holds, and counts once.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import math
import struct
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import parse_qs

import msgspec

from bidpilot.bidding.errors import InvalidNotice
from bidpilot.serving.collector import Value

_HEAD = struct.Struct("<B9s6sqdHHHfff")
_VERSION, _TEST = 1, 0x80
SECRET_BYTES = 32
_MOST = 1024  # characters of a ticket


class Kind(StrEnum):
    """What a notice tells."""

    win = "win"
    bill = "bill"
    loss = "loss"
    event = "event"


class Ticket(msgspec.Struct, frozen=True, gc=False):
    """One bid."""

    key: str  # 18 hex digits, unique
    lease: str  # 12 hex digits: of the ledger
    account: str
    amount: int  # the bid, micro-units
    expires: float  # seconds since 1970: a later bill is debt
    slot: int
    segment: int
    source: int
    value: Value  # predicted KPI triple, float32
    test: bool = False


class Signer:
    """Signs and checks tickets with one secret."""

    def __init__(self, secret: bytes) -> None:
        if len(secret) < SECRET_BYTES:
            raise InvalidNotice(f"the notice secret has {len(secret)} bytes; give at least {SECRET_BYTES}.")
        key = hashlib.blake2b(secret, digest_size=32).digest()
        self._begun = {k: hashlib.blake2b(f"{k.value}:".encode(), key=key, digest_size=16) for k in Kind}

    def pack(self, t: Ticket) -> str:
        """The ticket as text, without a signature."""
        head = _HEAD.pack(
            _VERSION | (_TEST if t.test else 0),
            bytes.fromhex(t.key),
            bytes.fromhex(t.lease),
            t.amount,
            t.expires,
            t.slot,
            t.segment,
            t.source,
            *t.value,
        )
        return base64.urlsafe_b64encode(head + t.account.encode()).rstrip(b"=").decode()

    def sign(self, packed: str, kind: Kind) -> str:
        """The ticket with the signature of one kind of notice."""
        return f"{packed}.{self._mac(packed, kind)}"

    def open(self, token: str, kind: Kind) -> Ticket:
        """The ticket of a notice of this kind.

        Raises:
            InvalidNotice: not signed by us for this kind of notice.
        """
        packed, _, mac = token.partition(".")
        if len(token) > _MOST or not hmac.compare_digest(self._mac(packed, kind).encode(), mac.encode()):
            raise InvalidNotice("the notice's ticket is not signed by this bidder. Send the address as it was given.")
        try:
            raw = base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4))
            flags, key, lease, amount, expires, slot, segment, source, *value = _HEAD.unpack_from(raw)
            account = raw[_HEAD.size :].decode()
        except (binascii.Error, struct.error, UnicodeDecodeError, ValueError) as error:
            raise InvalidNotice(f"the notice's ticket cannot be read ({error}).") from error
        if flags & ~_TEST != _VERSION:
            raise InvalidNotice("the notice's ticket was made by another version of this bidder.")
        return Ticket(
            key.hex(), lease.hex(), account, amount, expires, slot, segment, source,
            (value[0], value[1], value[2]), bool(flags & _TEST),
        )  # fmt: skip

    def _mac(self, packed: str, kind: Kind) -> str:
        mac = self._begun[kind].copy()
        mac.update(packed.encode(errors="replace"))
        return mac.hexdigest()


@dataclass(frozen=True, slots=True)
class Notice:
    """What came with an address: macros that the exchange did not fill in are None."""

    token: str
    price: float | None  # AUCTION_PRICE, currency per mille
    min_to_win: float | None  # AUCTION_MIN_TO_WIN, currency per mille


MACROS = "&p=${AUCTION_PRICE}&m=${AUCTION_MIN_TO_WIN}"


def read_notice(query: str) -> Notice:
    """Parse the query of a notice's address.

    Raises:
        InvalidNotice: there is no ticket, or a number is negative.
    """
    fields = read_fields(query)
    if not fields.get("t"):
        raise InvalidNotice("the notice's address has no ticket. Send the address as it was given.")
    return Notice(fields["t"], finite_number(fields.get("p")), finite_number(fields.get("m")))


def read_fields(query: str) -> dict[str, str]:
    """The fields of a notice's address, each as it was given first.

    Raises:
        InvalidNotice: there are too many.
    """
    try:
        return {name: texts[0] for name, texts in parse_qs(query, keep_blank_values=True, max_num_fields=16).items()}
    except ValueError as error:
        raise InvalidNotice(f"the notice's address cannot be read ({error}).") from error


def finite_number(text: str | None) -> float | None:
    """A finite number; None where the macro was left as it is, or says nothing.

    Raises:
        InvalidNotice: the number is negative.
    """
    if not text:
        return None
    try:
        number = float(text)
    except ValueError:
        return None
    if not math.isfinite(number):
        return None
    if number < 0:
        raise InvalidNotice(f"the notice has a negative number, {number}. Prices and counts are 0 or more.")
    return number
