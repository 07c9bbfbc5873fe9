"""Weights in Caffe's ``.caffemodel`` files, read from the wire format of protocol buffers.

A message is a row of fields, each a key, number · 8 + type, and a value: type 0 is an integer of 7 bits a byte, 1 eight
bytes, 2 a length and that many bytes, 5 four bytes. Only the few fields that hold names and values are looked at. Their
numbers are those of Caffe's published schema: of a network its layers, 100, or 2 in files before 2015; of a layer its
name, 1 or formerly 4, and its blobs, 7 or formerly 6; of a blob its shape, 7, or formerly 1 … 4 (number, channels,
height, width), and its values as floats, 5, or doubles, 8.
"""

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from export.deep_spectrum.networks.layers import WeightsError

INTEGER, EIGHT_BYTES, BYTES, FOUR_BYTES = 0, 1, 2, 5
LAYERS = {100: (1, 7), 2: (4, 6)}
"""Field of the layers, with the fields of name and blobs inside."""

FLOATS, SHAPE, DOUBLES = 5, 7, 8
OLD_SHAPE = (1, 2, 3, 4)
LONGEST_INTEGER_BYTES = 10

Field = tuple[int, int, int, memoryview]
"""Number, type, integer value (0 unless the type is 0) and bytes (empty for integers)."""


class _Damaged(Exception):
    pass


def read_caffe_file(file: Path) -> dict[str, NDArray[np.float32]]:
    """Weights and biases as ``<layer>.weight`` and ``<layer>.bias``, dense kernels [out, in].

    Raises:
        WeightsError: the file is no network of Caffe.
    """
    try:
        tensors = dict(_tensors(memoryview(file.read_bytes())))
    except (_Damaged, UnicodeDecodeError, ValueError) as error:
        raise WeightsError(f"{file.name} is not a caffemodel: {error}") from error
    if not tensors:
        raise WeightsError(f"{file.name} is not a caffemodel: it has no layer with weights")
    return tensors


def _tensors(network: memoryview) -> Iterator[tuple[str, NDArray[np.float32]]]:
    for number, kind, _, content in _fields(network):
        if number not in LAYERS or kind != BYTES:
            continue
        name_field, blob_field = LAYERS[number]
        fields = list(_fields(content))
        names = [
            bytes(value).decode("utf-8") for field, kind, _, value in fields if (field, kind) == (name_field, BYTES)
        ]
        blobs = [_blob(value) for field, kind, _, value in fields if (field, kind) == (blob_field, BYTES)]
        for part, blob in zip(("weight", "bias"), blobs, strict=False):
            yield f"{names[0] if names else ''}.{part}", _without_old_axes(blob, part)


def _without_old_axes(blob: NDArray[np.float32], part: str) -> NDArray[np.float32]:
    """Old files give everything four axes: dense kernels are [1, 1, out, in], biases [1, 1, 1, out]."""
    if part == "bias":
        return blob.reshape(-1)
    return blob.reshape(blob.shape[2:]) if blob.ndim == 4 and blob.shape[:2] == (1, 1) else blob


def _blob(content: memoryview) -> NDArray[np.float32]:
    old_shape = dict.fromkeys(OLD_SHAPE, 0)
    shape: list[int] = []
    values: list[NDArray[np.floating]] = []
    for number, kind, integer, data in _fields(content):
        if number in OLD_SHAPE and kind == INTEGER:
            old_shape[number] = integer
        elif number == SHAPE and kind == BYTES:
            shape = _dimensions(data)
        elif number == FLOATS and kind in (BYTES, FOUR_BYTES):
            values.append(np.frombuffer(data, "<f4"))
        elif number == DOUBLES and kind in (BYTES, EIGHT_BYTES):
            values.append(np.frombuffer(data, "<f8"))
    flat = np.concatenate(values) if values else np.zeros(0)
    shape = shape or list(old_shape.values())
    if math.prod(shape) != flat.size:
        raise _Damaged(f"a blob of shape {shape} has {flat.size} values")
    return flat.astype(np.float32).reshape(shape)


def _dimensions(message: memoryview) -> list[int]:
    """Packed integers of field 1; also the unpacked form that some writers use."""
    sizes: list[int] = []
    for number, kind, integer, data in _fields(message):
        if number == 1 and kind == INTEGER:
            sizes.append(integer)
        elif number == 1 and kind == BYTES:
            place = 0
            while place < len(data):
                size, place = _integer(data, place)
                sizes.append(size)
    return sizes


def _fields(message: memoryview) -> Iterator[Field]:
    place = 0
    while place < len(message):
        key, place = _integer(message, place)
        number, kind = key >> 3, key & 7
        if kind == INTEGER:
            value, place = _integer(message, place)
            yield number, kind, value, message[:0]
            continue
        if kind == BYTES:
            length, place = _integer(message, place)
        elif kind in (EIGHT_BYTES, FOUR_BYTES):
            length = 8 if kind == EIGHT_BYTES else 4
        else:
            raise _Damaged(f"field {number} is of the unknown type {kind}")
        if place + length > len(message):
            raise _Damaged(f"field {number} runs beyond the end")
        yield number, kind, 0, message[place : place + length]
        place += length


def _integer(message: memoryview, place: int) -> tuple[int, int]:
    """An integer of 7 bits a byte, lowest first, and the place behind it."""
    value = 0
    for count in range(LONGEST_INTEGER_BYTES):
        if place + count >= len(message):
            raise _Damaged("an integer runs beyond the end")
        byte = message[place + count]
        value |= (byte & 0x7F) << (7 * count)
        if byte < 0x80:
            return value, place + count + 1
    raise _Damaged("an integer is too long")
