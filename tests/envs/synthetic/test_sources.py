"""What synthetic days do to sources: each effect is seen when on, and leaves the rest of the day as it was."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bidpilot.bidding.errors import InvalidMarket
from bidpilot.envs.clearing.day import DayAuctions, materialise
from bidpilot.envs.logs.day_batch import INVALID_VIEWS, DayBatch, SourceDays
from bidpilot.envs.markets import presets
from bidpilot.envs.synthetic import SyntheticConfig, SyntheticMarket

ROWS, SOURCES = 200, 64
EFFECTS: dict[str, dict[str, Any]] = {
    "fakes": {"fake_engagement": 3.0},
    "views": {"fake_views": 0.5},
    "bad": {"bad_source_share": 0.2},
    "viral": {"viral_source_probability": 1.0},
    "redrawn": {"source_demand_std": 0.5},
    "drift": {"source_drift_std": 0.5},
    "outage": {"outage_probability": 1.0},
}


def market(seed: int = 0, **changes: Any) -> SyntheticMarket:
    config = SyntheticConfig(**({"log_auctions": 100_000} | changes))
    return SyntheticMarket(config, np.random.SeedSequence([7, seed]))


def days(made: SyntheticMarket, rows: int = ROWS) -> DayBatch:
    return made.days(np.random.default_rng(0).random((rows, made.draws)))


def sources_of(rows: int = ROWS, **changes: Any) -> SourceDays:
    found = days(market(**changes), rows).sources
    assert found is not None
    return found


def shares_of(day: DayAuctions) -> NDArray[np.float64]:
    return np.bincount(day.source, minlength=SOURCES) / day.source.size


def test_without_an_effect_days_do_nothing_to_sources() -> None:
    assert days(market()).sources is None
    assert days(market(invalid_rate=0.02, invalid_burst_probability=1.0, segment_demand_std=0.3)).sources is None


def columns(of: SourceDays | None) -> list[NDArray[Any]]:
    """What days do to sources, array by array."""
    assert of is not None
    return [getattr(of, name) for name in SourceDays._fields]


@pytest.mark.parametrize("name", EFFECTS)
def test_an_effect_is_seen_alone_and_moves_nothing_else_of_the_day(name: str) -> None:
    plain, batch = days(market()), days(market(**EFFECTS[name]))
    thinned = ("start", "count") if name in ("redrawn", "drift") else ()  # windows grow, so that demand stays
    for field in fields(DayBatch):
        if field.name not in ("sources", *thinned):
            np.testing.assert_array_equal(getattr(batch, field.name), getattr(plain, field.name), err_msg=field.name)
    neutral, found = columns(SourceDays.plain(ROWS, 48, SOURCES)), columns(batch.sources)
    changed = {n for n, got, want in zip(SourceDays._fields, found, neutral, strict=True) if np.any(got != want)}
    expected = {"fakes": {"fake"}, "views": {"fake"}, "bad": {"invalid_rate"}, "viral": {"viral_share", "viral_source"}}
    assert changed == expected.get(name, {"tracked"} if name == "outage" else {"keep"})


def test_every_column_has_the_type_that_the_kernel_is_compiled_for() -> None:
    batch = days(market(**{key: value for effect in EFFECTS.values() for key, value in effect.items()}))
    for got, want in zip(columns(batch.sources), columns(SourceDays.plain(ROWS, 48, SOURCES)), strict=True):
        assert (got.dtype, got.shape, got.flags.c_contiguous) == (want.dtype, want.shape, True)


def test_a_row_depends_on_its_own_uniforms_only_bit_for_bit() -> None:
    made = market(**{key: value for effect in EFFECTS.values() for key, value in effect.items()})
    drawn = np.random.default_rng(0).random((9, made.draws))
    together, alone = made.days(drawn), made.days(drawn[7:8])
    for whole, row in zip(columns(together.sources), columns(alone.sources), strict=True):
        assert whole[7].tobytes() == row[0].tobytes()
    np.testing.assert_array_equal(together.count[7], alone.count[0])


def test_fakes_are_given_by_day() -> None:
    np.testing.assert_allclose(sources_of(fake_engagement=3.0).fake, [[3.0, INVALID_VIEWS]] * ROWS)
    np.testing.assert_allclose(sources_of(fake_views=0.5).fake, [[0.0, 0.5]] * ROWS)


def test_bad_sources_send_their_share_of_traffic_and_most_of_it_is_invalid() -> None:
    made = market(bad_source_share=0.2, bad_source_rate=0.8)
    batch = days(made, 4)
    assert batch.sources is not None
    rate = batch.sources.invalid_rate
    assert set(np.unique(rate).tolist()) == {0.0, np.float32(0.8)}
    bad = rate[0] > 0
    share = np.bincount(made.log.source, minlength=SOURCES) / made.log.n
    assert share[bad].sum() == pytest.approx(0.2, abs=0.004)
    day = materialise(made, batch, 0)
    invalid = day.true[:, 0] == 0.0
    assert not invalid[~bad[day.source]].any()
    assert invalid[bad[day.source]].mean() == pytest.approx(0.8, abs=0.03)


def test_the_same_sources_are_bad_on_all_days_of_a_market_and_others_in_another_market() -> None:
    rates = [days(market(seed, bad_source_share=0.2), 5).sources for seed in (0, 0, 1)]
    first, again, other = (np.unique(r.invalid_rate, axis=0) for r in rates if r is not None)
    assert len(first) == 1
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_a_share_that_no_source_keeps_within_is_refused() -> None:
    with pytest.raises(InvalidMarket, match=r"bad_source_share 0\.001 is below"):
        market(bad_source_share=0.001)


@pytest.mark.parametrize("count", [1, 3])
def test_honest_sources_surge_for_their_slots(count: int) -> None:
    changes: dict[str, Any] = {"viral_sources": count, "viral_source_share": 0.4, "viral_source_slots": 6}
    found = sources_of(viral_source_probability=0.5, **changes)
    on = found.viral_share > 0
    assert set(on.sum(axis=1).tolist()) == {0, 6}
    assert on.any(axis=1).mean() == pytest.approx(0.5, abs=0.1)
    np.testing.assert_allclose(found.viral_share[on], 0.4)
    surging = [len(set(source[now].tolist())) for source, now in zip(found.viral_source, on, strict=True)]
    assert max(surging) == count
    assert len(np.unique(found.viral_source[on])) > 50
    made = market(viral_source_probability=1.0, **changes)
    batch = days(made, 1)
    assert batch.sources is not None
    t = int(batch.sources.viral_share[0].argmax())
    day = materialise(made, batch, 0)
    slot = day.source[day.slot == t]
    assert (slot == batch.sources.viral_source[0, t]).mean() == pytest.approx(0.4, abs=0.12)
    assert (day.true[:, 0] > 0).all()


@pytest.mark.parametrize("segments", [0.0, 0.4], ids=["sources", "segments too"])
def test_redrawn_volumes_have_their_spread_and_leave_total_demand(segments: float) -> None:
    made = market(log_auctions=400_000, source_demand_std=0.5, segment_demand_std=segments)
    batch = days(made, 30)
    written = [materialise(made, batch, row) for row in range(30)]
    arrived = np.array([day.source.size for day in written])
    assert (batch.count.sum(axis=1) > 1.5 * arrived).all()
    np.testing.assert_allclose(arrived.mean(), 200 * 48, rtol=0.01)
    np.testing.assert_allclose(arrived, 200 * 48, rtol=0.06)
    usual = np.bincount(made.log.source, minlength=SOURCES) / made.log.n
    large = usual > 0.01
    level = np.log([shares_of(day)[large] / usual[large] for day in written])
    assert level.std(axis=0).mean() == pytest.approx(np.hypot(0.5, 0.8 * segments), abs=0.1)


def test_drift_changes_volumes_from_the_first_to_the_last_slot() -> None:
    found = sources_of(source_drift_std=0.6)
    log = np.log(found.keep)
    change = (log[:, -1] - log[:, 0]) - (log[:, -1] - log[:, 0]).mean(axis=1, keepdims=True)
    assert change.std() == pytest.approx(0.6, rel=0.03)
    middle = found.keep[:, 23:25].mean(axis=1)
    np.testing.assert_allclose(middle / middle.max(axis=1, keepdims=True), 1.0, atol=0.05)  # as usual at noon
    assert found.keep.max(axis=2).min() == 1.0


def test_an_outage_of_tracking_lasts_its_slots() -> None:
    out = ~sources_of(outage_probability=0.5, outage_slots=5).tracked
    assert set(out.sum(axis=1).tolist()) == {0, 5}
    assert out.any(axis=1).mean() == pytest.approx(0.5, abs=0.1)
    assert (np.abs(np.diff(out.astype(int), axis=1)).sum(axis=1) <= 2).all()
    assert out.any(axis=0).all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"fake_engagement": -1.0}, "fake_engagement"),
        ({"fake_views": 1.5}, "fake_views"),
        ({"bad_source_share": 0.95}, "bad_source_share"),
        ({"viral_source_share": 1.0}, "viral_source_share"),
        ({"viral_sources": 17}, "viral_sources"),
        ({"viral_source_probability": 1.0, "viral_source_slots": 49}, "viral_source_slots 49 exceeds slots 48"),
        ({"outage_probability": 1.0, "outage_slots": 49}, "outage_slots 49 exceeds slots 48"),
        ({"source_demand_std": float("nan")}, "source_demand_std"),
    ],
)
def test_bad_parameters_are_named(change: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidMarket, match=words):
        SyntheticConfig(**change)


# The markets of the suites


def test_stealth_is_a_tenth_of_traffic_from_sixteen_sources_all_day() -> None:
    made = SyntheticMarket(presets.STEALTH.model_copy(update={"log_auctions": 100_000}), np.random.SeedSequence(0))
    batch = days(made, 5)
    np.testing.assert_allclose(batch.invalid_share, 0.1)
    assert max(len(set(row.tolist())) for row in batch.invalid_source) in (14, 15, 16)  # a source may be picked twice
    assert batch.sources is None


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("BOTS", {"fake_engagement": 3.0, "invalid_burst_probability": 1.0, "invalid_rate": 0.02}),
        ("VIRAL", {"viral_source_probability": 1.0, "viral_source_share": 0.5, "viral_sources": 3}),
        ("VIRAL_ONE", {"viral_source_probability": 1.0, "viral_source_slots": 8, "viral_sources": 1}),
        ("REDRAWN", {"source_demand_std": 0.5}),
        ("PERSISTENT", {"bad_source_share": 0.2, "bad_source_rate": 0.9}),
    ],
)
def test_hard_markets_are_what_their_names_say(name: str, changes: dict[str, Any]) -> None:
    config: SyntheticConfig = getattr(presets, name)
    assert {key: getattr(config, key) for key in changes} == changes
    assert name.lower() not in presets.PRESETS
