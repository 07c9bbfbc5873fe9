"""Query parameters of the calls that answer with arousal and valence over time."""

from dataclasses import replace
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from service.api.openapi.documentation import NEUTRAL
from service.api.parameters import TRACK, checked_by
from service.http.multipart import Documents
from service.pipeline.audio_options import ChannelChoice
from service.pipeline.face.action_unit_table import GREATEST_RATE_HZ, LEAST_RATE_HZ
from service.pipeline.face.neutral import STRETCH, read_made_neutral, read_neutral
from service.pipeline.options import FACE, NUMBERED_FACE, read_face, read_include, read_numbered_face
from service.pipeline.video.video_results import INCLUDES, TABLE_INCLUDES, TableOptions, VideoOptions
from service.problems import ProfileInvalid, Unprocessable
from service.schemas.profile import read_face_profile

_MAX_LIST_CHARACTERS = 128
_POINTER = f"/{NEUTRAL}"


def list_pattern(names: tuple[str, ...]) -> str:
    """ECMA pattern of a list as it is read: separated by commas, with spaces and empty entries."""
    entry = rf"\s*(?:{'|'.join(names)})?\s*"
    return f"^{entry}(?:,{entry})*$"


# The patterns are for the document alone: our own messages say more than "should match".
Face = Annotated[str, checked_by(read_face), Field(json_schema_extra={"pattern": f"^(?:{FACE.pattern})$"})]
NumberedFace = Annotated[
    str, checked_by(read_numbered_face), Field(json_schema_extra={"pattern": f"^(?:{NUMBERED_FACE.pattern})$"})
]
Neutral = Annotated[
    str,
    checked_by(read_neutral),
    Field(json_schema_extra={"pattern": f"^(?:median|none|document|{STRETCH.pattern})$"}),
]
MadeNeutral = Annotated[
    str, checked_by(read_made_neutral), Field(json_schema_extra={"pattern": f"^(?:median|{STRETCH.pattern})$"})
]


def _include(names: tuple[str, ...]) -> Any:  # noqa: ANN401 - a pydantic field
    return Field(
        "",
        max_length=_MAX_LIST_CHARACTERS,
        description=f"Further parts of the answer, separated by commas: {', '.join(names)}.",
        examples=["action_units,attribution"],
        json_schema_extra={"pattern": list_pattern(names)},
    )


class _AffectQuery(BaseModel):
    """Parameters of both calls, apart from ``include``."""

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
        description="The person's resting face: `median` of the recording, `none`, START:END in seconds, or "
        "`document`, the part `neutral` of the body, from `POST /v1/profiles?kind=face`. Left out: the part where "
        "there is one.",
    )
    face: Face = Field(
        "largest",
        description="'largest', the number of a face from 0 in the order in which they appear, 'at:X,Y': the face that "
        "is there for the longest time, in shares of the upright picture from its top left, or 'all': as 'largest', "
        "with every face in `faces`.",
    )
    channel: ChannelChoice = Field(
        "mix",
        description="Channels of the sound track in which speech is looked for and, with `include=audio`, the emotion "
        "of the voice: their mean, one of a stereo pair, or each for itself.",
    )
    track: int | None = Field(None, ge=0, le=999, description=TRACK)
    picture_track: int | None = Field(
        None,
        ge=0,
        le=999,
        description="Number of the picture track, from 0; left out: the one marked default, else the first, "
        "unless no face is in it; then the first with a face.",
    )
    audio_model: str | None = Field(
        None, max_length=64, description="Name of the speech model of `include=audio`; left out: the service's default."
    )
    audio_version: str | None = Field(
        None, max_length=32, description="Version of the speech model; left out: the newest."
    )

    expression_model: str | None = Field(
        None,
        max_length=64,
        description="Name of the model of `include=expression`; left out: the one of the highest priority.",
    )
    expression_version: str | None = Field(
        None, max_length=32, description="Version of that model; left out: the newest."
    )

    def options(self) -> VideoOptions:
        """The pipeline's options.

        Raises:
            Unprocessable: ``include`` names something else, or a model of a part is named without that part in it.
        """
        included = read_include(self.include.split(","), INCLUDES)
        for part in ("audio", "expression"):
            for name in (f"{part}_model", f"{part}_version"):
                if getattr(self, name) is not None and part not in included:
                    raise Unprocessable(f"{name} needs include={part}.", pointer=f"/{name}")
        given = self.model_dump(include=set(VideoQuery.model_fields), exclude={"face", "include"})
        return VideoOptions(**given, face=read_face(self.face), include=included)

    def with_neutral(self, documents: Documents) -> VideoOptions:
        """The options with the document that came in the body.

        Raises:
            ProfileInvalid: it cannot be read, or is missing.
            ProfileMismatch: it is of a voice.
            Unprocessable: it came beside another ``neutral``; and as :meth:`options`.
        """
        options, content = self.options(), documents[NEUTRAL]
        if options.neutral == "document" and not content:
            raise ProfileInvalid("There is no document: send it as the part 'neutral' beside 'file'.", pointer=_POINTER)
        if not content or options.neutral == "none":
            return options
        if options.neutral != "document" and "neutral" in self.model_fields_set:
            raise Unprocessable("There is a part 'neutral' beside another neutral: leave one out.", pointer=_POINTER)
        return replace(options, neutral="document", resting=read_face_profile(content, _POINTER))


class TableQuery(_AffectQuery):
    """Query parameters of ``POST /v1/action-units/affect``."""

    include: str = _include(TABLE_INCLUDES)
    fps: float | None = Field(
        None,
        ge=LEAST_RATE_HZ,
        le=GREATEST_RATE_HZ,
        allow_inf_nan=False,
        description="Frames per second, in place of the table's time stamps.",
    )
    face: NumberedFace = Field("largest", description="'largest', or a face_id of the table.")

    def options(self) -> TableOptions:
        """The pipeline's options.

        Raises:
            Unprocessable: ``include`` names something else, or sound or boxes, which a table has not.
        """
        return TableOptions(
            fps=self.fps,
            face=read_numbered_face(self.face),
            include=read_include(self.include.split(","), TABLE_INCLUDES),
            model=self.model,
            version=self.version,
        )
