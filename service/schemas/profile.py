"""The document of ``POST /v1/profiles``: what a client keeps of a voice and sends along with later calls."""

from __future__ import annotations

import base64
import binascii
from typing import Final, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from service.pipeline.results import FloatArray, VoiceProfile
from service.problems import ProfileInvalid

FORMAT: Final = "emoserve-profile/1"


class ProfileDocument(BaseModel):
    """Statistics of the voices in some recordings; no sound. One of a single person is biometric data."""

    model_config = ConfigDict(extra="forbid", strict=True)

    format: Literal["emoserve-profile/1"]
    kind: Literal["voice"]
    encoder_sha256: str = Field(pattern="^[0-9a-f]{64}$", description="of the weights that made it")
    clips: int = Field(gt=0, le=1_000_000_000, description="pieces of speech in it")
    speech_s: float = Field(ge=0, allow_inf_nan=False, description="seconds of voice in them")
    dimensions: int = Field(gt=0, le=4096)
    mean: str = Field(description="float16 [dimensions], little-endian, as base64", examples=["AAAAPA=="])
    deviation: str = Field(description="float16 [dimensions], little-endian, as base64", examples=["ADgAOA=="])

    def profile(self) -> VoiceProfile:
        """The profile in it.

        Raises:
            ProfileInvalid: its numbers cannot be read.
        """
        halves = [_numbers(text, self.dimensions) for text in (self.mean, self.deviation)]
        return VoiceProfile(self.encoder_sha256, self.clips, self.speech_s, np.concatenate(halves))


def read_profile(content: bytes | bytearray) -> VoiceProfile:
    """The profile in a document.

    Raises:
        ProfileInvalid: it is none.
    """
    try:
        return ProfileDocument.model_validate_json(bytes(content)).profile()
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = "/".join(map(str, ("", *first["loc"])))
        raise ProfileInvalid(f"profile{place}: {first['msg']}", pointer="/profile") from None


def profile_document(profile: VoiceProfile) -> ProfileDocument:
    """The document of a profile."""
    mean, deviation = np.split(profile.statistics, 2)
    return ProfileDocument(
        format=FORMAT,
        kind="voice",
        encoder_sha256=profile.encoder_sha256,
        clips=profile.clips,
        speech_s=round(profile.speech_s, 3),
        dimensions=len(mean),
        mean=_text(mean),
        deviation=_text(deviation),
    )


def _numbers(text: str, count: int) -> FloatArray:
    try:
        values = np.frombuffer(base64.b64decode(text, validate=True), "<f2").astype(np.float32)
    except (binascii.Error, ValueError):
        raise ProfileInvalid("Its numbers are no base64 of float16.", pointer="/profile") from None
    if len(values) != count or not np.isfinite(values).all():
        raise ProfileInvalid(f"It does not hold {count} finite numbers.", pointer="/profile")
    return values


def _text(values: FloatArray) -> str:
    return base64.b64encode(values.astype("<f2").tobytes()).decode()
