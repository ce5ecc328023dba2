"""The network against autograd, and its tanh against NumPy's."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from bidpilot.agents.learners.ppo.network import Network, tanh, tanh_backward

INPUTS, OUTPUTS, SAMPLES = 7, 3, 50


@pytest.mark.parametrize("hidden", [(5,), (8, 6), (4, 9, 2)])
def test_outputs_and_gradients_are_those_of_autograd(hidden: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    body = nn.Sequential()
    for inputs, outputs in pairwise((INPUTS, *hidden)):
        body += nn.Sequential(nn.Linear(inputs, outputs), nn.Tanh())
    head = nn.Linear(hidden[-1], OUTPUTS)
    parameters = [*body.parameters(), *head.parameters()]
    x, slope = torch.randn(SAMPLES, INPUTS), torch.randn(SAMPLES, OUTPUTS)
    expected = head(body(x))
    expected.backward(slope)
    gradients = [p.grad for p in parameters]
    for p in parameters:
        p.grad = torch.full_like(p, torch.nan)  # what was there before does not count
    network = Network(body, head)
    torch.testing.assert_close(network.forward(x), expected.detach(), rtol=1e-5, atol=1e-6)
    network.backward(slope)
    for p, gradient in zip(parameters, gradients, strict=True):
        torch.testing.assert_close(p.grad, gradient, rtol=1e-4, atol=1e-5)


def test_weights_are_those_at_the_call() -> None:
    body, head = nn.Sequential(nn.Linear(INPUTS, 4), nn.Tanh()), nn.Linear(4, OUTPUTS)
    network, x = Network(body, head), torch.randn(SAMPLES, INPUTS)
    network.forward(x)
    with torch.no_grad():
        head.weight += 1.0
        torch.testing.assert_close(network.forward(x), head(body(x)), rtol=1e-5, atol=1e-6)


def test_tanh_is_tanh_to_3e_7() -> None:
    z = np.concatenate([np.linspace(-10, 10, 100_001), [-1e30, 1e30, -np.inf, np.inf, 0.0]]).astype(np.float32)
    y = z.copy()
    tanh(y)
    np.testing.assert_allclose(y, np.tanh(z.astype(np.float64)), rtol=0, atol=3e-7)
    y[:] = np.nan
    tanh(y)
    assert np.isnan(y).all()
    small = np.array([1e-30, -1e-6, 1e-3], np.float32)
    y = small.copy()
    tanh(y)
    np.testing.assert_allclose(y, np.tanh(small.astype(np.float64)), rtol=3e-7)


def test_the_slope_of_tanh() -> None:
    y, gradient = np.array([0.0, 0.5, -1.0], np.float32), np.array([2.0, 2.0, 2.0], np.float32)
    tanh_backward(gradient, y)
    assert gradient.tolist() == [2.0, 1.5, 0.0]
