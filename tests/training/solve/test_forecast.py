"""What campaigns are planned on: rates, whatever a conversion is worth, and the interactions of the profile."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.campaign.profile import named_profile
from bidpilot.envs.logs.auction_log import AuctionLog, DayRecord
from bidpilot.envs.logs.storage import save_log
from bidpilot.envs.markets.defaults import preset_forecast
from bidpilot.training.solve.config import SolveConfig
from bidpilot.training.solve.files import CampaignFile
from bidpilot.training.solve.forecast import ground

DAYS, SLOTS, PER_SLOT = 3, 8, 20


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A log whose conversions are worth 2 to one advertiser and 5 to the others."""
    rng = np.random.default_rng(3)
    n = DAYS * SLOTS * PER_SLOT
    kpis = [rng.random(n, dtype=np.float32) for _ in range(3)]
    recorded = AuctionLog(
        name="small",
        market_price=rng.random(n, dtype=np.float32) + np.float32(0.1),
        exposure=kpis[0],
        interaction=kpis[1],
        conversion=kpis[2],
        true_exposure=kpis[0],
        true_interaction=kpis[1],
        true_conversion=kpis[2],
        segment=rng.integers(0, 2, n).astype(np.int16),
        source=np.zeros(n, np.int16),
        invalid=np.zeros(n, np.bool_),
        interacted=None,
        converted=None,
        offsets=np.stack([(np.arange(SLOTS + 1) + d * SLOTS) * PER_SLOT for d in range(DAYS)]),
        days=(DayRecord("a", "u", 1, 2.0), DayRecord("b", "u", 1.0, 5.0), DayRecord("c", "v", 5.0, 5.0)),
        segments=("feed/head", "feed/tail"),
        sources=1,
    )
    save_log(recorded, tmp_path / "log")
    return tmp_path / "log"


def test_a_log_is_held_at_its_mean_worth_and_takes_a_profiles_preference_alone(log: Path) -> None:
    config = SolveConfig(file=Path("c.yaml"), log=log)
    file = CampaignFile(profile="conversion-first", campaign=Campaign(budget=5.0))
    profile = named_profile("conversion-first")
    on = ground(config, file, profile)
    assert on.name == "small"
    assert on.note is not None
    assert "its preference alone applies" in on.note
    assert on.forecast.conversion_value == 4.0  # of 2, 5 and 5
    # conversions are uniform in [0, 1], whatever each day has on record
    assert on.forecast.landscape.mean_value[2] / 4.0 == pytest.approx(0.5, abs=0.05)


def test_a_preset_keeps_its_forecast_and_a_profile_changes_its_interactions_alone() -> None:
    config = SolveConfig(file=Path("c.yaml"))
    plain = CampaignFile(campaign=Campaign(budget=40.0))
    file = CampaignFile(profile="completion-first", campaign=Campaign(budget=40.0))
    own = ground(config, plain, None)
    assert own.note is None
    assert own.forecast is preset_forecast("daily")
    other = ground(config, file, named_profile("completion-first"))
    ratio = other.forecast.landscape.mean_value / own.forecast.landscape.mean_value
    np.testing.assert_allclose(ratio[[0, 2]], [1.0, 1.0], rtol=1e-6)
    assert ratio[1] > 1.1
    assert ground(SolveConfig(file=Path("c.yaml"), market="steady"), plain, None).name == "steady"
