"""Writing small FlatBuffers by hand, and TFLite files of one operator with them."""

import struct
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Scalar:
    layout: str
    value: int


@dataclass(frozen=True)
class Vector:
    values: np.ndarray


@dataclass(frozen=True)
class SubTable:
    fields: dict


@dataclass(frozen=True)
class Tables:
    items: list


def text(value: str) -> Vector:
    return Vector(np.frombuffer(value.encode(), np.uint8))


def _append_table(out: bytearray, fields: dict) -> int:
    """Append vtable, table and everything below it; returns the table's position."""
    count = max(fields, default=-1) + 1
    slots, offset = {}, 4
    for number, entry in fields.items():
        slots[number] = offset
        offset += struct.calcsize("<" + entry.layout) if isinstance(entry, Scalar) else 4
    vtable = len(out)
    out += struct.pack("<HH", 4 + 2 * count, offset)
    for number in range(count):
        out += struct.pack("<H", slots.get(number, 0))
    table = len(out)
    out += struct.pack("<i", table - vtable) + bytes(offset - 4)
    for number, entry in fields.items():
        position = table + slots[number]
        if isinstance(entry, Scalar):
            struct.pack_into("<" + entry.layout, out, position, entry.value)
        else:
            struct.pack_into("<I", out, position, _append(out, entry) - position)
    return table


def _append(out: bytearray, entry: Vector | SubTable | Tables) -> int:
    if isinstance(entry, SubTable):
        return _append_table(out, entry.fields)
    begin = len(out)
    if isinstance(entry, Vector):
        out += struct.pack("<I", len(entry.values)) + entry.values.tobytes()
        return begin
    out += struct.pack("<I", len(entry.items)) + bytes(4 * len(entry.items))
    for index, fields in enumerate(entry.items):
        position = begin + 4 + 4 * index
        struct.pack_into("<I", out, position, _append_table(out, fields) - position)
    return begin


def flatbuffer(fields: dict, identifier: bytes = b"TFL3") -> bytes:
    out = bytearray(4) + identifier
    struct.pack_into("<I", out, 0, _append_table(out, fields))
    return bytes(out)


TYPES = {np.dtype(np.float32): 0, np.dtype(np.float16): 1, np.dtype(np.int32): 2, np.dtype(np.int8): 9}


@dataclass
class TinyGraph:
    """A TFLite graph of one operator on one input (and constants)."""

    code: int
    inputs: list[tuple[int, ...] | np.ndarray]  # a shape for a graph input, an array for a constant
    output: tuple[int, ...]
    options: dict[int, Scalar] = field(default_factory=dict)

    def data(self) -> bytes:
        buffers, tensors, graph_inputs = [{}], [], []
        for number, entry in enumerate(self.inputs):
            if isinstance(entry, np.ndarray):
                buffers.append({0: Vector(np.frombuffer(entry.tobytes(), np.uint8))})
                tensors.append(self._tensor(entry.shape, TYPES[entry.dtype], len(buffers) - 1, f"constant{number}"))
            else:
                graph_inputs.append(number)
                tensors.append(self._tensor(entry, 0, 0, f"input{number}"))
        tensors.append(self._tensor(self.output, 0, 0, "output"))
        operator = {
            0: Scalar("I", 0),
            1: Vector(np.arange(len(self.inputs), dtype=np.int32)),
            2: Vector(np.array([len(self.inputs)], np.int32)),
            4: SubTable(self.options),
        }
        subgraph = {
            0: Tables(tensors),
            1: Vector(np.array(graph_inputs, np.int32)),
            2: Vector(np.array([len(self.inputs)], np.int32)),
            3: Tables([operator]),
        }
        codes = [{0: Scalar("b", min(self.code, 127)), 3: Scalar("i", self.code)}]
        return flatbuffer({0: Scalar("I", 3), 1: Tables(codes), 2: Tables([subgraph]), 4: Tables(buffers)})

    @staticmethod
    def _tensor(shape: tuple[int, ...], kind: int, buffer: int, name: str) -> dict:
        return {0: Vector(np.array(shape, np.int32)), 1: Scalar("b", kind), 2: Scalar("I", buffer), 3: text(name)}
