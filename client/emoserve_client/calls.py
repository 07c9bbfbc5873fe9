"""Every call as data: the request to send, and the function that reads its answer. Nothing here uses a network."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar
from urllib.parse import quote

import httpx

from emoserve_client.audio_answers import AudioEmbedding, AudioEmotion
from emoserve_client.common_answers import Document
from emoserve_client.event_streams import EVENTS
from emoserve_client.job_answers import Job, JobPage
from emoserve_client.uploads import Form, Source, Upload, Url, form_of, source_of
from emoserve_client.video_answers import VideoAffect

Answer = TypeVar("Answer")
JobKind = Literal["audio-emotion", "video-affect"]

JSON = "application/json"
PROFILE = "profile"
DOCUMENTS = (PROFILE, "neutral")
"""Options that may be documents, which travel as parts of the body."""
AUDIO_EMOTION = "/v1/audio/emotion"
AUDIO_EMBEDDING = "/v1/audio/embedding"
VIDEO_AFFECT = "/v1/video/affect"
TABLE_AFFECT = "/v1/action-units/affect"


@dataclass(frozen=True)
class Call(Generic[Answer]):
    """One request.

    Attributes:
        read: turns a successful response into the answer.
        source: file to send, or None.
    """

    method: str
    path: str
    read: Callable[[httpx.Response], Answer]
    params: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    source: Source | Form | None = None

    @property
    def all_headers(self) -> dict[str, str]:
        """Headers of the call and of its file."""
        return {**self.headers, **({} if self.source is None else self.source.headers)}

    @property
    def repeatable(self) -> bool:
        """Whether the request can be sent again."""
        return self.source is None or self.source.repeatable


def analyse(path: str, upload: Upload, options: Mapping[str, Any], read: Callable[[Document], Answer]) -> Call[Answer]:
    """Send a file, get a typed answer."""
    return Call(
        "POST",
        path,
        lambda response: read(response.json()),
        parameters(options),
        {"accept": JSON},
        _body(path, upload, options),
    )


def audio_emotion(upload: Upload, options: Mapping[str, Any]) -> Call[AudioEmotion]:
    """``POST /v1/audio/emotion``."""
    return analyse(AUDIO_EMOTION, upload, options, AudioEmotion.read)


def audio_embedding(upload: Upload, options: Mapping[str, Any]) -> Call[AudioEmbedding]:
    """``POST /v1/audio/embedding``."""
    return analyse(AUDIO_EMBEDDING, upload, options, AudioEmbedding.read)


def video_affect(upload: Upload, options: Mapping[str, Any]) -> Call[VideoAffect]:
    """``POST /v1/video/affect``."""
    return analyse(VIDEO_AFFECT, upload, options, VideoAffect.read)


def table_affect(upload: Upload, options: Mapping[str, Any]) -> Call[VideoAffect]:
    """``POST /v1/action-units/affect``."""
    return analyse(TABLE_AFFECT, upload, options, VideoAffect.read)


def analyse_as(path: str, media_type: str, upload: Upload, options: Mapping[str, Any]) -> Call[bytes]:
    """Send a file, get the bytes of another media type: a plot, a table, FHIR."""
    source = _body(path, upload, options)
    return Call("POST", path, lambda response: response.content, parameters(options), {"accept": media_type}, source)


def analyse_events(path: str, upload: Upload, options: Mapping[str, Any]) -> Call[None]:
    """Send a file, get events, which :class:`emoserve_client.event_streams.UploadEvents` reads."""
    source = _body(path, upload, options)
    return Call("POST", path, lambda _: None, parameters(options), {"accept": EVENTS}, source)


def make_profile(uploads: Sequence[Upload], before: Document | None, options: Mapping[str, Any]) -> Call[Document]:
    """``POST /v1/profiles``."""
    form = form_of(uploads, {} if before is None else {PROFILE: json.dumps(before).encode()})
    return Call(
        "POST", "/v1/profiles", lambda response: dict(response.json()), parameters(options), {"accept": JSON}, form
    )


def document(path: str) -> Call[Document]:
    """``GET path`` as a JSON document."""
    return Call("GET", path, lambda response: dict(response.json()), headers={"accept": JSON})


def model(name: str, version: str | None) -> Call[Document]:
    """``GET /v1/models/{name}[/{version}]``."""
    return document(f"/v1/models/{quote(name, safe='')}" + (f"/{quote(version, safe='')}" if version else ""))


def submit(kind: JobKind, upload: Upload, options: Mapping[str, Any], idempotency_key: str) -> Call[Job]:
    """``POST /v1/jobs/{kind}``."""
    return Call(
        "POST",
        f"/v1/jobs/{kind}",
        _job,
        parameters(options),
        {"accept": JSON, "idempotency-key": idempotency_key},
        _body("", upload, options),
    )


def job(job_id: str) -> Call[Job]:
    """``GET /v1/jobs/{id}``."""
    return Call("GET", job_path(job_id), _job, headers={"accept": JSON})


def jobs(cursor: str | None, limit: int | None) -> Call[JobPage]:
    """``GET /v1/jobs``."""
    asked = parameters({"cursor": cursor, "limit": limit})
    return Call("GET", "/v1/jobs", lambda response: JobPage.read(response.json()), asked, {"accept": JSON})


def cancel(job_id: str) -> Call[None]:
    """``DELETE /v1/jobs/{id}``."""
    return Call("DELETE", job_path(job_id), lambda _: None)


def result(job_id: str, read: Callable[[Document], Answer]) -> Call[Answer]:
    """``GET /v1/jobs/{id}/result`` as a typed answer."""
    return Call("GET", f"{job_path(job_id)}/result", lambda response: read(response.json()), headers={"accept": JSON})


def result_as(job_id: str, media_type: str, options: Mapping[str, Any]) -> Call[bytes]:
    """``GET /v1/jobs/{id}/result`` as the bytes of another media type."""
    path = f"{job_path(job_id)}/result"
    return Call("GET", path, lambda response: response.content, parameters(options), {"accept": media_type})


def job_path(job_id: str) -> str:
    """Path of a job."""
    return f"/v1/jobs/{quote(job_id, safe='')}"


def job_events_path(job_id: str) -> str:
    """Path of a job's events."""
    return f"{job_path(job_id)}/events"


def parameters(options: Mapping[str, Any]) -> dict[str, str]:
    """Query parameters of ``options``; those that are None or documents are left out."""
    return {
        name: _text(value) for name, value in options.items() if value is not None and not isinstance(value, Mapping)
    }


def _body(path: str, upload: Upload, options: Mapping[str, Any]) -> Source | Form:
    """The file or its address, and the documents beside it that the options hold."""
    given = {name: options.get(name) for name in DOCUMENTS}
    documents = {name: json.dumps(one).encode() for name, one in given.items() if isinstance(one, Mapping)}
    if isinstance(upload, Url):
        return form_of([], {**documents, "url": upload.address.encode()})
    if documents:
        return form_of([upload], documents)
    return source_of(upload, table=path == TABLE_AFFECT)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ",".join(map(str, value))
    return str(value)


def _job(response: httpx.Response) -> Job:
    return Job.read(response.json())
