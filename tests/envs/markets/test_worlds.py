"""Worlds: training's lie inside of its support, held-out ones outside; the mixture keeps its share of own days."""

import numpy as np
import pytest
from numpy.typing import NDArray

from bidpilot.bidding.errors import InvalidMarket
from bidpilot.envs.markets import support, worlds
from bidpilot.envs.markets.presets import DAILY, PRESETS, SHIFT
from bidpilot.envs.markets.support import Support
from bidpilot.envs.markets.worlds import drawn_world, worlds_market
from bidpilot.envs.synthetic import SyntheticConfig, SyntheticMarket

SHORT = DAILY.model_copy(update={"log_auctions": 40_000})


def drawn(own: SyntheticConfig, kind: Support, count: int, seed: int) -> list[SyntheticConfig]:
    rng = np.random.default_rng(seed)
    return [drawn_world(own, kind, rng) for _ in range(count)]


def value(config: SyntheticConfig, name: str) -> float:
    return config.calibration_std[2] if name == "conversion_calibration_std" else float(getattr(config, name))


def demand_is_of_the_family(own: SyntheticConfig, world: SyntheticConfig) -> bool:
    """Whether some power and roll of the preset's log demand leaves two harmonics within their amplitudes."""
    waves = np.fft.rfft(np.log(world.demand_curve)) / 12
    for hours in range(24):
        base = np.fft.rfft(np.roll(np.log(own.demand_curve), hours)) / 12
        power = float(np.real(np.vdot(base[3:], waves[3:])) / np.real(np.vdot(base[3:], base[3:])))
        left = np.abs(waves - power * base)[1:]
        within = (left[:2] <= np.array(support.TRAINING_DEMAND.harmonics) + 1e-9).all()
        if within and (left[2:] < 1e-9).all() and -1e-9 <= power <= support.TRAINING_DEMAND.power.high + 1e-9:
            return True
    return False


def outside(own: SyntheticConfig, world: SyntheticConfig) -> list[str]:
    """What of a world no training world has: parameters out of range, its demand, or traits together."""
    traits = [name for name, trait in support.TRAITS.items() if has(own, world, trait)]
    allowed = dict(support.TRAINING) | {name: r for t in traits for name, r in support.TRAITS[t].ranges.items()}
    found = ["traits"] if len(traits) > 1 else []
    for name in {*support.TRAINING, *support.BEYOND, *allowed}:
        reached, mine = value(world, name), value(own, name)
        if reached != mine and not (name in allowed and allowed[name].holds(mine, reached)):
            found.append(name)
    return found if demand_is_of_the_family(own, world) else [*found, "demand_curve"]


def has(own: SyntheticConfig, world: SyntheticConfig, trait: support.Trait) -> bool:
    """Whether the world has this trait: those of its parameters that are no range of every world differ."""
    special = [name for name in trait.ranges if name not in support.TRAINING]
    return all(value(world, name) != value(own, name) for name in special)


@pytest.mark.parametrize("name", list(PRESETS))
@pytest.mark.parametrize("seed", range(4))
def test_no_training_world_leaves_the_support_and_every_held_out_world_does(name: str, seed: int) -> None:
    own = PRESETS[name]
    for world in drawn(own, Support.TRAINING, 100, seed):
        assert outside(own, world) == []
    found = [outside(own, world) for world in drawn(own, Support.HELD_OUT, 100, seed)]
    assert all(found)
    everything = {name for names in found for name in names}
    assert everything >= {"traits", "demand_curve", "price_level", "day_value_std"}


def test_no_range_of_held_out_worlds_touches_training() -> None:
    trained = dict(support.TRAINING) | {n: r for t in support.TRAITS.values() for n, r in t.ranges.items()}
    for name, ranges in support.BEYOND.items():
        for beyond in ranges:
            assert beyond.times == trained[name].times
            assert beyond.high < trained[name].low or beyond.low > trained[name].high, name
            if beyond.times:  # nor the preset's own
                assert not beyond.low <= 1.0 <= beyond.high


def test_no_training_world_is_the_market_of_the_suite_shift() -> None:
    assert "demand_curve" in outside(DAILY, SHIFT)


def test_training_worlds_fill_their_support() -> None:
    made = drawn(DAILY, Support.TRAINING, 600, 0)
    for name, reach in support.TRAINING.items():
        values = np.array([value(world, name) for world in made])
        low, high = (np.array(reach[:2]) * (value(DAILY, name) if reach.times else 1.0)).tolist()
        assert values.min() <= low + 0.05 * (high - low)
        assert values.max() >= high - 0.05 * (high - low)
    own = np.mean([world.demand_curve == DAILY.demand_curve for world in made])
    assert own == pytest.approx(support.TRAINING_DEMAND.own_share, abs=0.06)  # three standard deviations
    for trait in support.TRAITS.values():
        assert np.mean([has(DAILY, world, trait) for world in made]) == pytest.approx(trait.share, abs=0.06)
    assert {world.traffic_slots for world in made} == set(support.TRAFFIC_SLOTS)


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worlds, "preset_config", lambda name: SHORT)


@pytest.mark.usefixtures("short")
def test_a_mixture_of_worlds_is_a_function_of_its_seeds_and_support() -> None:
    def digest(seed: int, kind: Support = Support.TRAINING) -> str:
        return worlds_market("daily", np.random.SeedSequence(seed), kind, worlds=2).digest

    assert digest(5) == digest(5)
    assert len({digest(5), digest(6), digest(5, Support.HELD_OUT)}) == 3


@pytest.mark.usefixtures("short")
def test_the_mixture_holds_its_share_of_the_presets_own_days_and_the_rest_varies_more() -> None:
    mixed = worlds_market("daily", np.random.SeedSequence(0), worlds=8)
    own = SyntheticMarket(SHORT, np.random.SeedSequence(0))
    uniforms = np.random.default_rng(3).random((600, mixed.draws))
    days, alone = mixed.days(uniforms), own.days(uniforms[:, 1 : 1 + own.draws])
    made: NDArray[np.bool_] = (days.price_scale == alone.price_scale).all(axis=(1, 2))
    made &= (days.value_scale == alone.value_scale).all(axis=(1, 2)) & (days.count == alone.count).all(axis=1)
    assert made.mean() == pytest.approx(0.5, abs=0.06)  # three standard deviations
    level = np.log(np.stack([days.price_scale, days.value_scale]).mean(axis=(2, 3)))
    assert (level[:, ~made].std(axis=1) > 1.5 * level[:, made].std(axis=1)).all()
    assert days.invalid_share[~made].any()
    assert not days.invalid_share[made].any()


@pytest.mark.parametrize(("count", "share"), [(0, 0.5), (2, 1.0), (2, -0.1), (2, float("nan"))])
def test_a_mixture_without_worlds_is_refused(count: int, share: float) -> None:
    with pytest.raises(InvalidMarket, match="at least one world"):
        worlds_market("daily", np.random.SeedSequence(0), worlds=count, own_share=share)


def test_an_unknown_preset_is_refused() -> None:
    with pytest.raises(InvalidMarket, match="no preset is called 'weekly'"):
        worlds_market("weekly", np.random.SeedSequence(0))
