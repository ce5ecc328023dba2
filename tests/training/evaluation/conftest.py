"""A market small enough to play in a moment, and no store but the test's own."""

from collections.abc import Callable

import numpy as np
import pytest

from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.envs import seeding
from bidpilot.envs.markets.defaults import synthetic_forecast, synthetic_market
from bidpilot.envs.markets.presets import DAILY
from bidpilot.envs.synthetic.config import SyntheticConfig
from bidpilot.training.evaluation.catalogue import SuiteRecord
from bidpilot.training.evaluation.play import Arena
from bidpilot.training.evaluation.suites import Suite

SMALL = SyntheticConfig(**DAILY.model_dump() | {"auctions_per_slot": 20.0, "budget": 4.0, "log_auctions": 40_000})
CAMPAIGN = Campaign(budget=SMALL.budget, conversion_value=SMALL.conversion_value)


def small_arena(*campaigns: Campaign) -> Arena:
    market = synthetic_market(SMALL, seeding.LOG_HELD_OUT, 0)
    drawn = market.days(np.random.default_rng(5).random((12, market.draws)))
    return Arena(market, synthetic_forecast(SMALL, 0), campaigns or CAMPAIGN, drawn)


@pytest.fixture(scope="session")
def make_arena() -> Callable[..., Arena]:
    """Twelve days of the small market for these campaigns, which have a budget of 4."""
    return small_arena


@pytest.fixture(scope="session")
def suite() -> Suite:
    arena = small_arena()
    return Suite("small", {}, arena, np.arange(len(arena.days)))


@pytest.fixture(scope="session")
def record() -> SuiteRecord:
    return SuiteRecord("small", "nothing", SMALL, SMALL, (CAMPAIGN,))


@pytest.fixture(autouse=True)
def _no_store_of_the_user(own_store: None) -> None:
    """Whatever a test here does."""
