"""The networks of trained policies as plain arrays: what they answer, and how the answer follows their input.

The only forward and backward pass of each network in the project: policies play them, explanations differentiate
them, bundles and ONNX files are held against them. Inputs in double precision are computed in double precision.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from bidpilot.agents.acting.state import State
from bidpilot.bidding.errors import PolicyMismatch

Matrix = NDArray[np.float32]
Array = NDArray[np.floating[Any]]
KIND: Final = "kind"
"""Name of the stored entry that says which network the others are the weights of."""


class Network(Protocol):
    """F inputs, A outputs, and what it remembers between slots."""

    @property
    def inputs(self) -> int:
        """F."""

    @property
    def outputs(self) -> int:
        """A."""

    def start(self, rows: int) -> State:
        """What it remembers at the start of a day."""

    def forward(self, observation: Array, state: State) -> tuple[Array, State]:
        """Outputs (B, A), unclipped, of observations (B, F), and what it remembers then."""

    def backward(self, observation: Array, state: State, back: Array) -> Array:
        """Vector-Jacobian products (B, K, F) by the observation (B, F), of K vectors `back` (B, K, A) over the outputs.

        What it remembers of the slots before is held fixed.
        """

    def times(self, factor: float) -> Network:
        """The network whose outputs are `factor` times those of this one."""

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Its weights by the names they are stored under, of which `network_of` makes it again."""


@dataclass(frozen=True)
class Mlp:
    """Hidden layers with tanh, then a linear one. Remembers nothing.

    Raises:
        PolicyMismatch: layers that do not fit together, or that hold numbers that are not finite.
    """

    weights: tuple[Matrix, ...]  # per layer (inputs, outputs)
    biases: tuple[Matrix, ...]  # per layer (outputs,)

    kind = "mlp"

    def __post_init__(self) -> None:
        if not self.weights or len(self.weights) != len(self.biases):
            raise PolicyMismatch(
                f"{len(self.weights)} layers of weights and {len(self.biases)} of biases are no network. "
                "The file is damaged, train again."
            )
        sizes = [len(self.weights[0]), *(w.shape[-1] for w in self.weights)]
        for layer, (w, b) in enumerate(zip(self.weights, self.biases, strict=True)):
            fits(f"weight_{layer}", w, (sizes[layer], sizes[layer + 1]))
            fits(f"bias_{layer}", b, (sizes[layer + 1],))

    @property
    def inputs(self) -> int:
        """F."""
        return int(self.weights[0].shape[0])

    @property
    def outputs(self) -> int:
        """A."""
        return int(self.biases[-1].shape[0])

    def start(self, rows: int) -> State:
        """Nothing."""
        return {}

    def forward(self, observation: Array, state: State) -> tuple[Array, State]:
        """Outputs (B, A) of inputs (B, F)."""
        return self._layers(observation)[-1], state

    def backward(self, observation: Array, state: State, back: Array) -> Array:
        """Vector-Jacobian products (B, K, F) of `back` (B, K, A)."""
        *hidden, _ = self._layers(observation)
        back = back @ self.weights[-1].T
        for weight, active in zip(reversed(self.weights[:-1]), reversed(hidden), strict=True):
            back = (back * (1.0 - active**2)[:, None, :]) @ weight.T  # d tanh(z) / dz = 1 - tanh(z) ** 2
        return back

    def times(self, factor: float) -> Mlp:
        """The last layer times `factor`."""
        (*weights, weight), (*biases, bias) = self.weights, self.biases
        by = np.float32(factor)
        return Mlp((*weights, weight * by), (*biases, bias * by))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """`weight_i` and `bias_i` of layer i, and the kind."""
        found: dict[str, NDArray[Any]] = {KIND: np.array(self.kind)}
        found |= {f"weight_{i}": w for i, w in enumerate(self.weights)}
        return found | {f"bias_{i}": b for i, b in enumerate(self.biases)}

    @classmethod
    def of(cls, arrays: Mapping[str, NDArray[Any]]) -> Mlp:
        """The network of stored arrays; entries of other names are passed over."""
        layers = range(sum(name.startswith("weight_") for name in arrays))
        return cls(*(_stored(arrays, (f"{name}_{i}" for i in layers)) for name in ("weight", "bias")))

    def _layers(self, inputs: Array) -> list[Array]:
        """Every layer's output (B, .), the last without tanh."""
        found = [inputs]
        for w, b in zip(self.weights[:-1], self.biases[:-1], strict=True):
            found.append(np.tanh(found[-1] @ w + b))
        return [*found[1:], found[-1] @ self.weights[-1] + self.biases[-1]]


