"""`bidpilot import decisions --incidents`: incident files as a bid server writes them."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from bidpilot.bidding.errors import InvalidConfig, UnreadableFile
from bidpilot.bidding.watch.alarm import Risk
from bidpilot.envs.logs.incidents import UnderIncident
from bidpilot.serving.incidents.incident import Action, Incident, Level, Step, Target
from bidpilot.training.importing.config import ImportConfig
from bidpilot.training.importing.incidents import read_incidents
from bidpilot.training.importing.run import run
from tests.envs.logs.test_decisions import write


def _write(folder: Path, *steps: tuple[Action, float], is_open: bool) -> None:
    folder.mkdir(exist_ok=True)
    incident = Incident(
        id="shock-1",
        risk=Risk.platform_shock,
        campaign="c",
        target=Target(kind="campaign"),
        day=date(2026, 1, 1),
        slot=1,
        level=Level.throttle,
        open=is_open,
        alarms=({"slot": 1, "window": 2}, {"slot": 1, "window": 1}),
        steps=tuple(Step(at=at, action=action, level=Level.throttle) for action, at in steps),
    )
    (folder / "shock-1.json").write_text(incident.model_dump_json())


@pytest.mark.parametrize(("is_open", "lasted"), [(False, 3600.0), (True, None)])
def test_an_incident_lies_over_its_windows_until_it_was_closed(
    tmp_path: Path, is_open: bool, lasted: float | None
) -> None:
    steps = [(Action.opened, 100.0), (Action.throttled, 100.0), (Action.cleared, 1000.0), (Action.closed, 3700.0)]
    _write(tmp_path, *(steps[:3] if is_open else steps), is_open=is_open)
    assert read_incidents(tmp_path) == [UnderIncident("shock-1", "c", date(2026, 1, 1), 0, 1, lasted)]


def test_a_file_that_is_no_incident_is_named(tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(UnreadableFile, match=r"other\.json is no incident"):
        read_incidents(tmp_path)
    with pytest.raises(UnreadableFile, match="no folder of incidents"):
        read_incidents(tmp_path / "absent")


def test_the_command_leaves_slots_out_and_keeps_them_where_it_is_told_to(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    decisions, incidents = tmp_path / "decisions", tmp_path / "incidents"
    decisions.mkdir()
    write(decisions, {"slot": 0}, {"slot": 0, "date": "2026-01-02"}, {"slot": 1, "date": "2026-01-02"})
    _write(incidents, (Action.opened, 0.0), (Action.closed, 0.0), is_open=False)
    asked = {"format": "decisions", "files": (decisions,), "incidents": incidents}
    run(ImportConfig.model_validate(asked | {"out": tmp_path / "kept", "keep_incident_slots": True}))
    assert "under an incident" not in capsys.readouterr().out
    run(ImportConfig.model_validate(asked | {"out": tmp_path / "left"}))
    assert "left out, under an incident: c, 2026-01-01, slots 0" in capsys.readouterr().out
    with pytest.raises(InvalidConfig, match="decisions"):
        run(ImportConfig.model_validate(asked | {"format": "auctionnet", "out": tmp_path / "no"}))
