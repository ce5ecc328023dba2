"""Controllers as ONNX nodes: what they do of an observation, in double precision as they do it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
from onnx import TensorProto

from bidpilot.agents.acting.agent import ControllerAgent
from bidpilot.bidding.day.action import FIRST_SEGMENT
from bidpilot.bidding.day.features import SEGMENT_FEATURE, entries
from bidpilot.training.export.onnx_graph import Graph

OBSERVATION: Final = "observation"
AFTER: Final = "_out"
"""Ends the name of what is remembered after a slot."""

Gains = dict[str, float]


class Seen(NamedTuple):
    """What the graph's observation holds."""

    features: tuple[str, ...]  # (R,) names of its columns
    segments: int  # S


def write_controller(graph: Graph, controller: ControllerAgent, seen: Seen) -> str:
    """Nodes from the observation and what the controller remembers to its action (batch, 3 + S); the action's name.

    Raises:
        TypeError: no ONNX form is written for it.
    """
    if controller.name not in _FORMS:
        raise TypeError(f"no ONNX form is written for the controller {controller.name}")
    return _FORMS[controller.name](graph, controller.gains, seen)


def _plan(graph: Graph, gains: Gains, seen: Seen) -> str:
    return _scale_action(graph, _times(graph, _feature(graph, seen, "time_left"), 0.0), seen.segments)


def _pid(graph: Graph, gains: Gains, seen: Seen) -> str:
    gap = graph.add("Identity", _feature(graph, seen, "pace_gap"), out=f"gap{AFTER}")
    total = graph.add("Add", "total", gap, out=f"total{AFTER}")
    change = graph.add("Sub", gap, "gap")
    scale = graph.add("Add", _times(graph, gap, gains["proportional"]), _times(graph, total, gains["integral"]))
    scale = graph.add("Add", scale, _times(graph, change, gains["derivative"]))
    return _scale_action(graph, scale, seen.segments)


def _dual_descent(graph: Graph, gains: Gains, seen: Seen) -> str:
    begun = graph.add("Less", _feature(graph, seen, "time_left"), graph.constant(1.0))
    short = graph.add("Sub", graph.constant(1.0), _feature(graph, seen, "cost_slot"))
    missed = _times(graph, graph.add("Mul", "target", short), gains["rate"])
    step = graph.add("Where", begun, missed, graph.constant(0.0))
    scale = graph.clipped(graph.add("Add", "scale", step), np.float64, out=f"scale{AFTER}")
    graph.add("Identity", _feature(graph, seen, "planned_share"), out=f"target{AFTER}")
    return _scale_action(graph, scale, seen.segments)


def _mpc(graph: Graph, gains: Gains, seen: Seen) -> str:
    left = _feature(graph, seen, "time_left")
    gone = graph.add("Sub", graph.constant(1.0), left)
    timed = graph.add("Add", _times(graph, left, gains["early"]), _times(graph, gone, gains["late"]))
    return _replanned(
        graph, graph.add("Add", _times(graph, _feature(graph, seen, "replan"), gains["gain"]), timed), seen
    )


def _adaptive(graph: Graph, gains: Gains, seen: Seen) -> str:
    return _replanned(graph, _feature(graph, seen, "replan"), seen)


def _replanned(graph: Graph, scale: str, seen: Seen) -> str:
    """The action of a scale (batch,) and the re-plan's own segment entries."""
    places = [seen.features.index(name) for name in entries([SEGMENT_FEATURE.name], seen.segments)]
    own = graph.add("Gather", OBSERVATION, graph.constant(np.array(places)), axis=1)
    return graph.add("Concat", _scale_action(graph, scale, 0), _double(graph, own), axis=1)


_FORMS: Final[dict[str, Callable[[Graph, Gains, Seen], str]]] = {
    "plan": _plan,
    "pid": _pid,
    "dual_descent": _dual_descent,
    "mpc": _mpc,
    "adaptive": _adaptive,
}


def _scale_action(graph: Graph, scale: str, segments: int) -> str:
    """The action (batch, 3 + segments) that moves the scale (batch,) alone."""
    column = graph.add("Unsqueeze", graph.clipped(scale, np.float64), graph.constant(np.array([1])))
    after = np.array([0, 0, 0, FIRST_SEGMENT - 1 + segments])
    return graph.add("Pad", column, graph.constant(after))


def _feature(graph: Graph, seen: Seen, name: str) -> str:
    """Column (batch,) of the observation."""
    return _double(graph, graph.add("Gather", OBSERVATION, graph.constant(np.array(seen.features.index(name))), axis=1))


def _double(graph: Graph, value: str) -> str:
    return graph.add("Cast", value, to=TensorProto.DOUBLE)


def _times(graph: Graph, value: str, factor: float) -> str:
    return graph.add("Mul", value, graph.constant(factor))
