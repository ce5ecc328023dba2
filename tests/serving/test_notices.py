"""Tickets byte by byte, and notices as they come in."""

from __future__ import annotations

import base64
import hashlib
import struct

import pytest

from bidpilot.bidding.errors import InvalidNotice
from bidpilot.serving.notices import Kind, Notice, Signer, Ticket, Unread, read_notice

SECRET = b"0123456789abcdef0123456789abcdef"
TICKET = Ticket(
    key="0102030405060708ff",
    lease="a1b2c3d4e5f6",
    account="c@2026-01-01",
    amount=2_500_000,
    expires=1234.5,
    slot=7,
    segment=3,
    source=258,
    value=(0.5, 0.25, 0.125),
)
RAW = (
    b"\x01"  # version 1, no test
    b"\x01\x02\x03\x04\x05\x06\x07\x08\xff"  # key
    b"\xa1\xb2\xc3\xd4\xe5\xf6"  # lease
    b"\xa0\x25\x26\x00\x00\x00\x00\x00"  # 2,500,000 = 0x2625a0, least byte first
    + struct.pack("<d", 1234.5)
    + b"\x07\x00\x03\x00\x02\x01"  # slot 7, segment 3, source 258
    + struct.pack("<fff", 0.5, 0.25, 0.125)
    + b"c@2026-01-01"
)


def text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def test_a_ticket_is_written_as_documented() -> None:
    assert Signer(SECRET).pack(TICKET) == text(RAW)
    tested = Ticket(**{f: getattr(TICKET, f) for f in TICKET.__struct_fields__} | {"test": True})
    assert Signer(SECRET).pack(tested) == text(b"\x81" + RAW[1:])


@pytest.mark.parametrize("kind", list(Kind))
def test_only_the_kind_that_was_signed_opens_it(kind: Kind) -> None:
    signer = Signer(SECRET)
    token = signer.sign(signer.pack(TICKET), kind)
    assert signer.open(token, kind) == TICKET
    for other in set(Kind) - {kind}:
        with pytest.raises(InvalidNotice, match="not signed by this bidder"):
            signer.open(token, other)


@pytest.mark.parametrize("kind", list(Kind))
def test_a_bid_of_the_version_before_is_still_billed(kind: Kind) -> None:
    """It signed each kind with a hash of its own."""
    signer, key = Signer(SECRET), hashlib.blake2b(SECRET, digest_size=32).digest()
    packed = signer.pack(TICKET)
    mac = hashlib.blake2b(f"{kind.value}:{packed}".encode(), key=key, digest_size=16).hexdigest()
    assert signer.open(f"{packed}.{mac}", kind) == TICKET
    for other in set(Kind) - {kind}:
        with pytest.raises(InvalidNotice, match="not signed by this bidder"):
            signer.open(f"{packed}.{mac}", other)


def test_what_was_signed_and_is_no_ticket_of_this_version_is_refused() -> None:
    signer = Signer(SECRET)
    for raw, why in ((b"\x02" + RAW[1:], "another version"), (RAW[:20], "cannot be read"), (RAW + b"\xff", "be read")):
        with pytest.raises(InvalidNotice, match=why):
            signer.open(signer.sign(text(raw), Kind.bill), Kind.bill)


def test_a_ticket_longer_than_any_of_ours_is_refused_though_it_is_signed() -> None:
    signer = Signer(SECRET)
    with pytest.raises(InvalidNotice, match="not signed"):
        signer.open(signer.sign(text(RAW + b"x" * 1000), Kind.bill), Kind.bill)


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(InvalidNotice, match="31 bytes"):
        Signer(SECRET[:31])


@pytest.mark.parametrize(
    ("query", "notice"),
    [
        ("t=a.b&p=2.5&m=1.25", Notice("a.b", 2.5, 1.25)),
        ("t=a.b", Notice("a.b", Unread.missing, None)),
        ("t=a.b&p=${AUCTION_PRICE}&m=${AUCTION_MIN_TO_WIN}", Notice("a.b", Unread.unreplaced, None)),
        ("t=a.b&p=%24%7BAUCTION_PRICE%3AB64%7D", Notice("a.b", Unread.unreplaced, None)),
        ("t=a.b&p=&m=", Notice("a.b", Unread.empty, None)),
        ("t=a.b&p=AUDIT", Notice("a.b", Unread.audit, None)),
        ("t=a.b&p=12,5", Notice("a.b", Unread.comma, None)),
        ("t=a.b&p=1.234,5", Notice("a.b", Unread.comma, None)),
        ("t=a.b&p=MTIuNQ%3D%3D", Notice("a.b", Unread.encoded, None)),
        ("t=a.b&p=-1&m=-1", Notice("a.b", Unread.negative, None)),
        ("t=a.b&p=1e308&m=1e400", Notice("a.b", 1e308, None)),
        ("t=a.b&p=0&m=-0", Notice("a.b", 0.0, 0.0)),
        ("t=a.b&p=nan&m=inf", Notice("a.b", Unread.not_finite, None)),
        ("t=a.b&p=1_000&m=1_0", Notice("a.b", Unread.encoded, None)),
        ("t=a.b&p=%D9%A1%D9%A2", Notice("a.b", Unread.encoded, None)),  # twelve, in Arabic digits
        ("t=a.b&p=%FF%FE&m=%00", Notice("a.b", Unread.encoded, None)),
        ("t=a.b&p=+2.5+", Notice("a.b", 2.5, None)),
        ("t=a.b&p=2.5" + "&x=1" * 1000, Notice("a.b", 2.5, None)),  # a bill all the same
        ("t=a.b&p=1&p=2", Notice("a.b", 1.0, None)),  # the first of two
    ],
)
def test_a_notice_is_read_and_why_a_price_cannot_be_is_said(query: str, notice: Notice) -> None:
    assert read_notice(query) == notice


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("p=1", "no ticket"),
        ("", "no ticket"),
        ("t=&p=1", "no ticket"),
    ],
)
def test_a_notice_that_makes_no_sense_is_refused(query: str, why: str) -> None:
    with pytest.raises(InvalidNotice, match=why):
        read_notice(query)
