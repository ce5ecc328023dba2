"""The policy as ONNX, built node by node: nothing of the machine that exported it is in the file.

The file answers with the action itself, clip and base included, and says in its metadata what goes in and comes out:
whoever runs it needs nothing else to bid what the bundle bids.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import TensorProto, ValueInfoProto, helper, numpy_helper

from bidpilot.agents.acting.agent import Action
from bidpilot.agents.acting.network import Lstm, Mlp, Network
from bidpilot.agents.acting.policy import NetworkPolicy
from bidpilot.agents.acting.state import State
from bidpilot.bidding.bundle import SCHEMA_VERSION
from bidpilot.bidding.day.action import SCALE_REACH, SEGMENT_REACH, TILT_REACH
from bidpilot.bidding.day.features import columns, declared
from bidpilot.training.export.onnx_controllers import AFTER, OBSERVATION, Seen, write_controller
from bidpilot.training.export.onnx_graph import Graph

ACTION: Final = "action"
_OPSET, _IR_VERSION = 20, 10
_TYPES = {np.dtype(np.float32): TensorProto.FLOAT, np.dtype(np.float64): TensorProto.DOUBLE}


def write_onnx(policy: NetworkPolicy, path: Path, segments: tuple[str, ...], run_id: str) -> None:
    """Write the policy with input `observation` (batch, R) and output `action` (batch, 3 + S) in [-1, 1].

    The input's columns are the features that the policy reads, in the order that the metadata's `features` tells.

    What the policy remembers before the slot are further inputs, what it remembers after it further outputs, called
    the same with `_out` behind: `hidden` and `cell` (batch, H) of a network with memory, (batch,) each of a base
    controller. At the start of a day they are as the metadata's `state` says.
    """
    graph, seen = Graph(), Seen(policy.reads(len(segments)), len(segments))
    raw = _network(graph, policy.network, _own(graph, policy, seen))
    if policy.residual is None:
        graph.clipped(raw, np.float32, out=ACTION)
    else:
        share = graph.constant(policy.residual.reach, dtype=np.float32)
        own = graph.add("Mul", graph.clipped(raw, np.float32), share)
        base = write_controller(graph, policy.residual.base, seen)
        graph.clipped(graph.add("Add", own, graph.add("Cast", base, to=TensorProto.FLOAT)), np.float32, out=ACTION)
    start = policy.start(1)
    inputs = [_tensor(OBSERVATION, np.zeros((1, len(seen.features)), np.float32), _OBSERVATION_IS)]
    outputs = [_tensor(ACTION, np.zeros((1, policy.network.outputs), np.float32), _ACTION_IS)]
    for name, array in start.items():
        inputs.append(_tensor(name, array, f"{_state_meaning(policy, name)} before the slot; {_INITIAL}"))
        outputs.append(_tensor(f"{name}{AFTER}", array, f"{_state_meaning(policy, name)} after the slot"))
    weights = [numpy_helper.from_array(array, name) for name, array in graph.constants.items()]
    made = helper.make_graph(graph.nodes, "policy", inputs, outputs, weights, doc_string=_description(policy))
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", _OPSET)], producer_name="bidpilot")
    model.ir_version, model.doc_string = _IR_VERSION, _description(policy)
    helper.set_model_props(model, _metadata(policy, seen, segments, run_id, start))
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, str(path))


class OnnxPolicy:
    """A written policy in onnxruntime, on one thread."""

    def __init__(self, path: Path) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self.metadata: dict[str, str] = self.session.get_modelmeta().custom_metadata_map
        names = [feature["name"] for feature in json.loads(self.metadata["features"])]
        self._columns = columns(names, len(json.loads(self.metadata["segments"])))

    def act(self, observation: NDArray[np.float32], state: State) -> tuple[Action, State]:
        """Actions (B, 3 + S) of observations (B, F), and what is remembered then."""
        names = [ACTION, *(f"{name}{AFTER}" for name in state)]
        action, *after = self.session.run(names, {OBSERVATION: observation[:, self._columns], **state})
        return action, dict(zip(state, after, strict=True))


def onnx_difference(path: Path, policy: NetworkPolicy, observations: NDArray[np.float32]) -> float:
    """Largest difference between the file and `policy`, actions and memory, over a row's K observations (K, F)."""
    written, worst = OnnxPolicy(path), 0.0
    ours = theirs = policy.start(1)
    for row in observations:
        expected, ours = policy.act(row[None], ours)
        found, theirs = written.act(row[None], theirs)
        pairs = [(expected, found), *((ours[name], theirs[name]) for name in ours)]
        worst = float(np.max([worst, *(np.abs(a - b).max() for a, b in pairs)]))  # NaN stays NaN
    return worst


# --- the network ----------------------------------------------------------------------------------


def _own(graph: Graph, policy: NetworkPolicy, seen: Seen) -> str:
    """What the network sees of the observation: all but what its base alone reads, which comes after it."""
    if len(policy.features) == len(seen.features):
        return OBSERVATION
    first, last, axis = (graph.constant(np.array([at])) for at in (0, len(policy.features), 1))
    return graph.add("Slice", OBSERVATION, first, last, axis)


