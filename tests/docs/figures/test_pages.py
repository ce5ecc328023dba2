"""Pages say what was measured, and no number that looks measured stands there by hand."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from docs.figures.catalogue import MEASUREMENTS
from docs.figures.pages import MARKS, PAGES, TEXTS, draw, written
from docs.figures.record import POOLED, Record, Records, Row, Step
from docs.figures.suites import worth_telling

PENDING: set[str] = set()
"""Measurements that the pages say are not made yet."""
MEASURED = re.compile(r"(?<![\w.])[+-]?\d+\.\d+(?![\w.]|\.\d)|\d+ ?%")
"""Numbers that look measured: decimals and shares."""
ALLOWED = (
    # what the reader needs, and the licence
    "Python 3.11 to 3.13 and",
    "Apache-2.0",
    # options and how they are defined
    "spread of exp(-1.5)",
    "with its 95 % interval",
    "How often the 95 % intervals hold the truth",
    "gap is below 0.002",
    "falls behind another on a ground by more than 0.002",
    "97 % of it would need 0.99",
    "10, 50 and 90 %",
    # parameters of suites and presets
    "a day-level deviation of 3 to 4 % and a calibration error of 5 %",
    "days that differ by 7 %",
)
"""The others."""
GENERATED = ("ablation.md",)
"""Pages that a command writes as a whole."""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_says_what_was_measured(page: Path) -> None:
    assert written(page.read_text(), Records()) == page.read_text(), "python -m docs.figures --texts"


def test_every_text_is_in_a_page_and_every_measurement_in_a_text() -> None:
    marked = {name for page in PAGES for _, name, _, _ in MARKS.findall(page.read_text())}
    assert marked == set(TEXTS)
    records = Records()
    for page in PAGES:
        written(page.read_text(), records)
    assert records.read == set(records)
    assert set(MEASUREMENTS) - set(records) <= PENDING


def test_marks_leave_markdown_as_it_is() -> None:
    """A comment that begins a line makes HTML of the whole line."""
    for page in PAGES:
        for found in MARKS.finditer(page.read_text()):
            begins_line = found.start() == 0 or found.string[found.start() - 1] == "\n"
            assert begins_line == found[3].startswith("\n") == found[3].endswith("\n"), found[0]


@pytest.mark.parametrize("page", [page for page in PAGES if page.name not in GENERATED], ids=lambda page: page.name)
def test_no_number_that_looks_measured_is_written_by_hand(page: Path) -> None:
    assert MEASURED.findall(prose(page)) == []


def test_every_number_that_is_allowed_is_in_a_page() -> None:
    whole = " ".join(" ".join(page.read_text().split()) for page in PAGES)
    assert [phrase for phrase in ALLOWED if phrase not in whole] == []


def prose(page: Path) -> str:
    """The page without generated texts, code, comments and allowed phrases, in one line."""
    text = page.read_text()
    for taken in (MARKS, re.compile(r"```.*?```", re.DOTALL), re.compile(r"`[^`]*`")):
        text = taken.sub(" ", text)
    text = " ".join(text.split())
    for phrase in ALLOWED:
        text = text.replace(phrase, "")
    return text


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("it has 0.9478 (0.9400 .. 0.9520)", ["0.9478", "0.9400", "0.9520"]),
        ("gains +0.0004, which is 2 % or 3%", ["+0.0004", "2 %", "3%"]),
        ("on 127.0.0.1:8080, version v2.6, 12 slots, 1e-3, seasons 2 and 3.", []),
    ],
)
def test_what_looks_measured(text: str, found: list[str]) -> None:
    assert MEASURED.findall(text) == found


def test_pictures_are_of_the_rows_that_have_intervals(tmp_path: Path) -> None:
    pair = {"agent": "full", "against": "mpc", "suite": "daily", "diff": 0.1, "diff_low": 0.0, "diff_high": 0.2}
    records = Records(tmp_path)
    records.keep("ablation", Record({}, [Step("x", None, [pair])]))
    row = {"agent": POOLED, "suite": "daily", "iqm": 0.9}
    records.keep("suites", Record({}, [Step("x", None, [row])]))
    draw(records, tmp_path)
    assert {path.name for path in tmp_path.glob("*.png")} == {"ablation.png"}
    records.keep("suites", Record({}, [Step("x", None, [row | {"ci_low": 0.8, "ci_high": 1.0}])]))
    draw(records, tmp_path)
    assert {path.name for path in tmp_path.glob("*.png")} == {"ablation.png", "agents.png"}


def test_pairs_show_the_share_of_what_can_be_known_where_it_was_played(tmp_path: Path) -> None:
    records = Records(tmp_path)
    pair = {"agent": POOLED, "against": "mpc", "suite": "daily", "diff": 0.1, "diff_low": 0.0, "diff_high": 0.2}
    row = {"agent": POOLED, "suite": "daily", "iqm": 0.9, "gap_closed": 0.25}
    single = {"agent": "ppo@0", "suite": "daily", "iqm": 0.9}
    closed = pair | {"agent": "adaptive", "diff": 0.05}
    for knowable, told in ((None, False), (0.5, True)):
        records.keep(
            "suites", Record({}, [Step("x", None, [row | {"knowable_closed": knowable}, single, pair, closed])])
        )
        text = TEXTS["pairs"](records)
        assert "25 %" in text
        assert "+0.0500 (0.0000 .. +0.2000) | +0.1000 (0.0000 .. +0.2000)" in text
        assert ("share of the gap to `knowable`" in text, "50 %" in text) == (told, told)


def test_the_headline_tells_every_loss_and_gains_that_are_worth_it() -> None:
    pairs: list[Row] = [
        {"suite": suite, "diff": diff, "diff_low": diff - 0.0001, "diff_high": diff + 0.0001}
        for suite, diff in (("lost", -0.0005), ("won", 0.004), ("little", 0.001), ("level", 0.0))
    ]
    told = worth_telling(pairs)
    assert "0.0040 on `won`" in told
    assert "on `lost`" in told
    assert "little" not in told
    assert told.endswith("on the 2 others it gains less, or is level")
