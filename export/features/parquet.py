"""Tables of features as Parquet: text columns, times as float64, features as float32."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow
from pyarrow import parquet

from export.features.table import DESCRIPTION_COLUMNS, FeatureTable, FeatureTableError, RawTable


def write(table: FeatureTable, file: Path) -> None:
    """Write one column a description and a feature."""
    texts = (table.names, table.speakers, table.partitions, table.labels)
    columns = [pyarrow.array(column, pyarrow.string()) for column in texts]
    columns += [pyarrow.array(table.start_s), pyarrow.array(table.end_s)]
    columns += [pyarrow.array(np.ascontiguousarray(column)) for column in table.values.T]
    names = [*DESCRIPTION_COLUMNS, *table.feature_names]
    parquet.write_table(pyarrow.Table.from_arrays(columns, names=names), file)


def read(file: Path) -> RawTable:
    """Read a table.

    Raises:
        FeatureTableError: the file is not Parquet, or a feature is not a column of numbers.
    """
    try:
        stored = parquet.read_table(file)
    except pyarrow.ArrowException as error:
        raise FeatureTableError(f"{file}: not a Parquet file: {error}") from error
    descriptions: dict[str, Sequence[str]] = {
        name: ["" if value is None else str(value) for value in stored[name].to_pylist()]
        for name in stored.column_names
        if name in DESCRIPTION_COLUMNS
    }
    names = [name for name in stored.column_names if name not in DESCRIPTION_COLUMNS]
    values = np.empty((stored.num_rows, len(names)), dtype=np.float32)
    for place, name in enumerate(names):
        column = stored[name]
        if not (pyarrow.types.is_floating(column.type) or pyarrow.types.is_integer(column.type)):
            raise FeatureTableError(f"{file}: the column '{name}' is not one of numbers")
        values[:, place] = column.to_numpy()
    return descriptions, values, names
