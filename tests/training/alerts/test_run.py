"""`bidpilot alerts`: every case a row beside its bar, on a market that is small."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from bidpilot.bidding.watch.alarm import Risk
from bidpilot.envs.markets.presets import SHIFT
from bidpilot.envs.synthetic.config import SyntheticConfig
from bidpilot.training.alerts import run as command
from bidpilot.training.alerts.cases import Ground
from bidpilot.training.alerts.config import AlertsConfig
from bidpilot.training.alerts.judge import Telling, delays_of
from bidpilot.training.evaluation.catalogue import SUITES
from tests.training.evaluation.conftest import CAMPAIGN

SMALL = SyntheticConfig(**SUITES["daily"].market.model_dump() | {"log_auctions": 24_000, "auctions_per_slot": 60.0})
MIRRORED = SyntheticConfig(**SMALL.model_dump() | {"demand_curve": SHIFT.demand_curve})


@pytest.fixture(autouse=True)
def _own_store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)


def test_each_case_is_a_row_beside_its_bar(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    record = replace(SUITES["daily"], market=SMALL, forecast=SMALL, campaigns=(CAMPAIGN,))
    other = replace(SUITES["shift"], market=MIRRORED, campaigns=(CAMPAIGN,))
    monkeypatch.setattr(command, "Ground", partial(Ground, record=record, other=other))
    file, figure = tmp_path / "out" / "rows.json", tmp_path / "pictures" / "alerts.png"
    rows = command.run(
        AlertsConfig.model_validate({"days": 24, "training_days": 120, "suites": (), "json": file, "figure": figure})
    )
    assert json.loads(file.read_text()) == rows
    assert figure.stat().st_size > 1000
    assert "honest days" in capsys.readouterr().out
    honest, half, less, least, interactions, conversions, shift = rows
    assert honest["alarm_days"] < 0.15 < 0.5 < half["alarm_days"]
    found = [row["found"] or 0.0 for row in (half, less, least)]
    assert found == sorted(found, reverse=True)  # the deeper the shock, the surer it is found
    assert interactions["by_risk"][Risk.tracking_outage] > 0.7
    assert conversions["judged"] is None or conversions["judged"] <= 24
    assert shift["by_risk"][Risk.regime_change] > 0.9
    for row in rows:
        assert row["found_by_slot"] == sorted(row["found_by_slot"])


def test_a_delay_counts_from_the_slot_that_it_began_in_and_not_from_alarms_before() -> None:
    shock = Risk.platform_shock
    days = [
        [Telling(3, shock, "requests"), Telling(9, shock, "requests")],
        [Telling(5, Risk.miscalibration, "interactions told")],
        [Telling(5, shock, "requests")],
    ]
    np.testing.assert_array_equal(delays_of(days, frozenset({shock}), np.array([4, 4, 5])), [6.0, np.inf, 1.0])
