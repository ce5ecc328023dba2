"""A graph in the making: nodes and constants, each value known by its name."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, helper


class Graph:
    """Nodes in order, and constants by name."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.constants: dict[str, NDArray[Any]] = {}

    def add(self, operation: str, *inputs: str, out: str = "", **attributes: Any) -> str:
        """A node of one output, named `out` or by its place; the name."""
        out = out or f"{operation.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operation, list(inputs), [out], **attributes))
        return out

    def split(self, value: str, into: tuple[str, ...], axis: int) -> None:
        """Equal parts of a value, by their names."""
        self.nodes.append(helper.make_node("Split", [value], list(into), axis=axis, num_outputs=len(into)))

    def constant(self, value: NDArray[Any] | float, name: str = "", dtype: Any = np.float64) -> str:
        """A constant, named or by its place; an array keeps its own type. The name."""
        name = name or f"constant_{len(self.constants)}"
        self.constants[name] = value if isinstance(value, np.ndarray) else np.array(value, dtype)
        return name

    def clipped(self, value: str, dtype: Any, out: str = "") -> str:
        """A value clipped to [-1, 1]."""
        return self.add("Clip", value, self.constant(-1.0, dtype=dtype), self.constant(1.0, dtype=dtype), out=out)
