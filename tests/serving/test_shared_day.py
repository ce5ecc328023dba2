"""Several bidders on one budget over a simulated day: they spend and bring what one bidder does with their requests.

Every fourth auction of a day, on a fourth of the budget: the rows of `benchmarks/bidders.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bidpilot.envs.markets.defaults import preset_campaign
from bidpilot.serving.guardrails import LOGGER
from tests.scripts import script
from tests.serving.conftest import write_controller_bundle

EVERY = 4
bench: Any = script("benchmarks/bidders.py")
bench.BEAT = 20.0  # seconds: fewer ticks, no other facts


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A controller that plans for as many auctions as come here."""
    campaign = preset_campaign()
    poorer = campaign.model_copy(update={"budget": campaign.budget / EVERY})
    return write_controller_bundle(tmp_path_factory.mktemp("bundle") / "adaptive", "adaptive", poorer)


@pytest.fixture(scope="module")
def alone() -> dict[bytes, Any]:
    """Days of one bidder that were played already."""
    return {}


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    LOGGER.disabled = True
    yield
    LOGGER.disabled = False


HARDEST = ("97:3", "40:30:20:10", "97:3, 1 dead at noon, requests lost", "97:3, 2 dead at noon, requests moved")
"""`python benchmarks/bidders.py` plays them all."""


@pytest.mark.parametrize("row", [row for row in bench.ROWS if row.name in HARDEST], ids=lambda row: row.name)
def test_a_day_of_several_is_a_day_of_one(row: Any, bundle: Path, alone: dict[bytes, Any]) -> None:
    (found,) = bench.table(bundle, bench.recorded(1, EVERY), [row], 0, alone)
    assert found["baseline"] > 1.0
    assert found["ratio"] == pytest.approx(1.0, abs=0.03)
    assert found["worth_ratio"] > 0.96
    assert found["owed"] == 0.0
