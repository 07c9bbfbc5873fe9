"""Arousal and valence over time as the bytes of the chosen media type. Blocking: runs in a worker thread."""

from fastapi import Request

from service.api.answers import PLAIN_FHIR, json_bytes
from service.api.upload_answer import note_analysis
from service.http.negotiation import CSV, EVENTS, FHIR, JSON, PNG
from service.pipeline.video.video_results import VideoAffect
from service.render.fhir.request import FhirRequest

AFFECT_MEDIA_TYPES = (JSON, CSV, PNG, FHIR, EVENTS)


def respond_with_affect(
    request: Request,
    result: VideoAffect,
    include: frozenset[str],
    media_type: str,
    fhir: FhirRequest = PLAIN_FHIR,
) -> bytes:
    """Note what the work took, and render ``result``."""
    exchange = note_analysis(request, result.media, result.stages_s, result.models.values())
    with exchange.stage("render"):
        return affect_answer(result, media_type, exchange.request_id, include, fhir)


def affect_answer(
    result: VideoAffect, media_type: str, request_id: str, include: frozenset[str], fhir: FhirRequest = PLAIN_FHIR
) -> bytes:
    """Render ``result``.

    Args:
        result: what the pipeline found.
        media_type: one of :data:`AFFECT_MEDIA_TYPES`, perhaps with a parameter.
        request_id: for the JSON document.
        include: parts that were asked for; see :func:`~service.api.answers.refuse_what_cannot_be_carried`.
        fhir: how a bundle is made.
    """
    if media_type == CSV:
        from service.render.csv import video_affect_csv

        return video_affect_csv(result).encode()
    if media_type == PNG:
        from service.render.video_plot import affect_png

        return affect_png(result, include)
    if media_type.startswith(FHIR):
        from service.render.fhir.bundle import fhir_bundle
        from service.render.fhir.findings import findings_of_affect

        return fhir_bundle(findings_of_affect(result), request_id, fhir)
    from service.render.video_json import video_affect_json

    return json_bytes(video_affect_json(result, request_id, include))
