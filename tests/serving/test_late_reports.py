"""A campaign's day: what is told late, and what a bidder that starts within a slot believes of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from bidpilot.bidding.campaign.profile import DEFAULT_WEIGHTS
from bidpilot.bidding.day.features import POSITION
from bidpilot.bidding.day.slot_totals import SlotTotals
from bidpilot.bidding.event import LIKE
from bidpilot.envs.markets.defaults import preset_forecast
from bidpilot.serving.bidder import Bidder
from bidpilot.serving.build import open_bidder
from bidpilot.serving.calendar import DAY, ManualClock
from bidpilot.serving.campaign_day import CampaignDay
from bidpilot.serving.config import ServeConfig
from bidpilot.serving.ledger.store import MICRO
from bidpilot.serving.pilot import Pilot
from bidpilot.serving.told import Told

VALUE, SEGMENT, SOURCE = (0.5, 0.25, 0.125), 1, 3
BIDDERS = 2
START, SLOT = 20_000 * DAY, DAY / 48


def opened(bundle: Path, state: Path, clock: ManualClock, bidders: int = BIDDERS) -> Bidder:
    return open_bidder(ServeConfig(bundle=bundle, state=state, shadow=bundle, bidders=bidders), clock)


@pytest.fixture
def day(bundle_folder: Path, tmp_path: Path) -> Iterator[CampaignDay]:
    """A day of two bidders and a shadow, in its third slot, none of whose slots brought anything."""
    clock = ManualClock(START)
    with opened(bundle_folder, tmp_path, clock) as bidder:
        day = bidder.days["default"]
        for slot in (1, 2):
            clock.move(START + slot * SLOT)
            bidder.tick()
        yield day


def statistics(pilot: Pilot) -> tuple[float, ...]:
    """Wins, spend, and realised interactions and conversions that a pilot counts, up to now."""
    s = pilot._statistics
    return float(s.wins[s.t, 0]), float(s.spend[s.t, 0]), *s.realised[s.t, 0, 1:].tolist()


def test_a_late_win_counts_alike_for_the_policy_and_its_shadow(day: CampaignDay) -> None:
    day.book(0, VALUE, SEGMENT, SOURCE, MICRO // 2, MICRO)
    policy, shadow = (statistics(pilot) for pilot in day.pilots)
    assert policy == shadow == (BIDDERS, 0.5 * BIDDERS, 0.0, 0.0)


def test_a_late_outcome_counts_alike_for_the_policy_and_its_shadow(day: CampaignDay) -> None:
    day.outcome(0, SOURCE, Told(interaction=0.25, conversion=1.0))
    policy, shadow = (statistics(pilot) for pilot in day.pilots)
    assert policy == shadow == (0.0, 0.0, 0.25 * BIDDERS, 1.0 * BIDDERS)


def test_a_late_event_is_told_to_every_pilot_with_its_slot_and_of_all_bidders(
    day: CampaignDay, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[tuple[int, SlotTotals]] = []
    monkeypatch.setattr(Pilot, "late", lambda _, slot, totals: heard.append((slot, totals)))
    day.outcome(0, SOURCE, Told("like", 3).weighed(DEFAULT_WEIGHTS))
    assert [slot for slot, _ in heard] == [0, 0]
    for _, totals in heard:
        assert totals.funnel[0, LIKE] == totals.funnel.sum() == 3 * BIDDERS
        assert totals.source_events[0, SOURCE] == totals.source_realised[0, SOURCE] == 3 * BIDDERS


@pytest.mark.parametrize("bidders", [1, 2, 8])
def test_a_start_within_a_slot_brings_no_phantom_traffic(bundle_folder: Path, tmp_path: Path, bidders: int) -> None:
    clock, share = ManualClock(START + SLOT / 2), 0.5
    with opened(bundle_folder, tmp_path, clock, bidders) as bidder:
        day = bidder.days["default"]
        expected = preset_forecast().auctions[0]
        for _ in range(round(expected * (1 - share) / bidders)):
            day.collector.request(tuple(day._pilot.unit_value.tolist()), SEGMENT, 0)
        clock.move(START + SLOT)
        bidder.tick()
        seen = day.decision.observation[POSITION["traffic_slot"]]
    # the feature is half of log2; the bidder's own half may be off by its rounding to whole auctions of each bidder
    assert seen == pytest.approx(0.0, abs=0.5 * np.log2(1 + (bidders + 1) / expected))
