"""The page's files: without a token, without data, and with nothing in them that is loaded from elsewhere."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from bidpilot.serving.admin_app import AdminApp
from bidpilot.serving.build import open_bidder
from bidpilot.serving.calendar import DAY, ManualClock
from bidpilot.serving.config import ServeConfig
from bidpilot.serving.http import Response
from bidpilot.serving.page.files import STATIC
from bidpilot.serving.server import applications
from tests.serving.doors import Given

FILES = sorted(STATIC.iterdir())


@pytest.fixture(scope="module")
def app(bundle_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AdminApp]:
    config = ServeConfig(bundle=bundle_folder, state=tmp_path_factory.mktemp("files"))
    with open_bidder(config, ManualClock(20_000 * DAY)) as bidder:
        yield applications(bidder, config, "http://x")[1]


def ask(app: AdminApp, path: str, method: str = "GET", **headers: str) -> Response:
    async def read(most: int, seconds: float) -> bytes:
        return b""

    header = {name.replace("_", "-"): value for name, value in headers.items()}.get
    return asyncio.run(app(Given(method, path, "", header("authorization"), read, header=header)))


@pytest.mark.parametrize("path", ["/", *(f"/page/{file.name}" for file in FILES if file.name != "index.html")])
def test_each_is_there_for_anybody_and_may_load_this_server_alone(app: AdminApp, path: str) -> None:
    found = ask(app, path)
    assert found.status == 200
    assert found.body == (STATIC / (path.rpartition("/")[2] or "index.html")).read_bytes()
    headers = dict(found.headers)
    policy = dict(rule.strip().partition(" ")[::2] for rule in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["img-src"] == "'self' data:"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    again = ask(app, path, if_none_match=headers["etag"])
    assert (again.status, again.body) == (304, b"")
    assert dict(again.headers)["content-security-policy"] == headers["content-security-policy"]


@pytest.mark.parametrize("path", ["/page/", "/page/../files.py", "/page/files.py", "/page/%2e%2e/files.py", "/page"])
def test_nothing_else_of_the_folder_or_above_is(app: AdminApp, path: str) -> None:
    assert ask(app, path).status in (401, 404)


def test_data_needs_a_token_and_files_are_not_written_to(app: AdminApp) -> None:
    assert [ask(app, path).status for path in ("/admin/stream", "/admin/page/default")] == [401, 401]
    assert [ask(app, path, "POST").status for path in ("/", "/page/app.js")] == [405, 405]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_no_file_names_another_host_or_turns_text_into_markup(file: Path) -> None:
    text = file.read_text().replace("http://www.w3.org/2000/svg", "")
    assert re.findall(r"(?:https?:)?//[\w-]+\.\w+|@import|url\(", text) == []
    assert re.findall(r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b|new Function|DOMParser", text) == []
    assert re.findall(r"document\.cookie|localStorage|EventSource|\son\w+\s*=\s*[\"']", text) == []
