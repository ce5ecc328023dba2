"""The validations of a training so far, and the policies that they keep."""

from __future__ import annotations

import numpy as np
import pytest

from bidpilot.agents.acting.network import Mlp
from bidpilot.agents.acting.policy import NetworkPolicy
from bidpilot.agents.acting.residual import RESIDUALS
from bidpilot.agents.learners.common.snapshot import Point, Standing
from tests.agents.acting.networks import sizes_of

SEGMENTS = 2


def answering(amount: float) -> NetworkPolicy:
    """A residual policy that answers `amount` for the scale, whatever it sees."""
    inputs, outputs = sizes_of(SEGMENTS)
    bias = np.zeros(outputs, np.float32)
    bias[0] = amount
    return NetworkPolicy(Mlp((np.zeros((inputs, outputs), np.float32),), (bias,)), RESIDUALS["adaptive"], name="learnt")


def amount_of(policy: NetworkPolicy | None) -> float:
    assert policy is not None
    return float(policy.network.arrays()["bias_0"][0])


@pytest.mark.parametrize(("second", "kept", "left"), [(0.95, 0.4, 0.2), (0.8, 0.2, 0.2)])
def test_shrinkage_takes_the_best_policy_and_what_imitation_left_alike(second: float, kept: float, left: float) -> None:
    standing = Standing().after(Point(0, 0.9, 0.8, 1.0, 0.9), answering(0.4))
    standing = standing.after(Point(1, second, 0.8, 1.0, second), answering(0.8))
    shrunk = standing.shrunk(0.5)
    assert amount_of(shrunk.policy) == pytest.approx(kept)
    assert amount_of(shrunk.first) == pytest.approx(left)
    assert (shrunk.first is shrunk.policy) == (standing.first is standing.policy) == (second < 0.9)
    assert shrunk.curve == standing.curve
    assert shrunk.policy is not None
    assert shrunk.policy.residual is RESIDUALS["adaptive"]
    assert standing.shrunk(1.0).policy is standing.policy
