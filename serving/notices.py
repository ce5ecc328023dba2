"""Signed tickets: what a notice brings back of its bid. Only who holds the secret can make one.

A ticket holds all that is needed to book the bid after a restart. Each kind of notice has its own signature, so
that the address of a loss notice is no billing notice. The price in a notice is the exchange's word: OpenRTB puts
it into the address after we signed it. It counts once, and no more of it than the bid, which the ticket holds; where it
cannot be read the bid itself counts, which is the most that the exposure can cost.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import math
import re
import struct
from enum import StrEnum
from urllib.parse import unquote_plus

import msgspec

from bidpilot.bidding.errors import InvalidNotice
from bidpilot.serving.collector import Value

_HEAD = struct.Struct("<B9s6sqdHHHfff")
_VERSION, _TEST, _ON_WIN, _SCALED, _SHOWS = 1, 0x80, 0x40, 0x20, 0x10
_SCALE = struct.Struct("<dd")  # behind the head, where prices of notices are scaled
_SHOWN = struct.Struct("<QI")  # and behind that, where exposures are counted by person or creative
SECRET_BYTES = 32
_MOST = 1024  # characters of a ticket


class Kind(StrEnum):
    """What a notice tells."""

    win = "win"
    bill = "bill"
    loss = "loss"
    event = "event"


_URL = bytes.maketrans(b"+/", b"-_")
_MAC = 32  # hex digits of a signature
_PLACE = {kind: place for place, kind in enumerate(Kind)}


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
    bills_on_win: bool = False  # its exchange bills by the win notice
    scale: float = 1.0  # what a notice's price is multiplied by: the rate of its currency times `count`
    count: float = 1.0  # exposures that it stands for; `amount` is for all of them, `value` for one
    user: int = 0  # what the person is known by, where frequency is capped (`serving.capping.keys`); 0: not told
    creative: int = 0  # number of what it shows, where that is counted

    @property
    def all_values(self) -> Value:
        """The predicted KPI triple of all of its exposures."""
        k, (exposure, interaction, conversion) = self.count, self.value
        return self.value if k == 1.0 else (k * exposure, k * interaction, k * conversion)


class Signer:
    """Signs and checks tickets with one secret."""

    def __init__(self, secret: bytes) -> None:
        if len(secret) < SECRET_BYTES:
            raise InvalidNotice(f"the notice secret has {len(secret)} bytes; give at least {SECRET_BYTES}.")
        key = hashlib.blake2b(secret, digest_size=32).digest()
        self._begun = hashlib.blake2b(b"notices:", key=key, digest_size=_MAC * len(Kind) // 2)
        # bids of a version that signed each kind by itself are billed up to a day later
        self._before = {k: hashlib.blake2b(f"{k.value}:".encode(), key=key, digest_size=_MAC // 2) for k in Kind}

    def pack(self, t: Ticket) -> str:
        """The ticket as text, without a signature."""
        scaled = t.scale != 1.0 or t.count != 1.0
        shows = t.user or t.creative
        flags = (_TEST if t.test else 0) | (_ON_WIN if t.bills_on_win else 0) | (_SCALED if scaled else 0)
        head = _HEAD.pack(
            _VERSION | flags | (_SHOWS if shows else 0),
            bytes.fromhex(t.key),
            bytes.fromhex(t.lease),
            t.amount,
            t.expires,
            t.slot,
            t.segment,
            t.source,
            *t.value,
        )
        if scaled:
            head += _SCALE.pack(t.scale, t.count)
        if shows:
            head += _SHOWN.pack(t.user, t.creative)
        return binascii.b2a_base64(head + t.account.encode(), newline=False).translate(_URL, b"=").decode()

    def tokens(self, packed: str) -> tuple[str, str, str, str]:
        """The ticket with the signature of each kind of notice, in the order of `Kind`: parts of one keyed hash."""
        mac = self._mac(packed)
        return (
            f"{packed}.{mac[:_MAC]}",
            f"{packed}.{mac[_MAC : 2 * _MAC]}",
            f"{packed}.{mac[2 * _MAC : 3 * _MAC]}",
            f"{packed}.{mac[3 * _MAC :]}",
        )

    def sign(self, packed: str, kind: Kind) -> str:
        """The ticket with the signature of one kind of notice."""
        return self.tokens(packed)[_PLACE[kind]]

    def open(self, token: str, kind: Kind) -> Ticket:
        """The ticket of a notice of this kind.

        Raises:
            InvalidNotice: not signed by us for this kind of notice.
        """
        packed, _, mac = token.partition(".")
        if len(token) > _MOST or not self._signed(packed, kind, mac.encode()):
            raise InvalidNotice("the notice's ticket is not signed by this bidder. Send the address as it was given.")
        try:
            raw = base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4))
            flags, key, lease, amount, expires, slot, segment, source, *value = _HEAD.unpack_from(raw)
            rest = raw[_HEAD.size :]
            scale, count, user, creative = 1.0, 1.0, 0, 0
            if flags & _SCALED:
                (scale, count), rest = _SCALE.unpack_from(rest), rest[_SCALE.size :]
            if flags & _SHOWS:
                (user, creative), rest = _SHOWN.unpack_from(rest), rest[_SHOWN.size :]
            account = rest.decode()
        except (binascii.Error, struct.error, UnicodeDecodeError, ValueError) as error:
            raise InvalidNotice(f"the notice's ticket cannot be read ({error}).") from error
        if flags & ~(_TEST | _ON_WIN | _SCALED | _SHOWS) != _VERSION:
            raise InvalidNotice("the notice's ticket was made by another version of this bidder.")
        return Ticket(
            key.hex(), lease.hex(), account, amount, expires, slot, segment, source,
            (value[0], value[1], value[2]), bool(flags & _TEST), bool(flags & _ON_WIN), scale, count, user, creative,
        )  # fmt: skip

    def _mac(self, packed: str) -> str:
        mac = self._begun.copy()
        mac.update(packed.encode(errors="replace"))
        return mac.hexdigest()

    def _signed(self, packed: str, kind: Kind, mac: bytes) -> bool:
        begin = _PLACE[kind] * _MAC
        if hmac.compare_digest(self._mac(packed)[begin : begin + _MAC].encode(), mac):
            return True
        before = self._before[kind].copy()
        before.update(packed.encode(errors="replace"))
        return hmac.compare_digest(before.hexdigest().encode(), mac)


class Unread(StrEnum):
    """Why the price of a notice cannot be read."""

    missing = "price_missing"
    empty = "price_empty"
    unreplaced = "price_unreplaced"  # the macro was left as it is
    audit = "price_audit"  # AUDIT, of a creative's review
    comma = "price_comma"  # 12,5 may be twelve and a half, or a list
    encoded = "price_encoded"  # base64, encrypted, or whatever is no number
    negative = "price_negative"
    not_finite = "price_not_finite"


class Notice(msgspec.Struct, frozen=True, gc=False):
    """What came with an address."""

    token: str
    price: float | Unread  # AUCTION_PRICE, currency per mille
    min_to_win: float | None  # AUCTION_MIN_TO_WIN, currency per mille; None where it cannot be read


_FIELDS = 16  # that are read of a notice's address
_COMMA = re.compile(r"-?[\d.']*,[\d,.']*")
MACROS = "&p=${AUCTION_PRICE}&m=${AUCTION_MIN_TO_WIN}"


def read_notice(query: str) -> Notice:
    """Parse the query of a notice's address.

    Raises:
        InvalidNotice: there is no ticket.
    """
    fields = read_fields(query)
    if not fields.get("t"):
        raise InvalidNotice("the notice's address has no ticket. Send the address as it was given.")
    least = read_price(fields.get("m"))
    return Notice(fields["t"], read_price(fields.get("p")), None if isinstance(least, Unread) else least)


def read_price(text: str | None) -> float | Unread:
    """A price of 0 or more, or why it cannot be read."""
    if text is None:
        return Unread.missing
    text = text.strip()
    if not text:
        return Unread.empty
    if "AUCTION_" in text:
        return Unread.unreplaced
    if text.upper() == "AUDIT":
        return Unread.audit
    if _COMMA.fullmatch(text):
        return Unread.comma
    try:
        price = float(text if text.isascii() and "_" not in text else "")  # 1_000 is a number to Python alone
    except ValueError:
        return Unread.encoded
    if not math.isfinite(price):
        return Unread.not_finite
    return Unread.negative if price < 0 else price


def read_fields(query: str) -> dict[str, str]:
    """The fields of a notice's address, each as it was given first; ours come first, and few of others' are read."""
    fields: dict[str, str] = {}
    for part in query.split("&", _FIELDS)[:_FIELDS]:
        name, _, text = part.partition("=")
        if "%" in part or "+" in part:
            name, text = unquote_plus(name), unquote_plus(text)
        if part:
            fields.setdefault(name, text)
    return fields


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
