"""Looser forms read as the protocol's: the same request comes out, whichever serialiser wrote it."""

from __future__ import annotations

import copy
import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bidpilot.bidding.errors import InvalidRequest
from bidpilot.serving.messages import BidRequest, Imp, decode_request
from bidpilot.serving.reading.forms import Form
from bidpilot.serving.reading.offence import MOST_DEPTH, too_deep
from bidpilot.serving.reading.request import apart, read_request

WHOLE: dict[str, Any] = {
    "id": "12", "at": 1, "tmax": 200, "cur": ["USD"], "test": 0, "wseat": ["7"], "bseat": ["8"], "badv": ["a.example"],
    "bcat": ["IAB25"], "cattax": 1, "bapp": ["app.example"], "wlang": ["en"], "regs": {"coppa": 0},
    "site": {"publisher": {"id": "42"}},
    "imp": [
        {
            "id": "1", "bidfloor": 0.5, "bidfloorcur": "USD", "tagid": "77", "exp": 60.0, "secure": 1,
            "video": {"mimes": ["video/mp4"], "w": 720, "h": 1280, "minduration": 5, "maxduration": 60,
                      "protocols": [2, 3], "battr": [1], "api": [7], "mincpmpersec": 0.1,
                      "durfloors": [{"mindur": 1, "maxdur": 15, "bidfloor": 2.0}]},
            "banner": {"w": 300, "h": 250, "format": [{"w": 300, "h": 250}], "btype": [1], "battr": [2]},
            "pmp": {"private_auction": 1, "deals": [{"id": "d", "bidfloor": 3.0, "at": 3, "wseat": ["7"]}]},
            "qty": {"multiplier": 2.0},
            "ext": {"bidpilot": {"exposure": 0.5, "interaction": 0.1, "conversion": 0.0, "segment": 3, "source": 5}},
        }
    ],
}  # fmt: skip
IDS = {"id", "tagid", "wseat", "bseat"}
REQUIRED = {("id",), ("imp",), ("imp", 0, "id"), ("imp", 0, "pmp", "deals", 0, "id")}


def read(request: Any, forms: Counter[str] | None = None) -> BidRequest:
    return read_request(json.dumps(request).encode(), Counter() if forms is None else forms)


def leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Paths of all values but the whole."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [deeper for key, inner in items for deeper in [(*path, key), *leaves(inner, (*path, key))]]


PATHS = leaves(WHOLE)


def at(request: Any, path: tuple[Any, ...]) -> Any:
    for step in path:
        request = request[step]
    return request


def changed(path: tuple[Any, ...], value: Any) -> Any:
    request = copy.deepcopy(WHOLE)
    at(request, path[:-1])[path[-1]] = value
    return request


def absent(path: tuple[Any, ...]) -> Any:
    request = copy.deepcopy(WHOLE)
    del at(request, path[:-1])[path[-1]]
    return request


def loose(value: Any, name: str) -> st.SearchStrategy[Any]:
    """The same value as other serialisers write it."""
    forms = [st.just(value)]
    if isinstance(value, int | float):
        texts = [] if name == "segment" else [st.just(str(value)), st.just(f" {float(value)} ")]  # a text is a name
        forms += [st.just(float(value)), *texts]
    if isinstance(value, str) and value.isdigit():
        forms += [st.just(int(value)), st.just(float(value))]
    if isinstance(value, list):
        inner = st.tuples(*(loose(v, name) for v in value)).map(list)
        forms = [inner, inner.map(lambda v: [*v, None])] if name not in ("imp", "deals") else [inner]
        forms += [loose(value[0], name)] if len(value) == 1 else []
    if isinstance(value, dict):
        fields = {key: loose(v, key) for key, v in value.items()}
        unknown = st.dictionaries(st.sampled_from(["x", "ext2", "geo", "w2"]), st.none() | st.booleans() | st.text())
        forms = [st.tuples(st.fixed_dictionaries(fields), unknown).map(lambda p: p[1] | p[0])]
    return st.one_of(forms)


@settings(max_examples=50, deadline=None)
@given(request=loose(WHOLE, ""))
def test_a_request_in_looser_forms_is_the_same_request(request: Any) -> None:
    assert read(request) == decode_request(json.dumps(WHOLE).encode())


@pytest.mark.parametrize("path", [p for p in PATHS if p not in REQUIRED], ids=str)
def test_null_is_as_good_as_absent(path: tuple[Any, ...]) -> None:
    if isinstance(path[-1], int) and path[-2] in ("imp", "deals"):
        return  # a null in place of an impression is a malformed impression
    assert read(changed(path, None)) == read(absent(path))


