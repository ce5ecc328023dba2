"""The page of a report: nothing outside of it is named, and nobody's name is markup."""

from __future__ import annotations

import pytest

from bidpilot.training.reporting import page as page_room
from bidpilot.training.reporting.errors import ReportTooLarge
from bidpilot.training.reporting.evidence import Evidence
from bidpilot.training.reporting.page import MOST_BYTES, page
from bidpilot.training.reporting.sections.section import Section
from tests.training.reporting.conftest import CAMPAIGN, MADE, Reported
from tests.training.reporting.html import Page


@pytest.fixture(scope="module", params=[False, True], ids=["drawn", "interactive"])
def text(request: pytest.FixtureRequest, reported: Reported) -> str:
    if request.param not in reported.pages:
        pytest.skip("plotly is not installed")
    return reported.pages[request.param]


def test_nothing_outside_is_referred_to_and_no_name_is_markup(text: str) -> None:
    found = Page(text)
    assert found.outside == []
    assert found.handlers == []
    assert "img" not in found.tags
    assert CAMPAIGN in found.text
    assert not {"iframe", "object", "embed", "form", "base"} & set(found.tags)
    assert len(set(found.ids)) == len(found.ids)
    # what the page points at is there
    assert {one.removeprefix("#") for one in found.references if one.startswith("#")} <= set(found.ids)
    assert len(text.encode()) <= MOST_BYTES


def test_plotly_stands_in_the_page_once_where_it_is_asked_for(text: str) -> None:
    charts = text.count('data-for="')
    assert Page(text).tags.count("script") == charts + (2 if charts else 0)
    assert ("; script-src " in text) is (charts > 0)


def test_a_page_that_names_something_outside_would_be_found() -> None:
    bad = Page('<img src="//a/b"><style>@import "c"; p { background: url(d) }</style><svg><use href="e#f"/></svg>')
    assert len(bad.outside) == 4


def test_a_report_that_is_too_large_to_send_is_refused(
    evidence: Evidence, reported: Reported, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_room, "MOST_BYTES", 1000)
    with pytest.raises(ReportTooLarge, match="at most 1000"):
        page(evidence, reported.found[-1:], MADE)


def test_what_is_missing_for_one_reason_is_told_once() -> None:
    found = [Section(key, key.upper(), missing="There is no log.") for key in ("one", "two")]
    found.append(Section("three", "THREE", missing="There is no bundle."))
    told = Page(page(Evidence("log", "nothing", ()), found, MADE))
    assert {"one", "two", "three"} <= set(told.ids)
    assert "ONE, TWO" in told.text
    assert told.text.count("There is no log.") == 1
