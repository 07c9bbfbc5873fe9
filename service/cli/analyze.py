"""``emoserve analyze``: judge recordings in this process."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TextIO

from service.cli.embeddings import EmbeddingFile, add_embedding_flags, check_embedding_flags, embedding_file
from service.cli.judge import add_face_flags, choices_from
from service.cli.plots import Plots
from service.cli.progress import FileProgress, progress_bar
from service.cli.reports import Report, report_for
from service.cli.settings_flags import add_model_flags, settings_from
from service.cli.terminal import UsageError, failure_line, say
from service.local.answers import Answer
from service.local.engine import PATIENCE_S, LocalEngine, running_engine
from service.local.judge import Choices, judge
from service.local.sources import FileError, Source, find_sources
from service.pipeline.device.task import Work

_LONG_WORK_BYTES = 4 * 1024**2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of this command."""
    parser.add_argument("paths", nargs="+", metavar="FILE|FOLDER", help="recordings; '-' is standard input")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", dest="form", action="store_const", const="json", help="JSON, one line a file")
    form.add_argument(
        "--csv", dest="form", action="store_const", const="csv", help="CSV, one row a window or utterance"
    )
    parser.set_defaults(form="table")
    parser.add_argument("--output", metavar="FILE", type=Path, help="write there instead of standard output")
    parser.add_argument(
        "--plot",
        metavar="OUT.png",
        help="a picture too; for several files a folder, or a name with {name} in it",
    )
    parser.add_argument("--dark", action="store_true", help="light ink on dark paper for --plot")
    parser.add_argument("--timeline", action="store_true", help="every window in JSON and table, too")
    parser.add_argument(
        "--segments", action="store_true", help="utterances, too; in CSV and --plot in place of windows"
    )
    parser.add_argument("--voice-activity", action="store_true", help="speech step by step in JSON and --plot, too")
    parser.add_argument("--model", metavar="NAME", help="speech model; see 'emoserve models'")
    parser.add_argument("--model-version", metavar="VERSION", help="its version; without, the highest")
    parser.add_argument("--channel", choices=["mix", "left", "right", "each"], default="mix")
    parser.add_argument("--track", type=int, metavar="N", help="sound track, from 0; without, the default one")
    parser.add_argument("--window-s", type=float, metavar="SECONDS", help="length of a window")
    parser.add_argument("--hop-s", type=float, metavar="SECONDS", help="from one window's start to the next one's")
    parser.add_argument("--start-s", type=float, metavar="SECONDS", help="judge from here")
    parser.add_argument("--end-s", type=float, metavar="SECONDS", help="judge up to here")
    parser.add_argument("--denoise", action="store_true", help="take noise out of the sound first")
    parser.add_argument(
        "--profile", metavar="FILE|self", help="compare the voice with a document of 'emoserve profile', or with itself"
    )
    parser.add_argument(
        "--prior",
        metavar="HOW",
        help="how likely each class is before anything is heard: card, uniform or LABEL:P,… (0 excludes a class)",
    )
    parser.add_argument("--domain", metavar="NAME", help="kind of recording, of a model that has parts for several")
    add_embedding_flags(parser)
    add_face_flags(parser)
    add_model_flags(parser)


def run(arguments: argparse.Namespace) -> int:
    """Judge all recordings; returns the exit status: 1 where any failed, the others are judged nonetheless.

    Raises:
        UsageError: flags that do not go together.
    """
    settings = settings_from(arguments)
    choices = choices_from(arguments)
    if arguments.voice_activity and arguments.form == "csv" and not arguments.plot:
        raise UsageError("--voice-activity has no place in --csv: choose --json or --plot")
    failures: list[tuple[str, str]] = []
    sources = find_sources(arguments.paths, lambda name, reason: failures.append((name, reason)), choices.suffixes)
    several = len(arguments.paths) > 1 or len(sources) > 1
    plots = (
        Plots(arguments.plot, sources, dark=arguments.dark, audio=choices.audio, include=choices.include)
        if arguments.plot and sources
        else None
    )
    check_embedding_flags(arguments, sources)
    _spare_sources(sources, [arguments.output, arguments.embedding, *(plots.paths.values() if plots else [])])
    for name, reason in failures:
        say(f"{name}: {reason}")
    if not sources:
        return 1
    with (
        running_engine(settings) as engine,
        _opened(arguments.output) as stream,
        embedding_file(arguments, several=several) as embeddings,
    ):
        shown = replace(choices.audio, timeline=arguments.timeline)
        report = report_for(arguments.form, stream, several=several, audio=shown, include=choices.include)
        try:
            with progress_bar(sources, enabled=_progress_wanted(arguments, sources)) as progress:
                failed = _analyse_all(engine, choices, sources, report, plots, embeddings, progress)
        finally:
            report.close()  # after the bar has gone, and on Ctrl-C with what is done
    return 1 if failures or failed else 0


def _analyse_all(
    engine: LocalEngine,
    choices: Choices,
    sources: Sequence[Source],
    report: Report,
    plots: Plots | None,
    embeddings: EmbeddingFile | None,
    progress: FileProgress,
) -> int:
    """Judge one recording after the other; returns how many failed."""
    failed = 0
    for source in sources:
        progress.begin(source)
        try:
            result = judge(engine, source, choices, Work.within(PATIENCE_S, progress=progress.update))
            if plots is not None:
                plots.draw(source, result)
            if embeddings is not None:
                embeddings.add(engine, source)
        except Exception as error:
            reason = failure_line(error)
            if reason is None:
                raise
            failed += 1
            progress.say(f"{source.name}: {reason}")
        else:
            failed += not _reported(report, source, result, progress)
        progress.end(source)
    return failed


def _reported(report: Report, source: Source, result: Answer, progress: FileProgress) -> bool:
    """Hand an answer to the report; False where it does not fit in."""
    try:
        report.add(source, result)
    except FileError as error:
        progress.say(f"{source.name}: {error}")
        return False
    return True


def _spare_sources(sources: Sequence[Source], targets: Sequence[Path | None]) -> None:
    recordings = {source.path.resolve() for source in sources if source.path is not None}
    for target in targets:
        if target is not None and target.resolve() in recordings:
            raise UsageError(f"{target} is one of the recordings; it would be overwritten")


def _progress_wanted(arguments: argparse.Namespace, sources: Sequence[Source]) -> bool:
    """Long work on a terminal, unless output comes on that terminal meanwhile."""
    long = len(sources) > 3 or sum(source.size_bytes for source in sources) > _LONG_WORK_BYTES
    streaming = arguments.form != "table" and arguments.output is None and sys.stdout.isatty()
    return long and sys.stderr.isatty() and not streaming


@contextmanager
def _opened(output: Path | None) -> Iterator[TextIO]:
    if output is None:
        yield sys.stdout
        return
    with output.open("w", encoding="utf-8", newline="") as stream:
        yield stream
