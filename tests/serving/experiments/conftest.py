"""A campaign that is served in two arms, in this process."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.envs.markets.defaults import preset_forecast
from bidpilot.serving.auction import Bid, NoBid, Opportunity
from bidpilot.serving.bidder import Bidder
from bidpilot.serving.build import open_bidder
from bidpilot.serving.calendar import DAY, ManualClock
from bidpilot.serving.config import ServeConfig
from bidpilot.serving.creatives.sample import SAMPLE
from bidpilot.serving.guardrails import GuardrailConfig
from bidpilot.serving.ledger.store import MICRO
from tests.serving.conftest import write_controller_bundle

START, SLOT, BUDGET = 20_000 * DAY, DAY / 48, 40.0
VALUE = (0.6, 0.2, 0.004)


def experiment_file(folder: Path, new: str | None = None, **given: Any) -> Path:
    """An experiment of the campaign `spring`, whose treated arm has the bundle `new`."""
    arms = [{"name": "control", "share": 0.5}, {"name": "new", "share": 0.5}]
    if new is not None:
        arms[1]["bundle"] = new
    path = folder / "experiment.yaml"
    path.write_text(yaml.safe_dump({"name": "x", "campaigns": ["spring"], "arms": arms} | given))
    return path


@dataclass
class Ground:
    """Where it is served."""

    folder: Path
    bundle: Path
    state: Path
    clock: ManualClock = field(default_factory=lambda: ManualClock(START))

    def open(self, file: Path | None, campaigns: list[dict[str, Any]] | None = None, **config: Any) -> Bidder:
        """A bidder with the experiment of a file."""
        entries = [{"name": "spring"}] if campaigns is None else campaigns
        path = self.folder / "campaigns.json"
        usual = {"campaign": {"budget": BUDGET}, "creatives": [SAMPLE.model_dump(mode="json")]}
        path.write_text(json.dumps([usual | entry for entry in entries]))
        # time passes in steps of a slot here, so that bills come late, and a busy machine is no slow policy
        own: dict[str, Any] = {
            "bundle": self.bundle,
            "state": self.state,
            "campaigns": path,
            "experiment": file,
            "decisions": self.folder / "log",
            "bid_expiry": 7200.0,
            "guardrails": GuardrailConfig(patience=5.0),
        }
        return open_bidder(ServeConfig(**(own | config)), self.clock)

    def slot(self, bidder: Bidder, slot: float, day: int = 0) -> None:
        """Go on to a slot."""
        self.clock.move(START + day * DAY + slot * SLOT)
        bidder.tick()

    @staticmethod
    def smaller() -> Forecast:
        """A forecast of half as many slots."""
        one = preset_forecast()
        return replace(
            one, auctions=one.auctions[::2], price_curve=one.price_curve[::2], history=one.history[:, ::2],
            observed=one.observed[:, ::2], level_slots=one.level_slots // 2,
        )  # fmt: skip


def trade(bidder: Bidder, auctions: int, billed: bool = True) -> dict[str, int]:
    """Auctions of nobody that is known, which are billed at the bid; what they cost by campaign, micro-units."""
    spent: dict[str, int] = {}
    for _ in range(auctions):
        answer = bidder.bid(Opportunity(VALUE, 0))
        if isinstance(answer, NoBid):
            continue
        assert isinstance(answer, Bid)
        if billed:
            bidder.bill(answer.ticket, answer.amount / MICRO, answer.amount / MICRO)
        spent[answer.campaign.name] = spent.get(answer.campaign.name, 0) + answer.amount
    return spent


@pytest.fixture(scope="session")
def plan_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_controller_bundle(tmp_path_factory.mktemp("arms") / "plan", "plan")


@pytest.fixture
def ground(tmp_path: Path, bundle_folder: Path) -> Ground:
    return Ground(tmp_path, bundle_folder, tmp_path / "state")
