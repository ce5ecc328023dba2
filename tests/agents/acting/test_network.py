"""The networks: one slot of an LSTM by hand, torch's LSTM slot after slot, and derivatives against differences."""

from math import log

import numpy as np
import pytest
import torch

from bidpilot.agents.acting.network import Lstm, Mlp, Network, network_of
from bidpilot.agents.acting.state import State
from bidpilot.bidding.errors import PolicyMismatch
from tests.agents.acting.networks import random_lstm, random_mlp

INPUTS, OUTPUTS = 7, 4
NETWORKS: list[Network] = [random_mlp(INPUTS, OUTPUTS), random_lstm(INPUTS, OUTPUTS)]


def two_units() -> Lstm:
    """Gates of thirds and halves at x = 2, h = (0.5, -0.5): sigmoid(ln 3) = 0.75, tanh(ln 2) = 0.6."""
    three, two = log(3), log(2)
    return Lstm(
        weight_ih=np.array([[three / 2], [0], [0], [0], [three / 2], [0], [0], [three / 2]], np.float32),
        weight_hh=np.array([[0, 0], [0, 0], [1, 1], [2 * three, 0], [0, 0], [0, 2 * two], [0, 0], [0, 0]], np.float32),
        bias=np.array([0, -three, 0, 0, -three / 2, 0, -three, -three], np.float32),
        head=Mlp((np.array([[1], [2]], np.float32),), (np.array([0.5], np.float32),)),
    )


def test_one_slot_of_two_units_by_hand() -> None:
    state = {"hidden": np.array([[0.5, -0.5]], np.float32), "cell": np.array([[1.0, 0.25]], np.float32)}
    raw, after = two_units().forward(np.array([[2.0]], np.float32), state)
    # input gates 0.75 and 0.25, forget 0.5 and 0.75, candidates 0.5 and -0.6, output gates 0.25 and 0.5
    np.testing.assert_allclose(after["cell"], [[0.5 * 1.0 + 0.75 * 0.5, 0.75 * 0.25 - 0.25 * 0.6]], rtol=1e-5)
    np.testing.assert_allclose(after["hidden"], [[0.1759764, 0.0187412]], rtol=1e-5)  # 0.25 tanh 0.875, 0.5 tanh 0.0375
    np.testing.assert_allclose(raw, [[0.7134589]], rtol=1e-5)  # 0.1759764 + 2 * 0.0187412 + 0.5
    np.testing.assert_array_equal(state["cell"], [[1.0, 0.25]])  # what is given is left as it is


def test_a_day_of_torchs_lstm_is_the_same_to_rounding() -> None:
    torch.manual_seed(0)
    theirs, head = torch.nn.LSTM(INPUTS, 6), torch.nn.Linear(6, OUTPUTS)
    w = {name: value.detach().numpy() for name, value in theirs.named_parameters()}
    linear = Mlp((head.weight.detach().numpy().T,), (head.bias.detach().numpy(),))
    ours = Lstm(w["weight_ih_l0"], w["weight_hh_l0"], w["bias_ih_l0"] + w["bias_hh_l0"], linear)
    seen = np.random.default_rng(0).normal(0, 2, (48, 3, INPUTS)).astype(np.float32)
    with torch.no_grad():
        hidden, (last, cell) = theirs(torch.from_numpy(seen))
        expected = head(hidden).numpy()
    state = ours.start(3)
    for slot in range(48):
        raw, state = ours.forward(seen[slot], state)
        np.testing.assert_allclose(raw, expected[slot], atol=1e-6)
    np.testing.assert_allclose(state["hidden"], last[0].numpy(), atol=1e-6)
    np.testing.assert_allclose(state["cell"], cell[0].numpy(), atol=1e-6)


def test_gates_far_out_saturate_without_a_warning() -> None:
    network = two_units()
    for x in (-1e6, 1e6):
        raw, state = network.forward(np.array([[x]], np.float32), network.start(1))
        assert np.isfinite(raw).all()
        assert np.abs(state["hidden"]).max() <= 1.0


