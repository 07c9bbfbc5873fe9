"""Recordings that paths stand for: files as they are named, and the media below folders."""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from service.problems import EmoserveError, TooLarge

_AUDIO_SUFFIXES = frozenset({".aac", ".flac", ".m4a", ".mka", ".mp3", ".oga", ".ogg", ".opus", ".wav", ".weba"})
VIDEO_SUFFIXES = frozenset({".3g2", ".3gp", ".m4v", ".mkv", ".mov", ".mp4", ".ogv", ".webm"})
MEDIA_SUFFIXES = _AUDIO_SUFFIXES | VIDEO_SUFFIXES
"""Endings of the files that are read from folders; a file given by name is always tried."""

TABLE_SUFFIXES = frozenset({".csv"})

MAX_FILE_BYTES = 2 * 1024**3
"""Largest local file: it is held in memory as a whole. Uploads have a lower bound."""

STANDARD_INPUT = "-"


class FileError(EmoserveError):
    """One file that cannot be read or written; the message is ``code: detail``."""


def printable(text: str) -> str:
    """``text`` with control characters and undecodable bytes escaped: no file name can steer a terminal."""
    clean = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in clean
    )


@dataclass(frozen=True)
class Source:
    """One recording. ``path`` None is standard input; ``relative`` is the path below the folder that was named."""

    path: Path | None
    relative: Path

    @property
    def name(self) -> str:
        """Name of the recording in messages for people."""
        return STANDARD_INPUT if self.path is None else printable(str(self.path))

    @property
    def size_bytes(self) -> int:
        """Bytes of the file; 0 where that is not known."""
        try:
            return 0 if self.path is None else self.path.stat().st_size
        except OSError:
            return 0

    def read(self) -> bytes:
        """The whole file.

        Raises:
            FileError: it cannot be read.
            TooLarge: it has more than :data:`MAX_FILE_BYTES`.
        """
        try:
            data = self._bounded()
        except OSError as error:
            raise FileError(f"unreadable: {error.strerror}") from error
        if data is None or len(data) > MAX_FILE_BYTES:
            raise TooLarge(f"The file has more than {MAX_FILE_BYTES} bytes.")
        return data

    def _bounded(self) -> bytes | None:
        if self.path is None:
            return sys.stdin.buffer.read(MAX_FILE_BYTES + 1)
        if self.size_bytes > MAX_FILE_BYTES:
            return None
        with self.path.open("rb") as stream:
            return stream.read(MAX_FILE_BYTES + 1)


def find_sources(
    paths: Sequence[str], failed: Callable[[str, str], None], suffixes: frozenset[str] | None = None
) -> list[Source]:
    """Files as they are named, folders with all media below them in alphabetical order; ``-`` is standard input.

    Hidden files and folders are passed over, links to folders are not followed.

    Args:
        paths: from the command line.
        failed: called with name and reason for each path without any recording.
        suffixes: suffixes of the files that are taken from folders; None takes all media.
    """
    sources: list[Source] = []
    for text in paths:
        path = Path(text)
        if text == STANDARD_INPUT:
            sources.append(Source(None, Path("stdin")))
        elif not path.is_dir():
            sources.append(Source(path, Path(path.name)))
        elif found := list(media_below(path, failed, suffixes or MEDIA_SUFFIXES)):
            sources.extend(found)
        else:
            failed(printable(text), "no_media: There is no such file in this folder.")
    return sources


def media_below(folder: Path, failed: Callable[[str, str], None], suffixes: frozenset[str]) -> Iterator[Source]:
    """Recordings below ``folder``; arguments as those of :func:`find_sources`."""

    def unreadable(error: OSError) -> None:
        failed(printable(str(error.filename)), f"unreadable: {error.strerror}")

    for parent, folders, files in os.walk(folder, onerror=unreadable):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = Path(parent, name)
            if path.suffix.lower() in suffixes and not name.startswith("."):
                yield Source(path, path.relative_to(folder))
