"""TFLite's elementwise, reducing and shape operators as ONNX nodes.

The files have a fixed batch of 1 as their first axis. Here that axis is free: it is never reshaped, sliced or
dropped, and constants that meet it in a concatenation are repeated along it.
"""

import numpy as np

from export.faces.tflite import Builtin, Operator, TFLiteError
from export.faces.translation import TO_CHANNELS_FIRST, Layout, Translation

UNARY = {Builtin.RELU: "Relu", Builtin.LOGISTIC: "Sigmoid", Builtin.NEG: "Neg", Builtin.SQRT: "Sqrt"}
BINARY = {Builtin.ADD: "Add", Builtin.MUL: "Mul", Builtin.SUB: "Sub", Builtin.DIV: "Div"}
LAST_INDEX = np.iinfo(np.int64).max


def dequantize(translation: Translation, operator: Operator) -> None:
    """DEQUANTIZE of half-precision weights, done at conversion. Integers would need their scales."""
    values = translation.constant(operator.inputs[0])
    if values.dtype != np.float32:
        raise TFLiteError("only half-precision weights can be dequantized")
    translation.set_constant(operator.outputs[0], values)


def unary(translation: Translation, operator: Operator) -> None:
    """RELU, LOGISTIC, NEG, SQRT."""
    layout = translation.common_layout(operator.inputs)
    value = translation.writer.add(UNARY[operator.code], translation.value(operator.inputs[0], layout))
    translation.finish(operator, value, layout)


def reciprocal_square_root(translation: Translation, operator: Operator) -> None:
    """RSQRT: 1/√x."""
    layout = translation.common_layout(operator.inputs)
    root = translation.writer.add("Sqrt", translation.value(operator.inputs[0], layout))
    translation.finish(operator, translation.writer.add("Reciprocal", root), layout)


def binary(translation: Translation, operator: Operator) -> None:
    """ADD, MUL, SUB, DIV with broadcasting. Option 0: activation."""
    layout = translation.common_layout(operator.inputs)
    left, right = (translation.value(tensor, layout) for tensor in operator.inputs)
    value = translation.writer.add(BINARY[operator.code], left, right)
    translation.finish(operator, value, layout, operator.option(0, "b"))


def squared_difference(translation: Translation, operator: Operator) -> None:
    """SQUARED_DIFFERENCE: (a − b)²."""
    layout = translation.common_layout(operator.inputs)
    left, right = (translation.value(tensor, layout) for tensor in operator.inputs)
    difference = translation.writer.add("Sub", left, right)
    translation.finish(operator, translation.writer.add("Mul", difference, difference), layout)


def reduce_mean(translation: Translation, operator: Operator) -> None:
    """MEAN over the axes of input 1. Option 0: keep the axes."""
    axes = _reduced_axes(translation, operator)
    value = translation.writer.add(
        "ReduceMean", translation.value(operator.inputs[0]), axes=axes, keepdims=operator.option(0, "B")
    )
    translation.finish(operator, value, Layout.CHANNELS_LAST)


def reduce_sum(translation: Translation, operator: Operator) -> None:
    """SUM over the axes of input 1. Option 0: keep the axes. (Opset 17 has the axes of sums as an input.)"""
    axes = translation.writer.integers(_reduced_axes(translation, operator))
    value = translation.writer.add(
        "ReduceSum", translation.value(operator.inputs[0]), axes, keepdims=operator.option(0, "B")
    )
    translation.finish(operator, value, Layout.CHANNELS_LAST)


def _reduced_axes(translation: Translation, operator: Operator) -> list[int]:
    rank = len(translation.shape(operator.inputs[0]))
    axes = [int(axis) % rank for axis in np.atleast_1d(translation.constant(operator.inputs[1]))]
    if 0 in axes:
        raise TFLiteError(f"{operator.code.name} over the batch is not supported")
    return axes


