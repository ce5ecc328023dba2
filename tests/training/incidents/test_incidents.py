"""The case library: what is played again comes out as it was, reviews are kept, and lessons cost no real incident."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib.image
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bidpilot.bidding.errors import InvalidConfig, InvalidIncident, UnknownIncident
from bidpilot.bidding.watch.alarm import Risk
from bidpilot.serving.incidents.files import read_incident, write_incident
from bidpilot.serving.incidents.incident import Incident, Level, Target
from bidpilot.serving.incidents.machine import Machine, Noticed, told
from bidpilot.serving.incidents.policy import ResponsePolicy, read_policy
from bidpilot.training.alerts.cases import Ground
from bidpilot.training.evaluation.catalogue import SUITES
from bidpilot.training.incidents.config import IncidentsConfig
from bidpilot.training.incidents.honest import honest
from bidpilot.training.incidents.learn import learn
from bidpilot.training.incidents.replay import against_log, replay
from bidpilot.training.incidents.report import spans
from bidpilot.training.incidents.run import run

SLOT, HOUR = 1800.0, 3600.0
NOW = 1_700_000_000.0
DAY = date(2023, 11, 14)
POLICY = ResponsePolicy(certain=1.5)
MACHINE = Machine(POLICY, SLOT)


def noticed(risk: Risk, score: float, metric: str = "conversions", least: Level = Level.none) -> Noticed:
    evidence = {"metric": metric, "score": score, "threshold": 4.0, "explanation": "few"}
    return Noticed(risk, "a", Target(kind="campaign"), 3, "few", evidence, least)


def opened(id: str, risk: Risk = Risk.tracking_outage, score: float = 9.0, metric: str = "conversions") -> Incident:
    return MACHINE.open(noticed(risk, score, metric), NOW, id, DAY)


def tick(incident: Incident, since: float, until: float, late: float) -> Incident:
    """As a server does that looks at its clock every so often."""
    while (due := MACHINE.due(incident, since)) is not None and due + late <= until:
        incident, since = MACHINE.tend(incident, due + late), due + late
    return MACHINE.tend(incident, until)


events = st.lists(
    st.tuples(
        st.sampled_from(["hear", "lasts", "worse", "acknowledge", "undo", "extend", "close", "told"]),
        st.sampled_from([61.0, 600.0, SLOT, SLOT, SLOT, 3 * HOUR]),
    ),
    max_size=30,
)


def lived(risk: Risk, score: float, events: Sequence[tuple[str, float]], late: float) -> Incident:
    incident, now = opened("i", risk, score), NOW
    for what, passed in events:
        incident = tick(incident, now, now + passed, late)
        now += passed
        try:
            match what:
                case "hear":
                    incident = MACHINE.hear(incident, noticed(risk, score), now)
                case "lasts":
                    incident = MACHINE.lasts(incident, now, 4, score, 4.0)
                case "worse":
                    incident = MACHINE.hear(incident, noticed(risk, score, least=Level.pause), now)
                case "extend":
                    incident = MACHINE.extend(incident, now, "anna", 1.0)
                case "told":
                    incident = told(incident, now, ["https://a.example"])
                case _:
                    incident = getattr(MACHINE, what)(incident, now, "anna")
        except InvalidIncident:
            pass
        incident = MACHINE.tend(incident, now)
    return incident


@settings(deadline=None, max_examples=200)
@given(risk=st.sampled_from(Risk), score=st.sampled_from([5.0, 9.0]), events=events, late=st.sampled_from([0.0, 0.05]))
def test_whatever_an_incident_has_lived_through_it_plays_again_as_it_was(
    risk: Risk, score: float, events: list[tuple[str, float]], late: float
) -> None:
    incident = lived(risk, score, events, late)
    again = replay(Incident.model_validate_json(incident.model_dump_json()), POLICY)
    assert again.differs == ""
    assert (again.played.level, again.played.open, again.played.role) == (incident.level, incident.open, incident.role)


def test_another_policy_brings_other_steps() -> None:
    incident = lived(Risk.tracking_outage, 9.0, [("lasts", SLOT)] * 6, 0.0)
    assert incident.level == Level.pause
    again = replay(incident, ResponsePolicy(throttle_hours=4.0, certain=1.5))
    assert not again.same
    assert again.differs.startswith("step 2, 'escalated 2 deadline', comes no longer")


def test_a_step_that_was_never_taken_is_found_out() -> None:
    incident = lived(Risk.tracking_outage, 9.0, [("lasts", SLOT)] * 6, 0.0)
    forged = incident.model_copy(update={"steps": incident.steps[:1] + incident.steps[2:]})
    assert not replay(forged, POLICY).same
    later = incident.steps[2].model_copy(update={"at": incident.steps[2].at + 600})
    moved = incident.model_copy(update={"steps": (*incident.steps[:2], later, *incident.steps[3:])})
    assert "from when it came" in replay(moved, POLICY).differs


# --- the command -----------------------------------------------------------------------------------


def library(state: Path, incidents: Sequence[Incident]) -> Path:
    for incident in incidents:
        write_incident(state / "incidents", incident)
    return state


def do(state: Path, action: str, id: str | None = None, **options: Any) -> dict[str, Any]:
    return run(IncidentsConfig.model_validate({"action": action, "id": id, "state": state} | options))


def ended(id: str, scores: Sequence[float] = (9.0,), metric: str = "conversions", outcome: str = "") -> Incident:
    """Told at the first of the scores; the others are of the slots after."""
    incident = opened(id, score=scores[0], metric=metric)
    for k, score in enumerate(scores[1:], 1):
        incident = MACHINE.lasts(incident, NOW + k * SLOT, 3 + k, score, 4.0)
    return MACHINE.close(incident, NOW + len(scores) * SLOT, "anna").model_copy(update={"outcome": outcome})


def test_the_library_is_listed_shown_and_played_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state = library(tmp_path, [opened("b"), ended("a")])
    write_incident(tmp_path / "incidents" / "worker-1", opened("b", score=5.0))  # another worker's own of the same
    write_incident(tmp_path / "incidents" / "worker-1", opened("c"))
    assert [one["id"] for one in do(state, "list")["incidents"]] == ["a", "b", "c"]
    assert do(state, "show", "b")["alarms"][0]["score"] == 9.0
    assert do(state, "replay")["same"] == 3
    assert "3 of 3 play again as they were" in capsys.readouterr().out
    with pytest.raises(UnknownIncident, match="has no incident 'd'"):
        do(state, "show", "d")
    with pytest.raises(InvalidConfig):
        do(state, "show")
    with pytest.raises(UnknownIncident, match="is no folder"):
        do(tmp_path / "nothing", "list")
    (tmp_path / "incidents" / "d.json").write_text("{")
    with pytest.raises(InvalidIncident):
        do(state, "list")


def test_sixty_days_after_its_end_an_incident_is_to_be_reviewed(tmp_path: Path) -> None:
    state = library(tmp_path, [opened("b"), ended("a")])
    over = date(2023, 11, 14)
    assert do(state, "review", today=over + timedelta(days=59)) == {"due": []}
    assert do(state, "review", today=over + timedelta(days=60)) == {"due": ["a"]}
    do(state, "review", "a", verdict="false_alarm", note="a holiday")
    assert do(state, "review", today=over + timedelta(days=60)) == {"due": []}
    assert read_incident(tmp_path / "incidents" / "a.json").outcome == "false_alarm: a holiday"
    with pytest.raises(InvalidConfig, match="goes on"):
        do(state, "review", "b", verdict="real")
    with pytest.raises(InvalidConfig, match="of one incident"):
        do(state, "review", verdict="real")


def test_the_report_tells_of_each_and_draws_what_held(tmp_path: Path) -> None:
    state = library(tmp_path, [lived(Risk.tracking_outage, 9.0, [("lasts", SLOT)] * 20, 0.0), ended("a")])
    path = Path(do(state, "report", out=tmp_path / "out", today=date(2024, 3, 1))["report"])
    text = path.read_text()
    assert "2 incidents, 1 open, 1 due for review" in text
    assert "| tracking_outage | 2 | 0 | 3 stopped | 2 |" in text
    assert "<" not in text.replace("&lt;", "")
    drawn = matplotlib.image.imread(path.with_name("incidents.png"))
    assert np.ptp(drawn) > 0.5


def test_spans_cover_an_incident_without_a_gap() -> None:
    incident = lived(Risk.tracking_outage, 9.0, [("lasts", SLOT)] * 20, 0.0)
    found = spans(incident)
    assert [level for _, _, level in found] == [Level.throttle, Level.pause, Level.stop]
    assert all(end == begin for (_, end, _), (begin, _, _) in pairwise(found))
    assert (found[0][0], found[-1][1]) == (NOW, incident.seen)


def test_slots_are_held_against_the_decision_log(tmp_path: Path) -> None:
    rows = [{"date": "2023-11-14", "slot": 3, "requests": 2, "wins": 1}]
    incident = opened("a").model_copy(update={"slots": tuple(rows)})
    logged = {"campaign": "a", "date": "2023-11-14", "slot": 3}
    frame = pl.DataFrame([logged | {"result": "won"}, logged | {"result": "lost"}, logged | {"campaign": "b"}])
    frame.write_parquet(tmp_path / "decisions-0.parquet")
    assert against_log(incident, tmp_path) == ""
    more = incident.model_copy(update={"slots": ({**rows[0], "wins": 2},)})
    assert against_log(more, tmp_path).startswith("1 of 1 slots are others in the log")
    with pytest.raises(InvalidIncident, match="holds no decisions"):
        against_log(incident, tmp_path / "none")


# --- honest days -----------------------------------------------------------------------------------


def test_no_honest_day_is_stopped_where_nobody_acknowledges() -> None:
    """The size of a continuous integration; all suites are measured by `bidpilot incidents honest`."""
    ground = Ground(days=24, training_days=96, seed=3)
    rows = [honest(SUITES[name], ground, ResponsePolicy()) for name in ("daily", "sparse")]
    assert [row["stopped"] for row in rows] == [0.0, 0.0]
    assert all(row["paused"] <= row["throttled"] <= row["told"] for row in rows)
    assert rows[1]["paused"] > 0  # bands of another market are left by far, and still stop nothing


# --- lessons ---------------------------------------------------------------------------------------


def test_false_alarms_raise_the_factor_as_far_as_real_ones_allow() -> None:
    """Thresholds are 4: a false alarm reached 1.2 of it, a real one 1.5 and, a slot later, 3."""
    cases = [
        ended("f", [4.4, 4.8], outcome="false_alarm"),
        ended("r", [6.0, 12.0], outcome="real: the tracker was down"),
        ended("n", [4.2]),
    ]
    (lesson,) = learn(cases, most_delay=0)
    assert lesson.rule == "tracking_outage/conversions"
    assert 1.2 < lesson.factor < 1.21
    assert (lesson.silenced, lesson.real, lesson.delay, lesson.unopened) == (1, 1, 0.0, 1)


@pytest.mark.parametrize(("most_delay", "silenced", "delay"), [(0, 0, 0.0), (1, 1, 1.0)])
def test_what_would_be_noticed_too_late_is_not_learnt(most_delay: int, silenced: int, delay: float) -> None:
    cases = [ended("f", [7.0], outcome="false_alarm"), ended("r", [6.0, 12.0], outcome="real")]
    (lesson,) = learn(cases, most_delay)
    assert (lesson.silenced, lesson.delay) == (silenced, delay)


@settings(deadline=None)
@given(
    false=st.lists(st.lists(st.floats(4.01, 40), min_size=1, max_size=5), max_size=6),
    real=st.lists(st.lists(st.floats(4.01, 40), min_size=1, max_size=5), max_size=6),
    most_delay=st.integers(0, 3),
)
def test_no_lesson_misses_a_real_incident_or_notices_it_too_late(
    false: list[list[float]], real: list[list[float]], most_delay: int
) -> None:
    cases = [ended(f"f{k}", scores, outcome="false_alarm") for k, scores in enumerate(false)]
    cases += [ended(f"r{k}", scores, outcome="real") for k, scores in enumerate(real)]
    for lesson in learn(cases, most_delay):
        assert lesson.factor >= 1.0
        assert lesson.delay <= most_delay
        for scores in real:
            assert lesson.factor == 1.0 or max(scores) / 4.0 > lesson.factor


def test_nothing_is_written_but_where_it_is_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state = library(tmp_path / "state", [ended("f", [4.8], outcome="false_alarm")])
    before = tmp_path / "before.json"
    before.write_text(json.dumps({"throttle_hours": 3.0, "factors": {"platform_shock/requests": 1.3}}))
    files = sorted(tmp_path.rglob("*"))
    do(state, "learn", responses=before)
    assert sorted(tmp_path.rglob("*")) == files
    assert "nothing is written" in capsys.readouterr().out
    do(state, "learn", responses=before, apply=tmp_path / "after.json")
    after = read_policy(tmp_path / "after.json")
    assert after.throttle_hours == 3.0
    assert after.factors == {"platform_shock/requests": 1.3, "tracking_outage/conversions": pytest.approx(1.201)}
