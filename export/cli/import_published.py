"""``emoserve-export import``: a published speech emotion model as a served bundle, in one command."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from export.bundle.card import BundleText
from export.cli.common import ExpectedFailure, note, plain_name, plain_version, say
from export.evaluation.verification import ParityError
from export.evaluation.voice import recordings_or_voice
from export.published.bundle import Origin, write_published
from export.published.folder import PublishedError, PublishedFolder
from export.published.labels import mapped_labels
from export.published.licence import hub_identifier, licence_of
from export.published.reading import checked


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("source", metavar="FOLDER", help="the publisher's files")
    parser.add_argument("--name", type=plain_name, help="of the bundle (default: the folder's)")
    parser.add_argument("--version", type=plain_version, default="1", help="version of the bundle")
    parser.add_argument("--labels", type=_labels, metavar="A,B,…", help="names of the classes, in the model's order")
    parser.add_argument("--licence", metavar="SPDX", help="licence of the weights, where the publisher names none")
    parser.add_argument("--commercial-use", action="store_true", help="--licence permits commercial use")
    parser.add_argument("--audio", nargs="+", type=Path, metavar="FILE", help="recordings for the check of the graph")
    parser.add_argument("--out", type=Path, default=Path("var/models"), metavar="DIR", help="folder of bundles")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Import."""
    try:
        say(f"bundle: {_import(arguments)}")
    except (PublishedError, ParityError) as error:
        raise ExpectedFailure(str(error)) from error
    return 0


def _import(arguments: argparse.Namespace) -> Path:
    folder = PublishedFolder(Path(arguments.source))
    published = checked(folder)
    labels = mapped_labels(folder.labels, arguments.labels)
    called = folder.path.resolve().name
    licence = licence_of(
        hub_identifier(folder.path), arguments.licence, called, permits_commerce=arguments.commercial_use
    )
    text = BundleText(
        name=arguments.name or _bundle_name(called),
        version=arguments.version,
        title=f"{called} ({published.title})",
        description=(
            f"{published.family.title} with the publisher's head, from samples to answers as the publisher's program "
            "computes them; nothing was trained here."
        ),
        licence=licence,
        known_limits=(
            "How well it does, and on whom, is for its publisher to say: nothing was measured here.",
            "Its probabilities are not calibrated here, and it names no plausible emotions.",
        ),
    )
    note(f"{called}: {published.title}; classes {', '.join(labels)}; licence {licence.spdx}")
    recordings = recordings_or_voice(arguments.audio, folder.sample_rate_hz)
    origin = Origin(called, files=folder.sha256_of_files, licence_text=folder.licence_text())
    return write_published(published, labels, text, origin, arguments.out, recordings)


def _labels(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    if len(names) < 2 or not all(re.fullmatch(r"[a-z][a-z -]{0,31}", name) for name in names):
        raise argparse.ArgumentTypeError("two or more names divided by commas, in lower-case letters")
    return names


def _bundle_name(called: str) -> str:
    name = re.sub(r"[^a-z0-9._-]+", "-", called.lower()).strip("-._")[:64]
    if not name:
        raise PublishedError(f"'{called}' makes no name of a bundle: choose one with --name")
    return name
