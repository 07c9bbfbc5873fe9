"""Files of the pictures of ``emoserve analyze --plot``."""

from collections.abc import Callable, Sequence
from pathlib import Path

from service.cli.terminal import UsageError
from service.local.answers import Answer, picture
from service.local.sources import FileError, Source, printable
from service.pipeline.audio_options import AudioOptions

NAME_FIELD = "{name}"


class Plots:
    """One PNG a recording.

    Args:
        target: a file name for one recording; for several a folder, which then mirrors the folders that were
            named, or a file name with ``{name}`` in it.
        sources: all recordings.
        dark: light ink on dark paper.
        audio: with segments or voice activity, a voice's picture shows them in place of windows.
        include: with 'attribution', a face's picture shows what moved the answer.

    Attributes:
        paths: where each recording's picture goes; no two are alike.

    Raises:
        UsageError: one file name for several recordings.
    """

    def __init__(
        self, target: str, sources: Sequence[Source], *, dark: bool, audio: AudioOptions, include: frozenset[str]
    ) -> None:
        self._dark = dark
        self._audio = audio
        self._include = include
        self.paths = paths_apart(sources, lambda source: _wanted_path(target, source, alone=len(sources) == 1))

    def draw(self, source: Source, result: Answer) -> None:
        """Draw and write the picture of one recording, making folders as needed.

        Raises:
            FileError: the file cannot be written.
        """
        title = printable(source.relative.name)
        content = picture(result, title=title, dark=self._dark, audio=self._audio, include=self._include)
        write_own(self.paths[source], content)


def paths_apart(sources: Sequence[Source], wanted: Callable[[Source], Path]) -> dict[Source, Path]:
    """A path a recording: the one wanted, with a number where another recording has it already."""
    paths: dict[Source, Path] = {}
    taken: set[Path] = set()
    for source in sources:
        first = path = wanted(source)
        number = 2
        while path in taken:
            path = first.with_name(f"{first.stem}-{number}{first.suffix}")
            number += 1
        taken.add(path)
        paths[source] = path
    return paths


def write_own(path: Path, content: bytes) -> None:
    """Write the file of one recording, making folders as needed.

    Raises:
        FileError: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as error:
        raise FileError(f"not_written: {printable(str(path))}: {error.strerror}") from error


def _wanted_path(target: str, source: Source, *, alone: bool) -> Path:
    if NAME_FIELD in target:
        return Path(target.replace(NAME_FIELD, source.relative.stem))
    if target.lower().endswith(".png") and not Path(target).is_dir():
        if not alone:
            raise UsageError(f"--plot for several files needs a folder, or a name with {NAME_FIELD} in it")
        return Path(target)
    return Path(target) / source.relative.with_suffix(".png")
