"""A small market to simulate on, in place of the presets."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from bidpilot.envs.markets.presets import PRESETS
from bidpilot.envs.synthetic.config import SyntheticConfig
from bidpilot.training.solve import forecast
from tests.training.evaluation.conftest import SMALL

CAMPAIGN = {"budget": 4.0, "conversion_value": 12.0, "max_cpa": 3.0}


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> SyntheticConfig:
    monkeypatch.setattr(forecast, "PRESETS", {**PRESETS, "daily": SMALL})
    return SMALL


@pytest.fixture
def campaign_file(tmp_path: Path) -> Path:
    file = tmp_path / "spring.yaml"
    file.write_text(yaml.safe_dump({"market": "daily", "campaign": {"budget": 4.0, "conversion_value": 12.0}}))
    return file