def concatenation(translation: Translation, operator: Operator) -> None:
    """CONCATENATION. Options: 0 axis, 1 activation."""
    writer = translation.writer
    rank = len(translation.shape(operator.outputs[0]))
    axis = operator.option(0, "i") % rank
    variable = [tensor for tensor in operator.inputs if not translation.is_constant(tensor)]
    if axis == 0 or not variable:
        raise TFLiteError("a concatenation along the batch, or of constants alone, is not supported")
    layout = translation.common_layout(operator.inputs)
    values = [translation.value(tensor, layout) for tensor in operator.inputs]
    if len(variable) < len(values):
        shape = writer.add("Shape", translation.value(variable[0], layout), start=0, end=1)
        target = writer.add("Concat", shape, writer.integers([1] * (rank - 1)), axis=0)
        values = [
            writer.add("Expand", value, target) if translation.is_constant(tensor) else value
            for tensor, value in zip(operator.inputs, values, strict=True)
        ]
    if layout is Layout.CHANNELS_FIRST:
        axis = TO_CHANNELS_FIRST.index(axis)
    translation.finish(operator, writer.add("Concat", *values, axis=axis), layout, operator.option(1, "b"))


def reshape(translation: Translation, operator: Operator) -> None:
    """RESHAPE to the output's shape, the batch copied from the input."""
    source, target = translation.shape(operator.inputs[0]), translation.shape(operator.outputs[0])
    if source[:1] != (1,) or target[:1] != (1,):
        raise TFLiteError("a reshape that moves the batch is not supported")
    shape = translation.writer.integers([0, *target[1:]])
    value = translation.writer.add("Reshape", translation.value(operator.inputs[0]), shape)
    translation.finish(operator, value, Layout.CHANNELS_LAST)


def transpose(translation: Translation, operator: Operator) -> None:
    """TRANSPOSE by the order of input 1."""
    order = [int(axis) for axis in translation.constant(operator.inputs[1])]
    if order[0] != 0:
        raise TFLiteError("a transpose that moves the batch is not supported")
    value = translation.writer.add("Transpose", translation.value(operator.inputs[0]), perm=order)
    translation.finish(operator, value, Layout.CHANNELS_LAST)


def strided_slice(translation: Translation, operator: Operator) -> None:
    """STRIDED_SLICE. Options are bit masks by axis: 0 ignore begin, 1 ignore end, 2 ellipsis, 3 new axis, 4
    drop.

    Dropping the batch, which the blendshape graph does with its result, is undone: the batch stays.
    """
    begin, end, stride = (translation.constant(tensor).astype(np.int64).copy() for tensor in operator.inputs[1:4])
    begin_mask, end_mask, ellipsis_mask, new_axis_mask, drop_mask = (operator.option(k, "i") for k in range(5))
    if ellipsis_mask or new_axis_mask or (stride <= 0).any():
        raise TFLiteError("a slice with an ellipsis, a new axis or a negative stride is not supported")
    if begin[0] != 0 or stride[0] != 1:
        raise TFLiteError("a slice of the batch is not supported")
    if drop_mask & 1 and operator.outputs[0] not in translation.graph.outputs:
        raise TFLiteError("only a result may drop the batch")
    axes = list(range(len(begin)))
    dropped = [axis for axis in axes if drop_mask >> axis & 1 and axis != 0]
    for axis in axes:
        if begin_mask >> axis & 1:
            begin[axis] = 0
        if end_mask >> axis & 1:
            end[axis] = LAST_INDEX
        if axis in dropped:
            end[axis] = begin[axis] + 1 if begin[axis] != -1 else LAST_INDEX
    end[0] = LAST_INDEX
    writer = translation.writer
    value = writer.add(
        "Slice", translation.value(operator.inputs[0]), writer.integers(begin), writer.integers(end),
        writer.integers(axes), writer.integers(stride),
    )  # fmt: skip
    if dropped:
        value = writer.add("Squeeze", value, writer.integers(dropped))
    translation.finish(operator, value, Layout.CHANNELS_LAST)
