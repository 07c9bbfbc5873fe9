"""Putting graphs behind one another: a front end, a network and a classifier become one file.

Every part has inputs and outputs of fixed names, so that parts fit: a front end gives ``picture``, a network takes
``picture`` and gives ``embedding``, a classifier takes ``embedding`` and gives ``probabilities``.
"""

from collections.abc import Mapping, Sequence

import onnx
from onnx import compose

from export.graph.builder import IR_VERSION


def chain(parts: Sequence[onnx.ModelProto], keep: Sequence[str] = ()) -> onnx.ModelProto:
    """Feed each part's outputs to the next part's inputs of the same names.

    Args:
        parts: at least one; a part may take outputs of the part before it and nothing else but the first part's inputs.
        keep: outputs of parts before the last one that the whole shall give too.

    Returns:
        The whole, checked; its outputs are those of the last part, then ``keep``.

    Raises:
        ValueError: two parts do not fit.
    """
    whole = parts[0]
    for part in parts[1:]:
        given = [value.name for value in whole.graph.output]
        taken = [value.name for value in part.graph.input if value.name in given]
        if not taken:
            raise ValueError(f"no input of '{part.graph.name}' is an output of '{whole.graph.name}'")
        outputs = [value.name for value in part.graph.output]
        kept = [name for name in given if name in keep]
        renamed = prefixed(part, _unused_prefix(whole.graph), keep=(*taken, *outputs))
        whole = compose.merge_models(
            whole,
            renamed,
            io_map=[(name, name) for name in taken],
            outputs=[*outputs, *kept],
            name=part.graph.name,
            producer_name=whole.producer_name,
        )
    whole.ir_version = IR_VERSION
    onnx.checker.check_model(whole)
    return whole


def beside(parts: Sequence[onnx.ModelProto], prefix: str) -> onnx.ModelProto:
    """Run graphs with the same inputs side by side, as one graph.

    Args:
        prefix: of the inner names of each, before its number and a slash.

    Returns:
        The whole, checked; an output 'x' of the second part is 'x_1'.
    """
    inputs = [value.name for value in parts[0].graph.input]
    whole = prefixed(parts[0], f"{prefix}0/", keep=inputs)
    graph = whole.graph
    for number, part in enumerate(parts):
        own = graph if number == 0 else prefixed(part, f"{prefix}{number}/", keep=inputs).graph
        if number:
            graph.node.extend(own.node)
            graph.initializer.extend(own.initializer)
            graph.output.extend(own.output)
        for output, value in zip(graph.output[-len(part.graph.output) :], part.graph.output, strict=True):
            graph.node.append(onnx.helper.make_node("Identity", [output.name], [f"{value.name}_{number}"]))
            output.name = f"{value.name}_{number}"
    onnx.checker.check_model(whole)
    return whole


def prefixed(model: onnx.ModelProto, prefix: str, keep: Sequence[str]) -> onnx.ModelProto:
    """A copy of ``model`` whose inner names cannot meet those of others; names in ``keep`` stay."""
    names: Mapping[str, str] = {
        name: name if name in keep or not name else prefix + name for name in _names_of(model.graph)
    }
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for node in copy.graph.node:
        node.name = prefix + node.name if node.name else ""
        node.input[:] = [names[name] for name in node.input]
        node.output[:] = [names[name] for name in node.output]
    for value in (*copy.graph.initializer, *copy.graph.input, *copy.graph.output, *copy.graph.value_info):
        value.name = names.get(value.name, value.name)
    return copy


def _unused_prefix(graph: onnx.GraphProto) -> str:
    names = _names_of(graph)
    number = 1
    while any(name.startswith(f"part{number}/") for name in names):
        number += 1
    return f"part{number}/"


def _names_of(graph: onnx.GraphProto) -> set[str]:
    names = {name for node in graph.node for name in (*node.input, *node.output)}
    return names | {value.name for value in (*graph.initializer, *graph.input, *graph.output, *graph.value_info)}
