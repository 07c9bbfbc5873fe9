"""``/v1/profiles``: what a voice or a face usually is like, made here and kept by the caller."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from service.api.openapi.documentation import (
    FILE,
    MAKER_PROBLEMS,
    MEDIA_PROBLEMS,
    PROBLEM_RESPONSES,
    PROFILE,
    PROFILE_PART,
    URL_PROBLEMS,
    Responses,
    problem_responses,
)
from service.api.parameters import refuse_repeated_parameters
from service.api.upload_answer import answer_media_type, answer_upload
from service.api.video_parameters import MadeNeutral
from service.http.negotiation import JSON
from service.pipeline.audio_options import AudioOptions
from service.pipeline.device.task import Work
from service.pipeline.face.neutral import FaceProfile
from service.pipeline.results import VoiceProfile
from service.pipeline.video_setup import require_faces
from service.problems import TooManyFrames, Unprocessable
from service.schemas.profile import FaceDocument, VoiceDocument, profile_document, read_face_profile, read_voice_profile
from service.services import services_of

router = APIRouter(tags=["audio"])

PROFILE_BODY: dict[str, Any] = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["file"],
                "additionalProperties": False,
                "properties": {
                    "file": {"type": "array", "items": FILE, "minItems": 1, "description": "recordings"},
                    PROFILE: PROFILE_PART,
                },
            }
        }
    },
}

PROFILE_RESPONSES: Responses = {
    200: {"model": VoiceDocument | FaceDocument, "description": "The document, to be kept by the caller."},
    **PROBLEM_RESPONSES,
    **problem_responses(*(kind for kind in MEDIA_PROBLEMS if kind not in URL_PROBLEMS), TooManyFrames, *MAKER_PROBLEMS),
}


class ProfileQuery(BaseModel):
    """Query parameters of ``POST /v1/profiles``."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=())

    kind: Literal["voice", "face"] = Field("voice", description="What the profile is of.")
    model: str | None = Field(
        None, max_length=64, description="Of a voice: the model that it is for; left out: the default."
    )
    version: str | None = Field(
        None, max_length=32, description="Of a voice: version of the model; left out: the newest."
    )
    neutral: MadeNeutral | None = Field(
        None,
        description="Of a face: when it rests, `median` of each recording, which is the default, or START:END in "
        "seconds of each.",
    )

    def check(self) -> None:
        """Refuse parameters of the other kind. Raises Unprocessable if there is one."""
        for name in ("model", "version") if self.kind == "face" else ("neutral",):
            if getattr(self, name) is not None:
                other = "voice" if self.kind == "face" else "face"
                raise Unprocessable(f"{name} is for kind={other} alone: leave it out.", pointer=f"/{name}")


@router.post(
    "/v1/profiles",
    operation_id="make_profile",
    summary="Profile of a voice, a line or a face",
    responses=PROFILE_RESPONSES,
    openapi_extra={"requestBody": PROFILE_BODY},
    dependencies=[Depends(refuse_repeated_parameters)],
    response_class=Response,
)
async def make_profile(request: Request, query: Annotated[ProfileQuery, Query()]) -> Response:
    """A few kilobytes of statistics of recordings that nobody has to label; nothing is kept here.

    Send one or more recordings of one person, or of one line, as multipart parts `file`; the part `profile` continues
    an earlier document. Send the document along with later recordings: one of a voice as their part `profile`, one of
    a face as their part `neutral`. They are then judged by how the voice or the face differs from it. It holds no
    sound and no picture, but a document of a single person is biometric data.
    """
    query.check()
    media_type = answer_media_type(request, (JSON,))
    documents = {PROFILE: bytearray()}
    more: list[bytearray] = []

    def next_file() -> bytearray:
        more.append(bytearray())
        return more[-1]

    loaded = services_of(request).loaded
    affect = require_faces(loaded.affect) if query.kind == "face" else None

    def make(data: memoryview, work: Work) -> bytes:
        before, recordings = documents[PROFILE], [data, *(memoryview(one) for one in more)]
        made: VoiceProfile | FaceProfile
        if affect is not None:
            face = read_face_profile(before) if before else None
            made = affect.profile(recordings, query.neutral or "median", work, face)
        else:
            options = AudioOptions(model=query.model, version=query.version)
            made = loaded.pipeline.profile(recordings, options, work, read_voice_profile(before) if before else None)
        return profile_document(made).model_dump_json().encode()

    return await answer_upload(
        request, make, media_type, documents=documents, next_file=next_file, is_long=affect is not None
    )
