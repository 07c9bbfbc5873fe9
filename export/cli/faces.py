"""``emoserve-export faces``: the face bundle; needs the online requirements alone."""

import argparse
from pathlib import Path

from export.cli.common import say


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--task", type=Path, metavar="FILE", help="the publisher's face_landmarker.task")
    source.add_argument("--wheel", type=Path, metavar="FILE", help="a wheel of mediapipe==0.10.21")
    parser.add_argument("--out", type=Path, default=Path("var/models"), metavar="DIR", help="folder of bundles")
    parser.add_argument("--if-missing", action="store_true", help="do nothing where there is a face bundle")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Make the face bundle; returns the exit status."""
    from export.faces.bundle import existing_face_bundle, write_face_bundle  # slow to import

    if arguments.if_missing and (found := existing_face_bundle(arguments.out)):
        say(str(found))
        return 0
    say(str(write_face_bundle(arguments.out, arguments.task, arguments.wheel)))
    return 0
