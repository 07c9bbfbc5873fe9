"""Linear classifiers and their fusions as graphs (G8, A22, A23).

Scaling is folded into the weights. Scores and probabilities are computed in double precision: with a small penalty
scores reach thousands, whose float32 rounding alone would move probabilities by more than 1e-5. A classifier has
some thousand weights, so this costs nothing beside the network in front of it.
"""

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import TensorProto

from export.classifiers.head import Head
from export.classifiers.recipe import FusionKind
from export.graph.builder import FLOAT, GraphBuilder

EMBEDDING = "embedding"
PROBABILITIES = "probabilities"


def classifier_graph(head: Head) -> onnx.ModelProto:
    """``embedding`` float32 [batch, features] → ``probabilities`` float32 [batch, classes]."""
    graph = GraphBuilder("classifier")
    embedding = graph.input(EMBEDDING, FLOAT, ["batch", head.card.dimensions])
    result = graph.add("Cast", write_classifier(graph, embedding, head), to=FLOAT)
    graph.output(PROBABILITIES, result, FLOAT, ["batch", len(head.card.labels)])
    return graph.model("emoserve-export", {})


def fusion_graph(heads: Sequence[Head], kind: FusionKind, dimensions: Sequence[int]) -> onnx.ModelProto:
    """Several embeddings → ``probabilities``, and ``embedding``: all of them behind one another.

    The 'early' fusion has one head on all embeddings (A22), the 'late' one a head for each (A23). Embeddings of the
    sizes ``dimensions`` enter as ``embedding_0``, ``embedding_1``, …
    """
    graph = GraphBuilder(f"{kind} fusion")
    inputs = [graph.input(member_name(place), FLOAT, ["batch", width]) for place, width in enumerate(dimensions)]
    together = graph.add("Concat", *inputs, axis=1)
    judged = [together] if kind == "early" else inputs
    answers = [write_classifier(graph, value, head) for value, head in zip(judged, heads, strict=True)]
    mean = answers[0]
    if len(answers) > 1:
        mean = graph.add("Mul", graph.add("Sum", *answers), _double(graph, 1.0 / len(answers)))
    result = graph.add("Cast", mean, to=FLOAT)
    graph.output(PROBABILITIES, result, FLOAT, ["batch", len(heads[0].card.labels)])
    graph.output(EMBEDDING, together, FLOAT, ["batch", sum(dimensions)])
    return graph.model("emoserve-export", {})


def member_name(place: int) -> str:
    """Name of the embedding of one member of a fusion."""
    return f"{EMBEDDING}_{place}"


def write_classifier(graph: GraphBuilder, embedding: str, head: Head) -> str:
    """Add a classifier behind ``embedding`` float32 [batch, features]; returns float64 [batch, classes]."""
    linear = head.linear
    weights = (linear.weights * linear.scale).T
    bias = linear.weights @ linear.offset + linear.bias
    wide = graph.add("Cast", embedding, to=TensorProto.DOUBLE)
    scores = graph.add("Add", graph.add("MatMul", wide, graph.constant(weights)), graph.constant(bias))
    if head.card.link == "normalised clip":
        return _normalised_clip(graph, scores)
    if head.card.link == "normalised sigmoid":
        return _softmax(graph, _log_sigmoid(graph, scores))
    return _softmax(graph, graph.add("Mul", scores, _double(graph, 1.0 / head.card.temperature)))


def _log_sigmoid(graph: GraphBuilder, scores: str) -> str:
    """Logarithm of the sigmoid: log σ(x) = min(x, 0) − log(1 + e^−|x|), which neither overflows nor underflows."""
    powers = graph.add("Exp", graph.add("Neg", graph.add("Abs", scores)))
    correction = graph.add("Log", graph.add("Add", powers, _double(graph, 1.0)))
    return graph.add("Sub", graph.add("Min", scores, _double(graph, 0.0)), correction)


def _softmax(graph: GraphBuilder, logarithms: str) -> str:
    return graph.add("Softmax", logarithms, axis=1)


def _normalised_clip(graph: GraphBuilder, scores: str) -> str:
    low, high, half = (_double(graph, value) for value in (-1.0, 1.0, 0.5))
    clipped = graph.add("Min", graph.add("Max", scores, low), high)
    shares = graph.add("Mul", graph.add("Add", clipped, high), half)
    axis = graph.constant([1])
    empty = graph.add("Equal", graph.add("ReduceSum", shares, axis, keepdims=1), _double(graph, 0.0))
    shares = graph.add("Where", empty, high, shares)
    return graph.add("Div", shares, graph.add("ReduceSum", shares, axis, keepdims=1))


def _double(graph: GraphBuilder, value: float) -> str:
    """A scalar in double precision; the builder makes Python's own floats single."""
    return graph.constant(np.array(value, dtype=np.float64))
