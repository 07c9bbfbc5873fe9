"""The documents of ``POST /v1/profiles``: what a client keeps of a voice or a face and sends along with later calls."""

import base64
import binascii
from collections.abc import Mapping
from typing import Annotated, Final, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from service.pipeline.face.neutral import FaceProfile
from service.pipeline.face.unit_scale import ACTION_UNITS
from service.pipeline.results import FloatArray, VoiceProfile
from service.problems import ProfileInvalid, ProfileMismatch

FORMAT: Final = "emoserve-profile/1"


class _Document(BaseModel):
    """Members that all kinds have."""

    model_config = ConfigDict(extra="forbid", strict=True)

    format: Literal["emoserve-profile/1"]
    encoder_sha256: str = Field(pattern="^[0-9a-f]{64}$", description="of the weights that made it")


class VoiceDocument(_Document):
    """Statistics of the voices in some recordings; no sound. One of a single person is biometric data."""

    kind: Literal["voice"]
    clips: int = Field(gt=0, le=1_000_000_000, description="pieces of speech in it")
    speech_s: float = Field(ge=0, allow_inf_nan=False, description="seconds of voice in them")
    dimensions: int = Field(gt=0, le=4096)
    mean: str = Field(description="float16 [dimensions], little-endian, as base64", examples=["AAAAPA=="])
    deviation: str = Field(description="float16 [dimensions], little-endian, as base64", examples=["ADgAOA=="])

    def profile(self, pointer: str) -> VoiceProfile:
        """The profile in it. Raises ProfileInvalid if its numbers cannot be read; with ``pointer``."""
        halves = [_numbers(text, self.dimensions, pointer) for text in (self.mean, self.deviation)]
        return VoiceProfile(self.encoder_sha256, self.clips, self.speech_s, np.concatenate(halves))


class FaceDocument(_Document):
    """The resting level of one person's action units; no picture. It is biometric data."""

    kind: Literal["face"]
    frames: int = Field(gt=0, le=1_000_000_000, description="with the face, in all recordings")
    mesh: int = Field(gt=0, le=4096, description="points of the face mesh", examples=[478])
    mean: str = Field(description="float16 [17], little-endian, as base64", examples=["AAAAPA=="])

    def profile(self, pointer: str) -> FaceProfile:
        """The profile in it. Raises ProfileInvalid if its numbers cannot be read; with ``pointer``."""
        return FaceProfile(self.encoder_sha256, self.frames, self.mesh, _numbers(self.mean, len(ACTION_UNITS), pointer))


ProfileDocument = Annotated[VoiceDocument | FaceDocument, Field(discriminator="kind")]
"""A document of either kind."""

_DOCUMENT: Final[TypeAdapter[VoiceDocument | FaceDocument]] = TypeAdapter(ProfileDocument)

_QUOTING: Final = {
    "union_tag_invalid": "Its kind is neither 'voice' nor 'face'.",
    "extra_forbidden": "It has a member that no document has.",
}
"""Sentences in place of those of pydantic that repeat what was sent."""

Content = bytes | bytearray | Mapping[str, object]
"""A document as it comes: JSON, or its members."""


def read_voice_profile(content: Content) -> VoiceProfile:
    """The profile of a voice in a document; the pointer of its errors is '/profile'.

    Raises:
        ProfileInvalid: it is no document.
        ProfileMismatch: it is one of a face.
    """
    pointer = "/profile"
    document = _read(content, pointer)
    if not isinstance(document, VoiceDocument):
        raise ProfileMismatch("The document is of a face, not of a voice.", pointer=pointer)
    return document.profile(pointer)


def read_face_profile(content: Content, pointer: str = "/profile") -> FaceProfile:
    """The profile of a face in a document.

    Raises:
        ProfileInvalid: it is no document; with ``pointer``.
        ProfileMismatch: it is one of a voice.
    """
    document = _read(content, pointer)
    if not isinstance(document, FaceDocument):
        raise ProfileMismatch("The document is of a voice, not of a face.", pointer=pointer)
    return document.profile(pointer)


def _read(content: Content, pointer: str) -> VoiceDocument | FaceDocument:
    try:
        if isinstance(content, Mapping):
            return _DOCUMENT.validate_python(content)
        return _DOCUMENT.validate_json(bytes(content))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        if first["type"] in _QUOTING:
            raise ProfileInvalid(_QUOTING[first["type"]], pointer=pointer) from None
        place = "/".join(map(str, (pointer, *first["loc"])))
        raise ProfileInvalid(f"{place.removeprefix('/')}: {first['msg']}", pointer=pointer) from None


def profile_document(profile: VoiceProfile | FaceProfile) -> VoiceDocument | FaceDocument:
    """The document of a profile."""
    if isinstance(profile, FaceProfile):
        return FaceDocument(
            format=FORMAT,
            kind="face",
            encoder_sha256=profile.encoder_sha256,
            frames=profile.frames,
            mesh=profile.mesh,
            mean=_text(profile.mean),
        )
    mean, deviation = np.split(profile.statistics, 2)
    return VoiceDocument(
        format=FORMAT,
        kind="voice",
        encoder_sha256=profile.encoder_sha256,
        clips=profile.clips,
        speech_s=round(profile.speech_s, 3),
        dimensions=len(mean),
        mean=_text(mean),
        deviation=_text(deviation),
    )


def _numbers(text: str, count: int, pointer: str) -> FloatArray:
    try:
        values = np.frombuffer(base64.b64decode(text, validate=True), "<f2").astype(np.float32)
    except (binascii.Error, ValueError):
        raise ProfileInvalid("Its numbers are no base64 of float16.", pointer=pointer) from None
    if len(values) != count or not np.isfinite(values).all():
        raise ProfileInvalid(f"It does not hold {count} finite numbers.", pointer=pointer)
    return values


def _text(values: FloatArray) -> str:
    return base64.b64encode(values.astype("<f2").tobytes()).decode()
