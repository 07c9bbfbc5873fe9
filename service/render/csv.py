"""CSV answers, RFC 4180 and safe in a spreadsheet: a row for each window of speech, or each step of a video."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from service.pipeline.face.looks import ExpressionColumns
from service.pipeline.results import AudioEmotion, FlagSpan, FloatArray, Plausible, Segments, Timeline
from service.pipeline.speech.speakers import speakers_within
from service.pipeline.video.video_results import VideoAffect
from service.render.audio_json import LEVEL_DECIMALS, PROBABILITY_DECIMALS, SECONDS_DECIMALS, row_columns
from service.render.channels import has_dominance, merged_channel, plain_values, top_labels
from service.render.video_json import ACTION_UNIT_DECIMALS, BOX_DECIMALS, BOX_SIDES, UNCERTAINTIES

Cell = str | float | None

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")


def audio_emotion_csv(result: AudioEmotion, *, segments: bool = False) -> str:
    """Render ``result`` with a header and CRLF line ends.

    Columns: ``channel, start_s, end_s, emotion``, a probability for each label, ``arousal, valence, speech,
    confidence, plausible``, labels with spaces between, and ``flags``, those of ``flag_spans`` that hold in a part of
    the row, likewise. ``dominance`` is the last one where the model has it. Unknown cells, and those of arousal and
    valence that the model has no output for, are empty.

    Args:
        result: result of the speech pipeline.
        segments: whether rows are utterances, with ``speech_level_db`` before ``confidence``, instead of windows.

    Where the speakers are told, ``speaker``, who speaks longest in the row, comes before ``flags``.
    """
    return csv_text([csv_header(result, segments=segments), *csv_rows(result, segments=segments)])


def csv_header(result: AudioEmotion, *, segments: bool = False) -> list[Cell]:
    """Names of the columns."""
    dominance = ["dominance"] if has_dominance(result) else []
    level = ["speech_level_db"] if segments else []
    speaker = [] if result.speaker_model is None else ["speaker"]
    numbers = ["arousal", "valence", "speech", *level, "confidence", "plausible", *speaker, "flags", *dominance]
    return ["channel", "start_s", "end_s", "emotion", *result.labels, *numbers]


def csv_rows(result: AudioEmotion, *, segments: bool = False) -> Iterator[list[Cell]]:
    """The rows below the header: each channel's windows in order, or its utterances."""
    for channel in result.channels:
        table = channel.segments if segments else channel.timeline
        if table is None:
            continue
        rows = _rows(channel.channel, table, result.labels)
        if isinstance(table, Segments):
            speakers: Sequence[Cell] | None = table.speaker
        else:
            turns = channel.turns
            speakers = None if turns is None else speakers_within(turns, table.start_s, table.end_s)
        if speakers is not None:
            rows = _with_cells(rows, speakers)
        spans = [span for span in result.flag_spans if span.channel in (None, channel.channel)]
        yield from _with_dominance(_flagged(rows, spans, table.start_s, table.end_s), table.dominance)


def csv_text(rows: list[list[Cell]]) -> str:
    """Encode ``rows``; text that a spreadsheet would take for a formula gets a leading apostrophe."""
    buffer = io.StringIO(newline="")
    csv.writer(buffer, lineterminator="\r\n").writerows([_safe(cell) for cell in row] for row in rows)
    return buffer.getvalue()


def _rows(channel: str, table: Timeline | Segments, labels: tuple[str, ...]) -> Iterator[list[Cell]]:
    columns = row_columns(table, labels)
    unknown: list[float | None] = [None] * len(table.start_s)
    level = [plain_values(table.speech_level_db, LEVEL_DECIMALS)] if isinstance(table, Segments) else []
    rows = zip(
        columns["start_s"],
        columns["end_s"],
        top_labels(table.probabilities, labels),
        *columns["probabilities"].values(),
        *(columns[name] or unknown for name in ("arousal", "valence", "speech")),
        *level,
        columns["confidence"] or unknown,
        _plausible_cells(table.plausible, len(unknown)),
        strict=True,
    )
    for row in rows:
        yield [channel, *row]


def _flagged(
    rows: Iterator[list[Cell]], spans: Sequence[FlagSpan], start_s: NDArray[np.float64], end_s: NDArray[np.float64]
) -> Iterator[list[Cell]]:
    """The rows with one more cell, the flags that hold in a part of each; ``start_s`` and ``end_s`` increase."""
    flags: list[list[str]] = [[] for _ in start_s]
    for span in spans:
        first, stop = np.searchsorted(end_s, span.start_s, "right"), np.searchsorted(start_s, span.end_s, "left")
        for found in flags[first:stop]:
            if span.flag not in found:
                found.append(span.flag)
    for row, found in zip(rows, flags, strict=True):
        yield [*row, " ".join(found) or None]


def _with_cells(rows: Iterator[list[Cell]], cells: Sequence[Cell]) -> Iterator[list[Cell]]:
    """The rows with one more cell each."""
    return ([*row, cell] for row, cell in zip(rows, cells, strict=True))


def _with_dominance(rows: Iterator[list[Cell]], values: FloatArray | None) -> Iterator[list[Cell]]:
    """The rows with dominance at the end, where the model tells it."""
    return rows if values is None else _with_cells(rows, plain_values(values, PROBABILITY_DECIMALS))


