"""Bundles and recorded days on which environment and bidder can be compared."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from bidpilot.agents.acting.agent import controller_agent
from bidpilot.agents.acting.from_bundle import initial_state
from bidpilot.bidding.bundle import (
    BANDS_FILE,
    SCHEMA_VERSION,
    AgentEntry,
    ControllerEntry,
    Manifest,
    Origin,
    action_meaning,
    feature_entries,
    plan_entry,
    read_manifest,
    write_golden,
    write_manifest,
)
from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.bidding.zone import Cut
from bidpilot.envs import seeding
from bidpilot.envs.clearing.day import materialise
from bidpilot.envs.logs.auction_log import AuctionLog, DayRecord, stack_offsets
from bidpilot.envs.markets.defaults import preset_campaign, preset_forecast, preset_market
from bidpilot.training.alerts.play import learn_bands
from bidpilot.training.export.write import golden_day


def write_controller_bundle(
    folder: Path,
    name: str = "mpc",
    campaign: Campaign | None = None,
    forecast: Forecast | None = None,
    publishers: bool = False,
    cut: Cut | None = None,
) -> Path:
    """The bundle of a controller on the preset `daily`; as if its sources, or its days, were those of a log."""
    folder.mkdir(parents=True, exist_ok=True)
    forecast, campaign = forecast or preset_forecast(), campaign or preset_campaign()
    forecast.save(folder / "forecast.npz")
    agent = controller_agent(name)
    write_golden(folder, golden_day(agent, len(forecast.segments), forecast.slots))
    entry = ControllerEntry(name=name, parameters=dict(agent.gains))
    manifest = Manifest(
        schema_version=SCHEMA_VERSION,
        name="test",
        features=feature_entries(agent.reads(len(forecast.segments)), len(forecast.segments)),
        action=action_meaning(forecast.segments),
        segments=forecast.segments,
        slots=forecast.slots,
        campaign=campaign,
        plan=plan_entry(forecast, campaign),
        agent=AgentEntry(name=name, kind="controller", controller=entry),
        initial_state=initial_state(agent),
        origin=Origin(
            run_id="0",
            setting="daily",
            market_digest="",
            publishers=publishers,
            timezone=None if cut is None else cut.zone,
            day_starts=0 if cut is None else cut.starts,
            metrics={},
            tags={},
            created="",
        ),
        checksums={},
    )
    write_manifest(folder, manifest)
    return folder


@pytest.fixture(scope="session")
def bundle_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_controller_bundle(tmp_path_factory.mktemp("bundle") / "mpc")


@pytest.fixture(scope="session")
def banded_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle with bands of training days, which take seconds to play."""
    folder = write_controller_bundle(tmp_path_factory.mktemp("banded") / "mpc")
    learn_bands(preset_market(), preset_forecast(), preset_campaign(), 128, 0).save(folder / BANDS_FILE)
    write_manifest(folder, read_manifest(folder))
    return folder


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory, where there is such a thing: for thousands of commits that need not outlive the test."""
    shared = Path("/dev/shm")
    if not shared.is_dir():
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=shared) as folder:
        yield Path(folder)


def recorded_day(seed: int = 0) -> AuctionLog:
    """A day of `daily`, written out as a log with outcomes, so that everyone who replays it sees the same."""
    market, campaign = preset_market(), preset_campaign()
    generator = seeding.stream(seeding.VALIDATION, 1000 + seed)
    day = materialise(market, market.days(generator.random((1, market.draws))), 0)
    size = len(day.slot)
    counts = np.bincount(day.slot, minlength=market.slots)
    predicted = np.ascontiguousarray(day.predicted.T)
    true = np.ascontiguousarray(day.true.T)
    return AuctionLog(
        name="day",
        market_price=day.price,
        exposure=predicted[0],
        interaction=predicted[1],
        conversion=np.minimum(predicted[2], 1.0),
        true_exposure=true[0],
        true_interaction=true[1],
        true_conversion=np.minimum(true[2], 1.0),
        segment=day.segment,
        source=generator.integers(0, 8, size).astype(np.int16),
        invalid=np.zeros(size, np.bool_),
        interacted=(true[1] * generator.exponential(1.0, size)).astype(np.float32),
        converted=(generator.random(size) < true[2]).astype(np.float32),
        offsets=stack_offsets([counts]),
        days=(DayRecord("day", "day", campaign.budget, campaign.conversion_value),),
        segments=market.log.segments,
        sources=8,
    )
