"""How much of its answers a policy plays: as much as no held-out world loses by."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from bidpilot.agents.acting.network import Mlp
from bidpilot.agents.acting.policy import NetworkPolicy
from bidpilot.agents.acting.residual import RESIDUALS
from bidpilot.training.evaluation.traffic import detected
from bidpilot.training.setting.setting import Setting, training_setting
from bidpilot.training.train import easing
from bidpilot.training.train.easing import SHARES, ease
from bidpilot.training.train.verdict import TOLERATED
from tests.agents.acting.networks import sizes_of

SEGMENTS = 2
WORLDS = 4


def answering(amount: float, segments: int = SEGMENTS) -> NetworkPolicy:
    """A residual policy that answers `amount` for the scale, whatever it sees."""
    inputs, outputs = sizes_of(segments)
    bias = np.zeros(outputs, np.float32)
    bias[0] = amount
    return NetworkPolicy(Mlp((np.zeros((inputs, outputs), np.float32),), (bias,)), RESIDUALS["adaptive"], name="ppo")


class Ground:
    """Days of worlds where an answer s gains 2 s - s ** 2 times what is right and costs s ** 2 times what is wrong."""

    def __init__(self, right: list[float], wrong: list[float], kept: list[bool] | None = None) -> None:
        self.right, self.wrong = np.resize(right, 2 * WORLDS), np.resize(wrong, 2 * WORLDS)
        self.days = range(2 * WORLDS)
        self.kept = np.resize(kept or [True], 2 * WORLDS)
        self.played: list[float] = []

    def play(self, agent: Any) -> SimpleNamespace:
        s = float(agent.network.arrays()["bias_0"][0]) if isinstance(agent, NetworkPolicy) else 0.0
        self.played.append(s)
        return SimpleNamespace(ratio=(0.9 + (2 * s - s * s) * self.right - s * s * self.wrong)[self.kept])


def eased_on(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> tuple[NetworkPolicy, easing.Easing]:
    monkeypatch.setattr(easing, "worlds_arena", lambda *_: ground)
    return ease(answering(1.0), None, WORLDS, 0, detected)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wrong", "share"), [(0.0, 1.0), (TOLERATED, 1.0), (0.003, 0.75), (0.007, 0.5), (0.03, 0.5), (0.9, 0.5)]
)
def test_it_is_the_greatest_share_by_which_no_world_loses_too_much(
    wrong: float, share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    ground = Ground([0.02, 0.02, 0.02, 0.0], [0.0, 0.0, 0.0, wrong - 1e-9])
    policy, found = eased_on(ground, monkeypatch)
    assert found.share == share
    assert ground.played == [0.0, *SHARES[: SHARES.index(share) + 1]]  # the base, and no share after the first
    assert found.worst[share] == pytest.approx(-wrong * share**2, abs=1e-6)
    assert float(policy.network.arrays()["bias_0"][0]) == share
    assert f"plays {share:g} of its answers" in str(found)


def test_a_loss_in_one_world_is_not_made_up_for_by_another_of_its_days(monkeypatch: pytest.MonkeyPatch) -> None:
    """Days that cannot be scored are left out, and the others stay with their world."""
    kept = [False, True, True, True, True, True, True, True]
    _, found = eased_on(Ground([0.0, 0.0, 0.0, 0.1], [0.004, 0.0, 0.0, 0.0], kept), monkeypatch)
    assert found.worst[1.0] == pytest.approx(-0.004)
    assert found.share == 0.5


@pytest.fixture(scope="module")
def steady() -> Setting:
    return training_setting("steady", None, 0)


def test_who_answers_nothing_plays_all_of_it_and_who_shouts_the_least(steady: Setting) -> None:
    segments = len(steady.forecast.segments)
    silent, found = ease(answering(0.0, segments), steady, 2, 0, detected)
    assert (found.share, found.worst) == (1.0, {1.0: 0.0})
    assert silent.residual is RESIDUALS["adaptive"]
    loud, found = ease(answering(1.0, segments), steady, 2, 0, detected)
    assert found.share == SHARES[-1]
    assert list(found.worst) == list(SHARES)
    assert float(loud.network.arrays()["bias_0"][0]) == pytest.approx(SHARES[-1])
    assert found.record()["worst_world"]["0.5"] == found.worst[0.5]
