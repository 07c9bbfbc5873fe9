"""Either kind of answer, of a voice or of a face, in the forms that the commands write."""

import uuid

from service.pipeline.audio_options import AudioOptions
from service.pipeline.results import AudioEmotion
from service.pipeline.video.video_results import VideoAffect
from service.render.csv import Cell
from service.render.fhir.request import FhirRequest
from service.render.plot_style import PlotForm

Answer = AudioEmotion | VideoAffect


def json_document(answer: Answer, *, audio: AudioOptions, include: frozenset[str]) -> dict[str, object]:
    """The document that the service would answer, with the requested parts."""
    from service.render.audio_json import audio_emotion_json
    from service.render.video_json import video_affect_json

    if isinstance(answer, VideoAffect):
        return video_affect_json(answer, uuid.uuid4().hex, include)
    return audio_emotion_json(
        answer, uuid.uuid4().hex, timeline=audio.timeline, segments=audio.segments, voice_activity=audio.voice_activity
    )


def fhir_document(answer: Answer, request: FhirRequest) -> bytes:
    """The answer as a FHIR Bundle."""
    from service.render.fhir.bundle import fhir_bundle
    from service.render.fhir.findings import findings_of_affect, findings_of_audio

    findings = findings_of_affect(answer) if isinstance(answer, VideoAffect) else findings_of_audio(answer)
    return fhir_bundle(findings, uuid.uuid4().hex, request)


def csv_table(answer: Answer, *, segments: bool = False) -> tuple[list[Cell], list[list[Cell]]]:
    """Header and rows; with ``segments`` a voice's rows are utterances instead of windows."""
    from service.render.csv import csv_header, csv_rows, video_csv_header, video_csv_rows

    if isinstance(answer, VideoAffect):
        return video_csv_header(answer), list(video_csv_rows(answer))
    return csv_header(answer, segments=segments), list(csv_rows(answer, segments=segments))


def picture(
    answer: Answer,
    form: PlotForm,
    *,
    title: str | None = None,
    dark: bool = False,
    audio: AudioOptions,
    include: frozenset[str],
) -> bytes:
    """The answer as a plot; ``audio`` and ``include`` as in :func:`json_document`."""
    from service.render.plot_file import plot_file

    if isinstance(answer, VideoAffect):
        from service.render.video_plot import affect_pages

        return plot_file(affect_pages(answer, include, title=title, dark=dark), form)
    from service.render.plot import audio_emotion_page

    page = audio_emotion_page(
        answer, title=title, dark=dark, segments=audio.segments, voice_activity=audio.voice_activity
    )
    return plot_file([page], form)
