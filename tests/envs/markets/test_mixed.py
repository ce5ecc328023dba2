"""Mixed markets: each day is a day of one of them, as often as asked."""

import pickle
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bidpilot.bidding.errors import InvalidMarket
from bidpilot.bidding.landscape.calendar import UNDATED
from bidpilot.envs.clearing.day import DayAuctions, materialise
from bidpilot.envs.logs.day_batch import DayBatch
from bidpilot.envs.markets.base import Market
from bidpilot.envs.markets.mixed import MixedMarket
from bidpilot.envs.synthetic import SyntheticConfig, SyntheticMarket

SMALL = SyntheticConfig(slots=8, level_slots=4, auctions_per_slot=20.0, log_auctions=2000)


def market(seed: int = 0, **changes: Any) -> SyntheticMarket:
    return SyntheticMarket(SMALL.model_copy(update=changes), np.random.SeedSequence(seed))


def drawn(mixed: Market, rows: int) -> NDArray[np.float64]:
    return np.random.default_rng(3).random((rows, mixed.draws))


def same(first: DayAuctions, second: DayAuctions) -> bool:
    return all(np.array_equal(getattr(first, name), getattr(second, name)) for name in vars(first))


def levels_equal(mixed: DayBatch, alone: DayBatch) -> NDArray[np.bool_]:
    """(B,) whether a day has the traffic and the levels of the other batch's."""
    scales = (mixed.price_scale == alone.price_scale) & (mixed.value_scale == alone.value_scale)
    return np.asarray(scales.all(axis=(1, 2)) & (mixed.count == alone.count).all(axis=1))


def test_each_day_is_one_of_its_markets_days_auction_for_auction_in_the_shares_asked_for() -> None:
    rows, parts = 400, [market(), market(day_price_std=0.5), market(day_value_std=0.5)]
    mixed = MixedMarket(parts, [1.0, 2.0, 1.0])
    uniforms = drawn(mixed, rows)
    days = mixed.days(uniforms)
    alone = [part.days(uniforms[:, 1 : 1 + part.draws]) for part in parts]
    made = np.array([levels_equal(days, other) for other in alone])
    assert (made.sum(axis=0) == 1).all()
    np.testing.assert_allclose(made.mean(axis=1), [0.25, 0.5, 0.25], atol=0.07)  # three standard deviations
    for row in range(0, rows, 20):
        chosen = int(np.argmax(made[:, row]))
        assert same(materialise(mixed, days, row), materialise(parts[chosen], alone[chosen], row))


def test_each_days_market_can_be_told_and_makes_the_day_again_from_what_is_kept_of_it() -> None:
    parts = [market(), market(day_price_std=0.5, viral_probability=0.5)]  # the second takes more uniforms
    mixed = MixedMarket(parts, [1.0, 1.0])
    days = mixed.days(drawn(mixed, 40))
    assert days.uniforms is not None
    choice = mixed.market_of(days.uniforms)
    assert {0, 1} == set(choice.tolist())
    for k, part in enumerate(mixed.markets):
        alone = part.days(mixed.uniforms_of(k, days.uniforms))
        assert levels_equal(days, alone)[choice == k].all()


def test_a_day_is_its_uniforms_whatever_the_other_rows() -> None:
    mixed = MixedMarket([market(), market(day_price_std=0.5)], [0.5, 0.5])
    uniforms = drawn(mixed, 20)
    days, alone = mixed.days(uniforms), mixed.days(uniforms[7:8])
    assert same(materialise(mixed, days, 7), materialise(mixed, alone, 0))


def test_a_market_that_thins_segments_does_not_thin_the_others_days() -> None:
    parts = [market(), market(segment_demand_std=0.5)]
    mixed = MixedMarket(parts, [0.5, 0.5])
    uniforms = drawn(mixed, 20)
    days, whole = mixed.days(uniforms), parts[0].days(uniforms[:, 1:])
    own = np.flatnonzero(uniforms[:, 0] < 0.5)
    assert 0 < len(own) < 20
    assert all(same(materialise(mixed, days, row), materialise(parts[0], whole, row)) for row in own.tolist())