@pytest.mark.parametrize("path", [p for p in PATHS if p != ("imp",)], ids=str)
@pytest.mark.parametrize("junk", [{"a": 1}, "junk", 0.5, True, [[]], "", "NaN", "1e999", -3], ids=str)
def test_junk_costs_the_request_only_where_it_is_the_requests_own(path: tuple[Any, ...], junk: Any) -> None:
    request = changed(path, junk)
    request["imp"] += [{"id": "good"}]
    why = f"`$.{path[0]}"
    try:
        found = read(request)
    except InvalidRequest as error:
        assert path[0] != "imp"
        why = str(error)
    else:
        assert len(found.imp) in (1, 2)
        assert found.imp[-1].id == "good"
    assert f"`$.{path[0]}" in why


def test_each_looser_form_and_each_loss_is_counted() -> None:
    forms: Counter[str] = Counter()
    found = read(
        {
            "id": 7, "at": None, "tmax": 933.33, "test": False, "badv": "a.example", "app": {"publisher": 3},
            "regs": [], "imp": [
                {"id": 1, "bidfloor": "0.5", "pmp": {"deals": [{"bidfloor": 3}, {"id": "d"}]}},
                {"id": "2", "bidfloor": {}}, None,
            ],
        },
        forms,
    )  # fmt: skip
    assert (found.id, found.at, found.tmax, found.test, found.badv) == ("7", 2, 933, 0, ["a.example"])
    assert [imp.id for imp in found.imp] == ["1"]
    assert found.imp[0].bidfloor == 0.5
    assert found.imp[0].pmp is not None
    assert [deal.id for deal in found.imp[0].pmp.deals or ()] == ["d"]
    expected = [Form.id, Form.null, Form.fraction, Form.flag, Form.single, Form.malformed_place, Form.empty, Form.text]
    assert forms == Counter(dict.fromkeys(expected, 1)) + Counter(
        {Form.id: 1, Form.malformed_deal: 1, Form.malformed_imp: 2}
    )


def test_a_plain_request_counts_nothing() -> None:
    forms: Counter[str] = Counter()
    assert read(WHOLE, forms) == decode_request(json.dumps(WHOLE).encode())
    assert not forms


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999"])
@pytest.mark.parametrize("path", [p for p in PATHS if isinstance(at(WHOLE, p), int | float)], ids=str)
def test_numbers_without_an_end_are_refused_with_their_path(path: tuple[Any, ...], number: str) -> None:
    raw = json.dumps(changed(path, "HERE")).replace('"HERE"', number).encode()
    shown = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    with pytest.raises(InvalidRequest) as error:
        read_request(raw, Counter())
    assert f"`${shown}`" in str(error.value)
    assert number in str(error.value)


def nested(depth: int, kind: str) -> bytes:
    """A request of this depth."""
    inner = "[" * depth + "]" * depth if kind == "list" else '{"a":' * depth + "1" + "}" * depth
    return json.dumps({"id": ']]}}\\"[[', "imp": [{"id": '"'}], "x": 0}).replace('"x": 0', '"x": ' + inner).encode()


@settings(max_examples=60, deadline=None)
@given(depth=st.integers(1, 200) | st.sampled_from([62, 63, 64, 5000]), kind=st.sampled_from(["list", "object"]))
def test_nesting_beyond_64_is_refused_and_no_other(depth: int, kind: str) -> None:
    raw = nested(depth, kind)
    if depth + 1 <= MOST_DEPTH:
        assert read_request(raw, Counter()).imp
        return
    with pytest.raises(InvalidRequest, match=r"nested deeper than 64 - at `\$\.x"):
        read_request(raw, Counter())


@settings(max_examples=200, deadline=None)
@given(
    value=st.recursive(
        st.text(alphabet='[]{}"\\a', max_size=9), lambda v: st.lists(v) | st.dictionaries(st.text(max_size=2), v)
    )
)
def test_brackets_in_texts_are_no_nesting(value: Any) -> None:
    assert not too_deep(json.dumps([value, ["x"] * 3, [{}] * 70]).encode())


@pytest.mark.parametrize(
    "raw", [b"", b"{", b'{"id":"1"}', b'{"imp":[]}', b"[]", b"null", b"\xff", b'{"id":"\xed\xa0\x80"}']
)
def test_what_is_no_request_is_refused(raw: bytes) -> None:
    with pytest.raises(InvalidRequest):
        read_request(raw, Counter())


def test_a_byte_order_mark_is_passed_over() -> None:
    assert read_request(b'\xef\xbb\xbf{"id":"1","imp":[{"id":"1"}]}', Counter()).id == "1"


@given(ids=st.lists(st.sampled_from(["a", "b", "c", "d", ""]), max_size=7))
def test_only_impressions_whose_id_is_theirs_alone_are_kept(ids: list[str]) -> None:
    kept, twins = apart([Imp(id) for id in ids])
    assert [imp.id for imp in kept] == [id for id in ids if id and ids.count(id) == 1]
    assert len(kept) + twins == len(ids)
