"""Experiments in the simulator: each design, and what a budget that is shared does to one."""

from __future__ import annotations

import numpy as np
import pytest

from bidpilot.bidding.errors import InvalidExperiment, UnknownAgent
from bidpilot.training.evaluation.catalogue import SUITES
from bidpilot.training.experiments.arms import named_arm
from bidpilot.training.experiments.contrasts import log_ratio
from bidpilot.training.experiments.past import Past
from bidpilot.training.experiments.play import Ground, play
from bidpilot.training.experiments.units import Design, Units


def played(small: Ground, names: tuple[str, str], design: Design, units: int = 24, share: float = 0.5) -> Units:
    control, treated = (named_arm(name, "daily", "bidpilot") for name in names)
    return play(small, (control, treated), units, np.random.default_rng(3), design, share)


def difference(units: Units) -> float:
    result = units.expected_utility
    return float(np.expm1(log_ratio(result[:, 1], result[:, 0]).estimate[-1]))


def test_a_shared_budget_turns_the_sign_of_a_worse_arm(small: Ground) -> None:
    arms = ("plan", "plan*1.5")  # who bids half as much again pays more for less
    truth = difference(played(small, arms, "switchback"))
    assert truth < -0.05
    assert difference(played(small, arms, "split")) < -0.05
    shared = played(small, arms, "shared")
    assert difference(shared) > 0.2
    assert (shared.spend.sum(axis=1) <= small.campaign.budget + 1e-9).all()


@pytest.mark.parametrize("share", [0.5, 0.2])
def test_each_arm_of_a_split_has_its_own_money_and_brings_in_proportion(small: Ground, share: float) -> None:
    units = played(small, ("mpc", "mpc"), "split", share=share)
    budget = small.campaign.budget * np.array([1 - share, share])
    assert (units.spend <= budget + 1e-9).all()
    assert (units.spend.mean(axis=0) > 0.9 * budget).all()
    assert units.assigned[:, 1].sum() / units.assigned.sum() == pytest.approx(share, abs=0.02)
    assert abs(difference(units)) < 0.12  # of what each arm's own money could buy, equal arms have as much


@pytest.mark.parametrize("share", [0.5, 0.2])
def test_covariates_favour_no_arm_whatever_its_share(small: Ground, share: float) -> None:
    units = played(small, ("mpc", "mpc"), "split", 150, share)
    apart = np.diff(np.log(units.covariates), axis=1)[:, 0]
    assert (np.abs(apart.mean(axis=0)) < 4 * apart.std(axis=0) / np.sqrt(len(units))).all()
    past = Past.of(units.at(np.arange(75)))
    adjusted = past.adjust(units.at(np.arange(75, 150)))
    plain = units.at(np.arange(75, 150)).expected_utility
    before, after = (log_ratio(result[:, 1], result[:, 0]) for result in (plain, adjusted))
    assert after.std[-1] < 0.7 * before.std[-1]
    assert abs(after.estimate[-1]) < 4 * after.std[-1] / np.sqrt(75)


def test_arms_of_a_switchback_have_all_money_and_days_of_their_own(small: Ground) -> None:
    units = played(small, ("mpc", "mpc"), "switchback")
    assert (units.spend.mean(axis=0) > 0.9 * small.campaign.budget).all()
    assert not np.isclose(units.offered[:, 0], units.offered[:, 1]).any()


def test_pairing_by_day_takes_the_days_noise_away(small: Ground) -> None:
    result = played(small, ("mpc", "mpc"), "split", 48).expected_utility
    paired = log_ratio(result[:, 1], result[:, 0]).std[-1]
    apart = log_ratio(np.roll(result[:, 1], 1), result[:, 0]).std[-1]
    assert paired < 0.7 * apart


def test_what_is_offered_does_not_depend_on_who_bids(small: Ground) -> None:
    one, other = (played(small, (name, name), "split", 6) for name in ("plan", "constant*3"))
    assert (one.offered == other.offered).all()
    assert not (one.spend == other.spend).all()


def test_days_that_belong_together_are_refused() -> None:
    with pytest.raises(InvalidExperiment, match="persistent has others"):
        Ground.of(SUITES["persistent"])


@pytest.mark.parametrize("name", ["nobody", "mpc*0", "mpc*x", "mpc*inf"])
def test_an_arm_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(UnknownAgent):
        named_arm(name, "daily", "bidpilot")
