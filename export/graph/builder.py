"""A thin writer of ONNX graphs: nodes are calls, constants are arrays, names are made up."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

OPSET = 18
IR_VERSION = 10


class GraphBuilder:
    """Collects nodes and constants; :meth:`model` makes the file. Equal constants without a name are stored once."""

    def __init__(self, name: str, opset: int = OPSET, ir_version: int = IR_VERSION) -> None:
        self._name = name
        self._versions = opset, ir_version
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, onnx.TensorProto] = {}
        self._unnamed: dict[tuple[str, tuple[int, ...], bytes], str] = {}
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []
        self._parameters: dict[str, NDArray[np.float32]] = {}
        self._defaults: dict[str, onnx.TensorProto] = {}
        self._shapes: list[onnx.ValueInfoProto] = []

    def input(self, name: str, dtype: int, shape: Sequence[str | int]) -> str:
        """Declare an input."""
        self._inputs.append(helper.make_tensor_value_info(name, dtype, list(shape)))
        return name

    def optional_input(self, name: str, shape: Sequence[str | int], default: NDArray[np.float32]) -> str:
        """Declare a float32 input that takes ``default``, broadcast, where a caller does not give it."""
        self._defaults[name] = numpy_helper.from_array(default, name)
        return self.input(name, FLOAT, shape)

    def output(self, name: str, value: str, dtype: int, shape: Sequence[str | int]) -> None:
        """Declare ``value`` as the output ``name``."""
        self._nodes.append(helper.make_node("Identity", [value], [name]))
        self._outputs.append(helper.make_tensor_value_info(name, dtype, list(shape)))

    def constant(self, value: NDArray[np.generic] | Sequence[int] | float, name: str | None = None) -> str:
        """Add a constant; Python ints become int64, Python floats float32."""
        if isinstance(value, float):
            array: NDArray[np.generic] = np.array(value, dtype=np.float32)
        elif isinstance(value, np.ndarray | np.generic):
            array = np.asarray(value)
        else:
            array = np.array(value, dtype=np.int64)
        if name is None:
            key = (array.dtype.str, array.shape, array.tobytes())
            name = self._unnamed.setdefault(key, f"constant_{len(self._constants)}")
        self._constants[name] = numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), name)
        return name

    def floats(self, values: Any) -> str:  # noqa: ANN401 - any array-like
        """Add a float32 constant."""
        return self.constant(np.asarray(values, np.float32))

    def integers(self, values: Any) -> str:  # noqa: ANN401 - any array-like
        """Add an int64 constant."""
        return self.constant(np.asarray(values, np.int64))

    def parameter(self, name: str, value: NDArray[np.float32]) -> str:
        """Add a large constant under ``name``: it is checked by its shape alone and copied only once."""
        self._parameters[name] = value
        return name

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:  # noqa: ANN401 - a number, a text, a tensor or a list of these
        """Add a node with one output and return its name."""
        return self.add_several(operator, 1, *inputs, **attributes)[0]

    def add_several(self, operator: str, outputs: int, *inputs: str, **attributes: Any) -> list[str]:  # noqa: ANN401 - as above
        """Add a node with several outputs and return their names."""
        first = f"{operator.lower()}_{len(self._nodes)}"
        names = [first, *(f"{first}_{index}" for index in range(1, outputs))]
        self._nodes.append(helper.make_node(operator, list(inputs), names, **attributes))
        return names

    def rename(self, value: str, name: str) -> str:
        """Give ``value`` a name that others can rely on."""
        self._nodes.append(helper.make_node("Identity", [value], [name]))
        return name

    def same_shape(self, values: Sequence[str], dtype: int, shape: Sequence[str]) -> None:
        """State that ``values`` have one shape, by names of dimensions of this graph's own.

        ONNX Runtime lets a node write into what it takes only where it knows that both are of one size.
        """
        names = [f"{self._name}/{name}" for name in shape]
        self._shapes += [helper.make_tensor_value_info(value, dtype, names) for value in values]

    def split(self, value: str, parts: int, axis: int) -> list[str]:
        """Split ``value`` into equal parts."""
        return self.add_several("Split", parts, value, axis=axis, num_outputs=parts)

    def model(self, producer: str, metadata: dict[str, str], description: str = "") -> onnx.ModelProto:
        """Finish and check the model.

        Raises:
            onnx.checker.ValidationError, onnx.shape_inference.InferenceError: the graph is not valid ONNX.
        """
        opset, ir_version = self._versions
        shapes = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, value.shape)
            for name, value in self._parameters.items()
        ]
        inputs = [*self._inputs, *shapes]
        values = [*self._constants.values(), *self._defaults.values()]
        graph = helper.make_graph(
            self._nodes, self._name, inputs, self._outputs, values, description, value_info=self._shapes
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], producer_name=producer)
        model.ir_version = ir_version
        helper.set_model_props(model, metadata)
        onnx.checker.check_model(model, full_check=True)
        del model.graph.input[len(self._inputs) :]
        for name, value in self._parameters.items():
            # Filled in place: a finished tensor would be copied once more, and some have hundreds of megabytes.
            tensor = model.graph.initializer.add(name=name, data_type=TensorProto.FLOAT, dims=value.shape)
            tensor.raw_data = value.astype("<f4", copy=False).tobytes()
        return model


FLOAT = TensorProto.FLOAT
INT64 = TensorProto.INT64
BOOL = TensorProto.BOOL
