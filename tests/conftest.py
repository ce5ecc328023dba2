"""What tests of several folders use: a small forecast that is known in closed form. And their order: the long first."""

from __future__ import annotations

import gc

import numpy as np
import pytest
from hypothesis import settings

from bidpilot.bidding.landscape.forecast import BidLandscape, Forecast

# The time of an example says how busy the machine is, and nothing of the code.
settings.register_profile("bidpilot", deadline=None)
settings.load_profile("bidpilot")

_FIRST = ("loop", "long")  # markers


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that take minutes come first: the last to begin would leave all workers but its own idle."""
    items.sort(key=lambda item: not any(item.get_closest_marker(name) for name in _FIRST))


def pytest_collection_finish() -> None:
    """Libraries and tests stay: what looks for garbage need not go through them again and again."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def even() -> Forecast:
    """Days that never vary: 4 slots of 100 auctions of price 1, ..., 100 hundredths, value 1 in each KPI."""
    size = 100
    return Forecast(
        landscape=BidLandscape(
            price=np.arange(1, size + 1) / size,
            value=np.ones((size, 3)),
            segment=np.zeros(size, np.int16),
            weight=np.full(size, 1 / size),
        ),
        auctions=np.full(4, 100.0),
        price_curve=np.ones(4),
        history=np.ones((3, 4, 5)),
        observed=np.ones((3, 4), np.bool_),
        level_slots=2,
        segments=("feed/head", "feed/tail"),
    )
