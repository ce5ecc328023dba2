"""The OpenAPI document of administration is that of the routes: none is missing, and each is answered as it says."""

from __future__ import annotations

import ast
import asyncio
import inspect
import json
import runpy
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bidpilot.serving.admin_app import AdminApp, _needed
from bidpilot.serving.build import open_bidder
from bidpilot.serving.calendar import DAY, ManualClock
from bidpilot.serving.config import ServeConfig
from bidpilot.serving.incidents.admin import ACTIONS
from bidpilot.serving.server import applications
from tests.serving.doors import Given

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docs" / "admin-openapi.json"
WRITTEN: dict[str, Any] = json.loads(FILE.read_text())
OPERATIONS = [(method, path) for path, by in WRITTEN["paths"].items() for method in by]
TOKEN = "a-token-that-may-do-all"


@pytest.fixture(scope="module")
def admin(bundle_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AdminApp]:
    patch = pytest.MonkeyPatch()
    patch.setenv("BIDPILOT_ADMIN_TOKEN", TOKEN)
    config = ServeConfig(bundle=bundle_folder, state=tmp_path_factory.mktemp("state"), clock="manual")
    with open_bidder(config, ManualClock(20_000 * DAY)) as bidder:
        yield applications(bidder, config, "http://x")[1]
    patch.undo()


def send(admin: AdminApp, method: str, path: str, body: bytes = b"", token: str | None = TOKEN) -> tuple[int, Any]:
    async def read(most: int, seconds: float) -> bytes:
        return body

    bearer = None if token is None else f"Bearer {token}"
    found = asyncio.run(admin(Given(method.upper(), path, "", bearer, read, "10.0.0.1:1")))
    return found.status, found.body


def test_the_file_is_the_document_that_the_code_makes() -> None:
    made = runpy.run_path(str(ROOT / "docs" / "admin_openapi.py"))["document"]()
    assert json.loads(json.dumps(made)) == WRITTEN, "run python docs/admin_openapi.py"


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_each_operation_is_answered_and_needs_what_it_says(admin: AdminApp, method: str, path: str) -> None:
    told, at = WRITTEN["paths"][path][method], path.replace("{name}", "default").replace("{id}", "none")
    if path == "/admin/stream":
        return  # it does not end
    if method != "delete":
        status, answer = send(admin, method, at, b'{"id": "r", "imp": [], "odd": 1}')
        assert str(status) in told["responses"]
        assert b"no such path" not in answer
    if "x-role" in told:
        assert _needed(method.upper(), at.strip("/").split("/")).name == told["x-role"]
        assert send(admin, method, at, token=None)[0] == 401
    else:
        assert "security" not in told


def routes() -> set[tuple[str, str]]:
    """Methods and paths that the application looks for, with each action that there is."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(AdminApp._do)))
    found: set[tuple[str, str]] = set()
    for case in ast.walk(tree):
        if not isinstance(case, ast.match_case) or not isinstance(case.pattern, ast.MatchSequence):
            continue
        method, path = case.pattern.patterns
        assert isinstance(path, ast.MatchSequence)
        parts = [_choices(part) for part in path.patterns]
        for one in _choices(method) if not isinstance(method, ast.MatchAs) else ["GET", "POST"]:
            found |= {(one.lower(), "/" + "/".join(whole)) for whole in _each(parts)}
    return found


def _choices(pattern: ast.pattern) -> list[str]:
    if isinstance(pattern, ast.MatchValue):
        assert isinstance(pattern.value, ast.Constant)
        return [str(pattern.value.value)]
    if isinstance(pattern, ast.MatchOr):
        return [name for one in pattern.patterns for name in _choices(one)]
    assert isinstance(pattern, ast.MatchAs)
    if pattern.pattern is not None:
        return _choices(pattern.pattern)
    return ["{action}"] if pattern.name == "action" else [f"{{{pattern.name}}}"]


def _each(parts: list[list[str]]) -> Iterator[list[str]]:
    if not parts:
        yield []
        return
    for first in parts[0]:
        for rest in _each(parts[1:]):
            yield [first, *rest]


def test_no_route_is_missing_and_none_is_made_up() -> None:
    actions = {
        "/admin/campaigns/{name}/{action}": ("pause", "resume", "budget"),
        "/admin/incidents/{id}/{action}": ACTIONS,
    }
    asked = {(m, p.replace("{action}", a)) for m, p in routes() for a in actions.get(p, ("",))}
    beside = {("get", path) for path in ("/health", "/ready", "/metrics", "/admin/stream")}
    assert asked | beside == set(OPERATIONS)


def test_a_path_that_is_none_is_said_to_be_none(admin: AdminApp) -> None:
    assert send(admin, "GET", "/admin/nothing")[0] == 404
    assert b"cannot be asked to" in send(admin, "POST", "/admin/campaigns/default/shout")[1]
