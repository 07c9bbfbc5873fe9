"""Graphs behind one another compute what they compute one after another."""

import numpy as np
import pytest

from export.graph.builder import FLOAT, GraphBuilder
from export.graph.compose import chain
from service.pipeline.device.session import Session


def affine(taken: str, given: str, factor: float, *, of: str = "x") -> object:
    """A graph given = factor · taken, whose inner names are the same in each."""
    builder = GraphBuilder(of)
    value = builder.input(taken, FLOAT, ["batch", 2])
    builder.output(given, builder.add("Mul", value, builder.constant(factor, "factor")), FLOAT, ["batch", 2])
    return builder.model("tests", {})


def test_parts_with_equal_inner_names_do_not_meet():
    whole = chain(
        [affine("waveform", "picture", 2.0), affine("picture", "embedding", 3.0), affine("embedding", "p", 5.0)]
    )
    session = Session(whole.SerializeToString(), device="cpu", threads=1)
    answer = session.run({"waveform": np.array([[1.0, 2.0]], np.float32)}, ("p",))
    np.testing.assert_array_equal(answer["p"], [[30.0, 60.0]])


def test_outputs_of_earlier_parts_can_be_kept():
    parts = [affine("waveform", "embedding", 2.0), affine("embedding", "probabilities", 0.5)]
    whole = chain(parts, keep=("embedding",))
    session = Session(whole.SerializeToString(), device="cpu", threads=1)
    answer = session.run({"waveform": np.array([[1.0, 2.0]], np.float32)}, ("probabilities", "embedding"))
    np.testing.assert_array_equal(answer["embedding"], [[2.0, 4.0]])
    np.testing.assert_array_equal(answer["probabilities"], [[1.0, 2.0]])


def test_a_whole_can_be_a_part_again():
    first = chain([affine("a", "b", 2.0), affine("b", "c", 3.0)])
    second = chain([affine("c", "d", 5.0), affine("d", "e", 7.0)])
    session = Session(chain([first, second]).SerializeToString(), device="cpu", threads=1)
    np.testing.assert_array_equal(session.run({"a": np.array([[1.0, 2.0]], np.float32)}, ("e",))["e"], [[210.0, 420.0]])


def test_parts_that_do_not_fit_are_refused_by_name():
    with pytest.raises(ValueError, match="no input of 'second' is an output of 'first'"):
        chain([affine("waveform", "a", 1.0, of="first"), affine("b", "c", 1.0, of="second")])
