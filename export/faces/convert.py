"""TFLite graph → nodes of an ONNX graph, with a free batch."""

from collections import Counter
from collections.abc import Callable

from export.faces import bottleneck, image_operators, tensor_operators
from export.faces.tflite import Builtin, Graph, Operator, TFLiteError
from export.faces.translation import Translation
from export.graph.builder import GraphBuilder

Rule = Callable[[Translation, Operator], None]

RULES: dict[Builtin, Rule] = {
    Builtin.ADD: tensor_operators.binary,
    Builtin.CONCATENATION: tensor_operators.concatenation,
    Builtin.CONV_2D: image_operators.convolution,
    Builtin.DEPTHWISE_CONV_2D: image_operators.depthwise_convolution,
    Builtin.DEQUANTIZE: tensor_operators.dequantize,
    Builtin.LOGISTIC: tensor_operators.unary,
    Builtin.MAX_POOL_2D: image_operators.max_pool,
    Builtin.MUL: tensor_operators.binary,
    Builtin.RELU: tensor_operators.unary,
    Builtin.RESHAPE: tensor_operators.reshape,
    Builtin.PAD: image_operators.pad,
    Builtin.TRANSPOSE: tensor_operators.transpose,
    Builtin.MEAN: tensor_operators.reduce_mean,
    Builtin.SUB: tensor_operators.binary,
    Builtin.DIV: tensor_operators.binary,
    Builtin.STRIDED_SLICE: tensor_operators.strided_slice,
    Builtin.PRELU: image_operators.parametric_relu,
    Builtin.NEG: tensor_operators.unary,
    Builtin.SUM: tensor_operators.reduce_sum,
    Builtin.SQRT: tensor_operators.unary,
    Builtin.RSQRT: tensor_operators.reciprocal_square_root,
    Builtin.SQUARED_DIFFERENCE: tensor_operators.squared_difference,
}


def translate(graph: Graph, writer: GraphBuilder, inputs: list[str]) -> list[str]:
    """Write ``graph`` into ``writer``, fed with the values ``inputs`` (channels last, batch first).

    Returns:
        The names of the graph's results, in its own order and layout, with the batch kept as first axis.

    Raises:
        TFLiteError: the graph does something that cannot be translated.
    """
    if len(inputs) != len(graph.inputs):
        raise TFLiteError(f"the graph has {len(graph.inputs)} inputs, not {len(inputs)}")
    translation = Translation(graph, writer)
    for tensor, name in zip(graph.inputs, inputs, strict=True):
        translation.set_value(tensor, name)
    _write(translation, graph)
    return [translation.value(tensor) for tensor in graph.outputs]


def _write(translation: Translation, graph: Graph) -> None:
    """Write all operators: first those that only widen weights, as blocks of others take several at once."""
    for operator in graph.operators:
        if operator.code not in RULES:
            raise TFLiteError(f"operator {operator.code.name} is not supported in a face graph")
    uses = Counter([*graph.outputs, *(tensor for operator in graph.operators for tensor in operator.inputs)])
    for operator in graph.operators:
        if operator.code is Builtin.DEQUANTIZE:
            RULES[operator.code](translation, operator)
    operators = [operator for operator in graph.operators if operator.code is not Builtin.DEQUANTIZE]
    while operators:
        if bottleneck.starts_at(graph, uses, operators):
            count = len(bottleneck.PATTERN)
            bottleneck.write(translation, operators[:count])
        else:
            count = 1
            RULES[operators[0].code](translation, operators[0])
        operators = operators[count:]
