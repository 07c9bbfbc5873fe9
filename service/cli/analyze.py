"""``emoserve analyze``: judge recordings in this process."""

import argparse
import hashlib
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final, TextIO

from service.cli.audformat import AudformatReport
from service.cli.embeddings import EmbeddingFile, add_embedding_flags, check_embedding_flags, embedding_file
from service.cli.fhir import FHIR_FLAGS, add_fhir_flags, fhir_from
from service.cli.judge import add_face_flags, choices_from
from service.cli.on_ray import bundle_names, ray_answers, require_ray
from service.cli.parts import PartsReport
from service.cli.plots import Plots, add_plot_flags, plot_form
from service.cli.progress import FileProgress, progress_bar
from service.cli.reports import FileReport, Report, report_for
from service.cli.settings_flags import add_model_flags, settings_from
from service.cli.terminal import UsageError, failure_line, say
from service.local.answers import Answer
from service.local.engine import LocalEngine, running_engine
from service.local.judge import Choices
from service.local.many import Judged, answers
from service.local.sources import STANDARD_INPUT, FileError, Source, find_sources

_LONG_WORK_BYTES = 4 * 1024**2

_FOLDER_FORMS: Final = ("parquet", "audformat", "textgrid", "eaf", "fhir")

_NOT_OF_ANSWERS: Final = frozenset(
    {
        "paths",
        "files_from",
        "workers",
        "form",
        "output",
        "resume",
        "ray",
        "plot",
        "plot_format",
        "plot_width_mm",
        "dark",
        "embedding",
        "threads",
        "run",
        "command",
        *FHIR_FLAGS,
    }
)
"""Flags on which no answer depends."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of this command."""
    parser.add_argument("paths", nargs="*", metavar="FILE|FOLDER", help="recordings; '-' is standard input")
    parser.add_argument("--files-from", metavar="LIST", help="more recordings, one path a line; '-' is standard input")
    parser.add_argument("--workers", type=_positive, default=1, metavar="N", help="recordings judged at once")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", dest="form", action="store_const", const="json", help="JSON, one line a file")
    form.add_argument(
        "--csv", dest="form", action="store_const", const="csv", help="CSV, one row a window or utterance"
    )
    form.add_argument(
        "--format",
        dest="form",
        type=lambda name: "json" if name == "jsonl" else name,
        choices=["table", "json", "csv", *_FOLDER_FORMS],
        metavar="{table,jsonl,csv,parquet,audformat,textgrid,eaf,fhir}",
        help="the last five write into the folder --output: Parquet parts or a database, one row a recording, or as "
        "--timeline or --segments say; or a file a recording for Praat, ELAN or a FHIR server",
    )
    parser.set_defaults(form="table")
    parser.add_argument("--output", metavar="FILE", type=Path, help="write there instead of standard output")
    parser.add_argument("--resume", action="store_true", help="go on with the parts in --output: nothing is done twice")
    parser.add_argument("--ray", action="store_true", help="judge on Ray Data; RAY_ADDRESS names a cluster")
    add_plot_flags(parser)
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
    parser.add_argument("--speakers", metavar="auto|N", help="who speaks when, and an answer for each voice")
    add_embedding_flags(parser)
    add_face_flags(parser)
    add_fhir_flags(parser)
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
    if arguments.form in _FOLDER_FORMS and arguments.output is None:
        raise UsageError(f"--format {arguments.form} writes into a folder: name it with --output")
    if arguments.resume and arguments.form != "parquet":
        raise UsageError("--resume goes on with the parts of --format parquet")
    if arguments.ray and (arguments.form != "parquet" or arguments.plot or arguments.embedding):
        raise UsageError("--ray writes the parts of --format parquet, and neither --plot nor --embedding")
    failures: list[tuple[str, str]] = []
    paths = [*arguments.paths, *_listed(arguments.files_from)]
    if not paths:
        raise UsageError("name recordings or folders, or a list of them with --files-from")
    sources = find_sources(paths, lambda name, reason: failures.append((name, reason)), choices.suffixes)
    several = len(paths) > 1 or len(sources) > 1
    form = plot_form(arguments)
    plots = (
        Plots(arguments.plot, sources, form, dark=arguments.dark, audio=choices.audio, include=choices.include)
        if arguments.plot and sources
        else None
    )
    check_embedding_flags(arguments, sources)
    _spare_sources(sources, [arguments.output, arguments.embedding, *(plots.paths.values() if plots else [])])
    for name, reason in failures:
        say(f"{name}: {reason}")
    if not sources:
        return 1
    if arguments.ray:
        require_ray(sources)
    fhir = fhir_from(arguments, choices, several=several)
    shown = replace(choices.audio, timeline=arguments.timeline)
    with ExitStack() as opened:
        engine = opened.enter_context(running_engine(settings, decoders=arguments.workers))
        report: Report
        if arguments.form == "parquet":
            report = PartsReport(
                arguments.output, shown, _made_with(arguments, choices, engine), resume=arguments.resume
            )
            sources = [source for source in sources if source.name not in report.done]
        elif arguments.form == "audformat":
            report = AudformatReport(arguments.output, shown)
        elif arguments.form in _FOLDER_FORMS:
            report = FileReport(arguments.form, arguments.output, sources, fhir)
            _spare_sources(sources, list(report.paths.values()))
        else:
            stream = opened.enter_context(_opened(arguments.output))
            report = report_for(arguments.form, stream, several=several, audio=shown, include=choices.include)
        embeddings = opened.enter_context(embedding_file(arguments, several=several))
        try:
            with progress_bar(
                sources, enabled=_progress_wanted(arguments, sources), lines=arguments.form == "parquet"
            ) as progress:
                judged: Iterator[Judged]
                if arguments.ray:
                    names = bundle_names(engine.registry)
                    on_ray = ray_answers(settings, choices, names, sources, arguments.workers)
                    judged = (Judged(source, answer) for source, answer in on_ray)
                else:
                    judged = answers(engine, choices, sources, arguments.workers, progress)
                failed = _analyse_all(engine, judged, report, plots, embeddings, progress)
        finally:
            report.close()  # after the bar has gone, and on Ctrl-C with what is done
    return 1 if failures or failed else 0


