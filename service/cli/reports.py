"""The forms in which ``emoserve analyze`` writes answers as they come."""

from __future__ import annotations

import uuid
from typing import Protocol, TextIO

import orjson

from service.cli.sources import Source
from service.cli.tables import TableReport
from service.pipeline.results import AudioEmotion
from service.render.audio_json import audio_emotion_json
from service.render.csv import csv_header, csv_rows, csv_text


class Report(Protocol):
    """Takes answers one after the other."""

    def add(self, source: Source, result: AudioEmotion) -> None:
        """Write the answer for ``source``, or keep it; a bar may be on the terminal."""

    def close(self) -> None:
        """Write what was kept."""


def report_for(form: str, stream: TextIO, *, several: bool, timeline: bool) -> Report:
    """The report of that form.

    Args:
        form: 'json', 'csv' or 'table'.
        stream: where to.
        several: whether there may be more than one file, so that each answer must name its own.
        timeline: whether to show every window.
    """
    if form == "json":
        return JsonReport(stream, several=several, timeline=timeline)
    if form == "csv":
        return CsvReport(stream, several=several)
    return TableReport(stream, several=several, timeline=timeline)


class JsonReport:
    """One line a file, as the service would answer; with several, ``file`` comes first."""

    def __init__(self, stream: TextIO, *, several: bool, timeline: bool) -> None:
        self._stream = stream
        self._several = several
        self._timeline = timeline

    def add(self, source: Source, result: AudioEmotion) -> None:
        """Write one line."""
        named: dict[str, object] = {"file": source.name} if self._several else {}
        document = named | audio_emotion_json(result, uuid.uuid4().hex, timeline=self._timeline)
        self._stream.write(orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE).decode())
        self._stream.flush()

    def close(self) -> None:
        """All is written already."""


class CsvReport:
    """One row a window; with several files, the first column is ``file`` and there is one header for all."""

    def __init__(self, stream: TextIO, *, several: bool) -> None:
        self._stream = stream
        self._several = several
        self._begun = False

    def add(self, source: Source, result: AudioEmotion) -> None:
        """Write the rows of one file."""
        rows = csv_rows(result)
        if not self._begun:
            header = csv_header(result)
            self._write([["file", *header] if self._several else header])
            self._begun = True
        self._write([[source.name, *row] if self._several else row for row in rows])

    def close(self) -> None:
        """All is written already."""

    def _write(self, rows: list[list[str | float | None]]) -> None:
        self._stream.write(csv_text(rows))
        self._stream.flush()
