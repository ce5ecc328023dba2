"""How likely a risk is: by days watched with an interval that holds, and by what suites' markets say."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidpilot.bidding.errors import InvalidConfig
from bidpilot.bidding.watch.alarm import Risk
from bidpilot.serving.incidents.incident import Incident, Level, Target
from bidpilot.training.evaluation.catalogue import SUITES
from bidpilot.training.risk.effects import EFFECTS
from bidpilot.training.risk.likelihood import history, of_days, of_suites


def write(folder: Path, id: str, risk: Risk, day: int, campaign: str = "default") -> None:
    made = Incident(
        id=id,
        risk=risk,
        campaign=campaign,
        target=Target(kind="campaign"),
        day=date(2026, 3, day),
        slot=7,
        level=Level.none,
    )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{id}.json").write_text(made.model_dump_json())


@given(days=st.integers(1, 400), share=st.floats(0, 1))
def test_an_interval_holds_the_share_that_was_seen_and_narrows_with_days(days: int, share: float) -> None:
    hit = round(share * days)
    mean, low, high = of_days(hit, days)
    assert low <= hit / days <= high
    assert low <= mean <= high
    _, wide_low, wide_high = of_days(10 * hit, 10 * days)
    assert wide_high - wide_low < high - low


def test_the_interval_covers_a_known_probability_about_as_often_as_it_says() -> None:
    hits = np.random.default_rng(0).binomial(60, 0.1, size=400)
    ends = [of_days(int(hit), 60)[1:] for hit in hits]
    covered = np.mean([low <= 0.1 <= high for low, high in ends])
    assert 0.92 <= covered <= 0.99


def test_days_with_an_incident_count_once_for_each_campaign_whatever_their_number(tmp_path: Path) -> None:
    write(tmp_path / "one", "a", Risk.platform_shock, 1)
    write(tmp_path / "one", "b", Risk.platform_shock, 1)
    write(tmp_path, "c", Risk.platform_shock, 1, campaign="other")
    write(tmp_path, "d", Risk.store_failure, 4)
    found = history(None, tmp_path, 10)
    assert found is not None
    assert (found.watched, len(found.incidents)) == (10, 4)
    assert found.likelihood(Risk.platform_shock).mean == pytest.approx(2.5 / 11)
    assert found.likelihood(Risk.budget_overrun).low == 0.0
    assert found.likelihood(Risk.budget_overrun).high < 0.25


def test_days_watched_are_those_that_the_state_folder_keeps_or_else_those_between_incidents(tmp_path: Path) -> None:
    write(tmp_path / "incidents", "a", Risk.platform_shock, 2)
    write(tmp_path / "incidents", "b", Risk.platform_shock, 6)
    spanned = history(None, tmp_path / "incidents", None)
    assert spanned is not None
    assert spanned.watched == 5
    with closing(sqlite3.connect(tmp_path / "state.sqlite")) as db:
        db.execute("CREATE TABLE slots (account TEXT, slot INTEGER)")
        db.executemany("INSERT INTO slots VALUES (?, ?)", [(f"default@2026-03-{d:02}", 0) for d in range(1, 21)])
        db.commit()
    kept = history(tmp_path, None, None)
    assert kept is not None
    assert (kept.watched, len(kept.incidents)) == (20, 2)


def test_what_is_no_incident_or_no_history_is_refused_by_name(tmp_path: Path) -> None:
    assert history(None, None, None) is None
    with pytest.raises(InvalidConfig, match="no day is known to be watched"):
        history(tmp_path, None, None)
    with pytest.raises(InvalidConfig, match="is no folder"):
        history(tmp_path / "away", None, None)
    (tmp_path / "x.json").write_text("{}")
    with pytest.raises(InvalidConfig, match=r"x.json holds no incident"):
        history(None, tmp_path, None)


def test_a_suite_makes_likely_what_it_is_there_to_break() -> None:
    likely = {
        "shift": {"traffic falls by 30 to 50 % from a slot on", "another law all day, as in shift"},
        "invalid": {"a burst of 8 slots, half of traffic"},
        "stealth": {"a fifth of traffic from bad sources, all day"},
        "persistent": {"a fifth of traffic from bad sources, all day"},
        "delayed": {"reports come 2, 6 and 12 slots late"},
        "sparse": {"conversion predictions off by a factor of the day"},
        "worlds": {"another law all day, as in shift"},
        "daily": set(),
        "steady": set(),
    }
    for suite, names in likely.items():
        assert {e.name for e in EFFECTS if e.chance(SUITES[suite]) > 0} == names, suite
    shock = next(effect for effect in EFFECTS if effect.risk == Risk.platform_shock)
    found = of_suites([SUITES["shift"], SUITES["daily"]], shock.chance)
    assert (found.mean, found.low, found.high) == (0.2, 0.0, 0.4)
    assert found.evidence == "shift 0.4"
