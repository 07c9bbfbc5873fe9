"""Read the filter of an affect model out of its graph, for the attribution."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import numpy_helper

from service.pipeline.affect.attribution import AffectFilter

FILTER_NAME = "filter"
BIAS_NAME = "bias"


def read_affect_filter(graph: bytes) -> AffectFilter | None:
    """Weights and bias of a one-filter network.

    Args:
        graph: bytes of the ONNX file, already checked against the card's hash.

    Returns:
        The filter, or None where the graph has no initializers ``filter`` [1, columns, kernel] and
        ``bias`` [1]: deeper networks have no exact attribution.
    """
    tensors = {tensor.name: tensor for tensor in onnx.load_from_string(graph).graph.initializer}
    if FILTER_NAME not in tensors or BIAS_NAME not in tensors:
        return None
    weights = numpy_helper.to_array(tensors[FILTER_NAME]).astype(np.float64)
    bias = numpy_helper.to_array(tensors[BIAS_NAME])
    if weights.ndim != 3 or weights.shape[0] != 1 or bias.shape != (1,):
        return None
    return AffectFilter(weights[0], float(bias[0]))
