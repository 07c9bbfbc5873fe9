"""``emoserve profile``: statistics of a voice in some recordings, to be given to later calls."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from service.cli.settings_flags import add_model_flags, settings_from
from service.cli.terminal import UsageError, failure_line, say
from service.local.engine import PATIENCE_S, running_engine
from service.local.sources import FileError, find_sources
from service.pipeline.device.task import Work
from service.pipeline.results import AudioOptions, VoiceProfile
from service.problems import Problem, ProfileInvalid


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of this command."""
    parser.add_argument("paths", nargs="+", metavar="FILE|FOLDER", help="recordings of one person, or of one line")
    parser.add_argument(
        "--continue", dest="before", metavar="FILE", type=Path, help="an earlier document to go on with"
    )
    parser.add_argument("--output", metavar="FILE", type=Path, help="write there instead of standard output")
    parser.add_argument("--model", metavar="NAME", help="speech model that it is for; see 'emoserve models'")
    parser.add_argument("--model-version", metavar="VERSION", help="its version; without, the highest")
    add_model_flags(parser)


def run(arguments: argparse.Namespace) -> int:
    """Make one document of all recordings; returns 1 where any could not be read, the others count nonetheless.

    Raises:
        UsageError: the earlier document cannot be read.
        Problem: there is too little speech.
    """
    from service.schemas.profile import profile_document

    failures: list[str] = []
    before = None if arguments.before is None else read_profile_file(arguments.before)
    options = AudioOptions(model=arguments.model, version=arguments.model_version)
    sources = find_sources(arguments.paths, lambda name, reason: failures.append(f"{name}: {reason}"))
    name = ""

    def contents() -> Iterator[memoryview | bytes]:
        nonlocal name
        for source in sources:
            name = source.name
            try:
                yield source.read()
            except FileError as error:
                failures.append(f"{name}: {error}")

    def failed(problem: Problem) -> None:
        failures.append(f"{name}: {failure_line(problem)}")

    try:
        with running_engine(settings_from(arguments)) as engine:
            made = engine.speech.profile(contents(), options, Work.within(PATIENCE_S), before, failed)
    finally:
        for failure in failures:
            say(failure)
    text = profile_document(made).model_dump_json() + "\n"
    if arguments.output is None:
        sys.stdout.write(text)
    else:
        arguments.output.write_text(text, encoding="utf-8")
    say(f"{made.clips} pieces of speech, {made.speech_s:.1f} s")
    return 1 if failures else 0


def read_profile_file(path: Path) -> VoiceProfile:
    """The profile in a file.

    Raises:
        UsageError: it cannot be read.
    """
    from service.schemas.profile import read_profile

    try:
        return read_profile(path.read_bytes())
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None
    except ProfileInvalid as problem:
        raise UsageError(f"{path}: {problem.detail}") from None
