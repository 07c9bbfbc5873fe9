"""The narrow blocks of the mesh, written so that none of their steps leaves the blocked layout of ONNX Runtime.

A block is a 1×1 convolution to fewer channels, a PReLU, a depthwise convolution and a 1×1 convolution. With up to 8
channels between them, which the runtime pads to a block of 16 and cannot feed to a convolution in that form, the block
gets ReLU(y) and ReLU(−y) side by side instead of y: PReLU(y) = ReLU(y) − a·ReLU(−y), and the slope a goes into the
depthwise kernel. The padding becomes the second half: 3.8 ms a mesh against 4.4 (measured). Wider blocks would pay
for their doubled convolutions: 5.0 ms with all of them (measured).
"""

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from export.faces.image_operators import PADDING_SAME, padding, prelu_slope
from export.faces.tflite import Builtin, Graph, Operator
from export.faces.translation import TO_CHANNELS_FIRST, Layout, Translation

PATTERN = (Builtin.CONV_2D, Builtin.PRELU, Builtin.DEPTHWISE_CONV_2D, Builtin.CONV_2D)
MOST_CHANNELS = 8
"""Half of a block of the runtime on AVX-512 processors."""

# Numbers of the options' fields: activation, stride and dilation (width, height).
CONVOLUTION_FIELDS = (3, 1, 2, 4, 5)
DEPTHWISE_FIELDS = (4, 1, 2, 5, 6)


def starts_at(graph: Graph, uses: Counter[int], operators: Sequence[Operator]) -> bool:
    """Whether the next ``operators`` are a narrow block.

    Args:
        graph: the whole graph.
        uses: how often each tensor is an input of an operator or a result of the graph.
        operators: of the graph, from the one in question on.
    """
    block = operators[: len(PATTERN)]
    if tuple(operator.code for operator in block) != PATTERN:
        return False
    chained = all(uses[one.outputs[0]] == 1 and one.outputs[0] == next_.inputs[0] for one, next_ in pairwise(block))
    narrow, bend, depthwise, wide = block
    shape = graph.tensors[narrow.outputs[0]].shape
    return (
        chained
        and shape[3] <= MOST_CHANNELS
        and graph.tensors[depthwise.outputs[0]].shape == shape
        and graph.tensors[bend.inputs[1]].shape[:-1] in {(), (1, 1), (1, 1, 1)}
        and all(_is_pointwise(graph, convolution) for convolution in (narrow, wide))
        and depthwise.option(0, "b") == PADDING_SAME
        and _is_plain(depthwise, DEPTHWISE_FIELDS)
    )


def _is_pointwise(graph: Graph, convolution: Operator) -> bool:
    kernel = graph.tensors[convolution.inputs[1]].shape
    channels = graph.tensors[convolution.inputs[0]].shape[3]
    return kernel[1:] == (1, 1, channels) and _is_plain(convolution, CONVOLUTION_FIELDS)


def _is_plain(convolution: Operator, fields: tuple[int, int, int, int, int]) -> bool:
    """With a bias, without activation, stride and dilation."""
    activation, *steps = fields
    unit = all(convolution.option(step, "i", 1) == 1 for step in steps)
    return unit and convolution.option(activation, "b") == 0 and len(convolution.inputs) == 3


def write(translation: Translation, block: Sequence[Operator]) -> None:
    """Write the four operators of a narrow block."""
    narrow, bend, depthwise, wide = block
    writer = translation.writer
    slope = prelu_slope(translation, bend).reshape(-1, 1, 1, 1)
    kernel, bias = (translation.constant(tensor) for tensor in narrow.inputs[1:])
    kernel = kernel.transpose(TO_CHANNELS_FIRST)
    value = writer.add(
        "Conv",
        translation.value(narrow.inputs[0], Layout.CHANNELS_FIRST),
        writer.floats(np.concatenate([kernel, -kernel])),
        writer.floats(np.concatenate([bias, -bias])),
        kernel_shape=[1, 1],
    )
    kernel, bias = (translation.constant(tensor) for tensor in depthwise.inputs[1:])
    kernel = kernel.transpose(3, 0, 1, 2)
    size = list(kernel.shape[2:])
    value = writer.add(
        "Conv",
        writer.add("Relu", value),
        writer.floats(np.concatenate([kernel, -slope * kernel])),
        writer.floats(np.concatenate([bias, np.zeros_like(bias)])),
        kernel_shape=size,
        group=2 * len(bias),
        pads=padding(translation, depthwise, size, [1, 1], [1, 1]),
    )
    kernel, bias = (translation.constant(tensor) for tensor in wide.inputs[1:])
    kernel = kernel.transpose(TO_CHANNELS_FIRST)
    twice = np.concatenate([kernel, kernel], axis=1)
    value = writer.add("Conv", value, writer.floats(twice), writer.floats(bias), kernel_shape=[1, 1])
    translation.finish(wide, value, Layout.CHANNELS_FIRST)
