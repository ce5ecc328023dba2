"""Strings of the Global Privacy Platform: what the specification's examples hold, and no harm from any other text."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidpilot.serving.restrictions.gpp import _OPT_OUTS, opted_out, says_opted_out, sections_of

DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
FIELDS = {
    7: "share sale_n share_n ads_n data_n limit_n SALE SHARING ADS",
    8: "sale_n share_n limit_n SALE SHARING",
    9: "share sale_n ads_n SALE ADS",
    10: "share sale_n ads_n SALE ADS",
    11: "share sale_n ads_n data_n SALE ADS",
    12: "share sale_n ads_n SALE ADS",
}
"""The first fields of each section, two bits each, after a version of six; opt-outs in capitals (IAB, Sections)."""


def written(law: int, told: dict[str, int] | None = None, gpc: bool | None = None, version: int = 1) -> str:
    """A section whose notices were given and who has opted out of nothing, but for what is `told`."""
    values = [(told or {}).get(name, 2 if name.isupper() else 1) for name in FIELDS[law].split()]
    bits = f"{version:06b}" + "".join(f"{value:02b}" for value in values) + "10" * 20
    bits += "0" * (-len(bits) % 6)
    core = "".join(DIGITS[int(bits[k : k + 6], 2)] for k in range(0, len(bits), 6))
    return core if gpc is None else f"{core}.{'Y' if gpc else 'Q'}A"


@pytest.mark.parametrize(
    ("text", "held"),
    [  # headers of the specification's examples, and of published strings
        ("DBABM~CPX", {2: "CPX"}),
        ("DBABMA~CPX", {2: "CPX"}),
        ("DBACNY~CPX~1YNN", {2: "CPX", 6: "1YNN"}),
        ("DBABjw~CPX~1YNN", {5: "CPX", 6: "1YNN"}),
        (" DBABLA~BVQqAAAAAgA.QA ", {7: "BVQqAAAAAgA.QA"}),
        ("DBABBg~BVqqqqpY.YA", {8: "BVqqqqpY.YA"}),
        ("DBAA", {}),
        ("DBACNY~CPX", {}),  # a section is missing
        ("DBABM~CPX~1YNN", {}),  # one is not named
        ("DBABM", {}),
        ("CPXxRfAPXxRfAAfKABENB", {}),  # a consent string of before
        ("DCABM~CPX", {}),  # another version
        ("D=ABM~CPX", {}),
        ("", {}),
        (None, {}),
    ],
)
def test_a_header_names_the_sections_behind_it(text: str | None, held: dict[int, str]) -> None:
    assert sections_of(text) == held


@given(st.text(alphabet=DIGITS + "~. é", max_size=60))
def test_no_text_is_a_fault_and_what_is_found_was_there(text: str) -> None:
    for law, section in sections_of(text).items():
        assert section in text.split("~")
        opted_out(law, {law: section})


def test_a_span_of_any_length_costs_nothing() -> None:
    ones = "DBA_" + "_" * 2000
    begin = time.perf_counter()
    assert sections_of(ones + "~x" * 50) == {}
    assert time.perf_counter() - begin < 0.05


@pytest.mark.parametrize("law", FIELDS)
def test_who_has_opted_out_of_anything_has_opted_out(law: int) -> None:
    assert not opted_out(law, {law: written(law)})
    assert not opted_out(law, {law: written(law, gpc=False)})
    assert opted_out(law, {law: written(law, gpc=True)})
    for name in filter(str.isupper, FIELDS[law].split()):
        assert opted_out(law, {law: written(law, {name: 1})}), name
        assert not opted_out(law, {law: written(law, {name: 0})}), name  # does not apply
        assert opted_out(law, {law: written(law, {name: 3})}), name  # no value of the specification
    assert len(_OPT_OUTS[law]) == sum(map(str.isupper, FIELDS[law].split()))


@pytest.mark.parametrize("section", ["", "B", "BV", "é", "BVqqqq.é", "BVqqqq.", "."])
@pytest.mark.parametrize("law", FIELDS)
def test_what_cannot_be_read_may_say_so(law: int, section: str) -> None:
    assert opted_out(law, {law: section})
    assert opted_out(law, {})


def test_of_sections_of_other_versions_and_states_nothing_is_known() -> None:
    assert not opted_out(7, {7: written(7, version=2)})
    assert opted_out(7, {7: written(7, version=3)})
    assert opted_out(8, {8: written(8, version=2)})
    assert opted_out(16, {16: written(9)})


def test_sections_of_no_opt_outs_have_none() -> None:
    assert not any(opted_out(law, {}) for law in (-1, 0, 1, 2, 3, 4, 5))


@pytest.mark.parametrize(
    ("us_privacy", "out"),
    [
        ("1YNN", False), ("1---", False), ("1yny", False), (" 1NNN ", False), ("1YYN", True), ("1-y-", True),
        ("1Y", True), ("2YNN", True), ("1YNNN", True), ("\0unreadable", True),
    ],
)  # fmt: skip
def test_a_us_privacy_string_says_so_in_its_third_place(us_privacy: str, out: bool) -> None:
    assert says_opted_out(us_privacy) is out
    assert opted_out(6, {6: us_privacy}) is out