@dataclass(frozen=True)
class Lstm:
    """One LSTM layer of H units, then a head on what it puts out. Remembers `hidden` and `cell`, (B, H) each.

    Hochreiter and Schmidhuber, "Long short-term memory" (Neural Computation 1997), with a forget gate and in torch's
    layout: the rows of the weights are the input gate's, the forget gate's, the candidate's and the output gate's.

    Raises:
        PolicyMismatch: weights that do not fit together, or that hold numbers that are not finite.
    """

    weight_ih: Matrix  # (4 H, F)
    weight_hh: Matrix  # (4 H, H)
    bias: Matrix  # (4 H,), the sum of torch's two
    head: Mlp  # H inputs

    kind = "lstm"

    def __post_init__(self) -> None:
        units = self.head.inputs
        fits("lstm_weight_ih", self.weight_ih, (4 * units, self.weight_ih.shape[-1]))
        fits("lstm_weight_hh", self.weight_hh, (4 * units, units))
        fits("lstm_bias", self.bias, (4 * units,))

    @property
    def inputs(self) -> int:
        """F."""
        return int(self.weight_ih.shape[1])

    @property
    def outputs(self) -> int:
        """A."""
        return self.head.outputs

    def start(self, rows: int) -> State:
        """Zeros (B, H)."""
        return {name: np.zeros((rows, self.head.inputs), np.float32) for name in ("hidden", "cell")}

    def forward(self, observation: Array, state: State) -> tuple[Array, State]:
        """Outputs (B, A), and the memory (B, H) that they are made from."""
        *_, cell, hidden = self._cell(observation, state)
        raw, _ = self.head.forward(hidden, {})
        return raw, {"hidden": hidden, "cell": cell}

    def backward(self, observation: Array, state: State, back: Array) -> Array:
        """Vector-Jacobian products (B, K, F) of `back` (B, K, A), at the memory `state` held fixed."""
        admit, forget, candidate, emit, cell, hidden = self._cell(observation, state)
        back = self.head.backward(hidden, {}, back)
        active = np.tanh(cell)
        to_cell = back * (emit * (1.0 - active**2))[:, None, :]
        gates = (
            to_cell * (candidate * admit * (1.0 - admit))[:, None, :],
            to_cell * (state["cell"] * forget * (1.0 - forget))[:, None, :],
            to_cell * (admit * (1.0 - candidate**2))[:, None, :],
            back * (active * emit * (1.0 - emit))[:, None, :],
        )
        return np.concatenate(gates, axis=2) @ self.weight_ih

    def times(self, factor: float) -> Lstm:
        """The head times `factor`."""
        return replace(self, head=self.head.times(factor))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """`lstm_weight_ih`, `lstm_weight_hh`, `lstm_bias`, the head's layers, and the kind."""
        own = {"lstm_weight_ih": self.weight_ih, "lstm_weight_hh": self.weight_hh, "lstm_bias": self.bias}
        return self.head.arrays() | own | {KIND: np.array(self.kind)}

    @classmethod
    def of(cls, arrays: Mapping[str, NDArray[Any]]) -> Lstm:
        """The network of stored arrays; entries of other names are passed over."""
        weight_ih, weight_hh, bias = _stored(arrays, ("lstm_weight_ih", "lstm_weight_hh", "lstm_bias"))
        return cls(weight_ih, weight_hh, bias, Mlp.of(arrays))

    def _cell(self, observation: Array, state: State) -> tuple[Array, Array, Array, Array, Array, Array]:
        """Input gate, forget gate, candidate, output gate, and the cell and hidden output after them, (B, H) each."""
        gates = observation @ self.weight_ih.T + self.bias + state["hidden"] @ self.weight_hh.T
        to_admit, to_forget, to_candidate, to_emit = np.split(gates, 4, axis=1)
        admit, forget, emit = _sigmoid(to_admit), _sigmoid(to_forget), _sigmoid(to_emit)
        candidate: Array = np.tanh(to_candidate)
        cell: Array = forget * state["cell"] + admit * candidate
        return admit, forget, candidate, emit, cell, emit * np.tanh(cell)


NETWORKS: Final[Mapping[str, type[Mlp] | type[Lstm]]] = {network.kind: network for network in (Mlp, Lstm)}
"""Every network by the kind it is stored under."""


def network_of(arrays: Mapping[str, NDArray[Any]]) -> Mlp | Lstm:
    """The network that stored arrays are the weights of.

    Raises:
        PolicyMismatch: a kind of network that this version does not know, or arrays that do not fit together.
    """
    kind = str(arrays.get(KIND, ""))
    if kind not in NETWORKS:
        raise PolicyMismatch(
            f"the file holds a network of kind {kind!r}; this version knows {', '.join(NETWORKS)}. "
            "Use the version that trained it, or train again."
        )
    return NETWORKS[kind].of(arrays)


def fits(name: str, array: Matrix, shape: tuple[int, ...]) -> None:
    """Refuse weights of another shape, or that are not finite.

    Raises:
        PolicyMismatch: they are.
    """
    if array.shape != shape:
        raise PolicyMismatch(f"{name} has shape {array.shape}; {shape} fits. The file is damaged, train again.")
    if not np.isfinite(array).all():
        raise PolicyMismatch(f"{name} holds weights that are not finite. Train again.")


def _stored(arrays: Mapping[str, NDArray[Any]], names: Iterable[str]) -> tuple[Matrix, ...]:
    try:
        return tuple(np.ascontiguousarray(arrays[name], np.float32) for name in names)
    except KeyError as error:
        raise PolicyMismatch(f"the file lacks {error} of its network. The file is damaged, train again.") from error


def _sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)), by a form that does not overflow."""
    value: Array = 0.5 * (1.0 + np.tanh(0.5 * x))
    return value
