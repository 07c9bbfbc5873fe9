"""TFLite's image operators as ONNX nodes: convolution, pooling, padding and PReLU."""

import math

import numpy as np
from numpy.typing import NDArray

from export.faces.tflite import Operator, TFLiteError
from export.faces.translation import IMAGE_RANK, TO_CHANNELS_FIRST, Layout, Translation

PADDING_SAME = 0
PADDING_VALID = 1


def convolution(translation: Translation, operator: Operator) -> None:
    """CONV_2D. Kernel [out, height, width, in] in TFLite. A 1×1 kernel on a table is a matrix product.

    Options: 0 padding, 1 and 2 stride (width, height), 3 activation, 4 and 5 dilation (width, height).
    """
    kernel = translation.constant(operator.inputs[1])
    strides = [operator.option(2, "i"), operator.option(1, "i")]
    dilations = [operator.option(5, "i", 1), operator.option(4, "i", 1)]
    activation = operator.option(3, "b")
    pointwise = kernel.shape[1:3] == (1, 1) and strides == [1, 1]
    if pointwise and not translation.is_channels_first(operator.inputs[0]):
        writer = translation.writer
        product = writer.add(
            "MatMul", translation.value(operator.inputs[0]), writer.constant(kernel.reshape(kernel.shape[0], -1).T)
        )
        bias = _bias(translation, operator)
        value = writer.add("Add", product, bias) if bias else product
        translation.finish(operator, value, Layout.CHANNELS_LAST, activation)
        return
    channels = translation.shape(operator.inputs[0])[3]
    if channels % kernel.shape[3]:
        raise TFLiteError("a convolution's channels do not divide into its groups")
    groups = channels // kernel.shape[3]
    kernel = kernel.transpose(TO_CHANNELS_FIRST)
    _convolve(translation, operator, kernel, groups, strides, dilations, activation)


def depthwise_convolution(translation: Translation, operator: Operator) -> None:
    """DEPTHWISE_CONV_2D. Kernel [1, height, width, out] in TFLite, one group a channel.

    Options: 0 padding, 1 and 2 stride (width, height), 4 activation, 5 and 6 dilation (width, height).
    """
    kernel = translation.constant(operator.inputs[1]).transpose(3, 0, 1, 2)
    strides = [operator.option(2, "i"), operator.option(1, "i")]
    dilations = [operator.option(6, "i", 1), operator.option(5, "i", 1)]
    groups = translation.shape(operator.inputs[0])[3]
    _convolve(translation, operator, kernel, groups, strides, dilations, operator.option(4, "b"))


def _convolve(
    translation: Translation,
    operator: Operator,
    kernel: np.ndarray,
    groups: int,
    strides: list[int],
    dilations: list[int],
    activation: int,
) -> None:
    """ONNX Conv with a kernel [out, in/groups, height, width]."""
    inputs = [translation.value(operator.inputs[0], Layout.CHANNELS_FIRST), translation.writer.constant(kernel)]
    bias = _bias(translation, operator)
    size = list(kernel.shape[2:])
    value = translation.writer.add(
        "Conv", *inputs, *([bias] if bias else []), kernel_shape=size, strides=strides, dilations=dilations,
        group=groups, pads=padding(translation, operator, size, strides, dilations),
    )  # fmt: skip
    translation.finish(operator, value, Layout.CHANNELS_FIRST, activation)


def _bias(translation: Translation, operator: Operator) -> str:
    """Name of the bias [out], or an empty text where the operator has none."""
    if len(operator.inputs) < 3 or operator.inputs[2] < 0:
        return ""
    return translation.writer.constant(translation.constant(operator.inputs[2]))


