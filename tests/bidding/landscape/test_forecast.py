"""Facts about the forecast: what it refuses, its blocks, and its file."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bidpilot.bidding.errors import InvalidLandscape
from bidpilot.bidding.landscape.forecast import PRICE_LEVEL, TRAFFIC_LEVEL, BidLandscape, Forecast


@pytest.mark.parametrize("column", ["price", "value", "weight"])
@pytest.mark.parametrize("bad", [-1.0, np.nan, np.inf])
def test_a_landscape_holds_no_unusable_number(column: str, bad: float, even: Forecast) -> None:
    values = getattr(even.landscape, column).copy()
    values.flat[3] = bad
    changes: dict[str, Any] = {column: values}
    with pytest.raises(InvalidLandscape, match=column):
        replace(even.landscape, **changes)


def test_a_landscape_where_everything_is_free_is_refused(even: Forecast) -> None:
    with pytest.raises(InvalidLandscape, match=r"all 100 auctions .* have a market price of 0.*Fit it on days"):
        replace(even.landscape, price=np.zeros(100))
    one_paid = np.zeros(100)
    one_paid[3] = 0.5
    assert replace(even.landscape, price=one_paid).mean_price > 0


def test_a_landscape_needs_auctions_and_columns_of_one_length(even: Forecast) -> None:
    with pytest.raises(InvalidLandscape, match="none"):
        BidLandscape(np.empty(0), np.empty((0, 3)), np.empty(0, np.int16), np.empty(0))
    with pytest.raises(InvalidLandscape, match="100 rows"):
        replace(even.landscape, weight=np.ones(99))


@pytest.mark.parametrize(
    "changes",
    [
        {"auctions": np.zeros(4)},
        {"auctions": np.empty(0)},
        {"auctions": np.array([1.0, np.nan, 1.0, 1.0])},
        {"level_slots": 3},
        {"history": np.full((3, 4, 5), np.nan)},
        {"history": np.full((3, 4, 5), -1.0)},
    ],
)
def test_a_forecast_holds_no_unusable_number(changes: dict[str, Any], even: Forecast) -> None:
    with pytest.raises(InvalidLandscape):
        replace(even, **changes)


def test_levels_of_a_block_are_those_of_its_auctions(even: Forecast) -> None:
    history = np.ones((1, 4, 5))
    history[0, :, 2] = [1.0, 4.0, 2.0, 2.0]
    history[0, :, TRAFFIC_LEVEL] = [3.0, 1.0, 0.5, 1.5]
    levels, seen = replace(even, history=history, observed=np.ones((1, 4), np.bool_)).block_levels
    assert seen.all()
    np.testing.assert_allclose(levels[0, :, 2], [(3 * 1 + 1 * 4) / 4, 2.0])
    np.testing.assert_allclose(levels[0, :, TRAFFIC_LEVEL], [2.0, 1.0])
    np.testing.assert_allclose(levels[0, :, PRICE_LEVEL], 1.0)


def test_a_forecast_survives_its_file(forecast: Forecast, tmp_path: Path) -> None:
    forecast.save(tmp_path / "forecast.npz")
    again = Forecast.load(tmp_path / "forecast.npz")
    for field in fields(Forecast):
        if field.name != "landscape":
            np.testing.assert_array_equal(getattr(again, field.name), getattr(forecast, field.name))
    for field in fields(BidLandscape):
        np.testing.assert_array_equal(getattr(again.landscape, field.name), getattr(forecast.landscape, field.name))
        assert getattr(again.landscape, field.name).dtype == getattr(forecast.landscape, field.name).dtype


def test_a_worth_that_conversions_are_held_at_is_that_of_every_campaign(even: Forecast) -> None:
    rates = replace(even, conversion_value=2.5)
    np.testing.assert_array_equal(rates.worth([1.0, 4.0, 16.0]), [2.5, 2.5, 2.5])
    np.testing.assert_array_equal(rates.kpi_unit([1.0, 16.0]), [[1.0, 1.0, 2.5], [1.0, 1.0, 2.5]])
    np.testing.assert_array_equal(rates.kpi_unit(16.0), [1.0, 1.0, 2.5])


def test_in_money_a_conversion_is_worth_what_it_is_to_the_campaign(even: Forecast) -> None:
    assert even.conversion_value is None
    np.testing.assert_array_equal(even.worth([1.0, 16.0]), [1.0, 16.0])
    np.testing.assert_array_equal(even.kpi_unit([4.0, 16.0]), [[1.0, 1.0, 4.0], [1.0, 1.0, 16.0]])


@pytest.mark.parametrize("worth", [0.0, -1.0, np.nan, np.inf])
def test_a_worth_that_is_no_price_is_refused(worth: float, even: Forecast) -> None:
    with pytest.raises(InvalidLandscape, match="above 0"):
        replace(even, conversion_value=worth)


@pytest.mark.parametrize("worth", [None, 2.5])
def test_the_file_keeps_the_worth_and_one_without_it_is_in_money(
    worth: float | None, even: Forecast, tmp_path: Path
) -> None:
    replace(even, conversion_value=worth).save(tmp_path / "forecast.npz")
    assert Forecast.load(tmp_path / "forecast.npz").conversion_value == worth
    with np.load(tmp_path / "forecast.npz") as stored:
        assert ("conversion_value" in stored) == (worth is not None)  # as it was before there was such a worth


@pytest.mark.parametrize("keep", [0, 10, 2000])
def test_a_damaged_file_is_named_and_not_left_open(keep: int, even: Forecast, tmp_path: Path) -> None:
    path = tmp_path / "forecast.npz"
    even.save(path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(InvalidLandscape, match=r"forecast\.npz"):
        Forecast.load(path)
    np.savez(path, price=np.ones(3))
    with pytest.raises(InvalidLandscape, match="not a saved forecast"):
        Forecast.load(path)
    with pytest.raises(InvalidLandscape, match="Train again"):
        Forecast.load(tmp_path / "absent.npz")
