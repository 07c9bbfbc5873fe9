"""``emoserve profile``: what a voice or a face usually is like, to be given to later calls."""

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from service.cli.settings_flags import add_model_flags, settings_from
from service.cli.terminal import UsageError, failure_line, say, usage_errors
from service.local.engine import PATIENCE_S, running_engine
from service.local.sources import VIDEO_SUFFIXES, FileError, find_sources
from service.pipeline.audio_options import AudioOptions
from service.pipeline.device.task import Work
from service.pipeline.face.neutral import FaceProfile
from service.pipeline.results import VoiceProfile
from service.pipeline.video_setup import require_faces
from service.problems import Problem, ProfileInvalid, ProfileMismatch

Profile = TypeVar("Profile")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of this command."""
    parser.add_argument("paths", nargs="+", metavar="FILE|FOLDER", help="recordings of one person, or of one line")
    parser.add_argument("--kind", choices=["voice", "face"], default="voice", help="what it is of")
    parser.add_argument(
        "--continue", dest="before", metavar="FILE", type=Path, help="an earlier document to go on with"
    )
    parser.add_argument("--output", metavar="FILE", type=Path, help="write there instead of standard output")
    parser.add_argument("--model", metavar="NAME", help="of a voice: model that it is for; see 'emoserve models'")
    parser.add_argument("--model-version", metavar="VERSION", help="of a voice: its version; without, the highest")
    parser.add_argument("--neutral", metavar="HOW", help="of a face: when it rests, median or START:END in each file")
    add_model_flags(parser)


def run(arguments: argparse.Namespace) -> int:
    """Make one document of all recordings; returns 1 where any could not be read, the others count nonetheless.

    Raises:
        UsageError: the earlier document cannot be read, or flags are of the other kind.
        Problem: there is too little speech or face.
    """
    from service.schemas.profile import profile_document, read_face_profile, read_voice_profile

    neutral = _check(arguments)
    failures: list[str] = []
    is_face = arguments.kind == "face"
    before = arguments.before
    voice = None if before is None or is_face else read_profile_file(before, read_voice_profile)
    face = None if before is None or not is_face else read_profile_file(before, read_face_profile)
    suffixes = VIDEO_SUFFIXES if is_face else None
    sources = find_sources(arguments.paths, lambda name, reason: failures.append(f"{name}: {reason}"), suffixes)
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

    work = Work.within(PATIENCE_S)
    made: VoiceProfile | FaceProfile
    try:
        with running_engine(settings_from(arguments)) as engine:
            if is_face:
                made = require_faces(engine.affect).profile(contents(), neutral, work, face, failed)
            else:
                options = AudioOptions(model=arguments.model, version=arguments.model_version)
                made = engine.speech.profile(contents(), options, work, voice, failed)
    finally:
        for failure in failures:
            say(failure)
    text = profile_document(made).model_dump_json() + "\n"
    if arguments.output is None:
        sys.stdout.write(text)
    else:
        arguments.output.write_text(text, encoding="utf-8")
    if isinstance(made, FaceProfile):
        say(f"{made.frames} frames of a face")
    else:
        say(f"{made.clips} pieces of speech, {made.speech_s:.1f} s")
    return 1 if failures else 0


def read_profile_file(path: Path, read: Callable[[bytes], Profile]) -> Profile:
    """The profile in a file, by the function that reads documents of its kind.

    Raises:
        UsageError: it cannot be read.
    """
    try:
        return read(path.read_bytes())
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None
    except (ProfileInvalid, ProfileMismatch) as problem:
        raise UsageError(f"{path}: {problem.detail}") from None


def _check(arguments: argparse.Namespace) -> str:
    """Refuse flags that the service would refuse as parameters; returns when a face rests.

    Raises:
        UsageError: there is one.
    """
    from service.api.profiles import ProfileQuery

    given = {"model": arguments.model, "version": arguments.model_version, "neutral": arguments.neutral}
    with usage_errors():
        query = ProfileQuery(kind=arguments.kind, **given)
        query.check()
    return query.neutral or "median"
