"""The policy network as ONNX, built node by node: nothing of the machine that exported it is in the file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

from bidpilot.agents.acting.network import Lstm, Mlp, Network
from bidpilot.agents.acting.state import State

_OPSET, _IR_VERSION = 20, 10
_AFTER = "_out"  # ends the name of what is remembered after a slot


def write_onnx(network: Network, path: Path) -> None:
    """Write the network with input `observation` (batch, F) and output `action` (batch, 3 + S), unclipped.

    A network with memory has its state before the slot as further inputs, `hidden` and `cell` (batch, H), zeros at the
    start of a day, and the state after it as further outputs, `hidden_out` and `cell_out`.
    """
    if isinstance(network, Lstm):
        nodes, constants = _lstm(network)
    elif isinstance(network, Mlp):
        nodes, constants = _mlp(network, "observation")
    else:
        raise TypeError(f"no ONNX form is written for a {type(network).__name__}")
    memory = {name: array.shape[1] for name, array in network.start(1).items()}
    inputs = {"observation": network.inputs, **memory}
    outputs = {"action": network.outputs, **{f"{name}{_AFTER}": size for name, size in memory.items()}}
    weights = [numpy_helper.from_array(array, name) for name, array in constants.items()]
    graph = helper.make_graph(nodes, "policy", _tensors(inputs), _tensors(outputs), weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], producer_name="bidpilot")
    model.ir_version = _IR_VERSION
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, str(path))


class OnnxNetwork:
    """A written network in onnxruntime, on one thread."""

    def __init__(self, path: Path) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def forward(self, observation: NDArray[np.float32], state: State) -> tuple[NDArray[np.float32], State]:
        """Outputs (B, 3 + S) of observations (B, F), and what is remembered then."""
        names = ["action", *(f"{name}{_AFTER}" for name in state)]
        raw, *after = self.session.run(names, {"observation": observation, **state})
        return raw, dict(zip(state, after, strict=True))


def onnx_difference(path: Path, network: Network, observations: NDArray[np.float32]) -> float:
    """Largest difference between the file and `network`, outputs and memory, over one row's slots (K, F) in order."""
    written, worst = OnnxNetwork(path), 0.0
    ours = theirs = network.start(1)
    for row in observations:
        expected, ours = network.forward(row[None], ours)
        found, theirs = written.forward(row[None], theirs)
        pairs = [(expected, found), *((ours[name], theirs[name]) for name in ours)]
        worst = float(np.max([worst, *(np.abs(a - b).max() for a, b in pairs)]))  # NaN stays NaN
    return worst


def _tensors(sizes: Mapping[str, int]) -> list[ValueInfoProto]:
    return [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", size]) for name, size in sizes.items()]


def _mlp(network: Mlp, inputs: str) -> tuple[list[NodeProto], dict[str, NDArray[Any]]]:
    """Nodes from the tensor `inputs` to `action`, and their constants by name."""
    nodes, last = [], inputs
    constants: dict[str, NDArray[Any]] = {}
    for i, (weight, bias) in enumerate(zip(network.weights, network.biases, strict=True)):
        final = i == len(network.weights) - 1
        out = "action" if final else f"linear_{i}"
        constants |= {f"weight_{i}": weight, f"bias_{i}": bias}
        nodes.append(helper.make_node("Gemm", [last, f"weight_{i}", f"bias_{i}"], [out]))
        if not final:
            last = f"hidden_{i}"
            nodes.append(helper.make_node("Tanh", [out], [last]))
    return nodes, constants


def _lstm(network: Lstm) -> tuple[list[NodeProto], dict[str, NDArray[Any]]]:
    """Nodes of the layer and its head, and their constants by name; gates in the order of `Lstm`."""
    parts = [
        helper.make_node("Gemm", ["observation", "weight_ih", "bias"], ["from_observation"], transB=1),
        helper.make_node("Gemm", ["hidden", "weight_hh", "from_observation"], ["gates"], transB=1),
        helper.make_node(
            "Split", ["gates"], ["to_admit", "to_forget", "to_candidate", "to_emit"], axis=1, num_outputs=4
        ),
        *(helper.make_node("Sigmoid", [f"to_{gate}"], [gate]) for gate in ("admit", "forget", "emit")),
        helper.make_node("Tanh", ["to_candidate"], ["candidate"]),
        helper.make_node("Mul", ["forget", "cell"], ["kept"]),
        helper.make_node("Mul", ["admit", "candidate"], ["added"]),
        helper.make_node("Add", ["kept", "added"], [f"cell{_AFTER}"]),
        helper.make_node("Tanh", [f"cell{_AFTER}"], ["active"]),
        helper.make_node("Mul", ["emit", "active"], [f"hidden{_AFTER}"]),
    ]
    constants = {"weight_ih": network.weight_ih, "weight_hh": network.weight_hh, "bias": network.bias}
    nodes, head = _mlp(network.head, f"hidden{_AFTER}")
    return [*parts, *nodes], constants | head
