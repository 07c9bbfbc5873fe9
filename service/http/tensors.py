"""Tensors of the Open Inference Protocol on the wire: JSON, or bytes behind it (the binary tensor data extension)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import orjson
from numpy.typing import NDArray
from pydantic import ValidationError

from service.http.problem_response import pointer_to
from service.problems import Malformed, TensorInvalid, TooLarge
from service.schemas.inference import InferInput, InferRequest

INFERENCE_HEADER: Final = "Inference-Header-Content-Length"
"""Header that tells how many bytes of a body are JSON; binary tensors follow them."""

MAX_JSON_BYTES: Final = 8 * 1024 * 1024
"""Bytes of JSON in one request. Numbers as text take up to eight times their text in memory while they are read."""

_DTYPES: Final[dict[str, np.dtype[Any]]] = {"FP32": np.dtype("<f4"), "INT64": np.dtype("<i8")}

Array = NDArray[Any]


@dataclass(frozen=True)
class TensorRequest:
    """A request for inference.

    Attributes:
        id: the client's, or None.
        inputs: by name, float32 or int64.
        outputs: names of those that are wanted; none stands for all.
        binary: of those, whether each is wanted as bytes.
        all_binary: whether the others are.
    """

    id: str | None
    inputs: dict[str, Array]
    outputs: tuple[str, ...]
    binary: dict[str, bool]
    all_binary: bool


def read_tensors(body: memoryview, json_bytes: str | None) -> TensorRequest:
    """Read the body of a request.

    Args:
        json_bytes: value of :data:`INFERENCE_HEADER`, None without.

    Raises:
        Malformed: it is no JSON, or the header does not fit the body.
        TooLarge: it has more than :data:`MAX_JSON_BYTES` of JSON.
        TensorInvalid: it is no request of the protocol, or a tensor has not the bytes or numbers of its shape.
    """
    size = _json_size(json_bytes, len(body))
    if size > MAX_JSON_BYTES:
        raise TooLarge(f"The JSON of a request may hold {MAX_JSON_BYTES} bytes: send tensors as binary data.")
    try:
        asked = InferRequest.model_validate(orjson.loads(body[:size]))
    except orjson.JSONDecodeError:
        raise Malformed("The body is no JSON.") from None
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        pointer = pointer_to(*first["loc"])
        raise TensorInvalid(f"{pointer or '/'}: {first['msg']}", pointer=pointer) from None
    inputs: dict[str, Array] = {}
    at = size
    for number, one in enumerate(asked.inputs):
        pointer = f"/inputs/{number}"
        if one.name in inputs:
            raise TensorInvalid("An input is given twice.", pointer=f"{pointer}/name")
        taken = None if one.parameters is None else one.parameters.binary_data_size
        if (taken is None) == (one.data is None):
            raise TensorInvalid("An input has either data or binary_data_size.", pointer=pointer)
        if taken is None:
            inputs[one.name] = _from_json(one, pointer)
            continue
        inputs[one.name] = _from_bytes(one, taken, body[at : at + taken], pointer)
        at += taken
    if at != len(body):
        raise TensorInvalid(f"{len(body) - at} bytes of the body belong to no input.", pointer="/inputs")
    wanted = asked.outputs or ()
    binary = {one.name: one.parameters.binary_data for one in wanted if one.parameters is not None}
    if len({one.name for one in wanted}) < len(wanted):
        raise TensorInvalid("An output is wanted twice.", pointer="/outputs")
    return TensorRequest(
        asked.id,
        inputs,
        tuple(one.name for one in wanted),
        {name: is_binary for name, is_binary in binary.items() if is_binary is not None},
        asked.parameters is not None and asked.parameters.binary_data_output,
    )


def write_tensors(
    request: TensorRequest, name: str, version: str, outputs: Mapping[str, NDArray[np.float32]]
) -> tuple[bytes, int | None]:
    """The body of an answer, and the bytes of its JSON where binary tensors follow."""
    entries: list[dict[str, object]] = []
    pieces: list[bytes] = []
    for output, values in outputs.items():
        entry: dict[str, object] = {"name": output, "datatype": "FP32", "shape": list(values.shape)}
        if request.binary.get(output, request.all_binary):
            pieces.append(np.ascontiguousarray(values, _DTYPES["FP32"]).tobytes())
            entry["parameters"] = {"binary_data_size": len(pieces[-1])}
        else:
            entry["data"] = np.ascontiguousarray(values).reshape(-1)
        entries.append(entry)
    document = {"model_name": name, "model_version": version, "outputs": entries}
    if request.id is not None:
        document["id"] = request.id
    text = orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)
    return b"".join([text, *pieces]), len(text) if pieces else None


def _json_size(header: str | None, body_bytes: int) -> int:
    """Bytes of JSON at the beginning of a body."""
    if header is None:
        return body_bytes
    if not (header.isascii() and header.isdigit()) or not 0 < int(header[:20]) <= body_bytes:
        raise Malformed(f"{INFERENCE_HEADER} must be the number of bytes of JSON at the beginning of the body.")
    return int(header)


def _from_bytes(one: InferInput, size: int, content: memoryview, pointer: str) -> Array:
    dtype = _DTYPES[one.datatype]
    if size != math.prod(one.shape) * dtype.itemsize:
        raise TensorInvalid(f"Its shape needs {math.prod(one.shape) * dtype.itemsize} bytes.", pointer=pointer)
    if len(content) != size:
        raise TensorInvalid("The body ends before its bytes.", pointer=pointer)
    return np.frombuffer(content, dtype).reshape(one.shape)


def _from_json(one: InferInput, pointer: str) -> Array:
    dtype = _DTYPES[one.datatype]
    try:
        values: Array = np.array(one.data)
    except ValueError:  # rows of different lengths
        values = np.array(None)
    if values.dtype.kind not in ("iuf" if dtype.kind == "f" else "iu"):
        raise TensorInvalid(f"Its data are no rows of {one.datatype}.", pointer=f"{pointer}/data")
    if values.shape not in (tuple(one.shape), (math.prod(one.shape),)):
        raise TensorInvalid("Its data have not as many numbers as its shape.", pointer=f"{pointer}/data")
    with np.errstate(over="ignore"):
        cast: Array = values.astype(dtype)
    return cast.reshape(one.shape)
