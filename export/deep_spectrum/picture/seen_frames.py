"""Selection of the frames that are computed further, as ONNX nodes: no more than exist or are seen."""

from dataclasses import dataclass

import numpy as np

from export.graph.builder import GraphBuilder


@dataclass(frozen=True)
class Seen:
    """Names of what was chosen.

    Attributes:
        frames: int64 [batch, frames], counted within a clip.
        shown: place in ``frames`` that each column of pixels shows, int64 [batch, columns]; None where they are one for
            one.
    """

    frames: str
    shown: str | None


def write_seen(graph: GraphBuilder, frames: str, columns: str, count: int, *, once: bool) -> Seen:
    """Choose all frames of a clip where it has fewer than columns, else those of the columns.

    Args:
        frames: of a clip in this batch, int64 [1].
        columns: frame that is seen at each column, int64 [batch, count].
        once: whether a frame that fills several columns shall be computed but once.
    """
    if not once:
        return Seen(columns, None)
    all_columns, counter = graph.constant([count]), graph.constant(np.arange(count))
    few = graph.add("LessOrEqual", frames, all_columns)
    chosen = graph.add("Where", few, counter, columns)
    start, axis = graph.constant([0]), graph.constant([1])
    return Seen(
        graph.add("Slice", chosen, start, graph.add("Min", frames, all_columns), axis),
        graph.add("Where", few, columns, counter),
    )
