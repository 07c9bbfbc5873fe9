"""The forms in which ``emoserve analyze`` writes answers as they come."""

import mimetypes
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, TextIO

import orjson

from service.cli.plots import paths_apart, write_own
from service.cli.tables import TableReport
from service.local.answers import Answer, csv_table, fhir_document, json_document
from service.local.sources import FileError, Source
from service.pipeline.audio_options import AudioOptions
from service.render.csv import Cell, csv_text
from service.render.fhir.request import FhirRequest


class Report(Protocol):
    """Takes answers one after the other."""

    def add(self, source: Source, result: Answer) -> None:
        """Write the answer for ``source``, or keep it; a bar may be on the terminal."""

    def close(self) -> None:
        """Write what was kept."""


def report_for(form: str, stream: TextIO, *, several: bool, audio: AudioOptions, include: frozenset[str]) -> Report:
    """The report in the form 'json', 'csv' or 'table'. With ``several`` files each answer names its own."""
    if form == "json":
        return JsonReport(stream, several=several, audio=audio, include=include)
    if form == "csv":
        return CsvReport(stream, several=several, segments=audio.segments)
    return TableReport(stream, several=several, timeline=audio.timeline, segments=audio.segments)


class JsonReport:
    """One line a file, as the service would answer; with several, ``file`` comes first."""

    def __init__(self, stream: TextIO, *, several: bool, audio: AudioOptions, include: frozenset[str]) -> None:
        self._stream = stream
        self._several = several
        self._audio = audio
        self._include = include

    def add(self, source: Source, result: Answer) -> None:
        """Write one line."""
        named: dict[str, object] = {"file": source.name} if self._several else {}
        document = named | json_document(result, audio=self._audio, include=self._include)
        self._stream.write(orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE).decode())
        self._stream.flush()

    def close(self) -> None:
        """All is written already."""


class CsvReport:
    """A row a window or utterance; with several files, the first column is ``file`` and there is one header for all."""

    def __init__(self, stream: TextIO, *, several: bool, segments: bool) -> None:
        self._stream = stream
        self._several = several
        self._segments = segments
        self._header: list[Cell] | None = None

    def add(self, source: Source, result: Answer) -> None:
        """Write the rows of one file. Raises FileError if they have other columns than those of the first."""
        header, rows = csv_table(result, segments=self._segments)
        if self._header is None:
            self._header = header
            self._write([["file", *header] if self._several else header])
        if header != self._header:
            raise FileError("other_columns: voices and faces do not fit one table: choose --mode, or --json")
        self._write([[source.name, *row] if self._several else row for row in rows])

    def close(self) -> None:
        """All is written already."""

    def _write(self, rows: list[list[Cell]]) -> None:
        self._stream.write(csv_text(rows))
        self._stream.flush()


class FileReport:
    """A file a recording for Praat, ELAN or a FHIR server, below a folder that mirrors those that were named."""

    def __init__(self, form: str, folder: Path, sources: Sequence[Source], fhir: FhirRequest) -> None:
        suffix = {"textgrid": ".TextGrid", "eaf": ".eaf", "fhir": ".json"}[form]
        self._form = form
        self._fhir = fhir
        self.paths = paths_apart(sources, lambda source: folder / source.relative.with_suffix(suffix))

    def add(self, source: Source, result: Answer) -> None:
        """Write one file.

        Raises:
            FileError: it cannot be written.
        """
        write_own(self.paths[source], self._content(source, result))

    def _content(self, source: Source, result: Answer) -> bytes:
        if self._form == "fhir":
            return fhir_document(result, self._fhir)
        from service.render.annotations import eaf, textgrid

        name = source.relative.name
        media_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
        return (textgrid(result) if self._form == "textgrid" else eaf(result, name, media_type)).encode()

    def close(self) -> None:
        """All is written already."""
