"""The commands ``emoserve-export faces`` and ``emoserve-export action-units``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

DEFAULT_FACES_OUT = Path("var/models")  # what is made on this machine, beside the models of the repository
DEFAULT_HEADS_OUT = Path("models")


def configure_faces(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``faces``."""
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--task", type=Path, metavar="FILE", help="the publisher's face_landmarker.task")
    source.add_argument("--wheel", type=Path, metavar="FILE", help="a wheel of mediapipe==0.10.21")
    parser.add_argument("--out", type=Path, default=DEFAULT_FACES_OUT, metavar="DIR", help="folder of bundles")
    parser.add_argument("--if-missing", action="store_true", help="do nothing where there is a face bundle")
    parser.set_defaults(run=run_faces)


def configure_action_units(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``action-units``."""
    parser.add_argument(
        "--data", type=Path, required=True, metavar="DIR", help="folder with synth478.npz and synth468.npz"
    )
    parser.add_argument("--out", type=Path, default=DEFAULT_HEADS_OUT, metavar="DIR", help="folder of bundles")
    parser.add_argument("--seed", type=int, default=0, help="draws the held-out identities (default 0)")
    parser.set_defaults(run=run_action_units)


def run_faces(arguments: argparse.Namespace) -> int:
    """Make the face bundle; returns the exit status."""
    from export.faces.bundle import existing_face_bundle, write_face_bundle
    from export.faces.sources import FaceSourceError

    if arguments.if_missing and (found := existing_face_bundle(arguments.out)):
        sys.stdout.write(f"{found}\n")
        return 0
    try:
        bundle = write_face_bundle(arguments.out, arguments.task, arguments.wheel)
    except (FaceSourceError, OSError) as error:
        sys.stderr.write(f"emoserve-export faces: {error}\n")
        return 1
    sys.stdout.write(f"{bundle}\n")
    return 0


def run_action_units(arguments: argparse.Namespace) -> int:
    """Train, evaluate and write the action-unit bundles; returns the exit status."""
    from export.faces.action_units import train_action_units
    from export.faces.synthetic_faces import SyntheticFacesError
    from service.card import read_card

    try:
        bundles = train_action_units(arguments.data, arguments.out, arguments.seed)
    except (SyntheticFacesError, OSError) as error:
        sys.stderr.write(f"emoserve-export action-units: {error}\n")
        return 1
    for bundle in bundles:
        sys.stdout.write(f"{bundle}\n")
        for measurement in read_card(bundle).measurements:
            interval = " [{:.3f}, {:.3f}]".format(*measurement.interval_95) if measurement.interval_95 else ""
            sys.stdout.write(f"  {measurement.metric:22s} {measurement.value:6.3f}{interval}\n")
    return 0
