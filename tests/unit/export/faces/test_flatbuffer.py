import struct

import numpy as np
import pytest

from export.faces.flatbuffer import FlatBufferError, Table, root_table
from export.faces.tflite import Builtin, TFLiteError, read_graph
from tests.support.flatbuffer_builder import Scalar, SubTable, Tables, TinyGraph, Vector, flatbuffer, text


def test_fields_of_every_kind_are_read() -> None:
    table = root_table(
        flatbuffer(
            {
                0: Scalar("b", -5),
                1: Scalar("i", 70_000),
                3: text("grüß"),
                4: Vector(np.array([1.5, -2.0], np.float32)),
                5: SubTable({1: Scalar("H", 9)}),
                6: Tables([{0: Scalar("i", 1)}, {0: Scalar("i", 2)}]),
            }
        ),
        b"TFL3",
    )
    assert table.number(0, "b") == -5
    assert table.number(1, "i") == 70_000
    assert table.text(3) == "grüß"
    assert table.vector(4, np.float32).tolist() == [1.5, -2.0]
    assert table.table(5).number(1, "H") == 9
    assert [item.number(0, "i") for item in table.tables(6)] == [1, 2]


def test_absent_fields_give_defaults() -> None:
    table = root_table(flatbuffer({1: Scalar("i", 4)}), b"TFL3")
    assert table.number(0, "i", 7) == 7
    assert table.number(99, "i", 8) == 8
    assert table.table(5) is None
    assert table.vector(5, np.int32).size == 0
    assert table.tables(5) == []
    assert table.text(5) == ""


def test_a_hand_written_buffer_byte_by_byte() -> None:
    # root offset 12 | "TFL3" | vtable: 6 bytes, table 8 bytes, field 0 at 4 (2 bytes pad before) | table
    data = struct.pack("<I4sHHHHiI", 16, b"TFL3", 6, 8, 4, 0, 8, 0xCAFE)
    assert root_table(data, b"TFL3").number(0, "I") == 0xCAFE


def test_another_identifier_is_refused() -> None:
    with pytest.raises(FlatBufferError, match="TFL3"):
        root_table(flatbuffer({}, b"ABCD"), b"TFL3")


@pytest.mark.parametrize("length", [0, 3, 8])
def test_short_files_are_refused(length: int) -> None:
    with pytest.raises(FlatBufferError):
        root_table(flatbuffer({0: Scalar("i", 1)})[:length], b"TFL3").number(0, "i")


def test_a_vector_beyond_the_end_is_refused() -> None:
    data = bytearray(flatbuffer({0: Vector(np.zeros(3, np.int32))}))
    struct.pack_into("<I", data, len(data) - 16, 1_000_000)
    with pytest.raises(FlatBufferError, match="beyond"):
        root_table(bytes(data), b"TFL3").vector(0, np.int32)


def test_a_vtable_before_the_file_is_refused() -> None:
    with pytest.raises(FlatBufferError, match="before"):
        Table(struct.pack("<i", 100), 0).number(0, "i")


def test_text_that_is_not_utf8_is_refused() -> None:
    with pytest.raises(FlatBufferError, match="UTF-8"):
        root_table(flatbuffer({0: Vector(np.array([255, 254], np.uint8))}), b"TFL3").text(0)


def test_a_tflite_file_is_read() -> None:
    weights = np.arange(6, dtype=np.float32).reshape(1, 6)
    graph = read_graph(TinyGraph(Builtin.ADD, [(1, 6), weights], (1, 6)).data())
    assert [tensor.shape for tensor in graph.tensors] == [(1, 6)] * 3
    assert graph.operators[0].code is Builtin.ADD
    assert graph.inputs == (0,)
    assert graph.outputs == (2,)
    np.testing.assert_array_equal(graph.tensors[1].values, weights)


def test_every_truncation_of_a_tflite_file_is_refused_cleanly() -> None:
    data = TinyGraph(Builtin.ADD, [(1, 2), np.ones((1, 2), np.float32)], (1, 2)).data()
    for length in range(len(data)):
        with pytest.raises(TFLiteError):
            read_graph(data[:length])


def test_unknown_operators_and_types_are_named() -> None:
    with pytest.raises(TFLiteError, match="operator code 77"):
        read_graph(TinyGraph(77, [(1, 2)], (1, 2)).data())


def test_more_than_one_subgraph_is_refused() -> None:
    with pytest.raises(TFLiteError, match="one subgraph"):
        read_graph(flatbuffer({2: Tables([{}, {}])}))


def test_a_reference_to_no_tensor_is_refused() -> None:
    subgraph = {1: Vector(np.array([4], np.int32)), 3: Tables([])}
    with pytest.raises(TFLiteError, match="not there"):
        read_graph(flatbuffer({2: Tables([subgraph])}))
