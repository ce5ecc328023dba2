"""A landscape fitted on a log that was censored on purpose is the landscape of the full log."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from bidpilot.bidding.errors import InvalidPriceModel
from bidpilot.envs.logs.price_models import PriceLandscape, fit_log_normal, fit_win_curve, kaplan_meier

IPINYOU = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "ipinyou" / "1458-train.txt"
Array = NDArray[np.float64]


def censored(price: Array, rng: np.random.Generator) -> tuple[Array, NDArray[np.bool_]]:
    """Bids that do not look at the price, and what they win; about half."""
    bid = np.median(price) * rng.lognormal(0.0, 0.6, len(price))
    return bid, bid >= price


def gap(landscape: PriceLandscape, price: Array) -> float:
    """Greatest difference of the win probability from that of the full log, up to its 90 % quantile."""
    bids = np.quantile(price, np.linspace(0.02, 0.9, 60))
    full = np.searchsorted(np.sort(price), bids, side="right") / len(price)
    return float(np.abs(landscape.win_probability(bids) - full).max())


def test_kaplan_meier_is_the_textbook_product() -> None:
    # Prices 1, 2, 2, 4 won; lost at 2 and 3. S(1) = 5/6, S(2) = 5/6 * 3/5, S(4) = 0.
    landscape = kaplan_meier([1, 2, 2, 4, 9, 9], [9, 9, 9, 9, 2, 3], [True] * 4 + [False] * 2)
    np.testing.assert_allclose(landscape.price, [1, 2, 4])
    np.testing.assert_allclose(landscape.survival, [5 / 6, 1 / 2, 0.0])
    np.testing.assert_allclose(landscape.win_probability([0.5, 1, 3.9, 4]), [0, 1 / 6, 1 / 2, 1])


def test_without_losses_it_is_the_empirical_distribution() -> None:
    price = np.array([3.0, 1.0, 2.0, 2.0])
    landscape = kaplan_meier(price, np.full(4, 9.0), np.ones(4, bool))
    np.testing.assert_allclose(landscape.win_probability([1, 2, 3]), [0.25, 0.75, 1.0])


def test_both_fits_recover_log_normal_prices_that_were_censored() -> None:
    rng = np.random.default_rng(0)
    price = rng.lognormal(-2.0, 0.8, 40_000)
    bid, won = censored(price, rng)
    assert 0.3 < won.mean() < 0.7
    naive = np.searchsorted(np.sort(price[won]), np.median(price)) / won.sum()
    assert naive > 0.65  # the won prices alone look far too cheap: their median win rate is not a half
    assert gap(kaplan_meier(price, bid, won), price) < 0.015
    assert gap(fit_log_normal(price, bid, won), price) < 0.015


def test_the_log_normal_fit_reaches_where_no_bid_did() -> None:
    rng = np.random.default_rng(1)
    price = rng.lognormal(0.0, 1.0, 40_000)
    bid = np.full(len(price), np.median(price))
    assert fit_log_normal(price, bid, bid >= price).win_probability(4.0) == pytest.approx((price <= 4).mean(), abs=0.02)


def test_first_price_wins_alone_give_the_win_curve() -> None:
    rng = np.random.default_rng(2)
    price = rng.lognormal(0.0, 0.7, 60_000)
    bid, won = censored(price, rng)
    landscape = fit_win_curve(bid, won)
    assert (np.diff(landscape.survival) <= 0).all()
    assert gap(landscape, price) < 0.05


@pytest.mark.skipif(not IPINYOU.is_file(), reason=f"no iPinYou log at {IPINYOU}")
def test_a_recorded_log_censored_on_purpose_is_recovered() -> None:
    price = np.loadtxt(IPINYOU, usecols=1)
    bid, won = censored(price, np.random.default_rng(3))
    assert gap(kaplan_meier(price, bid, won), price) < 0.015


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 60))
def test_a_draw_exceeds_its_bound_and_follows_the_landscape(seed: int, size: int) -> None:
    rng = np.random.default_rng(seed)
    price, bid = rng.integers(0, 20, size).astype(float), rng.integers(0, 20, size).astype(float)
    won = bid >= price
    won[0] = True
    landscape = kaplan_meier(price, bid, won)
    above = rng.uniform(0, 25, 200)
    drawn = landscape.draw(rng.random(200), above=above)
    assert np.isfinite(drawn).all()
    assert (drawn.astype(np.float32) > above.astype(np.float32)).all()
    free = landscape.draw((np.arange(20_000) + 0.5) / 20_000)
    for at in (2.0, 10.0, 30.0):
        assert (free > at).mean() == pytest.approx(float(landscape.survival_at(at)), abs=0.001)


def test_what_cannot_be_fitted_is_named() -> None:
    with pytest.raises(InvalidPriceModel, match="None of 2"):
        kaplan_meier([1, 2], [1, 2], [False, False])
    with pytest.raises(InvalidPriceModel, match="index 1"):
        kaplan_meier([1, np.nan], [1, 2], [True, True])
    with pytest.raises(InvalidPriceModel, match="zero"):
        fit_log_normal([0, 0], [1, 0], [True, False])
