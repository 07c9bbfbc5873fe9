"""Products with matrices whose rows are zero but for a short run: mel banks and resizing filters.

A whole product would multiply mostly by zero. Rows are taken in blocks, each with only the columns that it needs.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from export.graph.builder import GraphBuilder

USUAL_BLOCK_ROWS = 8
"""Rows of a block: fewer would share too few columns, more would span too many."""


@dataclass(frozen=True)
class Blocks:
    """A matrix in blocks of rows: columns that each block needs, int64 [blocks, width], and their weights, float32
    [blocks, rows of a block, width].
    """

    columns: NDArray[np.int64]
    weights: NDArray[np.float32]

    @property
    def rows(self) -> int:
        """Rows of the whole matrix."""
        return int(self.weights.shape[0] * self.weights.shape[1])


def in_blocks(matrix: NDArray[np.floating], usual_rows: int = USUAL_BLOCK_ROWS) -> Blocks:
    """Cut a matrix [rows, columns]; one block where the number of rows has no fitting divisor."""
    rows, columns = matrix.shape
    fitting = [size for size in range(usual_rows // 4, 2 * usual_rows + 1) if rows % size == 0]
    size = min(fitting, key=lambda size: abs(size - usual_rows), default=rows)
    blocks = matrix.reshape(-1, size, columns)
    used: NDArray[np.bool_] = np.asarray(blocks.any(axis=1))
    first, last = used.argmax(axis=1), columns - 1 - used[:, ::-1].argmax(axis=1)
    width = int((last - first).max()) + 1
    chosen = np.minimum(first, columns - width)[:, None] + np.arange(width)
    weights = np.take_along_axis(blocks, chosen[:, None, :], axis=2)
    return Blocks(chosen, weights.astype(np.float32))


def write_blocks_product(graph: GraphBuilder, blocks: Blocks, gathered: str, name: str) -> str:
    """Multiply with ``gathered``, float32 [a, …, blocks, width, n] by :attr:`Blocks.columns`.

    ``name`` is that of the constant with the weights. Returns float32 [a, …, blocks, rows of a block, n].
    """
    return graph.add("MatMul", graph.constant(blocks.weights, name), gathered)
