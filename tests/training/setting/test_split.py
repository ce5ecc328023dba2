"""Which days are held out: whole campaigns, else whole units, else none; the same whenever it is asked."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bidpilot.bidding.errors import InvalidConfig
from bidpilot.envs.clearing.day import materialise
from bidpilot.envs.logs.storage import save_log
from bidpilot.envs.markets.forecasting import fit_forecast
from bidpilot.envs.markets.recorded.replay import RecordedMarket
from bidpilot.training.evaluation.suites import validation_arena
from bidpilot.training.setting.setting import training_setting
from bidpilot.training.setting.split import CAMPAIGNS, RECOMBINED, UNITS, HoldOut, lesson, split_days, thinned
from tests.training.small_logs import small_log

FIVE = ("a", "b", "c", "d", "e")


@pytest.mark.parametrize(
    ("units", "campaigns", "share", "kind", "groups"),
    [
        (10, ("a", "b"), 0.2, UNITS, ("unit 2", "unit 7")),
        (10, ("",), 0.2, UNITS, ("unit 2", "unit 7")),
        (10, ("",), 0.5, UNITS, ("unit 1", "unit 3", "unit 5", "unit 7", "unit 9")),
        (3, ("",), 0.2, UNITS, ("unit 1",)),
        (3, ("",), 0.99, UNITS, ("unit 0", "unit 2")),  # never all
        (2, FIVE, 0.2, CAMPAIGNS, ("c",)),
        (2, FIVE, 0.4, CAMPAIGNS, ("b", "d")),
        (2, ("a", "b", "c"), 0.01, CAMPAIGNS, ("b",)),  # at least one
        (2, ("a", "b"), 0.2, RECOMBINED, ()),
        (10, FIVE, 0.0, RECOMBINED, ()),
    ],
)
def test_whole_campaigns_else_whole_units_are_held_out_evenly(
    units: int, campaigns: tuple[str, ...], share: float, kind: str, groups: tuple[str, ...]
) -> None:
    log = small_log("log", "conversion", units=units, campaigns=campaigns, auctions=1)
    split = split_days(log, HoldOut(share))
    assert (split.kind, split.groups) == (kind, groups)
    assert sorted((*split.training, *split.held_out)) == list(range(log.n_days))
    held_out = {d for d, day in enumerate(log.days) if {day.campaign, day.unit} & set(groups)}
    assert set(split.held_out) == held_out


@pytest.mark.parametrize(
    ("units", "campaigns", "share", "judging"),
    [
        (2, FIVE, 0.4, ("d day 0", "d day 1")),  # one campaign chooses, the other judges
        (6, FIVE, 0.2, ("c day 1", "c day 3", "c day 5")),  # the only campaign's units are shared out
        (5, FIVE, 0.2, ()),
        (10, ("",), 0.6, ("day 2", "day 5", "day 9")),
        (10, ("",), 0.5, ()),
        (10, ("",), 0.0, ()),
    ],
)
def test_days_judge_where_others_are_left_to_choose(
    units: int, campaigns: tuple[str, ...], share: float, judging: tuple[str, ...]
) -> None:
    log = small_log("log", "conversion", units=units, campaigns=campaigns, auctions=1)
    split = split_days(log, HoldOut(share))
    assert tuple(log.days[day].label for day in split.judging) == judging
    assert sorted((*split.judging, *split.choosing)) == sorted(split.held_out)


def test_campaigns_that_are_named_neither_train_nor_choose() -> None:
    log = small_log("log", "conversion", units=3, campaigns=("a", "b"), auctions=1)
    split = split_days(log, HoldOut(0.2, ("b", "b")))
    assert (split.training, split.held_out, split.unseen) == ((0, 4), (2,), (1, 3, 5))
    assert (split.kind, split.groups) == (UNITS, ("unit 1",))
    assert str(split) == (
        "validation on 1 of 3 recorded days, held-out units: unit 1; 3 days of campaigns that are never looked at"
    )
    several = small_log("log", "conversion", units=1, campaigns=FIVE, auctions=1)
    split = split_days(several, HoldOut(0.2, ("c",)))
    assert (split.training, split.held_out, split.unseen) == ((0, 1, 4), (3,), (2,))
    assert (split.kind, split.groups) == (CAMPAIGNS, ("d",))
    whole = split_days(several, HoldOut(campaigns=("c",)))
    assert (whole.training, whole.held_out, whole.unseen) == ((0, 1, 3, 4), (), (2,))
    with pytest.raises(InvalidConfig, match=r"log has no campaign 'z' to hold out\. It has: a, b"):
        split_days(log, HoldOut(0.2, ("z",)))
    with pytest.raises(InvalidConfig, match=r"every campaign of log \(a, b\)\. Leave one"):
        split_days(log, HoldOut(0.2, ("a", "b")))


def test_a_log_of_too_few_days_says_that_its_validation_flatters() -> None:
    split = split_days(small_log("log", "conversion", units=2, auctions=1), HoldOut(0.2))
    assert str(split) == "validation on recombined training days, which flatters: no day is held out"


def test_more_held_out_days_than_are_to_be_played_are_thinned_evenly() -> None:
    assert thinned((3, 5, 8), 3) == [3, 5, 8]
    assert thinned(range(10), 2) == [2, 7]


def test_campaigns_of_what_is_no_recorded_log_cannot_be_held_out() -> None:
    with pytest.raises(InvalidConfig, match="--hold-out names campaigns of a recorded log"):
        training_setting("steady", None, 0, hold_out=HoldOut(campaigns=("a",)))


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    """The folder of a log whose units 1 and 3 of five have a hundred times the price and a tenth of the value."""

    def write(changed: bool) -> Path:
        log = small_log("log", "conversion", units=5)
        for day in (1, 3) if changed else ():
            here = slice(*log.offsets[day, [0, -1]])
            log.market_price[here] *= 100
            log.conversion[here] *= 0.1
        out = tmp_path / f"changed {changed}"
        save_log(log, out)
        return out

    return write


def test_forecast_market_and_campaign_are_of_training_days_alone(folder: Callable[..., Path]) -> None:
    plain, changed = (training_setting("", folder(c), 0, hold_out=HoldOut(0.4)) for c in (False, True))
    assert plain.split is not None
    assert changed.split == plain.split
    assert plain.split.held_out == (1, 3)
    assert changed.campaign == plain.campaign
    np.testing.assert_array_equal(changed.forecast.landscape.price, plain.forecast.landscape.price)
    np.testing.assert_array_equal(changed.forecast.history, plain.forecast.history)
    uniforms = np.random.default_rng(3).random((16, plain.market.draws))
    for d in range(16):
        one, other = (materialise(s.market, s.market.days(uniforms), d) for s in (plain, changed))
        np.testing.assert_array_equal(one.price, other.price)
        np.testing.assert_array_equal(one.predicted, other.predicted)
    whole = training_setting("", folder(True), 0)
    assert (
        len({s.market.digest for s in (whole, changed, training_setting("", folder(True), 0, None, HoldOut(0.2)))}) == 3
    )
    assert whole.forecast.landscape.mean_price > 10 * changed.forecast.landscape.mean_price


def test_the_forecast_is_that_of_a_log_of_the_training_days(folder: Callable[..., Path]) -> None:
    setting = training_setting("", folder(True), 0, hold_out=HoldOut(0.4))
    assert setting.reference_log is not None
    alone = RecordedMarket(setting.reference_log.select_days([0, 2, 4]))
    fitted = fit_forecast(alone, alone.recorded([0, 1, 2]), 2.0)
    np.testing.assert_array_equal(setting.forecast.landscape.value, fitted.landscape.value)
    np.testing.assert_array_equal(setting.forecast.auctions, fitted.auctions)


def test_validation_plays_the_held_out_days_as_they_were_recorded(folder: Callable[..., Path]) -> None:
    setting = training_setting("", folder(True), 0, hold_out=HoldOut(0.4))
    arena = validation_arena(setting, 256, 0)
    log = setting.reference_log
    assert log is not None
    for row, day in enumerate((1, 3)):
        played = materialise(arena.market, arena.days, row)
        np.testing.assert_array_equal(played.price, log.market_price[slice(*log.offsets[day, [0, -1]])])
    assert len(arena.days) == 2
    assert len(validation_arena(setting, 1, 0).days) == 1
    drawn = validation_arena(training_setting("", folder(True), 0), 5, 0)
    assert len(drawn.days) == 5  # of recombined training days, where nothing is held out


def test_what_is_stored_names_every_day_once(folder: Callable[..., Path]) -> None:
    setting = training_setting("", folder(False), 0, hold_out=HoldOut(0.4))
    stored, log = lesson(setting.reference_log, setting.split), setting.reference_log
    assert log is not None
    assert stored["validation"] == UNITS
    told = [*stored["training_days"], *stored["held_out_days"]]
    assert Counter(day["label"] for day in told) == Counter(day.label for day in log.days)
    assert {day["digest"] for day in stored["training_days"]} == {log.day_digests[d] for d in (0, 2, 4)}
    whole = lesson(log, training_setting("", folder(False), 0).split)
    assert whole["training_digest"] != stored["training_digest"]
    assert lesson(None, None) == {
        "validation": "drawn", "training_digest": None, "training_days": [], "held_out_days": [],
    }  # fmt: skip
