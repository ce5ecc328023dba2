"""The policy network as ONNX, built node by node: nothing of the machine that exported it is in the file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

_OPSET, _IR_VERSION = 20, 10
Layers = tuple[tuple[NDArray[np.float32], NDArray[np.float32]], ...]


def write_onnx(layers: Layers, path: Path) -> None:
    """Write the network with input `observation` (batch, F) and output `action` (batch, 3 + S), unclipped."""
    nodes, constants, last = [], [], "observation"
    for i, (weight, bias) in enumerate(layers):
        out = "action" if i == len(layers) - 1 else f"linear_{i}"
        constants += [numpy_helper.from_array(weight, f"weight_{i}"), numpy_helper.from_array(bias, f"bias_{i}")]
        nodes.append(helper.make_node("Gemm", [last, f"weight_{i}", f"bias_{i}"], [out]))
        if i < len(layers) - 1:
            nodes.append(helper.make_node("Tanh", [out], [f"hidden_{i}"]))
            last = f"hidden_{i}"
    sizes = layers[0][0].shape[0], layers[-1][0].shape[1]
    inputs, outputs = (
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", size])]
        for name, size in zip(("observation", "action"), sizes, strict=True)
    )
    graph = helper.make_graph(nodes, "policy", inputs, outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], producer_name="bidpilot")
    model.ir_version = _IR_VERSION
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, str(path))


def run_onnx(path: Path, observation: NDArray[np.float32]) -> NDArray[np.float32]:
    """What the file answers in onnxruntime, (B, 3 + S)."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    action: NDArray[np.float32] = session.run(["action"], {"observation": observation})[0]
    return action
