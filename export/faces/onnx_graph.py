"""Writing an ONNX graph node by node, with names and bytes that are the same on every run."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from export.bundle.card import BundleFacts, BundleText, build_card
from export.bundle.write import Content, write_bundle

OPSET = 17
IR_VERSION = 8  # the first that knows opset 17; older runtimes read it too
BATCH = "batch"
PRODUCER = "emoserve-export"

Dimension = int | str


class GraphWriter:
    """Collects nodes, constants, inputs and outputs, then makes the model.

    Values are referred to by name. Equal constants are stored once.
    """

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[tuple[str, tuple[int, ...], bytes], onnx.TensorProto] = {}
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []

    def input(self, name: str, shape: list[Dimension]) -> str:
        """Declare a float32 input of ``shape``, in which a text is a free dimension."""
        self._inputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
        return name

    def output(self, name: str, value: str, shape: list[Dimension]) -> None:
        """Declare the float32 output ``name`` that carries ``value``."""
        self._nodes.append(helper.make_node("Identity", [value], [name]))
        self._outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))

    def constant(self, values: NDArray[Any] | np.generic) -> str:
        """Name of a constant with these values, of their own dtype."""
        array = np.asarray(values, order="C")
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._constants:
            self._constants[key] = numpy_helper.from_array(array, f"constant_{len(self._constants)}")
        return self._constants[key].name

    def floats(self, values: Any) -> str:  # noqa: ANN401 - any array-like
        """Name of a float32 constant."""
        return self.constant(np.asarray(values, np.float32))

    def integers(self, values: Any) -> str:  # noqa: ANN401 - any array-like
        """Name of an int64 constant."""
        return self.constant(np.asarray(values, np.int64))

    def node(self, kind: str, *inputs: str, **attributes: Any) -> str:  # noqa: ANN401 - a number, a text or a list of either
        """Append one ONNX operator with one output; returns the output's name."""
        name = f"{kind.lower()}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def model(self, name: str, description: str, metadata: dict[str, str]) -> onnx.ModelProto:
        """The checked model.

        Raises:
            onnx.checker.ValidationError, onnx.shape_inference.InferenceError: the graph is not valid ONNX.
        """
        graph = helper.make_graph(
            self._nodes, name, self._inputs, self._outputs, list(self._constants.values()), doc_string=description
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name=PRODUCER)
        model.ir_version = IR_VERSION
        helper.set_model_props(model, metadata)
        onnx.checker.check_model(onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True))
        return model


def model_bytes(model: onnx.ModelProto) -> bytes:
    """Serialised form; the same model gives the same bytes."""
    data: bytes = model.SerializeToString(deterministic=True)
    return data


def write_graphs(out: Path, graphs: Mapping[str, onnx.ModelProto], text: BundleText, facts: BundleFacts) -> Path:
    """Write a bundle whose files are ``<role>.onnx``; returns its folder below ``out``."""
    contents = {f"{role}.onnx": Content(model_bytes(model), role) for role, model in graphs.items()}
    return write_bundle(out, contents, partial(build_card, text, facts))
