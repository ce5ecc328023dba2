"""A report in a real browser with the network off: nothing is asked for, nothing fails, all of it is seen."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.training.reporting.conftest import Reported

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no chromium is installed")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.mark.parametrize(
    ("width", "scheme", "interactive"), [(1280, "light", False), (400, "dark", False), (400, "light", True)]
)
def test_it_is_read_without_a_network(
    browser: Browser, reported: Reported, tmp_path: Path, width: int, scheme: str, interactive: bool
) -> None:
    if interactive not in reported.pages:
        pytest.skip("plotly is not installed")
    found, file = reported.found, tmp_path / "report.html"
    file.write_text(reported.pages[interactive], encoding="utf-8")
    context = browser.new_context(
        viewport={"width": width, "height": 800}, color_scheme=scheme, offline=True  # type: ignore[arg-type]
    )  # fmt: skip
    asked: list[str] = []
    said: list[str] = []
    seen = context.new_page()
    seen.on("request", lambda request: asked.append(request.url))
    seen.on("console", lambda message: said.append(message.text))
    seen.on("pageerror", lambda error: said.append(str(error)))
    seen.goto(file.as_uri())
    assert [url for url in asked if not url.startswith(("data:", "blob:"))] == [file.as_uri()]
    assert said == []
    headings = seen.get_by_role("heading", level=2).all_inner_texts()
    assert headings == [*(section.title for section in found if section.missing is None), "What is missing"]
    charts = sum(len(section.charts) for section in found)
    assert seen.locator("figure > .figure, figure > .plot").count() == charts
    if interactive:
        assert seen.locator(".plot > .plot-container").count() == charts
    # it fits its width, and is read by the eye's own light
    assert seen.evaluate("document.documentElement.scrollWidth") <= width
    assert seen.evaluate("getComputedStyle(document.body).backgroundColor") == (
        "rgb(255, 255, 255)" if scheme == "light" else "rgb(20, 23, 26)"
    )
    boxes = seen.eval_on_selector_all("figure", "all => all.map(one => [one.clientWidth, one.clientHeight])")
    assert all(across > 300 and high > 100 for across, high in boxes)
    context.close()