def padding(
    translation: Translation, operator: Operator, size: list[int], strides: list[int], dilations: list[int]
) -> list[int]:
    """ONNX pads (top, left, bottom, right). TFLite's SAME puts the odd pixel at the end."""
    padding = operator.option(0, "b")
    if padding == PADDING_VALID:
        return [0, 0, 0, 0]
    if padding != PADDING_SAME:
        raise TFLiteError(f"padding scheme {padding} is not supported")
    before, after = [], []
    for axis in range(2):
        length = translation.shape(operator.inputs[0])[1 + axis]
        reach = (size[axis] - 1) * dilations[axis] + 1
        total = max((math.ceil(length / strides[axis]) - 1) * strides[axis] + reach - length, 0)
        before.append(total // 2)
        after.append(total - total // 2)
    return before + after


def max_pool(translation: Translation, operator: Operator) -> None:
    """MAX_POOL_2D. Options: 0 padding, 1 and 2 stride and 3 and 4 size (each width, height), 5 activation."""
    strides = [operator.option(2, "i"), operator.option(1, "i")]
    size = [operator.option(4, "i"), operator.option(3, "i")]
    value = translation.writer.add(
        "MaxPool", translation.value(operator.inputs[0], Layout.CHANNELS_FIRST), kernel_shape=size,
        strides=strides, pads=padding(translation, operator, size, strides, [1, 1]),
    )  # fmt: skip
    translation.finish(operator, value, Layout.CHANNELS_FIRST, operator.option(5, "b"))


def parametric_relu(translation: Translation, operator: Operator) -> None:
    """PRELU as x + (1−a)·ReLU(−x), which holds for every slope a.

    ONNX's own PRelu breaks the blocked layout of ONNX Runtime's CPU convolutions: 15.4 ms a mesh against 4.8
    ms without (measured). In this form the runtime does ReLU within the multiplication by −1 and the addition within
    the one by 1−a: 4.2 ms a mesh against 4.6 of a·x + (1−a)·ReLU(x), which needs a third pass where a slope is above
    1 (measured). The coefficient is float32: in half precision it moved landmarks by up to 0.66 pixels (measured).
    """
    slope = prelu_slope(translation, operator)
    writer = translation.writer
    value = translation.value(operator.inputs[0], Layout.CHANNELS_FIRST)
    negative = writer.add("Relu", writer.add("Mul", value, writer.floats(np.full_like(slope, -1))))
    bent = writer.add("Add", writer.add("Mul", negative, writer.floats(1 - slope)), value)
    translation.finish(operator, bent, Layout.CHANNELS_FIRST)


def prelu_slope(translation: Translation, operator: Operator) -> NDArray[np.float32]:
    """Slope of a PRELU below zero, float32 [channels, height or 1, width or 1]."""
    slope = translation.constant(operator.inputs[1]).astype(np.float32)
    return slope.reshape((1,) * (3 - slope.ndim) + slope.shape).transpose(2, 0, 1)


def pad(translation: Translation, operator: Operator) -> None:
    """PAD with zeros; input 1 holds (before, after) for each axis.

    Channels that are added to an image come from a 1×1 convolution with the identity: ONNX's Pad ends the blocked
    layout of ONNX Runtime's CPU convolutions for all that follows, 5.5 ms a mesh against 4.8 (measured).
    """
    amounts = translation.constant(operator.inputs[1]).astype(np.int64)
    layout = translation.common_layout(operator.inputs[:1])
    if layout is Layout.CHANNELS_FIRST and len(amounts) == IMAGE_RANK:
        amounts = amounts[list(TO_CHANNELS_FIRST)]
    writer = translation.writer
    image = len(amounts) == IMAGE_RANK and layout is Layout.CHANNELS_FIRST
    if image and not np.delete(amounts, 1, axis=0).any():
        channels = int(translation.shape(operator.inputs[0])[-1])
        identity = np.pad(np.eye(channels, dtype=np.float32), (tuple(amounts[1]), (0, 0)))
        value = translation.value(operator.inputs[0], layout)
        padded = writer.add("Conv", value, writer.floats(identity[:, :, None, None]))
        translation.finish(operator, padded, layout)
        return
    pads = writer.integers(np.concatenate([amounts[:, 0], amounts[:, 1]]))
    translation.finish(operator, writer.add("Pad", translation.value(operator.inputs[0], layout), pads), layout)
