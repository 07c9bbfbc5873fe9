"""PyTorch's image networks as ONNX nodes: a module is traced, and each traced step has one rule.

Only what frozen image classifiers are made of is known. A batch normalisation right behind a convolution is folded
into it in float64, which changes nothing but rounding. Sizes are those of one fixed picture; the batch is free.
"""

import operator
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import fx, nn
from torch.fx.passes.shape_prop import ShapeProp
from torch.nn import functional

from export.graph.builder import GraphBuilder
from export.graph.end_padding import EndPaddedConv2d

Array = NDArray[np.float32]


class UnknownStep(ValueError):
    """A module does something that has no rule here; the message is one line."""


class ModuleTracer(fx.Tracer):
    """Follows a module into its parts down to PyTorch's own layers."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Whether ``m`` is one step; convolutions padded at the end are, as PyTorch's own."""
        return isinstance(m, EndPaddedConv2d) or super().is_leaf_module(m, module_qualified_name)


def trace(module: nn.Module) -> fx.GraphModule:
    """The steps of ``module`` in the order in which they run; its parameters may be on the device 'meta'."""
    return fx.GraphModule(module, ModuleTracer().trace(module))


def layer_of(traced: fx.GraphModule, node: object) -> nn.Module | None:
    """The module that a step calls, or None where it calls a function."""
    if isinstance(node, fx.Node) and node.op == "call_module":
        return traced.get_submodule(str(node.target))
    return None


def norms_behind_convolutions(traced: fx.GraphModule) -> dict[fx.Node, fx.Node]:
    """Each convolution whose only reader is a batch normalisation, with that reader."""
    return {
        node.args[0]: node
        for node in traced.graph.nodes
        if isinstance(layer_of(traced, node), nn.BatchNorm2d)
        and isinstance(layer_of(traced, node.args[0]), nn.Conv2d)
        and len(node.args[0].users) == 1
    }


def write_module(builder: GraphBuilder, module: nn.Module, tensors: Mapping[str, Array], value: str, edge: int) -> str:
    """Write ``module`` in evaluation mode behind ``value``.

    Args:
        module: on the device 'meta': only its structure is used.
        tensors: its parameters and statistics by their names in ``module``.
        value: name of a float32 [batch, 3, edge, edge].

    Returns:
        The name of what the module returns.

    Raises:
        UnknownStep: the module does something that has no rule.
    """
    traced = trace(module.eval())
    ShapeProp(traced).propagate(torch.empty(1, 3, edge, edge, device="meta"))
    return _Writer(builder, traced, tensors).write(value)


