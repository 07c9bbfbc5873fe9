"""A result as the bytes of the chosen media type. Blocking: runs in a worker thread."""

from __future__ import annotations

import orjson

from service.http.negotiation import CSV, EVENTS, FHIR, JSON, PNG
from service.pipeline.results import AudioEmbedding, AudioEmotion, AudioOptions, FloatArray

AUDIO_MEDIA_TYPES = (JSON, CSV, PNG, FHIR, EVENTS)

EMBEDDING_MEDIA_TYPES = (JSON, CSV)


def audio_answer(result: AudioEmotion, media_type: str, request_id: str, options: AudioOptions) -> bytes:
    """Render ``result``.

    Args:
        result: what the pipeline found.
        media_type: one of :data:`AUDIO_MEDIA_TYPES`; FHIR with its parameter ``fhirVersion``.
        request_id: for the JSON document.
        options: which parts the JSON document holds; CSV and plot always have the timeline, or segments in its place.
    """
    if media_type == CSV:
        from service.render.csv import audio_emotion_csv

        return audio_emotion_csv(result, segments=options.segments).encode()
    if media_type == PNG:
        from service.render.plot import audio_emotion_png

        return audio_emotion_png(result, segments=options.segments, voice_activity=options.voice_activity)
    if media_type.startswith(FHIR):
        from service.render.fhir.bundle import fhir_bundle
        from service.render.fhir.findings import findings_of_audio

        return fhir_bundle(findings_of_audio(result), request_id, fhir_version(media_type))
    from service.render.audio_json import audio_emotion_json

    document = audio_emotion_json(
        result,
        request_id,
        timeline=options.timeline,
        segments=options.segments,
        voice_activity=options.voice_activity,
    )
    return orjson.dumps(document)


def fhir_version(media_type: str) -> str:
    """The value of ``fhirVersion`` in a media type as :func:`~service.api.upload_answer.answer_media_type` gives it."""
    return media_type.rpartition("=")[2]


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
