"""Answers about many recordings as a folder of Parquet parts, which a later run goes on with."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from service.cli.terminal import UsageError
from service.local.answers import Answer, csv_table
from service.local.sources import Source
from service.pipeline.audio_options import AudioOptions
from service.pipeline.results import AudioEmotion, ModelReference
from service.pipeline.video.video_results import VideoAffect
from service.render.csv import Cell

if TYPE_CHECKING:
    import pyarrow

PART_RECORDINGS: Final = 512
PART_ROWS: Final = 100_000
PART_S: Final = 60.0
"""A part is written after so many recordings, rows or seconds: a killed run loses one part at most."""

FAILED_FILE_NAME: Final = "failed.parquet"

_SETTINGS_KEY: Final = b"emoserve"
TEXTS: Final = frozenset(
    {"file", "sha256", "model", "model_version", "model_sha256", "channel", "emotion", "plausible", "speaker", "flags"}
    | {"audio_emotion", "code", "detail"}
)


class PartsReport:
    """One row a recording and channel, a window with ``timeline``, an utterance with ``segments``.

    Voices and faces are in parts of their own, ``voice-00000.parquet`` and ``face-00000.parquet``. Recordings that
    cannot be judged are rows of ``failed.parquet``.

    Args:
        folder: where the parts are; made if need be.
        settings: all that an answer depends on, as text: a run goes on only with the same.
        resume: go on with the parts that are there.

    Attributes:
        done: recordings that are in the parts already.

    Raises:
        UsageError: pyarrow is missing, the folder holds parts and ``resume`` is not set, or they were made otherwise.
    """

    def __init__(self, folder: Path, audio: AudioOptions, settings: str, *, resume: bool) -> None:
        try:
            import pyarrow  # noqa: F401
        except ImportError as error:
            raise UsageError("Parquet needs pyarrow: pip install 'emoserve[parquet]'") from error
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._audio = audio
        self._settings = settings
        self._rows: dict[str, list[dict[str, Cell]]] = {"voice": [], "face": []}
        self._failed: list[dict[str, Cell]] = []
        self._recordings = 0
        self._written_at = time.monotonic()
        parts = sorted(folder.glob("*-*.parquet"))
        if parts and not resume:
            raise UsageError(f"{folder} holds parts already: go on with --resume, or choose another folder")
        self.done = frozenset(name for part in parts for name in self._files_of(part))
        self._count = 1 + max((int(part.stem.rpartition("-")[2]) for part in parts), default=-1)

    def add(self, source: Source, result: Answer) -> None:
        """Keep the rows of one recording."""
        kind, rows, model = answer_rows(result, self._audio)
        told: dict[str, Cell] = {"file": source.name, "sha256": _sha256(source), **_model_cells(model)}
        self._rows[kind] += [told | row for row in rows]
        self._recordings += 1
        full = self._recordings >= PART_RECORDINGS or sum(map(len, self._rows.values())) >= PART_ROWS
        if full or time.monotonic() - self._written_at >= PART_S:
            self._write_parts()

    def fail(self, source: Source, reason: str) -> None:
        """Keep why a recording was not judged; ``reason`` is 'code: detail'."""
        code, _, detail = reason.partition(": ")
        self._failed.append({"file": source.name, "code": code, "detail": detail})

    def close(self) -> None:
        """Write what was kept."""
        self._write_parts()
        failed = self._folder / FAILED_FILE_NAME
        if self._failed:
            self._write(failed, self._failed)
        else:
            failed.unlink(missing_ok=True)

    def _write_parts(self) -> None:
        for kind, rows in self._rows.items():
            if rows:
                self._write(self._folder / f"{kind}-{self._count:05d}.parquet", rows)
                self._count += 1
                rows.clear()
        self._recordings, self._written_at = 0, time.monotonic()

    def _write(self, file: Path, rows: list[dict[str, Cell]]) -> None:
        import pyarrow
        from pyarrow import parquet

        names = list(dict.fromkeys(name for row in rows for name in row))
        fields: list[tuple[str, pyarrow.DataType]] = [
            (name, pyarrow.string() if name in TEXTS else pyarrow.float64()) for name in names
        ]
        schema = pyarrow.schema(fields).with_metadata({_SETTINGS_KEY: self._settings.encode()})
        unfinished = file.with_suffix(".unfinished")
        parquet.write_table(pyarrow.Table.from_pylist(rows, schema=schema), unfinished)
        os.replace(unfinished, file)

    def _files_of(self, part: Path) -> list[str]:
        import pyarrow
        from pyarrow import parquet

        try:
            stored = parquet.read_table(part, columns=["file"])
        except (pyarrow.ArrowException, KeyError) as error:
            raise UsageError(f"{part}: not a part that this command wrote") from error
        if (stored.schema.metadata or {}).get(_SETTINGS_KEY) != self._settings.encode():
            raise UsageError(
                f"{part} was made with other options, another profile or another model: choose another folder"
            )
        return list(set(stored["file"].to_pylist()))


def answer_rows(result: Answer, audio: AudioOptions) -> tuple[str, list[dict[str, Cell]], ModelReference | None]:
    """Kind of an answer, 'voice' or 'face', its rows by column, and the model that judged."""
    if isinstance(result, AudioEmotion) and not (audio.timeline or audio.segments):
        return "voice", _whole(result), result.model
    header, cells = csv_table(result, segments=audio.segments)
    rows = [dict(zip(map(str, header), row, strict=True)) for row in cells]
    if isinstance(result, VideoAffect):
        return "face", rows, result.models.get("affect")
    return "voice", rows, result.model


def _whole(result: AudioEmotion) -> list[dict[str, Cell]]:
    """A row a channel about the whole recording."""
    rows = []
    for channel in result.channels:
        shares = [None] * len(result.labels) if channel.probabilities is None else channel.probabilities.tolist()
        flags = [*channel.flags, *(span.flag for span in result.flag_spans if span.channel is None)]
        row: dict[str, Cell] = {
            "channel": channel.channel,
            "duration_s": result.media.duration_s,
            "emotion": channel.emotion,
            **dict(zip(result.labels, shares, strict=True)),
            "arousal": channel.arousal,
            "valence": channel.valence,
            **({} if channel.timeline.dominance is None else {"dominance": channel.dominance}),
            "plausible": None if channel.plausible is None else " ".join(channel.plausible),
            "flags": " ".join(dict.fromkeys(flags)) or None,
        }
        rows.append({name: None if _is_nan(value) else value for name, value in row.items()})
    return rows


def _is_nan(value: Cell) -> bool:
    return isinstance(value, float) and bool(np.isnan(value))


def _model_cells(model: ModelReference | None) -> Mapping[str, Cell]:
    if model is None:
        return {}
    return {"model": model.name, "model_version": model.version, "model_sha256": model.sha256}


def _sha256(source: Source) -> str | None:
    """Hash of the recording's file; None of standard input, which cannot be read again."""
    if source.path is None:
        return None
    with source.path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