class _Writer:
    def __init__(self, builder: GraphBuilder, traced: fx.GraphModule, tensors: Mapping[str, Array]) -> None:
        self._builder = builder
        self._traced = traced
        self._tensors = tensors
        self._norms = norms_behind_convolutions(traced)
        self._folded = set(self._norms.values())
        self._values: dict[fx.Node, str] = {}

    def write(self, value: str) -> str:
        for node in self._traced.graph.nodes:
            if node.op == "placeholder":
                self._values[node] = value
            elif node.op == "output":
                return self._values[node.args[0]]
            else:
                self._values[node] = self._step(node)
        raise UnknownStep("the module returns nothing")

    def _step(self, node: fx.Node) -> str:
        layer = layer_of(self._traced, node)
        if layer is not None:
            return self._layer(node, layer)
        if node.op == "call_function":
            return self._function(node, node.target)
        raise UnknownStep(f"there is no rule for {node.op} {node.target}")

    def _layer(self, node: fx.Node, layer: nn.Module) -> str:
        x, add = self._values[node.args[0]], self._builder.add  # type: ignore[index]
        match layer:
            case nn.Conv2d():
                return self._convolution(node, layer, x)
            case nn.BatchNorm2d():
                return x if node in self._folded else self._norm(str(node.target), layer, x)
            case nn.ReLU():
                return add("Relu", x)
            case nn.ReLU6():
                return add("Clip", x, self._builder.constant(0.0), self._builder.constant(6.0))
            case nn.MaxPool2d():
                return add("MaxPool", x, ceil_mode=int(layer.ceil_mode), **_window(layer))
            case nn.AvgPool2d():
                include = int(layer.count_include_pad)
                return add(
                    "AveragePool", x, ceil_mode=int(layer.ceil_mode), count_include_pad=include, **_window(layer)
                )
            case nn.AdaptiveAvgPool2d():
                return self._adaptive(node, layer.output_size, x)
            case nn.LocalResponseNorm():
                return add("LRN", x, size=layer.size, alpha=layer.alpha, beta=layer.beta, bias=float(layer.k))
            case nn.Linear():
                return add("Gemm", x, *self._parameters(str(node.target), "weight", "bias"), transB=1)
            case nn.Flatten():
                return add("Flatten", x, axis=layer.start_dim)
            case nn.Dropout() | nn.Identity():
                return x
        raise UnknownStep(f"there is no rule for the layer {type(layer).__name__}")

    def _function(self, node: fx.Node, function: Any) -> str:  # noqa: ANN401 - whatever was traced
        add, values = self._builder.add, self._values
        arguments: Any = node.args
        if function in (operator.add, operator.iadd, torch.add):
            return add("Add", values[arguments[0]], values[arguments[1]])
        if function is torch.cat:
            return add("Concat", *(values[part] for part in arguments[0]), axis=self._option(node, 1, "dim"))
        if function in (functional.relu, torch.relu):
            return add("Relu", values[arguments[0]])
        if function is torch.flatten:
            return add("Flatten", values[arguments[0]], axis=self._option(node, 1, "start_dim"))
        if function is functional.adaptive_avg_pool2d:
            return self._adaptive(node, self._option(node, 1, "output_size"), values[arguments[0]])
        raise UnknownStep(f"there is no rule for the function {getattr(function, '__name__', function)}")

    @staticmethod
    def _option(node: fx.Node, place: int, name: str) -> Any:  # noqa: ANN401 - as it was written in the module
        return node.args[place] if len(node.args) > place else node.kwargs[name]

    def _convolution(self, node: fx.Node, layer: nn.Conv2d, x: str) -> str:
        name = str(node.target)
        kernel = self._tensors[f"{name}.weight"]
        bias = self._tensors[f"{name}.bias"] if layer.bias is not None else None
        if node in self._norms:
            follower = self._norms[node]
            norm = layer_of(self._traced, follower)
            assert isinstance(norm, nn.BatchNorm2d)
            scale, shift = self._affine(str(follower.target), norm)
            kernel = (kernel.astype(np.float64) * scale[:, None, None, None]).astype(np.float32)
            bias = (shift if bias is None else shift + scale * bias).astype(np.float32)
        parameter = self._builder.parameter
        inputs = [x, parameter(f"{name}.weight", kernel)]
        if bias is not None:
            inputs.append(parameter(f"{name}.bias", bias))
        return self._builder.add(
            "Conv",
            *inputs,
            kernel_shape=list(layer.kernel_size),
            strides=list(layer.stride),
            dilations=list(layer.dilation),
            group=layer.groups,
            pads=_pads(layer),
        )

    def _affine(self, name: str, norm: nn.BatchNorm2d) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        gain, offset, mean, variance = (
            self._tensors[f"{name}.{part}"].astype(np.float64)
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        scale = gain / np.sqrt(variance + norm.eps)
        return scale, offset - mean * scale

    def _norm(self, name: str, norm: nn.BatchNorm2d, x: str) -> str:
        inputs = self._parameters(name, "weight", "bias", "running_mean", "running_var")
        return self._builder.add("BatchNormalization", x, *inputs, epsilon=norm.eps)

    def _parameters(self, name: str, *parts: str) -> list[str]:
        return [self._builder.parameter(f"{name}.{part}", self._tensors[f"{name}.{part}"]) for part in parts]

    def _adaptive(self, node: fx.Node, size: Any, x: str) -> str:  # noqa: ANN401 - an int or a pair
        source: Any = node.args[0]
        cells, wanted = source.meta["tensor_meta"].shape[2], size if isinstance(size, int) else size[0]
        if wanted == cells:
            return x
        if wanted == 1:
            return self._builder.add("GlobalAveragePool", x)
        # Window i is floor(i·cells / wanted) … ceil((i + 1)·cells / wanted): a fixed pooling where they are alike.
        windows = [(i * cells // wanted, -(-(i + 1) * cells // wanted)) for i in range(wanted)]
        stride, length = windows[1][0], windows[0][1]
        if windows != [(i * stride, i * stride + length) for i in range(wanted)]:
            raise UnknownStep(f"adaptive pooling of {cells} cells to {wanted} has windows of several sizes")
        return self._builder.add("AveragePool", x, kernel_shape=[length] * 2, strides=[stride] * 2)


def _pads(layer: nn.Conv2d) -> list[int]:
    """Top, left, bottom, right."""
    if isinstance(layer, EndPaddedConv2d):
        left, right, top, bottom = layer.pads
        return [top, left, bottom, right]
    assert not isinstance(layer.padding, str)
    return [int(cells) for cells in layer.padding] * 2


def _window(layer: nn.MaxPool2d | nn.AvgPool2d) -> dict[str, list[int]]:
    def pair(value: Any) -> list[int]:  # noqa: ANN401 - an int or a pair
        return [value, value] if isinstance(value, int) else list(value)

    return {"kernel_shape": pair(layer.kernel_size), "strides": pair(layer.stride), "pads": pair(layer.padding) * 2}