def _network(graph: Graph, network: Network, inputs: str) -> str:
    """Nodes from its inputs, and what the network remembers, to its answer, and the answer's name."""
    if isinstance(network, Lstm):
        return _mlp(graph, network.head, _lstm(graph, network, inputs))
    if isinstance(network, Mlp):
        return _mlp(graph, network, inputs)
    raise TypeError(f"no ONNX form is written for a {type(network).__name__}")


def _mlp(graph: Graph, network: Mlp, last: str) -> str:
    for i, (weight, bias) in enumerate(zip(network.weights, network.biases, strict=True)):
        if i > 0:
            last = graph.add("Tanh", last)
        last = graph.add("Gemm", last, graph.constant(weight, f"weight_{i}"), graph.constant(bias, f"bias_{i}"))
    return last


def _lstm(graph: Graph, network: Lstm, inputs: str) -> str:
    """The layer's output after the slot; gates in the order of `Lstm`."""
    weight_ih, weight_hh = (
        graph.constant(network.weight_ih, "weight_ih"),
        graph.constant(network.weight_hh, "weight_hh"),
    )
    seen = graph.add("Gemm", inputs, weight_ih, graph.constant(network.bias, "bias"), transB=1)
    gates = graph.add("Gemm", "hidden", weight_hh, seen, transB=1)
    graph.split(gates, ("to_admit", "to_forget", "to_candidate", "to_emit"), axis=1)
    admit, forget, emit = (graph.add("Sigmoid", f"to_{gate}") for gate in ("admit", "forget", "emit"))
    kept = graph.add("Mul", forget, "cell")
    cell = graph.add("Add", kept, graph.add("Mul", admit, graph.add("Tanh", "to_candidate")), out=f"cell{AFTER}")
    return graph.add("Mul", emit, graph.add("Tanh", cell), out=f"hidden{AFTER}")


# --- what the file says of itself -----------------------------------------------------------------

_OBSERVATION_IS = "features of the coming slot, dimensionless, in the order of the metadata's `features`"
_ACTION_IS = "how the rule moves away from the plan, in [-1, 1], in the order of the metadata's `action_entries`"
_INITIAL = "at the start of a day as the metadata's `state` says"
_MEANINGS = {
    "hidden": "output of the LSTM layer",
    "cell": "cell of the LSTM layer",
    "gap": "base controller: gap to the planned budget curve, share of the budget",
    "total": "base controller: sum of the gaps so far",
    "scale": "base controller: ln of the bid scale over 1.5",
    "target": "base controller: plan's spend of the slot / mean spend per slot",
}


def _state_meaning(policy: NetworkPolicy, name: str) -> str:
    return _MEANINGS.get(name, f"{name} of {policy.name}")


def _description(policy: NetworkPolicy) -> str:
    """One paragraph for whoever opens the file."""
    made = "the network's answer, clipped to [-1, 1]"
    if policy.residual is not None:
        base, reach = policy.residual.base.name, policy.residual.reach
        made = f"clip(base + {reach:g} * clip(network), -1, 1), where the base is the controller {base}"
    return (
        f"A bid policy: one observation per campaign and slot in, one action out. The action is {made}; all of it is "
        "in this graph. Ask once per slot, in order, and hand what is remembered back."
    )


def _metadata(
    policy: NetworkPolicy, seen: Seen, segments: tuple[str, ...], run_id: str, start: State
) -> dict[str, str]:
    ours = declared(len(segments))
    features = [
        {"name": name, "low": ours[name].low, "high": ours[name].high, "meaning": ours[name].meaning}
        for name in seen.features
    ]
    entries = [
        {"name": "scale", "meaning": f"all bid coefficients and share prices times exp({SCALE_REACH:g} a)"},
        {"name": "interaction tilt", "meaning": f"interaction coefficient times exp({TILT_REACH:g} a)"},
        {"name": "conversion tilt", "meaning": f"conversion coefficient times exp({TILT_REACH:g} a)"},
        *(
            {
                "name": f"multiplier of {name}",
                "meaning": f"bids there times exp({SEGMENT_REACH:g} (a - mean over segments))",
            }
            for name in segments
        ),
    ]
    state = {
        name: {
            "output": f"{name}{AFTER}",
            "shape": ["batch", *array.shape[1:]],
            "type": str(array.dtype),
            "initial": array[0].tolist(),
            "meaning": _state_meaning(policy, name),
        }
        for name, array in start.items()
    }
    return {
        "schema_version": str(SCHEMA_VERSION),
        "run_id": run_id,
        "policy": policy.name,
        "segments": json.dumps(segments),
        "features": json.dumps(features),
        "action_entries": json.dumps(entries),
        "action_meaning": "zero bids the plan; every entry is in [-1, 1]",
        "state": json.dumps(state),
        "state_meaning": "what is remembered between slots: an input and, with `_out`, an output each; {} of none",
    }


def _tensor(name: str, like: NDArray[Any], meaning: str) -> ValueInfoProto:
    return helper.make_tensor_value_info(name, _TYPES[like.dtype], ["batch", *like.shape[1:]], doc_string=meaning)
