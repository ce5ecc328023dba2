"""The catalogue: what each suite really does to its days."""

from collections.abc import Callable

import numpy as np
import pytest

from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.bidding.errors import UnknownSuite
from bidpilot.envs import seeding
from bidpilot.envs.bidding_env.episode import Episode
from bidpilot.envs.clearing.day import materialise
from bidpilot.envs.logs.day_batch import DayBatch
from bidpilot.envs.markets.base import Market
from bidpilot.envs.markets.defaults import preset_campaign, preset_forecast, preset_market
from bidpilot.envs.markets.presets import DAILY, PRESETS, RARE, STEADY, WEEK
from bidpilot.solvers.hindsight import hindsight_optimum
from bidpilot.training.evaluation.catalogue import SUITES
from bidpilot.training.evaluation.suites import held_out, named_suites, suite_forecast

NAMES = ["steady", "daily", "shift", "sparse", "first_price", "won_only", "delayed", "invalid", "cpa", "balanced"]
NAMES += ["tail", "week", "stealth", "bots", "viral", "persistent", "worlds", "rivals"]


def test_the_catalogue_has_every_suite_of_the_design() -> None:
    assert list(SUITES) == NAMES
    assert [record.name for record in named_suites(("all",))] == NAMES
    assert [record.name for record in named_suites(())] == ["steady", "daily"]
    assert [record.name for record in named_suites(("tail", "cpa", "tail"))] == ["tail", "cpa"]
    with pytest.raises(UnknownSuite, match=r"'mars'.*balanced"):
        named_suites(("daily", "mars"))


@pytest.mark.parametrize(("names", "default"), [(("all",), ("steady",)), ((), ("all",)), (("tail", "all"), ())])
def test_all_means_every_suite_asked_for_or_by_default(names: tuple[str, ...], default: tuple[str, ...]) -> None:
    assert [record.name for record in named_suites(names, default)] == list(SUITES)


@pytest.mark.parametrize("name", ["steady", "daily"])
def test_the_presets_play_their_default_campaign(name: str) -> None:
    record = SUITES[name]
    assert record.market == record.forecast == PRESETS[name]
    assert record.campaigns == (preset_campaign(name),)
    assert suite_forecast(record) is preset_forecast(name)


def test_no_forecast_saw_what_only_the_suite_has() -> None:
    assert {record.forecast.digest for record in SUITES.values()} == {c.digest for c in (STEADY, DAILY, RARE, WEEK)}
    changed = {name for name, record in SUITES.items() if record.market != record.forecast}
    assert changed == {"shift", "sparse", "invalid", "stealth", "bots", "viral", "persistent"}


def test_suites_of_one_market_have_days_of_their_own_that_stay() -> None:
    daily, again, longer = (held_out(SUITES["daily"], n, 0)[1] for n in (4, 4, 6))
    np.testing.assert_array_equal(daily.salt, again.salt)
    np.testing.assert_array_equal(daily.salt, longer.salt[:4])
    salts = np.concatenate([held_out(SUITES[name], 4, 0)[1].salt for name in NAMES])
    assert len(np.unique(salts)) == 4 * len(NAMES)


@pytest.fixture(scope="module")
def days() -> Callable[[str], tuple[Market, DayBatch]]:
    return lambda name: held_out(SUITES[name], 64, 0)


def test_shift_loses_traffic_on_some_days_and_costs_more(
    days: Callable[[str], tuple[Market, DayBatch]],
) -> None:
    (daily, usual), (market, shifted) = days("daily"), days("shift")
    demand, before = (d.count.mean(axis=0) for d in (shifted, usual))
    assert np.corrcoef(demand, before[::-1])[0, 1] > 0.9 > np.corrcoef(demand, before)[0, 1]
    fall = shifted.count[:, 40:].sum(axis=1) / shifted.count[:, :8].sum(axis=1)
    whole = usual.count[:, :8].sum(axis=1) / usual.count[:, 40:].sum(axis=1)  # the mirrored day
    assert np.quantile(fall, 0.1) < 0.7 * np.quantile(whole, 0.1)
    price, log_std = ((m.log.market_price.mean(), np.log(m.log.market_price).std()) for m in (market, daily))
    assert price[0] > 1.2 * log_std[0]
    assert price[1] > 1.1 * log_std[1]


def test_sparse_has_a_tenth_of_the_conversions_and_knows_less_of_them(
    days: Callable[[str], tuple[Market, DayBatch]],
) -> None:
    (daily, _), (market, drawn) = days("daily"), days("sparse")
    true = [m.log.true_conversion.mean() for m in (market, daily)]
    assert true[0] == pytest.approx(0.1 * true[1], rel=0.05)
    assert np.log(drawn.calibration[:, 2]).std() == pytest.approx(0.6, abs=0.12)
    np.testing.assert_allclose(drawn.calibration[:, 0], 1.0)


def test_invalid_has_a_burst_every_day(days: Callable[[str], tuple[Market, DayBatch]]) -> None:
    _, drawn = days("invalid")
    np.testing.assert_array_equal((drawn.invalid_share > 0.4).sum(axis=1), 8)


def test_a_target_of_cpa_binds_on_about_80_percent_of_training_days() -> None:
    market, forecast = preset_market("daily"), preset_forecast("daily")
    drawn = market.days(seeding.stream(seeding.TRAINING, 0).random((200, market.draws)))
    binds = []
    for preference in {campaign.preference for campaign in SUITES["cpa"].campaigns}:
        free = CampaignBatch.repeat(preset_campaign("daily").model_copy(update={"preference": preference}), len(drawn))
        episode = Episode(market, forecast, len(drawn))
        episode.begin(drawn, free)
        best = hindsight_optimum(market, drawn, free, episode.today.ideal)
        targets = [c.max_cpa for c in SUITES["cpa"].campaigns if c.preference == preference and c.max_cpa]
        binds += [(best.spend > target * best.kpi[:, 2]).mean() for target in targets]
    assert len(binds) == len(SUITES["cpa"].campaigns)
    assert np.mean(binds) == pytest.approx(0.8, abs=0.04)
    assert min(binds) > 0.5


def test_tail_asks_for_more_long_tail_than_there_is() -> None:
    market, drawn = held_out(SUITES["tail"], 8, 0)
    tail = np.array(["tail" in name for name in market.log.segments])
    share = np.mean([tail[materialise(market, drawn, d).segment].mean() for d in range(8)])
    asked = [campaign.min_tail_share for campaign in SUITES["tail"].campaigns]
    assert all(least is not None and least > share + 0.05 for least in asked)


def test_balanced_is_half_nash_and_half_chebyshev() -> None:
    kinds = [campaign.scalarisation.value for campaign in SUITES["balanced"].campaigns]
    assert kinds.count("nash") == kinds.count("chebyshev") == len(kinds) / 2
    assert len({campaign.preference for campaign in SUITES["balanced"].campaigns}) >= 3