def test_two_layers_by_hand() -> None:
    network = Mlp(
        (np.array([[1.0], [-1.0]], np.float32), np.array([[2.0, -4.0]], np.float32)),
        (np.array([log(2) - 0.5], np.float32), np.array([0.5, 0.0], np.float32)),
    )
    raw, _ = network.forward(np.array([[1.0, 0.5]], np.float32), {})  # tanh(1 - 0.5 + ln 2 - 0.5) = 0.6
    np.testing.assert_allclose(raw, [[2 * 0.6 + 0.5, -4 * 0.6]], rtol=1e-6)
    slope = network.backward(np.array([[1.0, 0.5]]), {}, np.eye(2)[None])  # 1 - 0.6 ** 2 = 0.64
    np.testing.assert_allclose(slope, [[[1.28, -1.28], [-2.56, 2.56]]], rtol=1e-6)


@pytest.mark.parametrize("network", NETWORKS, ids=["mlp", "lstm"])
def test_the_backward_pass_is_the_forward_passs_derivative_at_a_fixed_memory(network: Network) -> None:
    rng = np.random.default_rng(1)
    seen, back = rng.normal(size=(5, INPUTS)), rng.normal(size=(5, 3, OUTPUTS))
    state: State = {name: rng.normal(0, 0.5, array.shape) for name, array in network.start(5).items()}
    found = network.backward(seen, state, back)
    for i in range(INPUTS):
        step = 1e-6 * np.eye(INPUTS)[i]
        above, below = (np.asarray(network.forward(x, state)[0], np.float64) for x in (seen + step, seen - step))
        np.testing.assert_allclose(found[:, :, i], np.einsum("bka,ba->bk", back, (above - below) / 2e-6), atol=1e-7)
    assert np.abs(found).max() > 0.1


@pytest.mark.parametrize("network", NETWORKS, ids=["mlp", "lstm"])
def test_stored_arrays_make_the_same_network(network: Network) -> None:
    again = network_of(network.arrays())
    assert type(again) is type(network)
    assert (again.inputs, again.outputs) == (INPUTS, OUTPUTS)
    seen = np.random.default_rng(2).normal(size=(4, INPUTS)).astype(np.float32)
    np.testing.assert_array_equal(again.forward(seen, again.start(4))[0], network.forward(seen, network.start(4))[0])


@pytest.mark.parametrize("network", NETWORKS, ids=["mlp", "lstm"])
def test_weights_of_another_shape_missing_or_not_finite_are_refused_by_name(network: Network) -> None:
    for name, array in network.arrays().items():
        if name == "kind":
            continue
        with pytest.raises(PolicyMismatch, match="has shape"):
            network_of(network.arrays() | {name: array[..., :-1] if name.startswith("weight") else array[:-1]})
        with pytest.raises(PolicyMismatch, match=f"{name} holds weights that are not finite"):
            network_of(network.arrays() | {name: np.full_like(array, np.nan)})
    missing = network.arrays()
    del missing["bias_0"]
    with pytest.raises(PolicyMismatch, match="lacks 'bias_0'"):
        network_of(missing)


def test_a_kind_of_network_that_is_not_known_is_named_with_those_that_are() -> None:
    with pytest.raises(PolicyMismatch, match="'transformer'; this version knows mlp, lstm"):
        network_of(NETWORKS[0].arrays() | {"kind": np.array("transformer")})


def test_no_layers_are_no_network() -> None:
    with pytest.raises(PolicyMismatch, match="0 layers of weights"):
        network_of({"kind": np.array("mlp")})


@pytest.mark.parametrize("network", [random_mlp(5, 3), random_lstm(5, 3)])
def test_a_share_of_a_network_answers_that_share_slot_after_slot(network: Mlp | Lstm) -> None:
    inputs, part = np.random.default_rng(0).normal(size=(4, 5)), network.times(0.25)
    whole_state, state = network.start(4), part.start(4)
    for _ in range(3):
        whole, whole_state = network.forward(inputs, whole_state)
        answer, state = part.forward(inputs, state)
        np.testing.assert_allclose(answer, 0.25 * whole, rtol=1e-12)
