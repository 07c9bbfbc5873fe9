"""``/v1/profiles``: statistics of a voice, made here and kept by the caller."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from service.api.openapi.documentation import PROFILE
from service.api.openapi.profiles import PROFILE_BODY, PROFILE_RESPONSES
from service.api.parameters import refuse_repeated_parameters
from service.api.upload_answer import answer_media_type, answer_upload
from service.http.negotiation import JSON
from service.pipeline.device.task import Work
from service.pipeline.results import AudioOptions
from service.schemas.profile import profile_document, read_profile
from service.services import services_of

router = APIRouter(tags=["audio"])


class ProfileQuery(BaseModel):
    """Query parameters of ``POST /v1/profiles``."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=())

    kind: Literal["voice"] = Field("voice", description="What the profile is of.")
    model: str | None = Field(None, max_length=64, description="Model that it is for; left out: the default.")
    version: str | None = Field(None, max_length=32, description="Version of the model; left out: the newest.")


@router.post(
    "/v1/profiles",
    operation_id="make_profile",
    summary="Profile of a voice or a line",
    responses=PROFILE_RESPONSES,
    openapi_extra={"requestBody": PROFILE_BODY},
    dependencies=[Depends(refuse_repeated_parameters)],
    response_class=Response,
)
async def make_profile(request: Request, query: Annotated[ProfileQuery, Query()]) -> Response:
    """A few kilobytes of statistics of recordings that nobody has to label; nothing is kept here.

    Send one or more recordings of one person, or of one line, as multipart parts `file`; the part `profile` continues
    an earlier document. Send the document along with later recordings as their part `profile`: they are then judged
    by how the voice differs from it. It holds no sound, but a document of a single person is biometric data.
    """
    media_type = answer_media_type(request, (JSON,))
    documents = {PROFILE: bytearray()}
    more: list[bytearray] = []

    def next_file() -> bytearray:
        more.append(bytearray())
        return more[-1]

    def make(data: memoryview, work: Work) -> bytes:
        before = read_profile(documents[PROFILE]) if documents[PROFILE] else None
        recordings = [data, *(memoryview(one) for one in more)]
        options = AudioOptions(model=query.model, version=query.version)
        made = services_of(request).loaded.pipeline.profile(recordings, options, work, before)
        return profile_document(made).model_dump_json().encode()

    return await answer_upload(request, make, media_type, documents=documents, next_file=next_file)
