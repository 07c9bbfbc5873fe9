"""Graphs that tests build and run."""

import numpy as np
import onnxruntime

from export.graph.builder import GraphBuilder


def run_graph(graph: GraphBuilder, **inputs: np.ndarray) -> list[np.ndarray]:
    """All outputs of a graph, in the order of their declaration."""
    model = graph.model("test", {}).SerializeToString()
    return onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"]).run(None, inputs)
