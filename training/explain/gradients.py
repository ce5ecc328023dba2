"""Integrated gradients, with pieces halved where the function bends, so that the shares always add up.

Sundararajan, Taly and Yan, "Axiomatic attribution for deep networks" (ICML 2017), equation 1: input i's share is
`(x_i - b_i)` times the mean of the function's derivative by i on the straight line from the baseline b to x.
"""

from __future__ import annotations

from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

_PIECES: Final = 16  # of the straight line, at first
_HALVINGS: Final = 18  # of a piece with a bend in it; the last is 4e-6 of a first piece
_NODES, _WEIGHTS = (0.5 * (a + shift) for a, shift in zip(np.polynomial.legendre.leggauss(3), (1.0, 0.0), strict=True))


class Differentiable(Protocol):
    """What can be explained: a function of I inputs with A outputs, its derivative in P parts."""

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the P parts that the derivative is given in; their sum is the whole."""

    def value(self, inputs: NDArray[np.float64]) -> NDArray[np.float64]:
        """Outputs (N, A) of inputs (N, I)."""

    def gradient(self, inputs: NDArray[np.float64], moved: NDArray[np.int64]) -> NDArray[np.float64]:
        """Derivatives (P, N, A, M) at inputs (N, I) by the inputs numbered `moved` (M,)."""


def integrated_gradients(
    function: Differentiable, inputs: NDArray[np.float64], baseline: NDArray[np.float64], tolerance: float = 1e-6
) -> NDArray[np.float64]:
    """Shares (P, A, I) of what separates the outputs at `inputs` (I,) from those at `baseline` (I,).

    Summed over parts and inputs they are `value(inputs) - value(baseline)`, to `tolerance` where the function is
    continuous. An input that is equal in both has no share.
    """
    way = inputs - baseline
    moved = np.flatnonzero(way)
    outputs = function.value(baseline[None]).shape[1]
    shares = np.zeros((len(function.parts), outputs, len(inputs)))
    if not len(moved):
        return shares
    left, width = np.arange(_PIECES) / _PIECES, 1.0 / _PIECES
    for halving in range(_HALVINGS + 1):
        points = baseline + (left[:, None] + width * _NODES).reshape(-1, 1) * way
        slope = function.gradient(points, moved)
        slope = slope.reshape(len(function.parts), len(left), len(_NODES), outputs, len(moved))
        piece = np.einsum("q,pnqam->pnam", width * _WEIGHTS, slope) * way[moved]
        change = function.value(baseline + (left + width)[:, None] * way) - function.value(
            baseline + left[:, None] * way
        )
        missed = np.abs(np.einsum("pnam->na", piece) - change).max(axis=1)
        settled = (missed <= tolerance * width) | (halving == _HALVINGS)
        shares[..., moved] += piece[:, settled].sum(axis=1)
        if settled.all():
            break
        width /= 2
        left = np.concatenate([left[~settled], left[~settled] + width])
    return shares
