"""Graphs side by side compute what each computes alone, and what they share is there once."""

import numpy as np
import onnx
import pytest

from export.graph.builder import FLOAT, GraphBuilder
from export.graph.compose_parallel import parallel
from service.pipeline.device.session import Session


def branch(factor: float, front: float = 2.0, *, width: int = 3, taken: str = "waveform") -> onnx.ModelProto:
    """A front end exp(front·x), which is named differently each time, and a network that multiplies it."""
    graph = GraphBuilder(f"branch {factor}")
    value = graph.input(taken, FLOAT, ["batch", width])
    front_end = graph.add("Exp", graph.add("Mul", value, graph.constant(front, f"front of {factor}")))
    front_end = graph.rename(front_end, f"picture of {factor}")
    graph.output("embedding", graph.add("Mul", front_end, graph.constant(factor)), FLOAT, ["batch", width])
    return graph.model("tests", {})


def count(model: onnx.ModelProto, operator: str) -> int:
    return sum(node.op_type == operator for node in model.graph.node)


def run(model: onnx.ModelProto, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    session = Session(model.SerializeToString(), device="cpu", threads=1)
    return session.run({"waveform": np.array([[0.1, 0.2, 0.3]], np.float32)}, names)


def test_a_shared_front_end_is_computed_once():
    whole = parallel([branch(3.0), branch(5.0), branch(7.0)], "embedding", ["a", "b", "c"])
    assert count(whole, "Exp") == 1
    assert count(whole, "Mul") == 4
    front = np.exp(2 * np.array([[0.1, 0.2, 0.3]]))
    answers = run(whole, ("a", "b", "c"))
    for name, factor in (("a", 3), ("b", 5), ("c", 7)):
        np.testing.assert_allclose(answers[name], factor * front, rtol=1e-6)


def test_front_ends_that_differ_in_a_constant_are_both_kept():
    whole = parallel([branch(3.0, front=2.0), branch(3.0, front=1.0)], "embedding", ["a", "b"])
    assert count(whole, "Exp") == 2
    answers = run(whole, ("a", "b"))
    np.testing.assert_allclose(answers["a"], 3 * np.exp(2 * np.array([[0.1, 0.2, 0.3]])), rtol=1e-6)
    np.testing.assert_allclose(answers["b"], 3 * np.exp(np.array([[0.1, 0.2, 0.3]])), rtol=1e-6)


def test_equal_branches_are_one_branch_with_two_names():
    whole = parallel([branch(3.0), branch(3.0)], "embedding", ["a", "b"])
    assert count(whole, "Mul") == 2
    answers = run(whole, ("a", "b"))
    np.testing.assert_array_equal(answers["a"], answers["b"])


def test_random_nodes_are_never_the_same():
    graph = GraphBuilder("noise")
    value = graph.input("waveform", FLOAT, ["batch", 3])
    graph.output("embedding", graph.add("Add", value, graph.add("RandomNormalLike", value)), FLOAT, ["batch", 3])
    noise = graph.model("tests", {})
    assert count(parallel([noise, noise], "embedding", ["a", "b"]), "RandomNormalLike") == 2


def test_branches_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"the inputs of 'branch 5\.0' are"):
        parallel([branch(3.0), branch(5.0, taken="sound")], "embedding", ["a", "b"])
    with pytest.raises(ValueError, match="has no output 'probabilities'"):
        parallel([branch(3.0)], "probabilities", ["a"])
    older = branch(5.0)
    older.opset_import[0].version = 17
    with pytest.raises(ValueError, match="another version of the operators"):
        parallel([branch(3.0), older], "embedding", ["a", "b"])
    conditional = branch(5.0)
    node = conditional.graph.node[0]
    node.attribute.append(onnx.helper.make_attribute("body", branch(1.0).graph))
    with pytest.raises(ValueError, match="holds a graph of its own"):
        parallel([branch(3.0), conditional], "embedding", ["a", "b"])
