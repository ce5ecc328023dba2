"""`bidpilot risks`: effects are played on the same days as without them, and told as one register."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bidpilot.bidding.campaign.campaign import Campaign, Delays
from bidpilot.bidding.watch.alarm import Risk
from bidpilot.envs.synthetic.config import SyntheticConfig
from bidpilot.training.risk import run as command
from bidpilot.training.risk.config import RisksConfig
from bidpilot.training.risk.effects import EFFECTS, Effect
from bidpilot.training.risk.impact import impact, missed, play
from bidpilot.training.tracking import download
from bidpilot.training.tracking.find import latest_finished_run
from tests.training.evaluation.conftest import CAMPAIGN, SMALL
from tests.training.protocols.test_traffic import small
from tests.training.risk.test_likelihood import write

BASE = small("calm", SMALL)


def changed(**changes: object) -> SyntheticConfig:
    return SyntheticConfig(**SMALL.model_dump() | changes)


def test_a_shock_takes_value_from_its_slots_on_and_nothing_else_changes() -> None:
    deep = small("calm", changed(platform_shock_probability=1.0, platform_shock_depth=(0.9, 0.9)))
    without, same, shocked = (play(record, "mpc", 8, 0) for record in (BASE, BASE, deep))
    nothing = impact(without, same, 0)
    assert (nothing.ratio, nothing.value, nothing.unspent, nothing.money) == (0.0, 0.0, 0.0, 0.0)
    found = impact(without, shocked, 0)
    assert found.value > 0.1
    assert found.unspent > 0.05
    assert found.placed.sum() == pytest.approx(found.value, rel=0.02)
    first, last = found.placed[:, :8].sum(), found.placed[:, 16:].sum()
    assert last > first  # shocks begin at a random slot and last to the end of the day


def test_a_target_out_of_reach_is_missed_and_one_out_of_sight_is_kept() -> None:
    tight, loose = (
        replace(BASE, campaigns=(CAMPAIGN.model_copy(update={"max_cpa": target}),)) for target in (2.0, 1000.0)
    )
    assert missed(loose, "mpc", 6, 0).days == 0
    found = missed(tight, "mpc", 6, 0)
    assert found.of <= 6
    assert 0 < found.days <= found.of
    assert 0.0 < found.score < 1.0


def test_the_register_is_printed_written_drawn_and_logged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    late = replace(BASE, campaigns=(Campaign.model_validate(CAMPAIGN.model_dump() | {"delays": Delays(wins=2)}),))
    effects = (
        replace(EFFECTS[0], record=small("calm", changed(platform_shock_probability=1.0))),
        Effect(Risk.tracking_outage, "late", late, lambda record: 0.25),
    )
    targets = replace(BASE, name="targets", campaigns=(CAMPAIGN.model_copy(update={"max_cpa": 2.5}),))
    for name, value in (("BASE", BASE), ("EFFECTS", effects), ("TARGETS", targets)):
        monkeypatch.setattr(command, name, value)
    write(tmp_path / "cases", "a", Risk.platform_shock, 3)
    file, figure = tmp_path / "out" / "risks.json", tmp_path / "out" / "risks.png"
    config = RisksConfig.model_validate(
        {"incidents": "cases", "watched": 40, "suites": ("shift",), "days": 6, "json": file, "figure": figure}
    )
    found = command.run(config)
    written = json.loads(file.read_text())
    assert figure.stat().st_size > 1000
    by = {(entry.risk, entry.source): entry for entry in found.entries}
    assert by[Risk.platform_shock, "suite"].likelihood == 0.4
    noticed = by[Risk.platform_shock, "history"]
    assert noticed.likelihood == pytest.approx(1.5 / 41)
    assert noticed.money_lost == by[Risk.platform_shock, "suite"].money_lost
    assert by[Risk.store_failure, "history"].rank is None  # nothing in a market tells what it costs
    assert len([e for e in found.entries if e.source == "history"]) == len(Risk)
    assert found.matrix.sum() == sum(e.money_lost is not None for e in found.entries)
    heat = written["heat"]
    shape = (len(heat["risks"]), len(heat["channels"]), 24)
    assert np.shape(heat["lost"]) == np.shape(heat["noticed"]) == shape
    assert np.sum(heat["noticed"]) == len(heat["channels"])
    text = capsys.readouterr().out
    assert "The risk register" in text
    assert "no cost is measured of" in text
    stored = latest_finished_run("risks", experiment="bidpilot")
    assert json.loads(download(stored.run_id, "risks.json").read_text()) == written
    assert stored.metrics["suite/platform_shock/expected"] == pytest.approx(0.4 * (noticed.money_lost or 0.0))
