"""Facts about the observation: what each feature says, that none leaves its range, and that no NaN travels."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.bidding.campaign.campaign import Delays
from bidpilot.bidding.campaign.scalarisation import Scalarisation
from bidpilot.bidding.day.features import FEATURES, bounds, feature, feature_names
from bidpilot.bidding.traffic.filter import SourceTotals
from bidpilot.bidding.traffic.gate import Gate
from bidpilot.envs.bidding_env.episode import Episode
from bidpilot.envs.markets.defaults import preset_campaign, preset_forecast, preset_market

ROWS = 4


def played(
    actions: NDArray[np.float64] | None = None, empty: slice | None = None, **changes: Any
) -> tuple[Episode, NDArray[np.float32]]:
    """A day's observations (T + 1, B, F); slots in `empty` have no auctions."""
    market = preset_market()
    days = market.days(np.random.default_rng(8).random((ROWS, market.draws)))
    if empty is not None:
        days.count[:, empty] = 0
    campaign = preset_campaign().model_copy(update=changes)
    episode = Episode(market, preset_forecast(), ROWS)
    observations = [episode.begin(days, CampaignBatch.repeat(campaign, ROWS))]
    for action in np.zeros((48, ROWS, 11)) if actions is None else actions:
        observations.append(episode.play(action))
    return episode, np.array(observations)


def column(observations: NDArray[np.float32], name: str) -> NDArray[np.floating]:
    return observations[..., feature_names(8).index(name)]


def test_every_feature_has_a_name_a_meaning_and_a_range_of_its_own() -> None:
    names, meanings = [f.name for f in FEATURES], [f.meaning for f in FEATURES]
    assert [name for name, times in Counter(feature_names(8)).items() if times > 1] == []
    assert list(feature_names(8)[: len(names)]) == names
    assert len(feature_names(8)) == len(names) + 8
    assert {text for text, times in Counter(meanings).items() if times > 1} == {"scalarisation, one-hot"}
    assert [text for text in meanings if len(text.split()) < 2] == []
    assert [f.name for f in FEATURES if not -np.inf < f.low < f.high < np.inf] == []


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"budget": 0.01},
        {"budget": 1e5},
        {"auction": "first"},
        {"feedback": "won_only"},
        {"delays": Delays(wins=2, interactions=3, conversions=40)},
        {"max_cpa": 3.0, "min_tail_share": 0.3},
        {"min_roi": 3.0, "channel_caps": {"feed": 5.0}, "delays": Delays(wins=3)},
        {"scalarisation": Scalarisation.nash, "preference": (0.0, 0.0, 1.0)},
        {"scalarisation": Scalarisation.chebyshev},
    ],
)
@pytest.mark.parametrize("empty", [None, slice(0, 9), slice(20, 48), slice(0, 48)], ids=str)
def test_every_feature_is_finite_and_in_its_range_also_without_traffic(
    changes: dict[str, Any], empty: slice | None
) -> None:
    actions = np.random.default_rng(0).uniform(-1, 1, (48, ROWS, 11))
    _, observations = played(actions, empty, **changes)
    assert np.isfinite(observations).all()
    low, high = bounds(8)
    assert (observations >= low).all()
    assert (observations <= high).all()


def test_time_runs_out_and_money_is_what_is_left() -> None:
    episode, observations = played()
    np.testing.assert_allclose(column(observations, "time_left")[:, 0], 1 - np.arange(49) / 48, rtol=1e-6)
    np.testing.assert_allclose(column(observations, "block_left")[:17, 0], [*(1 - np.arange(8) / 8)] * 2 + [1])
    left = 1 - episode.statistics.spend / episode.today.campaigns.budget
    np.testing.assert_allclose(column(observations, "budget_left"), left, rtol=1e-6)
    np.testing.assert_array_equal(column(observations, "budget_left"), column(observations, "budget_free"))
    planned = 1 - episode.today.plan.spend[0] / episode.today.campaigns.budget[0]
    gap = column(observations, "budget_left")[:, 0] - planned
    np.testing.assert_allclose(column(observations, "pace_gap")[:, 0], gap, atol=1e-6)