def _plausible_cells(sets: Sequence[Plausible] | None, rows: int) -> list[str | None]:
    return [None] * rows if sets is None else [None if one is None else " ".join(one) for one in sets]


def _safe(cell: Cell) -> Cell:
    if isinstance(cell, str) and cell.startswith(_FORMULA_STARTS):
        return "'" + cell
    return cell


def video_affect_csv(result: VideoAffect) -> str:
    """Render ``result`` with a header and CRLF line ends.

    Columns: ``time_s, arousal, valence, face_confidence, speech``, and as far as requested the action units, ``box_x``
    to ``box_height``, and the emotion of the sound track, ``audio_emotion`` to ``audio_valence``: of the window whose
    middle is nearest to the step. Then come ``flags``, those of ``flag_spans`` that hold at the step,
    ``arousal_uncertainty`` and ``valence_uncertainty``, ``audio_dominance`` of models that tell it, and what a network
    saw in the face's pictures, as ``expression_valence``, ``expression_anger`` or ``expression_AU01``. Unknown cells
    are empty. With every face there is a column ``face`` before them, and the rows of one face follow those of another.
    """
    return csv_text([video_csv_header(result), *video_csv_rows(result)])


def video_csv_header(result: VideoAffect) -> list[Cell]:
    """Names of the columns."""
    units = () if result.action_units is None else result.action_unit_names
    boxes = () if result.boxes is None else (f"box_{side}" for side in BOX_SIDES)
    sound = [] if result.audio is None else [f"audio_{name}" for name in _sound_names(result.audio)]
    every = [] if result.faces is None else ["face"]
    return [
        *every,
        "time_s",
        "arousal",
        "valence",
        "face_confidence",
        "speech",
        *units,
        *boxes,
        *sound,
        "flags",
        *UNCERTAINTIES,
        *(["audio_dominance"] if result.audio is not None and has_dominance(result.audio) else []),
        *([] if result.expression is None else _expression_names(result.expression.columns)),
    ]


def video_csv_rows(result: VideoAffect) -> Iterator[list[Cell]]:
    """The rows below the header, one for each step of each face."""
    if result.faces is not None:
        for face in result.faces:
            yield from ([face.face, *row] for row in video_csv_rows(replace(face, audio=result.audio)))
        return
    series = (result.arousal, result.valence, result.face_confidence, result.speech)
    unknown: list[float | None] = [None] * len(result.time_s)
    columns: list[Sequence[Cell]] = [plain_values(result.time_s, SECONDS_DECIMALS)]
    columns += [unknown if values is None else plain_values(values, PROBABILITY_DECIMALS) for values in series]
    if result.action_units is not None:
        columns += [plain_values(values, ACTION_UNIT_DECIMALS) for values in result.action_units.T]
    if result.boxes is not None:
        columns += [plain_values(values, BOX_DECIMALS) for values in result.boxes.T]
    dominance: list[list[Cell]] = []
    if result.audio is not None:
        sound, named = _sound_columns(result.audio, result.time_s), len(_sound_names(result.audio))
        columns, dominance = [*columns, *sound[:named]], sound[named:]
    spans = [*result.flag_spans, *(() if result.audio is None else result.audio.flag_spans)]
    about = [span for span in spans if span.face in (None, result.face)]
    before_s, after_s = np.nextafter(result.time_s, -np.inf), np.nextafter(result.time_s, np.inf)
    rows = _flagged(map(list, zip(*columns, strict=True)), about, before_s, after_s)
    for name in UNCERTAINTIES:
        values = getattr(result, name)
        rows = _with_cells(rows, unknown if values is None else plain_values(values, PROBABILITY_DECIMALS))
    for cells in dominance:
        rows = _with_cells(rows, cells)
    if result.expression is not None:
        for values in result.expression.values.T:
            rows = _with_cells(rows, plain_values(values, PROBABILITY_DECIMALS))
    yield from rows


def _expression_names(columns: ExpressionColumns) -> list[str]:
    plane = ["valence", "arousal"] if columns.has_plane else []
    return [f"expression_{name}" for name in (*plane, *columns.labels, *columns.action_units)]


def _sound_names(audio: AudioEmotion) -> list[str]:
    return ["emotion", *audio.labels, "arousal", "valence"]


def _sound_columns(audio: AudioEmotion, time_s: NDArray[np.float64]) -> list[list[Cell]]:
    """Columns of the sound track: at each step the row of the window whose middle is nearest, if it holds the step.

    Dominance is the last one, where the model tells it.
    """
    channel = merged_channel(audio)
    start_s, end_s = channel.timeline.start_s, channel.timeline.end_s
    told = (row[3 : 3 + len(_sound_names(audio))] for row in _rows(channel.channel, channel.timeline, audio.labels))
    rows = list(_with_dominance(told, channel.timeline.dominance))
    middles_s = (start_s + end_s) / 2
    nearest = np.clip(np.searchsorted((middles_s[1:] + middles_s[:-1]) / 2, time_s), 0, max(len(rows) - 1, 0))
    nothing: list[Cell] = [None] * (len(_sound_names(audio)) + has_dominance(audio))
    at_steps = [
        rows[index] if len(rows) and start_s[index] <= step_s <= end_s[index] else nothing
        for index, step_s in zip(nearest.tolist(), time_s.tolist(), strict=True)
    ]
    return [list(column) for column in zip(*at_steps, strict=True)]