def _analyse_all(
    engine: LocalEngine,
    judged: Iterator[Judged],
    report: Report,
    plots: Plots | None,
    embeddings: EmbeddingFile | None,
    progress: FileProgress,
) -> int:
    """Report one recording after the other; returns how many failed."""
    failed = 0
    for one in judged:
        try:
            result = one.answer()
            if plots is not None:
                plots.draw(one.source, result)
            if embeddings is not None:
                embeddings.add(engine, one.source)
        except Exception as error:
            reason = failure_line(error)
            if reason is None:
                raise
            failed += 1
            if isinstance(report, PartsReport):
                report.fail(one.source, reason)
            progress.say(f"{one.source.name}: {reason}")
        else:
            failed += not _reported(report, one.source, result, progress)
        progress.end(one.source)
    return failed


def _reported(report: Report, source: Source, result: Answer, progress: FileProgress) -> bool:
    """Hand an answer to the report; False where it does not fit in."""
    try:
        report.add(source, result)
    except FileError as error:
        progress.say(f"{source.name}: {error}")
        return False
    return True


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number


def _listed(named: str | None) -> list[str]:
    """Paths of a list, one a line; empty lines are passed over."""
    if named is None:
        return []
    text = sys.stdin.read() if named == STANDARD_INPUT else Path(named).read_text("utf-8", "surrogateescape")
    return [line for line in text.splitlines() if line.strip()]


def _made_with(arguments: argparse.Namespace, choices: Choices, engine: LocalEngine) -> str:
    """All that an answer depends on: the flags, the documents that they name, and the bundles."""
    flags = {name: value for name, value in vars(arguments).items() if name not in _NOT_OF_ANSWERS}
    for name, document in (("profile", choices.audio.voice), ("neutral", choices.video.resting)):
        if document is not None:
            flags[name] = hashlib.sha256(Path(flags[name]).read_bytes()).hexdigest()
    return json.dumps({"flags": flags, "bundles": bundle_names(engine.registry)}, default=str, sort_keys=True)


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
