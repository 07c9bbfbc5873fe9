"""Networks of PyTorch as ONNX graphs by its exporter that traces.

The newer exporter takes half a minute for a tiny network, and onnxscript.
"""

import tempfile
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import onnx
import torch
from onnx import helper
from torch import Tensor, nn

from export.graph.builder import IR_VERSION, OPSET

Sizes = Sequence[str | int]
"""Sizes of a tensor: a number where it is always the same, a name where it is not."""


def traced(
    network: nn.Module,
    inputs: Mapping[str, Tensor],
    sizes: Mapping[str, Sizes],
    metadata: Mapping[str, str] | None = None,
) -> onnx.ModelProto:
    """The graph of a network that takes tensors in this order and gives float32 tensors by name.

    Args:
        inputs: examples by name.
        sizes: of every input, and of outputs other than [batch, …] with the sizes that the example gives.
        metadata: strings kept inside the file.
    """
    network.eval()
    examples = tuple(inputs.values())
    with torch.inference_mode(), warnings.catch_warnings(), tempfile.TemporaryDirectory() as scratch:
        warnings.simplefilter("ignore")  # the tracer warns of every size that it follows
        shapes = {name: tuple(value.shape) for name, value in network(*examples).items()}
        file = Path(scratch) / "model.onnx"
        torch.onnx.export(
            _Tuple(network, tuple(shapes)).eval(),  # the exporter puts the whole back into the mode that this has
            examples,
            str(file),  # a Path is written to as well, but tensors above 2 GB go beside a text alone
            dynamo=False,
            input_names=list(inputs),
            output_names=list(shapes),
            dynamic_axes={
                name: {axis: size for axis, size in enumerate(sizes[name]) if isinstance(size, str)} for name in inputs
            },
            opset_version=OPSET,
        )
        model = onnx.load(file)
    model.ir_version = IR_VERSION
    for output in model.graph.output:
        found: Sizes = sizes.get(output.name, ("batch", *shapes[output.name][1:]))
        output.CopyFrom(helper.make_tensor_value_info(output.name, onnx.TensorProto.FLOAT, list(found)))
    helper.set_model_props(model, dict(metadata or {}))
    return model


class _Tuple(nn.Module):
    def __init__(self, network: nn.Module, names: tuple[str, ...]) -> None:
        super().__init__()
        self.network, self._names = network, names

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        answers = self.network(*inputs)
        return tuple(answers[name] for name in self._names)
