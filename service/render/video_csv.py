"""The CSV answer of arousal and valence over time: one row a step."""

from __future__ import annotations

from collections.abc import Iterator

from service.pipeline.video.video_results import VideoAffect
from service.render.audio_json import PROBABILITY_DECIMALS, SECONDS_DECIMALS
from service.render.channels import plain_values
from service.render.csv import Cell, csv_text
from service.render.video_json import ACTION_UNIT_DECIMALS


def video_affect_csv(result: VideoAffect) -> str:
    """Render ``result`` as CSV with a header and CRLF line ends.

    Columns: ``time_s, arousal, valence, face_confidence, speech`` and, where they were asked for, the action
    units. A cell is empty where nothing is known.
    """
    return csv_text([video_csv_header(result), *video_csv_rows(result)])


def video_csv_header(result: VideoAffect) -> list[Cell]:
    """Names of the columns."""
    units = () if result.action_units is None else result.action_unit_names
    return ["time_s", "arousal", "valence", "face_confidence", "speech", *units]


def video_csv_rows(result: VideoAffect) -> Iterator[list[Cell]]:
    """The rows below the header, step after step."""
    series = (result.arousal, result.valence, result.face_confidence, result.speech)
    unknown: list[float | None] = [None] * len(result.time_s)
    columns = [plain_values(result.time_s, SECONDS_DECIMALS)]
    columns += [unknown if values is None else plain_values(values, PROBABILITY_DECIMALS) for values in series]
    if result.action_units is not None:
        columns += [plain_values(values, ACTION_UNIT_DECIMALS) for values in result.action_units.T]
    for row in zip(*columns, strict=True):
        yield list(row)
