"""``emoserve setup``: make the bundles that an installation lacks, from files of their publishers."""

import argparse
import importlib.util
import os
import sys
from collections.abc import Callable
from pathlib import Path

from service.cli.terminal import UsageError, say
from service.local.sources import printable
from service.places import newest_bundle, prepared_models
from service.settings import Settings, check_environment

_FACES, _VOICE_ACTIVITY = "mediapipe-faces", "voice-activity"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of this command."""
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--task", type=Path, metavar="FILE", help="the publisher's face_landmarker.task")
    source.add_argument("--wheel", type=Path, metavar="FILE", help="a wheel of mediapipe==0.10.21")
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder of bundles; without, the user's")


def run(arguments: argparse.Namespace) -> int:
    """Make what is missing in the model folders; a face file that is named is converted in any case.

    Returns:
        Exit status: 1 where something is still missing, which is then said in one line.

    Raises:
        UsageError: the converters are not installed, as in a container image.
    """
    check_environment(os.environ)
    out: Path = arguments.out or prepared_models()
    folders = [*Settings().model_dirs, out]
    is_named = arguments.task is not None or arguments.wheel is not None
    ready = [
        _prepare(_VOICE_ACTIVITY, newest_bundle(_VOICE_ACTIVITY, folders), lambda: _voice_activity(out)),
        _prepare(
            _FACES,
            None if is_named else newest_bundle(_FACES, folders),
            lambda: _faces(out, arguments.task, arguments.wheel),
        ),
    ]
    return 0 if all(ready) else 1


def _prepare(name: str, found: Path | None, make: Callable[[], Path]) -> bool:
    """Tell where a bundle is, or make it; False where that fails, and is said."""
    if found is not None:
        sys.stdout.write(f"{name}: there already, {printable(str(found))}\n")
        return True
    if importlib.util.find_spec("export") is None:
        raise UsageError(f"{name} is missing, and this installation has no converters: install the wheel with them")
    try:
        made = make()
    except (OSError, RuntimeError) as error:
        say(f"emoserve setup: {name}: {printable(' '.join(str(error).split()))}")
        return False
    sys.stdout.write(f"{name}: made, {printable(str(made))}\n")
    return True


def _voice_activity(out: Path) -> Path:
    from export.voice_activity.bundle import write_voice_activity_bundle

    return write_voice_activity_bundle(out)


def _faces(out: Path, task: Path | None, wheel: Path | None) -> Path:
    from export.faces.bundle import write_face_bundle
    from export.faces.sources import FaceSourceError

    try:
        return write_face_bundle(out, task, wheel)
    except FaceSourceError as error:
        raise RuntimeError(f"{error} Video answers stay off.") from error