def test_a_market_that_does_things_to_sources_does_nothing_to_the_others_days() -> None:
    hard: dict[str, Any] = {
        "bad_source_share": 0.3,
        "source_demand_std": 0.4,
        "outage_probability": 0.5,
        "fake_engagement": 2.0,
    }
    parts = [market(), market(**hard)]
    mixed = MixedMarket(parts, [0.5, 0.5])
    uniforms = drawn(mixed, 20)
    days, alone = mixed.days(uniforms), [part.days(uniforms[:, 1:]) for part in parts]
    other = (uniforms[:, 0] >= 0.5).astype(int)
    assert 0 < other.sum() < 20
    for row in range(20):
        assert same(materialise(mixed, days, row), materialise(parts[other[row]], alone[other[row]], row))
    assert days.sources is not None
    assert alone[1].sources is not None
    columns: tuple[NDArray[Any], ...] = days.sources
    own: tuple[NDArray[Any], ...] = alone[1].sources
    for got, want in zip(columns, own, strict=True):
        np.testing.assert_array_equal(got[other == 1], want[other == 1])
    assert days.sources.tracked[other == 0].all()
    assert not days.sources.fake[other == 0, 0].any()
    assert mixed.days(uniforms[other == 0]).sources is None


def test_a_mixed_market_can_be_sent_to_another_process() -> None:
    mixed = MixedMarket([market(), market(day_price_std=0.5)], [1.0, 2.0])
    sent: MixedMarket = pickle.loads(pickle.dumps(mixed))
    uniforms = drawn(mixed, 5)
    assert (sent.digest, sent.log.digest) == (mixed.digest, mixed.log.digest)
    assert levels_equal(sent.days(uniforms), mixed.days(uniforms)).all()


def test_shares_and_markets_are_part_of_the_digest() -> None:
    first, second = market(), market(day_price_std=0.5)
    digests = [
        MixedMarket(parts, shares).digest
        for parts, shares in (
            ([first, second], [0.5, 0.5]),
            ([first, second], [0.4, 0.6]),
            ([second, first], [0.5, 0.5]),
            ([first, market(day_price_std=0.4)], [0.5, 0.5]),
        )
    ]
    assert len(set(digests)) == len(digests)
    assert MixedMarket([market(), market(day_price_std=0.5)], [0.5, 0.5]).digest == digests[0]


@pytest.mark.parametrize("other", [{"slots": 16}, {"level_slots": 2}, {"sources": 8}])
def test_markets_that_differ_in_slots_blocks_or_sources_are_not_mixed(other: dict[str, int]) -> None:
    with pytest.raises(InvalidMarket, match="can be mixed only"):
        MixedMarket([market(), market(**other)], [0.5, 0.5])


def test_each_day_reads_the_log_of_its_own_market() -> None:
    parts = [market(seed=1), market(seed=2, log_auctions=3000), market(seed=1)]
    mixed = MixedMarket(parts, [1.0, 1.0, 1.0])
    uniforms = drawn(mixed, 30)
    days = mixed.days(uniforms)
    alone = [part.days(uniforms[:, 1:]) for part in parts[:2]]
    seen = set()
    for row in range(len(uniforms)):
        day = materialise(mixed, days, row)
        found = [k for k in (0, 1) if same(day, materialise(parts[k], alone[k], row))]
        assert len(found) == 1
        seen.update(found)
    assert seen == {0, 1}


def test_days_keep_their_dates_beside_days_that_have_none() -> None:
    week = market(weekly_curve=(1.0,) * 7)
    mixed = MixedMarket([market(), week], [0.5, 0.5])
    uniforms = drawn(mixed, 20)
    date = mixed.days(uniforms).date
    assert date is not None
    own = week.days(uniforms[:, 1:]).date
    assert own is not None
    np.testing.assert_array_equal(date, np.where(uniforms[:, 0] < 0.5, UNDATED, own))
    assert MixedMarket([market(), market(1)], [0.5, 0.5]).days(uniforms).date is None
