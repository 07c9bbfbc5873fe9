"""``emoserve analyze --embedding OUT.csv``: embeddings of the same recordings, in one table beside the answers."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from service.cli.terminal import UsageError
from service.local.sources import Source
from service.pipeline.audio_options import EmbeddingOptions
from service.pipeline.device.task import Work
from service.render.csv import csv_text

if TYPE_CHECKING:
    from service.local.engine import LocalEngine


def add_embedding_flags(parser: argparse.ArgumentParser) -> None:
    """Flags of embeddings."""
    parser.add_argument(
        "--embedding", metavar="OUT.csv", type=Path, help="write embeddings there too, one row a window of the sound"
    )
    parser.add_argument("--embedding-model", metavar="NAME", help="what embeds; without, the preferred model that can")


class EmbeddingFile:
    """Writes a row for each window. With several recordings the first column is ``file``."""

    def __init__(self, arguments: argparse.Namespace, stream: BinaryIO, *, several: bool) -> None:
        self._options = EmbeddingOptions(
            model=arguments.embedding_model,
            channel=arguments.channel,
            start_s=arguments.start_s,
            end_s=arguments.end_s,
            window_s=arguments.window_s,
            hop_s=arguments.hop_s,
            denoise=arguments.denoise,
        )
        self._stream = stream
        self._several = several
        self._has_header = False

    def add(self, engine: LocalEngine, source: Source) -> None:
        """Embed one recording and write its rows.

        Raises:
            Problem: it cannot be embedded.
            FileError: it cannot be read.
        """
        from service.local.engine import PATIENCE_S
        from service.render.embedding import embedding_csv_header, embedding_csv_lines

        result = engine.speech.embed(source.read(), self._options, Work.within(PATIENCE_S))
        if not self._has_header:
            self._write("file", embedding_csv_header(result))
            self._has_header = True
        for line in embedding_csv_lines(result):
            self._write(source.name, line)
        self._stream.flush()

    def _write(self, name: str, line: bytes) -> None:
        named = csv_text([[name]]).removesuffix("\r\n").encode() + b"," if self._several else b""
        self._stream.write(named + line + b"\r\n")


@contextmanager
def embedding_file(arguments: argparse.Namespace, *, several: bool) -> Iterator[EmbeddingFile | None]:
    """The table that was asked for, open for the length of a ``with`` block; None where none was."""
    if arguments.embedding is None:
        yield None
        return
    with arguments.embedding.open("wb") as stream:
        yield EmbeddingFile(arguments, stream, several=several)


def check_embedding_flags(arguments: argparse.Namespace, sources: list[Source]) -> None:
    """Refuse what cannot be embedded.

    Raises:
        UsageError: tables have no sound; standard input is read once, by what judges it.
    """
    if arguments.embedding is None:
        return
    if arguments.mode == "table":
        raise UsageError("--embedding needs sound, --mode table has none")
    if any(source.path is None for source in sources):
        raise UsageError("--embedding takes files, not standard input")
