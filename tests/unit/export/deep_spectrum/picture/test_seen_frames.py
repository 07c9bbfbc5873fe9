import numpy as np
import pytest

from export.deep_spectrum.picture.seen_frames import write_seen
from export.graph.builder import INT64, GraphBuilder
from tests.support.graphs import run_graph

COLUMNS = np.array([[0, 0, 1, 2, 2], [0, 1, 2, 2, 3]])


def seen(frames: int) -> tuple[np.ndarray, np.ndarray]:
    graph = GraphBuilder("seen")
    columns, given = graph.input("columns", INT64, ["batch", 5]), graph.input("frames", INT64, [1])
    chosen = write_seen(graph, given, columns, 5, once=True)
    assert chosen.shown is not None
    graph.output("chosen", chosen.frames, INT64, ["batch or 1", "frames"])
    graph.output("shown", chosen.shown, INT64, ["batch", 5])
    return tuple(run_graph(graph, columns=COLUMNS, frames=np.array([frames])))


@pytest.mark.parametrize(("frames", "computed"), [(4, 4), (5, 5), (6, 5), (900, 5)])
def test_every_column_shows_its_frame_and_no_more_are_computed(frames, computed):
    chosen, shown = seen(frames)
    assert chosen.shape == (2, computed)
    np.testing.assert_array_equal(np.take_along_axis(chosen, shown, axis=1), COLUMNS)


def test_columns_are_computed_one_for_one_where_nothing_is_saved():
    graph = GraphBuilder("seen")
    chosen = write_seen(graph, "frames", "columns", 5, once=False)
    assert (chosen.frames, chosen.shown) == ("columns", None)
