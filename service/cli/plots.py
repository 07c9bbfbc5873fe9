"""Files of the pictures of ``emoserve analyze --plot``."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import get_args

from service.cli.terminal import UsageError
from service.local.answers import Answer, picture
from service.local.sources import FileError, Source, printable
from service.pipeline.audio_options import AudioOptions
from service.render.plot_style import LEAST_WIDTH_MM, MOST_WIDTH_MM, PRINT_WIDTH_MM, PlotForm, PlotKind

NAME_FIELD = "{name}"

KINDS: tuple[PlotKind, ...] = get_args(PlotKind)


def add_plot_flags(parser: argparse.ArgumentParser) -> None:
    """Flags of pictures; :func:`plot_form` reads them."""
    parser.add_argument(
        "--plot",
        metavar="OUT.{png,svg,pdf}",
        help="a picture too; for several files a folder, or a name with {name} in it",
    )
    parser.add_argument("--plot-format", choices=KINDS, help="of --plot; without, as the name ends, else png")
    parser.add_argument(
        "--plot-width-mm",
        type=float,
        metavar="MM",
        help=f"width of --plot in print, for svg and pdf: {LEAST_WIDTH_MM:g} to {MOST_WIDTH_MM:g}; "
        f"without, {PRINT_WIDTH_MM:g}",
    )
    parser.add_argument("--dark", action="store_true", help="light ink on dark paper for --plot")


def plot_form(arguments: argparse.Namespace) -> PlotForm:
    """Form of the pictures that the flags ask for.

    Raises:
        UsageError: flags that contradict each other, or a width out of bounds.
    """
    target, width_mm = arguments.plot, arguments.plot_width_mm
    if target is None and (arguments.plot_format or width_mm is not None):
        raise UsageError("--plot-format and --plot-width-mm need --plot")
    named = next((kind for kind in KINDS if (target or "").lower().endswith(f".{kind}")), None)
    kind = arguments.plot_format or named or "png"
    if named not in (None, kind) and not Path(target).is_dir():
        raise UsageError(f"--plot {target} does not end like --plot-format {kind}")
    if width_mm is None:
        return PlotForm(kind)
    if kind == "png":
        raise UsageError("--plot-width-mm is of svg and pdf; a png is 1320 pixels wide")
    if not LEAST_WIDTH_MM <= width_mm <= MOST_WIDTH_MM:
        raise UsageError(f"--plot-width-mm must be between {LEAST_WIDTH_MM:g} and {MOST_WIDTH_MM:g}")
    return PlotForm(kind, width_mm)


class Plots:
    """One picture a recording.

    Args:
        target: a file name for one recording; for several a folder, which then mirrors the folders that were
            named, or a file name with ``{name}`` in it.
        sources: all recordings.
        form: of the files.
        dark: light ink on dark paper.
        audio: with segments or voice activity, a voice's picture shows them in place of windows.
        include: with 'attribution', a face's picture shows what moved the answer.

    Attributes:
        paths: where each recording's picture goes; no two are alike.

    Raises:
        UsageError: one file name for several recordings.
    """

    def __init__(
        self,
        target: str,
        sources: Sequence[Source],
        form: PlotForm,
        *,
        dark: bool,
        audio: AudioOptions,
        include: frozenset[str],
    ) -> None:
        self._form = form
        self._dark = dark
        self._audio = audio
        self._include = include
        alone = len(sources) == 1
        self.paths = paths_apart(sources, lambda source: _wanted_path(target, source, form.kind, alone=alone))

    def draw(self, source: Source, result: Answer) -> None:
        """Draw and write the picture of one recording, making folders as needed.

        Raises:
            FileError: the file cannot be written.
        """
        title = printable(source.relative.name)
        content = picture(result, self._form, title=title, dark=self._dark, audio=self._audio, include=self._include)
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


def _wanted_path(target: str, source: Source, kind: PlotKind, *, alone: bool) -> Path:
    if NAME_FIELD in target:
        return Path(target.replace(NAME_FIELD, source.relative.stem))
    if target.lower().endswith(f".{kind}") and not Path(target).is_dir():
        if not alone:
            raise UsageError(f"--plot for several files needs a folder, or a name with {NAME_FIELD} in it")
        return Path(target)
    return Path(target) / source.relative.with_suffix(f".{kind}")
