"""Facts about the history features: each is computed again here from a whole day's record, without running sums."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.day.history import FEATURES, History
from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.bidding.plan.planner import Planner

ROWS = 3
NAMES = [f.name for f in FEATURES]


def of_slots(even: Forecast, slots: int) -> Forecast:
    """`even` with days of so many slots in one block, of demand that rises."""
    shape = (3, slots)
    return replace(
        even,
        auctions=np.arange(100.0, 100.0 + slots),
        price_curve=np.ones(slots),
        history=np.ones((*shape, 5)),
        observed=np.ones(shape, np.bool_),
        level_slots=slots,
    )


class Day:
    """A day of slots drawn at random, one of them without auctions, and its history slot by slot."""

    def __init__(self, forecast: Forecast, feedback: str = "full") -> None:
        slots, rng = forecast.slots, np.random.default_rng(3)
        self.forecast = forecast
        self.count = rng.integers(20, 400, (slots, ROWS)).astype(float)
        self.count[slots // 2] = 0.0
        self.known = np.repeat((self.count > 0)[:, None], 3, axis=1).astype(float)
        self.level = rng.normal(size=(slots, 3, ROWS)) * self.known
        self.level[:, 2] = np.log2(np.maximum(self.count, 0.5) / forecast.auctions[:, None])
        self.ratio = rng.normal(size=(slots, ROWS, 5))
        self.plan, index = Planner(forecast).plan(
            CampaignBatch.repeat(Campaign.model_validate({"budget": 50.0, "feedback": feedback}), ROWS)
        )
        self.history = History(forecast, ROWS)
        auctions = np.vstack([np.zeros(ROWS), np.cumsum(self.count, axis=0)])
        for _ in range(2):  # of the first day nothing is left in the second
            self.history.begin(self.plan.ratio_quantiles[index].T, np.ones(ROWS), np.full(ROWS, feedback == "full"))
            self.told = [self.history.features.copy()]
            for t in range(slots):
                self.history.update(t, auctions, self.level[t], self.known[t], self.ratio[t].T)
                self.told.append(self.history.features.copy())

    def tell(self, name: str, t: int) -> NDArray[np.float64]:
        """What one feature (B,) is after `t` slots."""
        told: NDArray[np.float64] = self.told[t][NAMES.index(name)]
        return told


@pytest.mark.parametrize("slots", [48, 24, 12, 7, 3])
def test_traffic_of_an_eighth_is_its_auctions_so_far_against_the_forecasts(even: Forecast, slots: int) -> None:
    """A slot belongs to the eighth in which it begins, whether or not eight divide the slots."""
    day = Day(of_slots(even, slots))
    for t in range(slots + 1):
        for k in range(8):
            of = [s for s in range(t) if k / 8 <= s / slots < (k + 1) / 8]
            seen = day.count[of].sum(axis=0)
            want = 0.5 * np.log2(np.maximum(seen, 0.5) / day.forecast.auctions[of].sum()) if of else np.zeros(ROWS)
            np.testing.assert_allclose(day.tell(f"traffic_eighth_{k + 1}", t), want, atol=1e-12)


@pytest.mark.parametrize("slots", [48, 8])
def test_value_and_price_of_a_sixth_are_means_of_the_slots_that_showed_them(even: Forecast, slots: int) -> None:
    day = Day(of_slots(even, slots))
    for t in range(slots + 1):
        for k in range(6):
            of = [s for s in range(t) if k / 6 <= s / slots < (k + 1) / 6 and s != slots // 2]
            for j, name in enumerate(("value", "price")):
                want = 0.5 * day.level[of, j].mean(axis=0) if of else np.zeros(ROWS)
                np.testing.assert_allclose(day.tell(f"{name}_sixth_{k + 1}", t), want, atol=1e-12)


def test_quantiles_of_value_per_price_are_means_over_auctions_where_prices_are_shown(even: Forecast) -> None:
    day, hidden = Day(of_slots(even, 12)), Day(of_slots(even, 12), "won_only")
    gap = 0.5 * (day.ratio - day.plan.ratio_quantiles[0])
    for t in range(1, 13):
        weight = day.count[:t] / day.count[:t].sum(axis=0)
        for j, percentile in enumerate((50, 75, 90, 97, 99)):
            want = (gap[:t, :, j] * weight).sum(axis=0)
            np.testing.assert_allclose(day.tell(f"ratio_{percentile}_day", t), want, atol=1e-12)
            assert not hidden.tell(f"ratio_{percentile}_day", t).any()


def test_the_last_four_slots_tell_their_traffic_latest_first(even: Forecast) -> None:
    day = Day(of_slots(even, 12))
    for t in range(13):
        for back in range(1, 5):
            want = 0.5 * day.level[t - back, 2] if back <= t else np.zeros(ROWS)
            np.testing.assert_allclose(day.tell(f"traffic_back_{back}", t), want, atol=1e-12)


def test_a_change_is_the_split_that_a_normal_likelihood_is_greatest_at(even: Forecast) -> None:
    """The split after which least squares about two means is least; before four slots none is told."""
    day = Day(of_slots(even, 12))
    for t in range(13):
        for b in range(ROWS):
            size, age = day.tell("traffic_change", t)[b], day.tell("traffic_change_age", t)[b]
            if t < 4:
                assert size == age == 0.0
                continue
            traffic = day.level[:t, 2, b]
            least = [traffic[:i].var() * i + traffic[i:].var() * (t - i) for i in range(1, t)]
            split = 1 + int(np.argmin(least))
            np.testing.assert_allclose(size, 0.5 * (traffic[split:].mean() - traffic[:split].mean()), atol=1e-12)
            assert age == (t - split) / 12
