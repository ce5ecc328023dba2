"""Controllers as ONNX nodes: what they do of an observation, in double precision as they do it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from onnx import TensorProto

from bidpilot.agents.acting.agent import ControllerAgent
from bidpilot.bidding.day.action import FIRST_SEGMENT
from bidpilot.bidding.day.features import FEATURES, POSITION
from bidpilot.training.export.onnx_graph import Graph

OBSERVATION: Final = "observation"
AFTER: Final = "_out"
"""Ends the name of what is remembered after a slot."""

Gains = dict[str, float]


def write_controller(graph: Graph, controller: ControllerAgent, segments: int) -> str:
    """Nodes from the observation and what the controller remembers to its action (batch, 3 + S); the action's name.

    Raises:
        TypeError: no ONNX form is written for it.
    """
    if controller.name not in _FORMS:
        raise TypeError(f"no ONNX form is written for the controller {controller.name}")
    return _FORMS[controller.name](graph, controller.gains, segments)


def _plan(graph: Graph, gains: Gains, segments: int) -> str:
    return _scale_action(graph, _times(graph, _feature(graph, "time_left"), 0.0), segments)


def _pid(graph: Graph, gains: Gains, segments: int) -> str:
    gap = graph.add("Identity", _feature(graph, "pace_gap"), out=f"gap{AFTER}")
    total = graph.add("Add", "total", gap, out=f"total{AFTER}")
    change = graph.add("Sub", gap, "gap")
    scale = graph.add("Add", _times(graph, gap, gains["proportional"]), _times(graph, total, gains["integral"]))
    scale = graph.add("Add", scale, _times(graph, change, gains["derivative"]))
    return _scale_action(graph, scale, segments)


def _dual_descent(graph: Graph, gains: Gains, segments: int) -> str:
    begun = graph.add("Less", _feature(graph, "time_left"), graph.constant(1.0))
    short = graph.add("Sub", graph.constant(1.0), _feature(graph, "cost_slot"))
    missed = _times(graph, graph.add("Mul", "target", short), gains["rate"])
    step = graph.add("Where", begun, missed, graph.constant(0.0))
    scale = graph.clipped(graph.add("Add", "scale", step), np.float64, out=f"scale{AFTER}")
    graph.add("Identity", _feature(graph, "planned_share"), out=f"target{AFTER}")
    return _scale_action(graph, scale, segments)


def _mpc(graph: Graph, gains: Gains, segments: int) -> str:
    left = _feature(graph, "time_left")
    gone = graph.add("Sub", graph.constant(1.0), left)
    timed = graph.add("Add", _times(graph, left, gains["early"]), _times(graph, gone, gains["late"]))
    scale = graph.add("Add", _times(graph, _feature(graph, "replan"), gains["gain"]), timed)
    first, last = (graph.constant(np.array([place])) for place in (len(FEATURES), len(FEATURES) + segments))
    own = graph.add("Slice", OBSERVATION, first, last, graph.constant(np.array([1])))
    return graph.add("Concat", _scale_action(graph, scale, 0), _double(graph, own), axis=1)


_FORMS: Final[dict[str, Callable[[Graph, Gains, int], str]]] = {
    "plan": _plan,
    "pid": _pid,
    "dual_descent": _dual_descent,
    "mpc": _mpc,
}


def _scale_action(graph: Graph, scale: str, segments: int) -> str:
    """The action (batch, 3 + segments) that moves the scale (batch,) alone."""
    column = graph.add("Unsqueeze", graph.clipped(scale, np.float64), graph.constant(np.array([1])))
    after = np.array([0, 0, 0, FIRST_SEGMENT - 1 + segments])
    return graph.add("Pad", column, graph.constant(after))


def _feature(graph: Graph, name: str) -> str:
    """Column (batch,) of the observation."""
    return _double(graph, graph.add("Gather", OBSERVATION, graph.constant(np.array(POSITION[name])), axis=1))


def _double(graph: Graph, value: str) -> str:
    return graph.add("Cast", value, to=TensorProto.DOUBLE)


def _times(graph: Graph, value: str, factor: float) -> str:
    return graph.add("Mul", value, graph.constant(factor))
