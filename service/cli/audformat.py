"""``emoserve analyze --format audformat``: a database in audformat, a header and a CSV a table.

The header is JSON, which is YAML too, so that no library is needed to write it.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from service import __version__
from service.cli.parts import TEXTS, answer_rows
from service.cli.terminal import UsageError
from service.local.answers import Answer
from service.local.sources import FileError, Source
from service.pipeline.affect.functionals import HOP_S
from service.pipeline.audio_options import AudioOptions
from service.pipeline.results import AudioEmotion, ModelReference
from service.render.channels import has_channel_list
from service.render.csv import Cell

HEADER_NAME: Final = "db.yaml"

_PLANE: Final = ("arousal", "valence", "dominance")
_TIMES: Final = ("time_s", "start_s", "end_s")
_INDEX: Final = ("file", "start", "end")
_MILLISECONDS_A_DAY: Final = 86_400_000


class AudformatReport:
    """A database of the answers: a table of voices, or one a channel, and one a face.

    A row is a recording, a window with ``timeline``, or an utterance with ``segments``; of a face a step. The header
    names each model with version, hash and licence as rater of its columns. All recordings of a table have one model.

    Args:
        folder: of the database; made if need be.
        audio: what a row is.

    Raises:
        UsageError: the folder holds a database already.
    """

    def __init__(self, folder: Path, audio: AudioOptions) -> None:
        if (folder / HEADER_NAME).exists():
            raise UsageError(f"{folder} holds a database already: choose another folder")
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._audio = audio
        self._tables: dict[str, dict[str, object]] = {}
        self._columns: dict[str, tuple[str, ...]] = {}
        self._raters: dict[str, dict[str, str]] = {}
        self._labels: dict[str, None] = {}

    def add(self, source: Source, result: Answer) -> None:
        """Write the rows of one recording.

        Raises:
            FileError: they cannot be written, or have other columns than those of the first in their table.
        """
        _, rows, model = answer_rows(result, self._audio)
        if isinstance(result, AudioEmotion):
            self._labels |= dict.fromkeys(result.labels)
        rater = None if model is None else self._rater(model)
        tables: dict[str, list[Mapping[str, Cell]]] = {}
        for row in rows:
            tables.setdefault(_table_of(row, result), []).append(row)
        for table, found in tables.items():
            self._write(table, source.name, found, rater)

    def close(self) -> None:
        """Write the header."""
        columns = [column for table in self._tables.values() for column in table["columns"]]  # type: ignore[attr-defined]
        header = {
            "name": "emoserve",
            "source": f"emoserve {__version__}",
            "usage": "other",  # that of the recordings, which is not known, and of the models, which are the raters
            "languages": [],
            "description": "Statistical estimates by models, which are the raters. Not a diagnosis.",
            "raters": self._raters,
            "schemes": {name: self._scheme(name) for name in dict.fromkeys(map(self._scheme_of, columns))},
            "tables": self._tables,
        }
        (self._folder / HEADER_NAME).write_text(json.dumps(header, indent=2, ensure_ascii=False) + "\n", "utf-8")

    def _rater(self, model: ModelReference) -> str:
        name = f"{model.name}-{model.version}"
        about = f"{model.name}, version {model.version}"
        self._raters[name] = {"type": "machine", "description": about, "sha256": model.sha256, "licence": model.licence}
        return name

    def _write(self, table: str, file: str, rows: Sequence[Mapping[str, Cell]], rater: str | None) -> None:
        names = tuple(name for name in rows[0] if name not in (*_TIMES, "channel", "face"))
        is_segmented = any(name in rows[0] for name in _TIMES)
        known = self._columns.setdefault(table, names)
        if names != known:
            raise FileError(
                f"other_columns: the table {table} has {', '.join(known)}: analyse with one model at a time"
            )
        path = self._folder / f"db.{table}.csv"
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        if table not in self._tables:
            about = {"rater_id": rater} if rater else {}
            columns = {name: {"scheme_id": self._scheme_of(name), **about} for name in names}
            self._tables[table] = {"type": "segmented" if is_segmented else "filewise", "columns": columns}
            writer.writerow([*(_INDEX if is_segmented else _INDEX[:1]), *names])
            path.unlink(missing_ok=True)
        writer.writerows([file, *_span(row), *(row[name] for name in names)] for row in rows)
        try:
            with path.open("a", encoding="utf-8", newline="") as stream:
                stream.write(text.getvalue())
        except OSError as error:
            raise FileError(f"not_written: {path}: {error.strerror}") from error

    def _scheme_of(self, column: str) -> str:
        return "probability" if column in self._labels else column

    def _scheme(self, name: str) -> dict[str, object]:
        if name == "emotion":
            return {"dtype": "str", "labels": list(self._labels)}
        if name == "probability":
            return {"dtype": "float", "minimum": 0.0, "maximum": 1.0}
        if name in _PLANE:
            return {"dtype": "float", "minimum": -1.0, "maximum": 1.0}
        return {"dtype": "str" if name in TEXTS else "float"}


def _table_of(row: Mapping[str, Cell], result: Answer) -> str:
    """Name of the table that a row belongs to: no two rows of one have the same file, start and end."""
    if not isinstance(result, AudioEmotion):
        return f"face-{row['face']}" if "face" in row else "face"
    return f"voice-{row['channel']}" if has_channel_list(result) else "voice"


def _span(row: Mapping[str, Cell]) -> list[str]:
    """Start and end as pandas writes timedeltas; nothing of a whole recording."""
    if "time_s" in row:
        start_s = row["time_s"]
        assert isinstance(start_s, float)
        return [_timedelta(start_s), _timedelta(start_s + HOP_S)]
    return [_timedelta(float(value)) for name in _TIMES[1:] if (value := row.get(name)) is not None]


def _timedelta(seconds: float) -> str:
    days, rest = divmod(round(1000 * seconds), _MILLISECONDS_A_DAY)
    minutes, milliseconds = divmod(rest, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{days} days {hours:02}:{minutes:02}:{milliseconds / 1000:06.3f}"