def test_results_are_shares_of_plan_and_ideal_point() -> None:
    episode, observations = played()
    s = episode.statistics
    np.testing.assert_allclose(column(observations, "win_rate_day")[30], s.wins[30] / s.auctions[30], rtol=1e-6)
    wins, auctions = s.wins[30] - s.wins[29], s.auctions[30] - s.auctions[29]
    np.testing.assert_allclose(column(observations, "win_rate")[30], wins / auctions, rtol=1e-6)
    spend = (s.spend[30] - s.spend[29]) / (episode.today.plan.spend[0, 30] - episode.today.plan.spend[0, 29])
    np.testing.assert_allclose(column(observations, "cost_slot")[30], np.minimum(spend, 4), rtol=1e-6)
    for j, name in enumerate(("exposure", "interaction", "conversion")):
        ideal = s.predicted[30, :, j] / episode.today.ideal[:, j]
        np.testing.assert_allclose(column(observations, f"{name}_to_ideal")[30], ideal, rtol=1e-6)
        share = s.spend[30] / episode.today.plan.spend[0, -1]
        plan = s.predicted[30, :, j] / (episode.today.plan.kpi[0, j] * share)
        np.testing.assert_allclose(column(observations, f"{name}_to_plan")[30], plan, rtol=1e-6)


def test_ratios_of_value_per_price_are_near_the_forecasts_in_both_auctions() -> None:
    """Percentiles are compared with the forecast's own: on average over slots and days they agree."""
    for auction in ("second", "first"):
        _, observations = played(auction=auction)
        for name in ("ratio_50", "ratio_75", "ratio_90", "ratio_97", "ratio_99"):
            assert abs(column(observations, name)[1:].mean()) < 0.15


def test_a_campaigns_terms_are_said_one_hot_and_as_shares_of_the_day() -> None:
    changes: dict[str, Any] = {"scalarisation": Scalarisation.nash, "auction": "first", "feedback": "won_only"}
    _, observations = played(**changes, delays=Delays(wins=12, interactions=24, conversions=48))
    first = observations[0]
    want: dict[str, float] = {"weighted_sum": 0, "nash": 1, "chebyshev": 0, "first_price": 1, "full_feedback": 0}
    want |= {"win_delay": 0.25, "interaction_delay": 0.5, "conversion_delay": 1.0, "has_max_cpa": 0}
    for name, value in want.items():
        assert (feature(first, name) == value).all(), name
    weights = [feature(first, f"{name}_preference")[0] for name in ("exposure", "interaction", "conversion")]
    np.testing.assert_allclose(weights, preset_campaign().preference, rtol=1e-6)


def test_slacks_measure_the_distance_to_their_limits() -> None:
    episode, observations = played(max_cpa=5.0, min_tail_share=0.25)
    s = episode.statistics
    cpa = s.spend[20] / s.predicted[20, :, 2]
    np.testing.assert_allclose(column(observations, "cpa_slack")[20], 0.5 * np.log2(5.0 / cpa), rtol=1e-5)
    tail = s.tail_wins[20] / s.wins[20]
    np.testing.assert_allclose(column(observations, "tail_slack")[20], tail - 0.25, atol=1e-6)
    assert (column(observations, "cpa_slack")[0] == 0).all()
    _, without = played()
    assert (column(without, "cpa_slack") == 0).all()
    assert (column(without, "tail_slack") == 0).all()


def test_the_previous_action_is_remembered() -> None:
    actions = np.random.default_rng(0).uniform(-1.5, 1.5, (48, ROWS, 11))
    _, observations = played(actions)
    assert (column(observations, "last_scale")[0] == 0).all()
    for j, name in enumerate(("last_scale", "last_interaction_tilt", "last_conversion_tilt")):
        np.testing.assert_allclose(column(observations, name)[1:], np.clip(actions[:, :, j], -1, 1), rtol=1e-6)
    replan, change = column(observations, "replan"), column(observations, "replan_change")
    inside = np.abs(replan) < 2
    expected = np.clip(replan - column(observations, "last_scale"), -2, 2)
    np.testing.assert_allclose(change[inside], expected[inside], atol=1e-6)


def test_wins_that_are_not_told_are_not_seen() -> None:
    """With wins three slots late, everything that wins decide is as it was three slots ago, while money suffices."""
    names = ("win_rate", "win_rate_day", "cost_slot", "cost_day", "conversion_to_plan", "tail_share")
    actions = np.zeros((48, ROWS, 11))
    actions[:, :, 0] = -0.3
    _, prompt = played(actions)
    _, late = played(actions, delays=Delays(wins=3))
    for name in names:
        assert (column(late, name)[:4] == 0).all(), name
        np.testing.assert_array_equal(column(late, name)[4:], column(prompt, name)[1:-3], err_msg=name)
    for name in ("value_slot", "traffic_slot", "price_block", "ratio_90"):  # requests are known at once
        np.testing.assert_array_equal(column(late, name), column(prompt, name), err_msg=name)


