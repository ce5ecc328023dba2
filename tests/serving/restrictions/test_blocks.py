"""Domains are found in whatever form an exchange writes them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidpilot.serving.creatives.piece import Markup, Piece
from bidpilot.serving.messages import decode_request
from bidpilot.serving.restrictions.blocks import Blocks, domain_of
from bidpilot.serving.restrictions.fit import Unfit

LABEL = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True)
DOMAIN = st.tuples(LABEL, LABEL).map(".".join)
SCHEME = st.sampled_from(["", "//", "https://", "HTTP://", "http:", "https:\\\\", "app+x://"])
BEFORE = st.sampled_from(["", "me@", "me:word@", "*.", "me@ok.example@"])
BEHIND = st.sampled_from(
    [
        "",
        ".",
        ":443",
        "/",
        "?x",
        "#x",
        ":8443/a?b#c",
        "/?u=https://ok.example/",
        "?u=//ok.example",
        "/@ok.example",
        "\\x",
    ]
)


@given(domain=DOMAIN, scheme=SCHEME, before=BEFORE, behind=BEHIND, capitals=st.booleans())
def test_the_domain_of_an_address_is_its_host(
    domain: str, scheme: str, before: str, behind: str, capitals: bool
) -> None:
    text = f" {scheme}{before}{domain.upper() if capitals else domain}{behind} "
    assert domain_of(text) == domain


def blocks(**fields: Any) -> Blocks:
    return Blocks(decode_request(json.dumps({"id": "r", "imp": [], **fields}).encode()))


def piece(**fields: Any) -> Piece:
    return Piece(crid="c", campaign="c", kind=Markup.video, adomain=("shop.example",), **fields)


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ("https://shop.example?x", Unfit.advertiser),
        ("shop.example:443", Unfit.advertiser),
        ("*.shop.example", Unfit.advertiser),
        (".shop.example", Unfit.advertiser),
        ("www.shop.example", Unfit.advertiser),
        ("other.example/?shop.example", None),
        ("", None),
    ],
)
def test_an_advertiser_is_blocked_however_its_domain_is_written(entry: str, why: Unfit | None) -> None:
    assert blocks(badv=[entry]).against(piece()) is why


@pytest.mark.parametrize(
    ("fields", "cat", "cattax", "why"),
    [
        ({"bcat": ["IAB7"]}, ("IAB7-3",), 1, Unfit.category),
        ({"bcat": ["IAB7-3"]}, ("IAB7",), 1, None),
        ({"bcat": ["IAB7"]}, (), 1, None),
        ({"acat": ["IAB7"]}, (), 1, Unfit.category),
        ({"bcat": ["1"], "cattax": 2}, ("1",), 2, Unfit.category),
        ({"bcat": ["1"], "cattax": 2}, ("2",), 2, None),
        ({"bcat": ["1"], "cattax": 2}, ("1",), 1, Unfit.taxonomy),
    ],
)
def test_a_category_has_those_below_it_where_its_taxonomy_says_which(
    fields: dict[str, Any], cat: tuple[str, ...], cattax: int, why: Unfit | None
) -> None:
    assert blocks(**fields).against(piece(cat=cat, cattax=cattax)) is why
