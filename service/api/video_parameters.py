"""Query parameters of the calls that answer with arousal and valence over time."""

from __future__ import annotations

import math
import re
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from service.pipeline.face.action_unit_table import GREATEST_RATE_HZ, LEAST_RATE_HZ
from service.pipeline.results import ChannelChoice
from service.pipeline.video.video_results import INCLUDES, TableOptions, VideoOptions
from service.problems import Unprocessable

_MAX_LIST_CHARACTERS = 128
_WITHOUT_SOUND = tuple(name for name in INCLUDES if name != "audio")
_FACE = re.compile(r"largest|[0-9]{1,6}")
_SECONDS = r"([0-9]{1,6}(?:\.[0-9]{1,6})?)"
_NEUTRAL_SPAN = re.compile(f"{_SECONDS}:{_SECONDS}")


def _check_face(text: str) -> str:
    if not _FACE.fullmatch(text):
        raise ValueError("must be 'largest' or the number of a face")
    return text if text == "largest" else str(int(text))


def _check_neutral(text: str) -> str:
    if text in ("median", "none"):
        return text
    span = _NEUTRAL_SPAN.fullmatch(text)
    if span is None:
        raise ValueError("must be 'median', 'none' or START:END in seconds")
    start_s, end_s = float(span[1]), float(span[2])
    if not (math.isfinite(end_s) and end_s > start_s):
        raise ValueError("the end must lie after the start")
    return text


def _list_of(names: tuple[str, ...]) -> str:
    """ECMA pattern of a list as it is read: separated by commas, with spaces and empty entries."""
    entry = rf"\s*(?:{'|'.join(names)})?\s*"
    return f"^{entry}(?:,{entry})*$"


# The patterns are for the document alone: our own messages say more than "should match".
Face = Annotated[str, AfterValidator(_check_face), Field(json_schema_extra={"pattern": f"^(?:{_FACE.pattern})$"})]
Neutral = Annotated[
    str,
    AfterValidator(_check_neutral),
    Field(json_schema_extra={"pattern": f"^(?:median|none|{_NEUTRAL_SPAN.pattern})$"}),
]


def _include(names: tuple[str, ...]) -> Any:  # noqa: ANN401 - a pydantic field
    return Field(
        "",
        max_length=_MAX_LIST_CHARACTERS,
        description=f"Further parts of the answer, separated by commas: {', '.join(names)}.",
        examples=["action_units,attribution"],
        json_schema_extra={"pattern": _list_of(names)},
    )


def _included(include: str, permitted: tuple[str, ...]) -> frozenset[str]:
    """The parts that are asked for.

    Raises:
        Unprocessable: one that is not ``permitted``.
    """
    names = frozenset(part for name in include.split(",") if (part := name.strip()))
    if not names <= set(permitted):
        raise Unprocessable(f"include takes: {', '.join(permitted)}.", pointer="/include")
    return names


class _AffectQuery(BaseModel):
    """What both calls take, beside ``include``."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=())

    model: str | None = Field(
        None, max_length=64, description="Name of the affect model; left out: the one of the highest priority."
    )
    version: str | None = Field(None, max_length=32, description="Version of the model; left out: the newest.")


class VideoQuery(_AffectQuery):
    """Query parameters of ``POST /v1/video/affect``."""

    include: str = _include(INCLUDES)
    neutral: Neutral = Field(
        "median",
        description="The person's resting face: 'median' of the recording, 'none', or 'START:END' in seconds.",
    )
    face: Face = Field(
        "largest", description="'largest', or the number of a face from 0 in the order in which they appear."
    )
    channel: ChannelChoice = Field(
        "mix",
        description="Channels of the sound track in which speech is looked for and, with `include=audio`, the emotion "
        "of the voice: their mean, one of a stereo pair, or each for itself.",
    )
    audio_model: str | None = Field(
        None, max_length=64, description="Name of the speech model of `include=audio`; left out: the service's default."
    )
    audio_version: str | None = Field(
        None, max_length=32, description="Version of the speech model; left out: the newest."
    )

    def options(self) -> VideoOptions:
        """The pipeline's options.

        Raises:
            Unprocessable: ``include`` names something else, or a speech model is named without 'audio' in it.
        """
        included = _included(self.include, INCLUDES)
        for name in ("audio_model", "audio_version"):
            if getattr(self, name) is not None and "audio" not in included:
                raise Unprocessable(f"{name} needs include=audio.", pointer=f"/{name}")
        return VideoOptions(
            neutral=self.neutral,
            face=self.face,
            include=included,
            model=self.model,
            version=self.version,
            channel=self.channel,
            audio_model=self.audio_model,
            audio_version=self.audio_version,
        )


class TableQuery(_AffectQuery):
    """Query parameters of ``POST /v1/action-units/affect``."""

    include: str = _include(_WITHOUT_SOUND)
    fps: float | None = Field(
        None,
        ge=LEAST_RATE_HZ,
        le=GREATEST_RATE_HZ,
        allow_inf_nan=False,
        description="Frames per second, in place of the table's time stamps.",
    )
    face: Face = Field("largest", description="'largest', or a face_id of the table.")

    def options(self) -> TableOptions:
        """The pipeline's options.

        Raises:
            Unprocessable: ``include`` names something else, or sound, which a table has not.
        """
        return TableOptions(
            fps=self.fps,
            face=self.face,
            include=_included(self.include, _WITHOUT_SOUND),
            model=self.model,
            version=self.version,
        )
