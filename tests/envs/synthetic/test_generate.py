"""The synthetic log: log-normal prices, segments, users, the funnel, sources; reproducible by its seed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bidpilot.envs.markets.base import Market
from bidpilot.envs.synthetic import SyntheticConfig, SyntheticMarket
from bidpilot.envs.synthetic.generate import SEGMENTS, segment_shares


def market(seed: int = 0, **changes: Any) -> SyntheticMarket:
    values: dict[str, Any] = {"log_auctions": 40_000} | changes
    return SyntheticMarket(SyntheticConfig(**values), np.random.SeedSequence([7, seed]))


@pytest.fixture(scope="module")
def large() -> SyntheticMarket:
    return market(log_auctions=400_000, prediction_noise=(0.1, 0.1, 0.2), invalid_rate=0.05)


def test_satisfies_the_market_protocol(large: SyntheticMarket) -> None:
    typed: Market = large
    assert typed.draws_outcomes
    assert typed.slots % typed.level_slots == 0
    assert typed.log.interacted is None
    assert typed.log.converted is None


def test_prices_are_log_normal_at_the_level_and_spread_asked_for(large: SyntheticMarket) -> None:
    log_price = np.log(large.log.market_price.astype(np.float64))
    assert large.log.market_price.mean(dtype=np.float64) == pytest.approx(0.0838, rel=1e-4)
    assert log_price.std() == pytest.approx(0.95, rel=0.01)
    standard = (log_price - log_price.mean()) / log_price.std()
    assert abs((standard**3).mean()) < 0.05
    assert (standard**4).mean() == pytest.approx(3.0, abs=0.1)


@pytest.mark.parametrize("rho", [-0.5, 0.0, 0.5])
def test_value_and_price_correlate_as_asked_within_a_segment(rho: float) -> None:
    log = market(value_price_correlation=rho, segment_spread=0.0, user_spread=0.0, conversion_log_std=2.0).log
    got = np.corrcoef(np.log(log.market_price), np.log(log.conversion))[0, 1]
    assert got == pytest.approx(rho, abs=0.06)


def test_kpis_are_in_range_and_calibrated(large: SyntheticMarket) -> None:
    log = large.log
    for predicted, true, greatest in (
        (log.exposure, log.true_exposure, 1.0),
        (log.interaction, log.true_interaction, np.inf),
        (log.conversion, log.true_conversion, 1.0),
    ):
        assert predicted.dtype == np.float32
        for column in (predicted, true):
            assert np.isfinite(column).all()
            assert column.min() >= 0.0
            assert column.max() <= greatest
        assert not np.array_equal(predicted, true)
        high = predicted > np.quantile(predicted, 0.9)  # mean-one noise: true even among the best predictions
        assert true[high].mean(dtype=np.float64) == pytest.approx(predicted[high].mean(dtype=np.float64), rel=0.01)
    assert log.conversion.mean(dtype=np.float64) == pytest.approx(0.004, rel=1e-3)


def test_true_is_predicted_without_prediction_noise() -> None:
    log = market().log
    assert log.true_conversion is log.conversion
    assert "true = predicted" in log.notes


def test_the_funnel_narrows_and_its_stages_go_together(large: SyntheticMarket) -> None:
    log = large.log
    for other in (log.interaction, log.conversion):
        assert 0.1 < np.corrcoef(log.exposure, other)[0, 1] < 0.95
    likes = market(kpi_weights=(1.0, 0.0, 0.0, 0.0, 0.0)).log.interaction
    follows = market(kpi_weights=(0.0, 0.0, 0.0, 1.0, 0.0)).log.interaction
    assert 0.0 < follows.mean() < likes.mean() < log.exposure.mean()


def test_segments_have_their_shares_and_levels(large: SyntheticMarket) -> None:
    log = large.log
    share = np.bincount(log.segment, minlength=len(SEGMENTS)) / log.n
    np.testing.assert_allclose(share, segment_shares(large.config), atol=0.004)
    assert share[0::2].sum() / share[1::2].sum() == pytest.approx(3.0, rel=0.03)
    price = [np.log(log.market_price[log.segment == s]).mean() for s in range(len(SEGMENTS))]
    assert max(price) - min(price) > 0.3
    alike = market(log_auctions=400_000, segment_spread=0.0).log
    flat = [np.log(alike.market_price[alike.segment == s]).mean() for s in range(len(SEGMENTS))]
    assert max(flat) - min(flat) < 0.05


def test_user_tiers_shift_value() -> None:
    spread = np.log(market(user_spread=1.0, segment_spread=0.0, conversion_log_std=0.0).log.conversion).std()
    alike = np.log(market(user_spread=0.0, segment_spread=0.0, conversion_log_std=0.0).log.conversion).std()
    assert spread > alike + 0.05


def test_sources_belong_to_one_channel_and_are_uneven(large: SyntheticMarket) -> None:
    log = large.log
    assert np.array_equal(log.source % 4, log.segment // 2)
    share = np.bincount(log.source, minlength=log.sources) / log.n
    assert (share > 0).all()
    assert share.max() > 5 * share.min()


def test_invalid_auctions_are_as_many_as_asked_and_uneven_over_sources(large: SyntheticMarket) -> None:
    log = large.log
    assert log.invalid.mean() == pytest.approx(0.05, rel=0.05)
    rate = np.bincount(log.source, weights=log.invalid) / np.bincount(log.source)
    assert rate.max() > 2 * rate.mean()
    assert not market().log.invalid.any()


def test_a_seed_fixes_the_log_and_other_seeds_give_other_logs() -> None:
    first, again, other = market(seed=1), market(seed=1), market(seed=2)
    assert np.array_equal(first.log.market_price, again.log.market_price)
    assert first.digest == again.digest
    assert not np.array_equal(first.log.market_price, other.log.market_price)
    assert first.digest != other.digest
    assert first.digest != market(seed=1, day_value_std=0.1).digest
