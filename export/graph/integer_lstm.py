"""LSTM layers that compute with 8-bit integers, and answer about a recording alike in any batch.

ONNX Runtime's ``DynamicQuantizeLSTM`` scales what a layer takes by the least and the greatest number among all
recordings of a batch. Two units are therefore added to every layer: one whose output rises to 1 as fast as an LSTM's
can, one that falls to −1. No other output is ever beyond theirs, so the scale is the same in each batch, and alike for
every recording. Only layers that take another layer's outputs are written so: the outputs of an LSTM are bounded, a
spectrum is not.

A difference in the last digit can move an 8-bit number by a step, and ONNX Runtime adds up numbers in an order that
depends on the batch. Before an integer layer sums are therefore in float64, and a layer in float32, which takes one
recording another way than several, gets a recording of zeros beside the others.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper
from onnx.shape_inference import infer_shapes

DOMAIN, DOMAIN_VERSION = "com.microsoft", 1

Array = NDArray[np.float32]

RAILS = 2
"""Units that are added: the highest and the lowest."""

SATURATED = 40.0
"""Bias of the gates of those units: at it, a float32 sigmoid is 1."""

GATES, CELL_GATE = 4, 3
"""ONNX orders the gates input, output, forget, cell."""

INTEGER_LSTM = "DynamicQuantizeLSTM"

_FIRST, _LAST, _LAST_UNITS, _ONE_BEHIND = "lstm.first", "lstm.last", "lstm.last_units", "lstm.one_behind"
_UNITS_AXIS, _BATCH_AXIS, _LAYER_BATCH_AXIS = "lstm.units_axis", "lstm.batch_axis", "lstm.layer_batch_axis"
BOUNDS = {
    _FIRST: [0],
    _LAST: [-1],
    _LAST_UNITS: [-RAILS],
    _ONE_BEHIND: [0, 1],
    _UNITS_AXIS: [2],
    _BATCH_AXIS: [1],
    _LAYER_BATCH_AXIS: [2],
}
"""Constants of the nodes that add units and recordings, and take them away."""

LARGEST = 127
"""Largest 8-bit weight."""

LARGEST_PAIR = 128
"""Largest sum of two weights of one sign that are beside each other. AVX2 without VNNI adds the products of such two
with numbers up to 255 in 16 bits, and 255 · 128 is the most that fits.
"""


@dataclass(frozen=True)
class _Layer:
    """An LSTM of one direction and the Squeeze behind it; ``source`` is the layer whose outputs it takes."""

    node: NodeProto
    squeeze: NodeProto
    source: _Layer | None


def integer_lstm(model: ModelProto) -> ModelProto:
    """The graph with its LSTM layers that take another LSTM's outputs in 8-bit integers.

    Args:
        model: it is not changed. Layers with lengths, initial states, peepholes or two directions are left as they are.

    Returns:
        A graph of the same inputs and outputs; an equal one where no layer takes another's outputs.
    """
    made = ModelProto()
    made.CopyFrom(model)
    layers = _layers(made.graph)
    sources = {layer.source.node.output[0] for layer in layers if layer.source is not None}
    changed = [layer for layer in layers if layer.source is not None or layer.node.output[0] in sources]
    if changed:
        _rewrite(made.graph, changed)
        types = {value.name: value.type.tensor_type.elem_type for value in infer_shapes(model).graph.value_info}
        _order_sums(made.graph, {name for name, kind in types.items() if kind == TensorProto.FLOAT})
        if all(one.domain != DOMAIN for one in made.opset_import):
            made.opset_import.append(helper.make_opsetid(DOMAIN, DOMAIN_VERSION))
    return made


def _layers(graph: GraphProto) -> list[_Layer]:
    """Every plain LSTM layer, each behind the one whose outputs it takes."""
    constants = {tensor.name for tensor in graph.initializer}
    found: dict[str, _Layer] = {}
    for node in graph.node:
        if not _is_plain(node) or not constants.issuperset(node.input[1:]):
            continue
        takers = [other for other in graph.node if node.output[0] in other.input]
        if [other.op_type for other in takers] == ["Squeeze"]:
            found[takers[0].output[0]] = _Layer(node, takers[0], found.get(node.input[0]))
    return list(found.values())


def _is_plain(node: NodeProto) -> bool:
    """Whether it is an LSTM of one direction without lengths, initial states and peepholes that gives all steps."""
    settings = [one.name for one in node.attribute]
    return node.op_type == "LSTM" and len(node.input) == 4 and len(node.output) == 1 and settings == ["hidden_size"]


def _rewrite(graph: GraphProto, layers: list[_Layer]) -> None:
    """Put wider layers in place of ``layers``, in integers where they take another's outputs."""
    values = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    at_node = {layer.node.output[0]: layer for layer in layers}
    at_squeeze = {layer.squeeze.output[0]: layer for layer in layers}
    nodes: list[NodeProto] = []
    constants: dict[str, NDArray[Any]] = {name: np.array(bound, np.int64) for name, bound in BOUNDS.items()}
    for node in graph.node:
        (output, *_) = node.output
        if output in at_node:
            weights = {name: values[name] for name in node.input[1:]}
            nodes.append(_wider_layer(at_node[output], weights, constants))
        elif output in at_squeeze:
            nodes.append(helper.make_node("Squeeze", [_wide(node.input[0]), node.input[1]], [_wide(output)]))
            nodes.append(helper.make_node("Slice", [_wide(output), _FIRST, _LAST_UNITS, _UNITS_AXIS], [output]))
        else:
            nodes.append(node)
    used = {name for node in nodes for name in node.input}
    kept = [tensor for tensor in graph.initializer if tensor.name in used]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(nodes)
    graph.initializer.extend([*kept, *(numpy_helper.from_array(value, name) for name, value in constants.items())])


