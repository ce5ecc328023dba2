"""The default forecast."""

from __future__ import annotations

import pytest

from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.envs.markets.defaults import preset_forecast


@pytest.fixture(scope="session")
def forecast() -> Forecast:
    return preset_forecast()
