"""Requests of the cases with a part of them replaced, dropped or doubled: an answer of the protocol, never a fault."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.serving.openrtb.desks import HERE, Desks, opened

EXAMPLES = int(os.environ.get("BIDPILOT_FUZZ", "1000")) // 4
CASES = [json.loads(path.read_text()) for path in sorted((HERE / "cases").glob("*.json"))]
JUNK: list[Any] = [
    None,
    True,
    -1,
    0,
    1,
    2**70,
    1.5,
    1e300,
    "",
    "junk",
    "1",
    "é" * 40,
    [],
    [[]],
    {},
    {"id": 7},
    [None, {}],
]


@pytest.fixture(scope="module")
def desks(bundle_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desks]:
    yield from opened(bundle_folder, tmp_path_factory.mktemp("desks"))


def places(value: Any) -> list[tuple[Any, Any]]:
    """Each part of a value: what holds it, and under which key."""
    items = list(value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ())
    return [place for key, inner in items for place in [(value, key), *places(inner)]]


@settings(
    max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck), derandomize=True
)
@given(case=st.sampled_from(CASES), data=st.data())
def test_a_mutated_request_is_answered(desks: Desks, case: dict[str, Any], data: st.DataObject) -> None:
    request = copy.deepcopy(case["request"])
    for _ in range(data.draw(st.integers(1, 3))):
        found = places(request)
        if not found:
            break
        holder, key = data.draw(st.sampled_from(found))
        how = data.draw(st.sampled_from(["replace", "replace", "drop", "double"]))
        if how == "replace":
            holder[key] = copy.deepcopy(data.draw(st.sampled_from(JUNK)))
        elif how == "drop":
            del holder[key]
        elif isinstance(holder, list):
            holder.append(copy.deepcopy(holder[key]))
    app = desks.app(case.get("config", {}))
    failed = app.metrics.refused.get("technical_error", 0)
    answer = desks.ask(app, case["campaign"], request)  # which holds it against the schema of the response
    assert answer.status in (200, 204, 400)
    assert app.metrics.refused.get("technical_error", 0) == failed
    if answer.status == 400:
        assert answer.whole["error"]
