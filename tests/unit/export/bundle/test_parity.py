"""How far a graph may be from what it was made of: each clip alone and all in one batch."""

import numpy as np
import pytest

from export.bundle.parity import by_graph, measured_parity
from export.corpora.audio import stack
from export.evaluation.verification import ParityError
from export.graph.builder import FLOAT, INT64, GraphBuilder

CLIPS = [np.array([0.5, -0.25], np.float32), np.array([0.125], np.float32)]


def twice(clips):
    return 2 * stack(clips)[0]


@pytest.fixture(scope="module")
def graph():
    builder = GraphBuilder("twice")
    waveform = builder.input("waveform", FLOAT, ["batch", "samples"])
    builder.input("lengths", INT64, ["batch"])
    builder.output("doubled", builder.add("Mul", waveform, builder.floats(2)), FLOAT, ["batch", "samples"])
    return by_graph(builder.model("tests", {}).SerializeToString(), "doubled")


def test_the_difference_is_told(graph):
    parity = measured_parity("tiny", [(graph, twice), (graph, lambda clips: twice(clips) + 1e-3)], CLIPS, 1e-2, "NumPy")
    assert parity.largest_difference == pytest.approx(1e-3, rel=1e-3)
    assert (parity.tolerance, parity.against) == (1e-2, "NumPy on 2 recordings, alone and in one batch")


@pytest.mark.parametrize(
    "wrong",
    [
        lambda clips: twice(clips) + 0.02,
        lambda clips: twice(clips) * np.float32(np.nan),
        lambda clips: twice(clips) + 0.02 * (len(clips) > 1),
        lambda clips: twice(clips) + 0.02 * (len(clips) == 1),
    ],
    ids=["other numbers", "no numbers", "others in a batch", "others alone"],
)
def test_a_graph_of_something_else_is_refused(graph, wrong):
    with pytest.raises(ParityError, match="tiny: graph and NumPy differ by"):
        measured_parity("tiny", [(graph, twice), (graph, wrong)], CLIPS, 1e-2, "NumPy")
