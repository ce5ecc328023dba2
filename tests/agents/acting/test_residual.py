"""The residual composition: clips and reach by hand, over the re-plan and over a controller with memory."""

import numpy as np

from bidpilot.agents.acting.agent import controller_agent
from bidpilot.agents.acting.residual import RESIDUAL, RESIDUAL_REACH, Residual, compose
from bidpilot.bidding.day.features import POSITION, feature_names

SEEN = np.zeros((3, len(feature_names(1))), np.float32)
SEEN[:, -1] = [0.0, 0.5, -1.0]
SEEN[:, POSITION["replan"]] = [0.5, -2.0, 0.9]
RAW = np.array([[0.5, 1.0, -5.0, 0.0], [1.0, 0.0, 0.0, 0.0], [1.0, 0.0, 0.0, -0.5]], np.float32)


def test_three_tenths_of_the_clipped_answer_are_added_to_the_replan() -> None:
    expected = [[0.65, 0.3, -0.3, 0.0], [-0.7, 0.0, 0.0, 0.5], [1.0, 0.0, 0.0, -1.0]]
    action, after = RESIDUAL.act(SEEN, RAW, {})
    np.testing.assert_allclose(action, expected, atol=1e-6)
    assert after == {}
    np.testing.assert_array_equal(compose(SEEN, RAW, RESIDUAL), action)
    assert RAW[0, 2] == -5.0  # the caller's array stays as it was


def test_added_to_nothing_an_answer_is_clipped() -> None:
    np.testing.assert_array_equal(compose(SEEN, RAW, None), np.clip(RAW, -1, 1))


def test_the_sum_is_taken_in_the_precision_of_the_network() -> None:
    rng = np.random.default_rng(0)
    seen = rng.normal(0, 0.5, (500, SEEN.shape[1])).astype(np.float32)
    raw = rng.normal(size=(500, 4)).astype(np.float32)
    seen[:, -1] = np.clip(seen[:, -1], -1, 1)
    expected = np.clip(raw, -1, 1) * np.float32(RESIDUAL_REACH)
    expected[:, 0] += np.clip(seen[:, POSITION["replan"]], -1, 1)
    expected[:, 3] += seen[:, -1]
    action = compose(seen, raw, RESIDUAL)
    assert action.dtype == np.float32
    np.testing.assert_array_equal(action, np.clip(expected, -1, 1))


def test_a_base_with_memory_goes_on_with_its_own_and_leaves_the_networks_alone() -> None:
    pid = controller_agent("pid", {"proportional": 1.0, "integral": 0.5, "derivative": 0.0})
    residual, seen = Residual(pid, reach=0.5), SEEN.copy()
    seen[:, POSITION["pace_gap"]] = 0.2
    state = residual.start(3) | {"hidden": np.ones((3, 2), np.float32)}
    for expected in (0.2 + 0.5 * 0.2, 0.2 + 0.5 * 0.4):  # the gap, and half of its sum so far
        action, after = residual.act(seen, np.full((3, 4), 0.1, np.float32), state)
        np.testing.assert_allclose(action[:, 0], expected + 0.5 * 0.1, rtol=1e-6)
        assert sorted(after) == ["gap", "total"]
        state |= after