def _order_sums(graph: GraphProto, floats: Set[str]) -> None:
    """Before the last integer layer, take sums of ``floats`` in float64 and show float32 layers two recordings."""
    last = max(at for at, node in enumerate(graph.node) if node.op_type == INTEGER_LSTM)
    nodes: list[NodeProto] = []
    for at, node in enumerate(graph.node):
        is_sum = node.op_type == "ReduceSum" and node.output[0] in floats
        if at > last or not (is_sum or _is_plain(node)):
            nodes.append(node)
            continue
        (taken, *rest), (output,) = node.input, node.output
        before, after = f"{output}.before", f"{output}.after"
        same = helper.make_node(node.op_type, [before, *rest], [after])
        same.attribute.extend(node.attribute)
        if is_sum:
            widen = helper.make_node("Cast", [taken], [before], to=TensorProto.DOUBLE)
            narrow = helper.make_node("Cast", [after], [output], to=TensorProto.FLOAT)
        else:
            widen = helper.make_node("Pad", [taken, _ONE_BEHIND, "", _BATCH_AXIS], [before])
            narrow = helper.make_node("Slice", [after, _FIRST, _LAST, _LAYER_BATCH_AXIS], [output])
        nodes += [widen, same, narrow]
    del graph.node[:]
    graph.node.extend(nodes)


def _wider_layer(layer: _Layer, weights: dict[str, Array], constants: dict[str, NDArray[Any]]) -> NodeProto:
    """The node of a layer with the added units; what it needs is put into ``constants``."""
    (inward, weight), (recurrent, recurrence), (bias_name, bias) = weights.items()
    units = recurrence.shape[2]
    constants[_wide(bias_name)] = _wider_bias(bias, units)
    inward_wide = _wider(weight, units, RAILS if layer.source else 0)
    recurrence_wide = _wider(recurrence, units, RAILS)
    output, size = [_wide(layer.node.output[0])], {"hidden_size": units + RAILS}
    if layer.source is None:
        constants[_wide(inward)], constants[_wide(recurrent)] = inward_wide, recurrence_wide
        taken = [layer.node.input[0], _wide(inward), _wide(recurrent), _wide(bias_name)]
        return helper.make_node("LSTM", taken, output, **size)
    for name, value in ((inward, inward_wide), (recurrent, recurrence_wide)):
        whole, scale = _whole(value)
        constants |= {
            f"{name}.int8": whole, f"{name}.scale": scale, f"{name}.zero": np.zeros(scale.shape, np.int8)
        }  # fmt: skip
    weights_of_it = [f"{inward}.int8", f"{recurrent}.int8", _wide(bias_name)]
    scales = [f"{name}.{part}" for name in (inward, recurrent) for part in ("scale", "zero")]
    no_lengths_states_or_peepholes = [""] * 4
    taken = [_wide(layer.node.input[0]), *weights_of_it, *no_lengths_states_or_peepholes, *scales]
    return helper.make_node(INTEGER_LSTM, taken, output, domain=DOMAIN, **size)


def _wider(weight: Array, units: int, inputs: int) -> Array:
    """float32 [1, gates · (units + RAILS), taken + ``inputs``]: zeros for what is added."""
    _, _, taken = weight.shape
    made = np.zeros((GATES, units + RAILS, taken + inputs), np.float32)
    made[:, :units, :taken] = weight.reshape(GATES, units, taken)
    return made.reshape(1, -1, taken + inputs)


def _wider_bias(bias: Array, units: int) -> Array:
    """float32 [1, 2 · gates · (units + RAILS)]: the added units keep their gates open; one cell rises, one falls."""
    made = np.zeros((2, GATES, units + RAILS), np.float32)
    made[:, :, :units] = bias.reshape(2, GATES, units)
    made[0, :, units:] = SATURATED
    made[0, CELL_GATE, -1] = -SATURATED
    return made.reshape(1, -1)


def _whole(weight: Array) -> tuple[NDArray[np.int8], Array]:
    """Whole numbers, int8 [1, taken, rows], and the scale of each row, float32 [1, rows]."""
    rows = weight[0]
    pairs = np.pad(rows, ((0, 0), (0, rows.shape[1] % 2))).reshape(len(rows), -1, 2)
    sums = np.maximum(np.maximum(pairs, 0).sum(axis=2), np.maximum(-pairs, 0).sum(axis=2)).max(axis=1)
    # half a step for the rounding of each of the two
    scale = np.maximum(np.abs(rows).max(axis=1) / LARGEST, sums / (LARGEST_PAIR - 1))
    scale = np.maximum(scale, np.finfo(np.float32).tiny).astype(np.float32)
    return np.rint(rows / scale[:, None]).astype(np.int8).T[None].copy(), scale[None]


def _wide(name: str) -> str:
    return f"{name}.wide"
