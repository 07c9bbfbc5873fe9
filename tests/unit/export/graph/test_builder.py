"""Constants of a graph: equal ones are one, and nothing else is."""

import numpy as np

from export.graph.builder import FLOAT, GraphBuilder


def test_equal_constants_are_stored_once():
    graph = GraphBuilder("constants", 17, 8)
    scalar, one, again = graph.floats(1.0), graph.floats([1.0]), graph.floats([1.0])
    named = graph.constant(np.ones(1, np.float32), "filter")
    bits = graph.constant(np.ones(1, np.float32).view(np.int32))
    assert (one, named) == (again, "filter")
    assert len({scalar, one, named, bits}) == 4
    graph.output("sum", graph.add("Add", scalar, graph.add("Add", one, named)), FLOAT, [1])
    model = graph.model("tests", {}, "a sum")
    assert [tensor.name for tensor in model.graph.initializer] == [scalar, one, named, bits]
    assert (model.ir_version, model.opset_import[0].version, model.graph.doc_string) == (8, 17, "a sum")
