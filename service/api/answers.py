"""A result as the bytes of the chosen media type. Blocking: runs in a worker thread."""

from dataclasses import dataclass, field
from typing import Final

import orjson

from service.http.negotiation import CSV, EVENTS, FHIR, JSON, PDF, PNG, SVG
from service.pipeline.audio_options import AudioOptions
from service.pipeline.options import EVERY_FACE, read_speakers
from service.pipeline.results import AudioEmbedding, AudioEmotion, FloatArray
from service.pipeline.video.video_results import VideoAffect
from service.problems import NotAcceptable
from service.render.fhir.request import FhirRequest
from service.render.plot_style import PlotForm, PlotKind

PLOT_KINDS: Final[dict[str, PlotKind]] = {PNG: "png", SVG: "svg", PDF: "pdf"}
"""Media types of plots."""

ANSWER_MEDIA_TYPES = (JSON, CSV, *PLOT_KINDS, FHIR, EVENTS)
"""Media types of an answer about sound or a face."""

EMBEDDING_MEDIA_TYPES = (JSON, CSV)

SOUND_PARTS = ("segments", "voice_activity", "speakers")
"""Parts of a sound's answer that not every media type has room for, by the names of their parameters."""

_ON_PLOTS = frozenset({"segments", "voice_activity", "action_units", "attribution", "audio", "expression"})

CARRIED = {
    CSV: frozenset({"segments", "speakers", "action_units", "audio", "boxes", "expression"}),
    **dict.fromkeys(PLOT_KINDS, _ON_PLOTS),
    FHIR: frozenset({"action_units", "audio", "expression"}),
}
"""Parts of an answer that a media type has room for; types that are not named have room for all."""


def sound_parts(options: AudioOptions) -> frozenset[str]:
    """Parts of the answer, among :data:`SOUND_PARTS`, that were asked for."""
    asked = {"segments": options.segments, "voice_activity": options.voice_activity}
    asked["speakers"] = read_speakers(options.speakers) is not None
    return frozenset(part for part in SOUND_PARTS if asked[part])


def refuse_what_cannot_be_carried(parts: frozenset[str], media_type: str, face: str = "") -> None:
    """Refuse parts, and several faces, that ``media_type`` has no room for, before any work.

    Raises:
        NotAcceptable: the detail names them.
    """
    kind = media_type.partition(";")[0]
    if kind == FHIR and face == EVERY_FACE:
        raise NotAcceptable(f"{kind} cannot carry face={EVERY_FACE}. Ask for {JSON} or {CSV}, or for one face.")
    left_out = sorted(parts - CARRIED.get(kind, parts))
    if left_out:
        raise NotAcceptable(f"{kind} cannot carry {', '.join(left_out)}. Ask for {JSON}, or leave it out.")


@dataclass(frozen=True)
class AnswerForm:
    """Form of an answer.

    Args:
        media_type: one of :data:`ANSWER_MEDIA_TYPES`, perhaps with a parameter.
        fhir: how a bundle is made.
        plot: how a plot is made.
    """

    media_type: str
    fhir: FhirRequest = field(default_factory=FhirRequest)
    plot: PlotForm = field(default_factory=PlotForm)


def audio_answer(result: AudioEmotion, form: AnswerForm, request_id: str, options: AudioOptions) -> bytes:
    """Render ``result``.

    Args:
        result: what the pipeline found.
        form: of the answer.
        request_id: for the JSON document.
        options: which parts the JSON document holds; CSV and plot always have the timeline, or segments in its place.
    """
    if form.media_type == CSV:
        from service.render.csv import audio_emotion_csv

        return audio_emotion_csv(result, segments=options.segments).encode()
    if form.media_type in PLOT_KINDS:
        from service.render.plot import audio_emotion_page
        from service.render.plot_file import plot_file

        page = audio_emotion_page(result, segments=options.segments, voice_activity=options.voice_activity)
        return plot_file([page], form.plot)
    if form.media_type.startswith(FHIR):
        from service.render.fhir.bundle import fhir_bundle
        from service.render.fhir.findings import findings_of_audio

        return fhir_bundle(findings_of_audio(result), request_id, form.fhir)
    from service.render.audio_json import audio_emotion_json

    document = audio_emotion_json(
        result,
        request_id,
        timeline=options.timeline,
        segments=options.segments,
        voice_activity=options.voice_activity,
    )
    return orjson.dumps(document)


def embedding_answer(result: AudioEmbedding, media_type: str, request_id: str) -> bytes:
    """Render ``result``.

    Args:
        result: what the pipeline found.
        media_type: one of :data:`EMBEDDING_MEDIA_TYPES`.
        request_id: for the JSON document.
    """
    if media_type == CSV:
        from service.render.embedding import audio_embedding_csv

        return audio_embedding_csv(result)
    from service.render.embedding import audio_embedding_json

    return orjson.dumps(audio_embedding_json(result, request_id), default=_row_bytes)


def _row_bytes(row: FloatArray) -> orjson.Fragment:
    """One row, encoded by itself: the encoder holds the interpreter's lock, and millions of numbers take it a while."""
    return orjson.Fragment(orjson.dumps(row, option=orjson.OPT_SERIALIZE_NUMPY))


def warm_up_rendering() -> None:
    """Import what draws plots, which takes seconds, before the first plot is asked for."""
    import service.render.plot
    import service.render.video_plot  # noqa: F401


def json_bytes(document: object) -> bytes:
    """Encode a JSON document; NaN becomes null."""
    return orjson.dumps(document)


def affect_answer(result: VideoAffect, form: AnswerForm, request_id: str, include: frozenset[str]) -> bytes:
    """Render ``result``.

    Args:
        result: what the pipeline found.
        form: of the answer.
        request_id: for the JSON document.
        include: parts that were asked for; see :func:`refuse_what_cannot_be_carried`.
    """
    if form.media_type == CSV:
        from service.render.csv import video_affect_csv

        return video_affect_csv(result).encode()
    if form.media_type in PLOT_KINDS:
        from service.render.plot_file import plot_file
        from service.render.video_plot import affect_pages

        return plot_file(affect_pages(result, include), form.plot)
    if form.media_type.startswith(FHIR):
        from service.render.fhir.bundle import fhir_bundle
        from service.render.fhir.findings import findings_of_affect

        return fhir_bundle(findings_of_affect(result), request_id, form.fhir)
    from service.render.video_json import video_affect_json

    return json_bytes(video_affect_json(result, request_id, include))
