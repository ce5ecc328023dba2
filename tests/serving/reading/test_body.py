"""Bodies inflate to what was packed, and never to more than may be read."""

from __future__ import annotations

import gzip
import zlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bidpilot.serving.http import BodyRefused
from bidpilot.serving.reading.body import inflate, packed, wants_gzip


def bare(body: bytes) -> bytes:
    packing = zlib.compressobj(wbits=-15)
    return packing.compress(body) + packing.flush()


PACKED: dict[str, list[Any]] = {
    "gzip": [
        gzip.compress,
        lambda b: gzip.compress(b[:5]) + gzip.compress(b[5:]),
        lambda b: gzip.compress(b) + b"\0\0",
    ],
    "deflate": [zlib.compress, bare],
    "x-gzip": [gzip.compress],
    " GZIP ": [gzip.compress],
    "identity": [bytes],
}


@settings(max_examples=40, deadline=None)
@given(body=st.binary(max_size=3000), data=st.data())
def test_what_was_packed_comes_out(body: bytes, data: st.DataObject) -> None:
    encoding = data.draw(st.sampled_from(sorted(PACKED)))
    pack = data.draw(st.sampled_from(PACKED[encoding]))
    assert inflate(pack(body), encoding, 3000) == body


@pytest.mark.parametrize(
    ("encoding", "bomb"),
    [
        ("gzip", gzip.compress(bytes(50_000_000))),
        ("gzip", gzip.compress(bytes(90)) * 12),
        ("deflate", zlib.compress(bytes(5_000_000))),
        ("deflate", bare(bytes(1001))),
    ],
)
def test_no_more_is_inflated_than_may_be_read(encoding: str, bomb: bytes) -> None:
    with pytest.raises(BodyRefused) as refused:
        inflate(bomb, encoding, 1000)
    assert refused.value.status == 413


WHOLE = gzip.compress(b"{}" * 500)


@pytest.mark.parametrize(
    ("raw", "encoding", "status"),
    [
        (b"{}", "gzip", 400),
        (WHOLE[:-9], "gzip", 400),
        (WHOLE + b"{", "gzip", 400),
        (gzip.compress(b"") * 1000, "gzip", 400),
        (zlib.compress(b"{}")[:-5], "deflate", 400),
        (b"", "deflate", 400),
        (b"{}", "br", 415),
        (WHOLE, "gzip, gzip", 400),
        (WHOLE, "gzip, gzip, gzip", 415),
        (WHOLE, "gzip, br", 415),
    ],
)
def test_damaged_and_unknown_bodies_are_told_apart(raw: bytes, encoding: str, status: int) -> None:
    with pytest.raises(BodyRefused) as refused:
        inflate(raw, encoding, 100_000)
    assert refused.value.status == status


@pytest.mark.parametrize(
    ("accepts", "wanted"),
    [
        (None, False), ("", False), ("br", False), ("gzip", True), ("deflate, GZIP;q=0.5", True), ("gzip;q=0", False),
        ("gzip; q=0.000", False), ("*", True), ("*;q=0", False), ("gzip;q=0, *", False), ("x-gzip", True),
        ("gzip;q=1.0", True), ("identity", False),
    ],
)  # fmt: skip
def test_an_answer_is_packed_for_who_takes_gzip(accepts: str | None, wanted: bool) -> None:
    assert wants_gzip(accepts) == wanted


def test_short_answers_are_not_worth_packing() -> None:
    assert packed(b"{}") is None
    assert gzip.decompress(packed(b"x" * 900) or b"") == b"x" * 900


@pytest.mark.parametrize("encoding", ["gzip, identity", "identity,gzip", "gzip,", "gzip;q=1", '"gzip"', "X-GZIP"])
def test_a_list_of_encodings_is_read_as_http_has_it(encoding: str) -> None:
    assert inflate(WHOLE, encoding, 1000) == inflate(WHOLE, "gzip", 1000)


@pytest.mark.parametrize("behind", [b"\n", b"\r\n", b"\0\0", b" "])
def test_padding_behind_a_body_is_passed_over(behind: bytes) -> None:
    assert inflate(WHOLE + behind, "gzip", 1000) == inflate(WHOLE, "gzip", 1000)


def test_one_encoding_within_another_is_undone_from_the_last_on() -> None:
    assert inflate(gzip.compress(zlib.compress(b"{}")), "deflate, gzip", 1000) == b"{}"
    with pytest.raises(BodyRefused) as caught:  # what lies between is bounded, too
        inflate(gzip.compress(zlib.compress(b"{}" + bytes(range(256)) * 2)), "deflate, gzip", 100)
    assert caught.value.status == 413