def test_mean_levels_are_those_of_the_slots_seen_without_shrinking() -> None:
    gap = slice(2, 5)
    _, observations = played(empty=gap)
    value, traffic = column(observations, "value_slot"), column(played()[1], "traffic_slot")
    seen = np.delete(np.arange(48), gap)
    for t in (1, 4, 20, 48):
        before = seen[seen < t]
        np.testing.assert_allclose(column(observations, "value_mean")[t], value[before + 1].mean(axis=0), atol=1e-6)
        np.testing.assert_allclose(column(played()[1], "traffic_mean")[t], traffic[1 : t + 1].mean(axis=0), atol=1e-6)
    assert (column(played(feedback="won_only")[1], "price_mean") == 0).all()
    assert column(observations, "price_mean")[1:].any()


class Watching:
    """A filter that refuses what source 0 sends, and tells the estimates it is given."""

    def __init__(self, sources: int) -> None:
        self.told = np.zeros((3, ROWS))
        self.open = Gate.open(ROWS, sources)
        self.open.multiplier[:, 0] = 0.0

    def begin(self, late: NDArray[np.int64]) -> None: ...

    def gate(self, t: int) -> Gate:
        return self.open

    def update(self, t: int, totals: SourceTotals) -> None: ...

    def late(self, t: int, totals: SourceTotals) -> None: ...

    def estimates(self) -> NDArray[np.float64]:
        return self.told

    def filtered(self) -> NDArray[np.float64]:
        return np.zeros(ROWS)

    def suspicion(self) -> NDArray[np.float64]:
        return np.zeros((ROWS, self.open.multiplier.shape[1]))


INVALID = ("refused_slot", "refused_day", "invalid_share", "invalid_slot", "suspect_interactions")


def watched(slots: int) -> tuple[Episode, Watching, NDArray[np.float32]]:
    """A day through a filter after some slots: its observation (B, F)."""
    market = preset_market()
    episode, filtered = Episode(market, preset_forecast(), ROWS), Watching(market.log.sources)
    days = market.days(np.random.default_rng(8).random((ROWS, market.draws)))
    # wins are told late, refusals never
    campaign = preset_campaign().model_copy(update={"delays": Delays(wins=9)})
    seen = episode.begin(days, CampaignBatch.repeat(campaign, ROWS), traffic=filtered)
    filtered.told = np.arange(3 * ROWS).reshape(3, ROWS) / 16
    for _ in range(slots):
        seen = episode.play(np.zeros((ROWS, 11)))
    return episode, filtered, seen


def test_refused_requests_are_shares_of_what_was_sent_and_known_at_once() -> None:
    episode, _, seen = watched(3)
    requests, refused = episode.statistics.requests, episode.statistics.refused
    last = episode.totals.source_refused[:, 0] / episode.totals.source_auctions.sum(axis=1)
    assert (last > 0).all()
    np.testing.assert_allclose(feature(seen, "refused_slot"), last, rtol=1e-6)
    np.testing.assert_allclose(feature(seen, "refused_day"), refused[3] / requests[3], rtol=1e-6)
    assert (feature(seen, "refused_slot") != feature(seen, "refused_day")).any()


def test_what_the_filter_estimates_is_told_in_its_order() -> None:
    _, filtered, seen = watched(1)
    np.testing.assert_allclose([feature(seen, name) for name in INVALID[2:]], filtered.told, rtol=1e-6)


def test_of_invalid_traffic_nothing_is_said_before_the_first_slot_nor_without_a_filter() -> None:
    _, _, first = watched(0)
    episode, without = played()
    for name in INVALID:
        assert not feature(first, name).any()
        assert not column(without, name).any()
    assert not episode.statistics.requests.any()


def test_a_slot_without_requests_refuses_none_and_the_day_keeps_its_share() -> None:
    episode, _, _ = watched(2)
    episode.today.days.count[:, 2] = 0
    before = feature(episode.observer.observe(episode.statistics, None), "refused_day").copy()
    seen = episode.play(np.zeros((ROWS, 11)))
    assert not feature(seen, "refused_slot").any()
    np.testing.assert_array_equal(feature(seen, "refused_day"), before)
