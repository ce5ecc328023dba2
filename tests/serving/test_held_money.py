"""A day replayed through environment, pilot and wallet: in each slot they agree on what is settled and what is held."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bidpilot.agents.acting.agent import AgentDay, controller_agent
from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.bidding.campaign.campaign import Campaign, Delays
from bidpilot.bidding.day.features import POSITION
from bidpilot.envs.bidding_env.episode import Episode
from bidpilot.envs.logs.auction_log import AuctionLog
from bidpilot.envs.markets.defaults import preset_campaign, preset_forecast
from bidpilot.envs.markets.recorded.replay import RecordedMarket
from bidpilot.serving.auction import NoBid, Opportunity
from bidpilot.serving.bidder import Bidder
from bidpilot.serving.build import open_bidder
from bidpilot.serving.calendar import DAY, ManualClock
from bidpilot.serving.campaign_day import CampaignDay
from bidpilot.serving.config import ServeConfig
from bidpilot.serving.guardrails import GuardrailConfig
from bidpilot.serving.ledger.store import MICRO, Resolved
from bidpilot.serving.notices import Ticket
from tests.serving.conftest import recorded_day, write_controller_bundle

START = 20_000 * DAY
OBSERVED = [POSITION[name] for name in ("budget_left", "budget_free", "pace_gap", "replan", "cost_day")]


def played(log: AuctionLog, campaign: Campaign) -> tuple[list[tuple[float, float]], list[np.ndarray], float]:
    """In the environment: settled and held money after each slot, the observation then, and the day's spend."""
    forecast = preset_forecast()
    market = RecordedMarket(log, forecast.level_slots)
    days, agent = market.recorded([0]), controller_agent("mpc")
    episode = Episode(market, forecast, 1)
    seen = episode.begin(days, CampaignBatch.repeat(campaign, 1, days.budget), replan=agent.replan)
    day = AgentDay(agent, 1, episode.segments)
    money: list[tuple[float, float]] = []
    observations: list[np.ndarray] = []
    for _ in range(log.slots):
        seen = episode.play(day.act(seen))
        settled, held = episode.statistics.budget()
        money.append((float(settled[0]), float(held[0])))
        observations.append(seen[0])
    return money, observations, campaign.budget - float(episode.left[0])


def serve_slot(bidder: Bidder, log: AuctionLog, slot: int) -> list[tuple[Ticket, float]]:
    """Bid for a slot's auctions, whose losses are told at once; what was won, and its price."""
    won: list[tuple[Ticket, float]] = []
    for i in range(log.offsets[0, slot], log.offsets[0, slot + 1]):
        value = (float(log.exposure[i]), float(log.interaction[i]), float(log.conversion[i]))
        answer = bidder.bid(Opportunity(value, int(log.segment[i]), int(log.source[i])))
        if isinstance(answer, NoBid):
            continue
        price = float(log.market_price[i])
        if answer.amount / MICRO < price:
            bidder.loss(answer.ticket, price)
        else:
            bidder.win(answer.ticket, price, price)
            won.append((answer.ticket, price))
    return won


def wallet_money(day: CampaignDay) -> tuple[float, float]:
    state = day.wallet.state
    assert state is not None
    return state.settled / MICRO, day.wallet.promised / MICRO


@pytest.mark.parametrize("delay", [1, 2])
def test_environment_pilot_and_wallet_agree_on_the_money_of_every_slot(
    delay: int, tmp_path: Path, memory: Path
) -> None:
    """Wins are billed before the slot begins in which the environment reports them.

    Prices are not planned with: the environment shows those of auctions that money was too short to bid on.
    """
    terms = {"delays": Delays(wins=delay), "feedback": "won_only"}
    log, campaign = recorded_day(1), preset_campaign().model_copy(update=terms)
    money, observations, spent = played(log, campaign)
    folder = write_controller_bundle(tmp_path / "b", "mpc", campaign)
    config = ServeConfig(
        bundle=folder,
        state=memory,
        traffic_filter=False,
        bid_expiry=(delay + 2) * DAY / log.slots,
        guardrails=GuardrailConfig(slot_share=1.0, step_limit=1e9, bid_cap=1e6, patience=60.0),
    )
    clock = ManualClock(START)
    won: list[list[tuple[Ticket, float]]] = []
    with open_bidder(config, clock) as bidder:
        day = bidder.days["default"]
        for slot in range(log.slots):
            won.append(serve_slot(bidder, log, slot))
            if slot >= delay:
                for ticket, price in won[slot - delay]:
                    bidder.bill(ticket, price, price)
            got = wallet_money(day)
            assert got == pytest.approx(money[slot], abs=2e-3 * campaign.budget)
            if slot + 1 == log.slots:
                break
            clock.move(START + (slot + 1) * DAY / log.slots)
            bidder.tick()
            assert day._pilot.money == pytest.approx(got, abs=1e-6)
            np.testing.assert_allclose(
                day.decision.observation[OBSERVED], observations[slot][OBSERVED], atol=5e-3, err_msg=str(slot)
            )
        owed = sum(price for slot in won[log.slots - delay :] for _, price in slot)
        assert got[0] + owed == pytest.approx(spent, rel=2e-3)
    assert max(held for _, held in money) > 0.02 * campaign.budget


@pytest.mark.parametrize("elsewhere", [None, 0, 1])
def test_only_a_bid_that_nobody_has_billed_is_known_to_cost_nothing(
    elsewhere: int | None, bundle_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a shared store has settled through another bidder, or None where no other one bids."""
    clock = ManualClock(START)
    with open_bidder(ServeConfig(bundle=bundle_folder, state=tmp_path), clock) as bidder:
        if elsewhere is not None:
            store = bidder.desk.keeper.store
            monkeypatch.setattr(store, "shared", True)
            monkeypatch.setattr(store, "resolve", lambda batch: [Resolved(settled=elsewhere)] * len(batch))
        answer = bidder.bid(Opportunity((0.6, 0.2, 0.004), 0, 0))
        assert not isinstance(answer, NoBid)
        day = bidder.days["default"]
        clock.move(START + day.wallet.config.hold + 1.0)
        bidder.tick()
        assert bidder.notices["expired"] == 1
        lost = 0.0 if elsewhere else answer.amount / MICRO
        np.testing.assert_allclose(day._pilot._statistics.lapsed, lost)
