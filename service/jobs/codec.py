"""Results and checkpoints as bytes: JSON for the structure, NumPy's format for arrays. Decoding executes nothing."""

import io
import json
import struct
from dataclasses import fields, is_dataclass
from typing import Any, Final

import numpy as np

from service.pipeline.affect.attribution import Attribution, Moment
from service.pipeline.face.face_series import FaceSeries
from service.pipeline.face.neutral import NeutralUse
from service.pipeline.prior import PriorUse
from service.pipeline.results import (
    AudioEmotion,
    ChannelEmotion,
    DoubtBound,
    FlagSpan,
    MediaInfo,
    ModelReference,
    ProfileUse,
    Segments,
    SpeakerEmotion,
    SpeakerTurns,
    Timeline,
    Track,
    VoiceTrace,
)
from service.pipeline.video.video_results import Statistics, VideoAffect

_KINDS: Final[dict[str, type[Any]]] = {
    kind.__name__: kind
    for kind in (
        AudioEmotion,
        ChannelEmotion,
        DoubtBound,
        FaceSeries,
        FlagSpan,
        MediaInfo,
        ModelReference,
        Moment,
        NeutralUse,
        PriorUse,
        ProfileUse,
        Segments,
        SpeakerEmotion,
        SpeakerTurns,
        Timeline,
        Track,
        VoiceTrace,
        Attribution,
        Statistics,
        VideoAffect,
    )
}
_LENGTH: Final = struct.Struct("<Q")
_TAG: Final = "$"


def encode(value: object) -> bytes:
    """Encode None, booleans, numbers, texts, lists, tuples, dictionaries with text keys, arrays and results.

    Raises:
        TypeError: ``value`` holds anything else.
    """
    arrays: list[bytes] = []
    text = json.dumps(_pack(value, arrays)).encode()
    return b"".join([_LENGTH.pack(len(text)), text, *(_LENGTH.pack(len(array)) + array for array in arrays)])


def decode(content: bytes) -> Any:  # noqa: ANN401 - the value that was encoded
    """The value that :func:`encode` was given.

    Raises:
        ValueError: ``content`` does not come from :func:`encode`.
    """
    view = memoryview(content)
    pieces: list[memoryview] = []
    while len(view):
        (size,) = _LENGTH.unpack_from(view)
        pieces.append(view[_LENGTH.size : _LENGTH.size + size])
        view = view[_LENGTH.size + size :]
    arrays = [np.load(io.BytesIO(piece), allow_pickle=False) for piece in pieces[1:]]
    return _unpack(json.loads(bytes(pieces[0])), arrays)


def _pack(value: object, arrays: list[bytes]) -> object:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list):
        return [_pack(one, arrays) for one in value]
    if isinstance(value, dict):
        if not all(isinstance(name, str) for name in value):
            raise TypeError("only texts can be keys")
        return {_TAG: "dict", "items": {name: _pack(one, arrays) for name, one in value.items()}}
    if isinstance(value, tuple):
        return {_TAG: "tuple", "items": [_pack(one, arrays) for one in value]}
    if isinstance(value, np.ndarray | np.generic):
        target = io.BytesIO()
        np.save(target, np.asarray(value), allow_pickle=False)
        arrays.append(target.getvalue())
        return {_TAG: "array", "number": len(arrays) - 1}
    name = type(value).__name__
    if is_dataclass(value) and _KINDS.get(name) is type(value):
        items = {field.name: _pack(getattr(value, field.name), arrays) for field in fields(value)}
        return {_TAG: name, "items": items}
    raise TypeError(f"{name} cannot be encoded")


def _unpack(value: Any, arrays: list[Any]) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, list):
        return [_unpack(one, arrays) for one in value]
    if not isinstance(value, dict):
        return value
    kind = value[_TAG]
    if kind == "array":
        return arrays[value["number"]]
    if kind == "tuple":
        return tuple(_unpack(one, arrays) for one in value["items"])
    items = {name: _unpack(one, arrays) for name, one in value["items"].items()}
    return items if kind == "dict" else _KINDS[kind](**items)
