"""The page of OpenRTB's fields is true: it has each of the specification, and says what the code does with each."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import msgspec
import pytest

from bidpilot.serving import messages as m
from bidpilot.serving.givt import chain, screen
from bidpilot.serving.prediction import parts
from bidpilot.serving.restrictions import consent, person

ROOT = Path(__file__).parents[3]
SPEC: dict[str, list[str]] = {
    name: fields.split()
    for name, fields in json.loads((Path(__file__).parent / "specification.json").read_text()).items()
}
"""Fields by object (OpenRTB 2.6, sections 3.2 and 4.2)."""

HONOURED: dict[str, tuple[type[msgspec.Struct], ...]] = {
    "BidRequest": (m.BidRequest,), "Source": (chain._Source,), "SupplyChain": (chain._Chain,),
    "SupplyChainNode": (chain._Node,), "Regs": (m.Regs,), "Imp": (m.Imp,), "Banner": (m.Banner,), "Format": (m.Format,),
    "Video": (m.Player,), "Audio": (m.Player,), "Native": (m.Native,), "Pmp": (m.Pmp,), "Deal": (m.Deal,),
    "Qty": (m.Qty,), "DurFloors": (m.DurFloor,), "Site": (m.Site,), "App": (m.App,), "Publisher": (m.Publisher,),
    "Content": (m.Content,), "Device": (person._Device, consent._Limits, screen._Device), "Geo": (person._Geo,),
    "User": (person._User, consent._Told),
}  # fmt: skip
SEEN: dict[str, type[msgspec.Struct]] = {
    "Imp": parts.Impression, "Banner": parts.Banner, "Format": parts.Size, "Video": parts.Player, "Audio": parts.Player,
    "Native": parts.Native, "Site": parts.Place, "App": parts.Place, "Publisher": parts.Publisher,
    "Content": parts.Content, "Producer": parts.Producer, "Device": parts.Device, "Geo": parts.Geo, "User": parts.User,
    "Data": parts.Data,
    "Segment": parts.Segment,
}  # fmt: skip
SENT: dict[str, type[msgspec.Struct]] = {"BidResponse": m.BidResponse, "SeatBid": m.SeatBid, "Bid": m.BidObject}
SHARED = {"BidRequest": {"site", "app", "device", "user", "imp"}}
"""Objects whose fields a predictor sees, though not as one part."""


def fields(*structs: type[msgspec.Struct]) -> set[str]:
    return {field.encode_name for struct in structs for field in msgspec.structs.fields(struct)}


def done(name: str, field: str) -> str:
    """What the code does with a field."""
    if name in SENT:
        return "sent" if field in fields(SENT[name]) else "not sent"
    seen = (name in SEEN and field in fields(SEEN[name])) or field in SHARED.get(name, ())
    told = ["honoured"] * (field in fields(*HONOURED.get(name, ()))) + ["predictor"] * seen
    return ", ".join(told) or "ignored"


def page() -> dict[str, dict[str, str]]:
    """What the page says, by object and field."""
    found: dict[str, dict[str, str]] = {}
    for line in (ROOT / "docs" / "openrtb.md").read_text().splitlines():
        if line.startswith("### "):
            found[line[4:]] = {}
        elif match := re.fullmatch(r"\| `(\w+)` \| ([a-z, ]+) \|[^|]*\|", line):
            found[next(reversed(found))][match[1]] = match[2]
    return found


def test_the_page_has_each_object_and_each_field() -> None:
    assert {name: list(told) for name, told in page().items()} == SPEC


@pytest.mark.parametrize("name", SPEC)
def test_the_page_says_what_the_code_does(name: str) -> None:
    assert page()[name] == {field: done(name, field) for field in SPEC[name]}


def test_no_struct_decodes_what_the_specification_does_not_have() -> None:
    """But for an audio's size, as it shares its struct with a video."""
    for name, structs in (HONOURED | {name: (struct,) for name, struct in SENT.items()}).items():
        if name != "Audio":
            assert fields(*structs) <= set(SPEC[name]), name


def test_each_field_that_is_decoded_is_used() -> None:
    """By its name, somewhere in the code that decides bids."""
    used: set[str] = set()
    for path in (ROOT / "serving").rglob("*.py"):
        if "prediction" not in path.parts:
            nodes = ast.walk(ast.parse(path.read_text()))
            used |= {node.attr for node in nodes if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load)}
    decoded = fields(*(struct for structs in HONOURED.values() for struct in structs))
    assert decoded - used == set()


def test_a_field_that_is_said_otherwise_would_be_seen() -> None:
    assert done("Deal", "wseat") == "honoured"
    assert done("Deal", "guar") == "ignored"
    assert done("Content", "genre") == "predictor"
    assert done("Content", "contentrating") == "honoured, predictor"
    assert done("Bid", "adid") == "not sent"
