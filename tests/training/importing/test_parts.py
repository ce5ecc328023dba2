"""`bidpilot import --parts`: the log is the one that an import in one piece makes, and replays as it does."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import yaml

from bidpilot.agents.acting.agent import controller_agent
from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.errors import InvalidConfig, LogExists
from bidpilot.envs.logs.manifest import MANIFEST_FILE
from bidpilot.envs.logs.shards import SHARDS_FILE, Shards
from bidpilot.envs.logs.storage import load_log, save_log
from bidpilot.training.evaluation.play import Outcome
from bidpilot.training.evaluation.suites import log_arena
from bidpilot.training.importing.config import ImportConfig
from bidpilot.training.importing.run import run
from bidpilot.training.solve.forecast import recorded_ground
from tests.training.small_logs import small_log

MAPPING: dict[str, Any] = {
    "time": {"column": "at", "form": "iso", "zone": "UTC"},
    "price": {"column": "price", "unit": 1.0},
    "conversion": {"sum": {"pcvr": 1.0}},
    "channel": "channel",
}
CHANNELS = (("feed", "search"), ("search",), ("challenge", "feed"))


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Three days, a file each, in which other channels send traffic."""
    rng = np.random.default_rng(3)
    made = []
    for day, channels in enumerate(CHANNELS):
        rows = [
            {
                "at": f"2024-03-{9 + day:02}T{hour:02}:{rng.integers(60):02}:00Z",
                "price": round(float(rng.lognormal()), 4),
                "pcvr": round(float(rng.uniform(0, 0.1)), 4),
                "channel": str(rng.choice(channels)),
            }
            for hour in range(24)
            for _ in range(4)
        ]
        made.append(tmp_path / f"day-{day}.csv")
        pl.DataFrame(rows).write_csv(made[-1])
    (tmp_path / "mapping.yaml").write_text(yaml.safe_dump(MAPPING))
    return made


def asked(files: list[Path], out: str, **more: Any) -> ImportConfig:
    folder = files[0].parent
    fixed = {"format": "mapping", "files": tuple(files), "out": folder / out, "mapping": folder / "mapping.yaml"}
    return ImportConfig.model_validate({**fixed, "name": "mine", "budget": 9.0, **more})


def test_parts_are_the_log_of_one_import(files: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    run(asked(files, "whole"))
    run(asked(files, "parts", parts=True, workers=2))
    folder = files[0].parent
    whole, parts = load_log(folder / "whole"), load_log(folder / "parts")
    assert (parts.digest, parts.days, parts.segments) == (whole.digest, whole.days, whole.segments)
    assert len(whole.segments) == 3
    assert f"3 parts, 3 days, 288 auctions, digest {whole.digest}" in capsys.readouterr().out
    (folder / "parts" / "part-00001-day-1" / MANIFEST_FILE).unlink()  # as a worker leaves it that is killed meanwhile
    (folder / "parts" / SHARDS_FILE).unlink()
    run(asked(files, "parts", parts=True))
    assert "2 of 3 parts are there already" in capsys.readouterr().out
    assert load_log(folder / "parts").digest == whole.digest
    run(asked(files[:2], "parts", parts=True, force=True))
    assert load_log(folder / "parts").n_days == 2
    with pytest.raises(LogExists, match="in one piece"):
        run(asked(files, "whole", parts=True))


def test_the_replay_of_parts_is_the_replay_of_the_whole(tmp_path: Path) -> None:
    whole = small_log("whole", "conversion", units=4)
    for name, days in (("late", [2, 3]), ("early", [0, 1])):
        save_log(whole.select_days(days), tmp_path / name)
    Shards(name="whole", parts=("late", "early")).save(tmp_path)
    forecast, campaign = recorded_ground(whole).forecast, Campaign(budget=5.0, preference=(0.0, 0.0, 1.0))
    one, other = (
        log_arena(log, forecast, campaign).play(controller_agent("mpc")) for log in (whole, load_log(tmp_path))
    )
    for field in fields(Outcome):
        np.testing.assert_array_equal(getattr(one, field.name), getattr(other, field.name))


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"format": "criteo"}, "criteo needs the whole log"),
        ({"lost": "draw"}, "--lost draw needs the whole log"),
        ({"budget": None}, "give --budget"),
        ({"parts": False, "workers": 2}, "give --parts too"),
    ],
)
def test_what_a_part_cannot_know_is_refused(files: list[Path], more: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidConfig, match=reason):
        run(asked(files, "parts", **{"parts": True, **more}))
