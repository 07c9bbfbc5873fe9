"""Fuzz targets: each takes bytes and may refuse them with a problem below 500, nothing else.

A target is a function here and a folder of the same name in ``corpus``, replayed by the normal suite.
``make fuzz SECONDS=120`` searches for more with atheris.
"""

import re
from collections.abc import Callable
from contextlib import suppress
from typing import ClassVar
from urllib.parse import parse_qsl, quote

import numpy as np
from pydantic import ValidationError

from service.api.job_events import state_told
from service.api.job_upload import chosen_key
from service.api.parameters import AudioQuery
from service.api.video_parameters import TableQuery, VideoQuery
from service.http.multipart import MultipartFile, boundary_of
from service.http.negotiation import choose_fhir_version, choose_media_type
from service.jobs.job import handle_of, is_job_id
from service.pipeline.face.action_unit_table import read_action_unit_table
from service.pipeline.face.unit_scale import MAX_INTENSITY
from service.pipeline.media.intake import sniff
from service.pipeline.media.wav import read_layout
from service.pipeline.speech.live import check_sound
from service.problems import Malformed, NotAcceptable, Problem
from service.schemas.streams import ActionUnitFrame, AudioConfig, End, Resume, VideoConfig
from service.settings import Limits
from service.streams.audio_analyser import live_options
from service.streams.connection import read_message
from service.streams.video_analyser import VideoAnalyser, read_units

LIMITS = Limits(max_duration_s=60.0, max_frames=500)
OFFERED = ("application/json", "text/csv", "image/png", "application/fhir+json")


def container(data: bytes) -> None:
    """Detection of the container by its first bytes."""
    sniff(memoryview(data))


def wav(data: bytes) -> None:
    """The header of a WAV file; what is found must lie within the file."""
    found = read_layout(memoryview(data))
    assert 0 < found.data_bytes <= len(data) - found.data_start
    assert found.data_bytes % found.frame_bytes == 0


def multipart(data: bytes) -> None:
    """The first byte says in how large pieces the body arrives; the content does not depend on it."""
    pieces, body = 1 + data[0] if data else 1, data[1:]
    outcomes = []
    for size in (pieces, len(body) + 1):
        content = bytearray()
        sink = MultipartFile(boundary_of("multipart/form-data; boundary=limit0"), LIMITS, content)
        try:
            for start in range(0, len(body), size):
                sink.write(body[start : start + size])
            sink.finish()
            outcomes.append(bytes(content))
        except Problem as problem:
            outcomes.append(None)
            _must_blame_the_client(problem)
    assert outcomes[0] == outcomes[1]


def accept(data: bytes) -> None:
    """A header ``Accept``, and the content type of an upload."""
    text = data.decode("latin-1")
    try:
        assert choose_media_type(text, OFFERED) in OFFERED
        choose_fhir_version(text)
    except NotAcceptable:
        pass
    boundary_of(text)


def query(data: bytes) -> None:
    """A query string, for each call's parameters."""
    values = dict(parse_qsl(data.decode("utf-8", "replace"), keep_blank_values=True))
    for kind, checks in ((AudioQuery, (LIMITS,)), (VideoQuery, ()), (TableQuery, ())):
        with suppress(ValidationError, Problem):
            kind.model_validate(values).options(*checks)


def table(data: bytes) -> None:
    """A table of action units; what is read is finite, in scale and in order."""
    read = read_action_unit_table(data, LIMITS)
    assert np.isfinite(read.action_units).all()
    assert np.isfinite(read.time_s).all()
    assert (np.diff(read.time_s) > 0).all()


def stream_message(data: bytes) -> None:
    """A text message of a stream, its first or a later one; what is read of a frame is in scale."""
    text = data.decode("utf-8", "replace")
    for kinds in (
        {"config": AudioConfig, "resume": Resume},
        {"config": VideoConfig, "resume": Resume},
        {"end": End, "frame": ActionUnitFrame},
    ):
        try:
            message = read_message(text, kinds)
        except Problem as problem:
            _must_blame_the_client(problem)
            continue
        assert message.type in kinds
        with suppress(Problem):
            if isinstance(message, AudioConfig):
                check_sound(live_options(message), LIMITS)
            elif isinstance(message, ActionUnitFrame):
                units = read_units(message)
                assert ((units >= 0) & (units <= MAX_INTENSITY)).all()


def stream_picture(data: bytes) -> None:
    """Pictures one after the other, each with its time; those that are taken have finite times that increase."""
    analyser = VideoAnalyser(_NoVideo(), VideoConfig(type="config"), LIMITS)
    last_s = -1.0
    for message in data.split(b"\n--\n"):
        (time_s, picture) = analyser.read(message).content
        assert last_s < time_s <= LIMITS.max_duration_s
        assert picture == message[8:]
        last_s = time_s


def job_texts(data: bytes) -> None:
    """Ids of jobs, requests and events: line by line, each as headers and addresses bring it."""
    texts = data.decode("latin-1").split("\n")
    for text in texts:
        if is_job_id(text):
            assert re.fullmatch("[0-9a-f]{32}", handle_of(text))
            assert quote(text) == text
        state = state_told(text)
        assert state is None or text.startswith(f"{state}-")
        with suppress(Malformed):
            key = chosen_key([text])
            assert key is not None
            assert 1 <= len(key) <= 255
            assert all("!" <= character <= "~" for character in key)
    if len(texts) > 1:
        with suppress(Malformed):
            raise AssertionError(chosen_key(texts))


class _NoVideo:
    """Attributes that the analyser reads before it analyses."""

    look_ahead_s = 1.5
    bundles: ClassVar[dict[str, object]] = {}


TARGETS: dict[str, Callable[[bytes], None]] = {
    function.__name__: function
    for function in (container, wav, multipart, accept, query, table, stream_message, stream_picture, job_texts)
}


def try_input(name: str, data: bytes) -> str:
    """Hand ``data`` to a target; the code of the problem that it is refused with, or an empty string.

    Whatever a target raises but a problem below 500 is a bug, and raised here.
    """
    try:
        TARGETS[name](data)
    except Problem as problem:
        _must_blame_the_client(problem)
        return problem.code
    return ""


def _must_blame_the_client(problem: Problem) -> None:
    if problem.status >= 500:
        raise AssertionError(problem.code)
