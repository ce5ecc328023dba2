"""Facts about the teacher: told the law and the current levels, not the future, and the money that is truly left."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from bidpilot.agents.acting.agent import AgentDay, controller_agent
from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.bidding.campaign.campaign import Campaign, Delays
from bidpilot.bidding.day.action import SCALE_REACH
from bidpilot.bidding.day.money import money_to_plan
from bidpilot.bidding.errors import UnknownLaw
from bidpilot.envs import seeding
from bidpilot.envs.bidding_env.episode import Episode
from bidpilot.envs.bidding_env.knowable import KnowableReplanner
from bidpilot.envs.bidding_env.law_tables import LawTables
from bidpilot.envs.bidding_env.oracle import Oracle
from bidpilot.envs.bidding_env.teacher import Blend, Teacher
from bidpilot.envs.logs.day_batch import DayBatch
from bidpilot.envs.markets.base import MarketWrapper
from bidpilot.envs.markets.defaults import synthetic_forecast, synthetic_market
from bidpilot.envs.markets.mixed import MixedMarket
from bidpilot.envs.markets.presets import DAILY
from bidpilot.envs.synthetic import SyntheticMarket
from bidpilot.envs.synthetic.config import SyntheticConfig

SMALL = DAILY.model_copy(update={"auctions_per_slot": 100.0, "budget": 20.0, "log_auctions": 100_000})
CAMPAIGN = Campaign(budget=SMALL.budget, conversion_value=SMALL.conversion_value)


def market_of(config: SyntheticConfig) -> SyntheticMarket:
    return synthetic_market(config, seeding.LOG_HELD_OUT, 0)


def uniforms(market: SyntheticMarket | MixedMarket, rows: int, seed: int = 5) -> NDArray[np.float64]:
    return np.random.default_rng(seed).random((rows, market.draws))


def begun(market: SyntheticMarket | MixedMarket, days: DayBatch, campaign: Campaign = CAMPAIGN) -> Episode:
    episode = Episode(market, synthetic_forecast(SMALL, 0), len(days))
    episode.begin(days, CampaignBatch.repeat(campaign, len(days)))
    return episode


def labels_of(episode: Episode, slots: int = 48) -> NDArray[np.float64]:
    """The teacher's labels (T, B, 3 + S), each of them played."""
    teacher, labels = Teacher(episode, LawTables(episode.market, episode.planner.forecast)), []
    for _ in range(slots):
        labels.append(teacher.action())
        episode.play(labels[-1])
    return np.array(labels)


def test_its_labels_played_out_beat_the_controller() -> None:
    market = market_of(SMALL)
    days = market.days(uniforms(market, 96))
    episode = begun(market, days)
    observation = episode.begin(days, episode.today.campaigns)
    controller = AgentDay(controller_agent("mpc"), len(days), episode.segments)
    for _ in range(episode.slots):
        observation = episode.play(controller.act(observation))
    controlled = episode.score().copy()
    episode.begin(days, episode.today.campaigns)
    labels_of(episode)
    gain = episode.score() / controlled - 1.0
    assert gain.mean() > 2.0 * gain.std() / np.sqrt(len(gain))


def test_labels_depend_on_the_current_blocks_level_and_on_no_later_one() -> None:
    """Days whose blocks have other levels from slot 24 on, and days on which block 2 has, which slot 20 is in."""
    market = market_of(SMALL.model_copy(update={"arrival_noise": 0.0}))
    own = uniforms(market, 12)

    def changed(blocks: slice) -> DayBatch:
        other = own.copy()
        for name in ("category", "own", "block_price"):
            part = market._draws.uniform(other, name)[:, blocks]
            part[:] = np.random.default_rng(2).permuted(part, axis=0)
        return replace(market.days(other), start=days.start, count=days.count)

    days = market.days(own)
    first, later, now = (
        labels_of(begun(market, d), 21)[20, :, 0] for d in (days, changed(np.s_[3:]), changed(np.s_[2:3]))
    )
    np.testing.assert_array_equal(first, later)
    assert (np.abs(first - now) > 1e-3).sum() > 6


def test_in_a_mixture_each_row_is_told_its_own_markets_law() -> None:
    """A market and one twice as dear: rows are labelled as if their market were alone."""
    parts = [market_of(SMALL), market_of(SMALL.model_copy(update={"price_level": 2 * SMALL.price_level}))]
    mixed = MixedMarket(parts, [1.0, 1.0])
    drawn = uniforms(mixed, 16)
    days, choice = mixed.days(drawn), mixed.market_of(drawn)
    assert {0, 1} == set(choice.tolist())
    together = labels_of(begun(mixed, days), 12)
    for k, part in enumerate(parts):
        alone = labels_of(begun(part, part.days(mixed.uniforms_of(k, drawn))), 12)
        np.testing.assert_allclose(together[:, choice == k], alone[:, choice == k], atol=1e-12)
    other = labels_of(begun(parts[0], parts[0].days(mixed.uniforms_of(0, drawn))), 1)
    assert (np.abs(other[0, choice == 1, 0] - together[0, choice == 1, 0]) > 0.01).all()


def test_what_is_won_and_not_yet_told_has_cost_its_price_and_not_its_bid() -> None:
    market = market_of(SMALL)
    days = market.days(uniforms(market, 8))
    late = CAMPAIGN.model_copy(update={"delays": Delays(wins=8, interactions=8, conversions=8)})
    episode = begun(market, days, late)
    teacher = Teacher(episode, LawTables(market, episode.planner.forecast))
    for _ in range(7):
        episode.play(teacher.action())
    today, forecast, statistics = episode.today, episode.planner.forecast, episode.statistics
    knowable = KnowableReplanner(market, days, today.campaigns, forecast, today.plan, today.index)
    planned = today.plan.spend[today.index].T
    money, known = (money_to_plan(statistics, planned, prices_told=told) for told in (True, False))
    want = knowable.scale(statistics.levels(), money, statistics.t) * np.log(2.0) / SCALE_REACH
    np.testing.assert_allclose(teacher.action()[:, 0], np.clip(want, -1.0, 1.0), atol=1e-12)
    assert (np.abs(money / known - 1.0) > 1e-3).all()


def test_rows_near_a_target_cost_keep_their_own_replan() -> None:
    market = market_of(SMALL)
    days = market.days(uniforms(market, 3))
    episode = begun(market, days, CAMPAIGN.model_copy(update={"max_cpa": 3.0}))
    teacher = Teacher(episode, LawTables(market, episode.planner.forecast))
    np.testing.assert_array_equal(teacher.action(), episode.observer.replanned_action())


def test_a_blend_lies_between_the_teacher_and_hindsight() -> None:
    market = market_of(SMALL)
    episode = begun(market, market.days(uniforms(market, 4)))
    tables = LawTables(market, episode.planner.forecast)
    law, hindsight = Teacher(episode, tables).action(), Oracle(episode).action()
    np.testing.assert_allclose(Blend(episode, tables, 0.25).action(), 0.75 * law + 0.25 * hindsight, atol=1e-12)


def test_a_market_whose_law_nobody_knows_is_refused() -> None:
    market = MarketWrapper(market_of(SMALL))
    with pytest.raises(UnknownLaw, match="nobody knows the law"):
        LawTables(market, synthetic_forecast(SMALL, 0))
    with pytest.raises(UnknownLaw, match="nobody knows the law"):
        LawTables(MixedMarket([market_of(SMALL), market], [1.0, 1.0]), synthetic_forecast(SMALL, 0))
