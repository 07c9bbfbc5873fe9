"""``emoserve-export import``: a published model of speech or faces as a served bundle, in one command."""

import argparse
import re
import resource
import sys
from functools import partial
from pathlib import Path

import numpy as np

from export.bundle.card import BundleText
from export.cli.common import add_checked_bundle_arguments, add_publisher_arguments, note, say
from export.cli.import_faces import import_face, is_face_source, processor_ms
from export.evaluation.voice import recordings_or_voice, synthetic_voice
from export.published.audonnx_folder import AudonnxFolder, is_audonnx
from export.published.bundle import Origin, Source, write_published
from export.published.emotion2vec_folder import Emotion2vecFolder, is_emotion2vec
from export.published.folder import PublishedError, PublishedFolder, files_sha256, licence_text
from export.published.hub import NAME, fetch
from export.published.licence import hub_identifier, licence_of
from export.published.reading import checked
from export.published.speechbrain_folder import SpeechBrainFolder, is_speechbrain
from service.card import Card, Licence
from service.settings import Settings

TIMED_S = 5.0
"""Length of the clip whose time on one thread is told."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "source",
        metavar="NAME|FOLDER|FILE",
        help="owner/model of the hub, a folder with the publisher's files, or an ONNX file of EmotiEffLib or "
        "LibreFace; 'emotiefflib:NAME' fetches one",
    )
    add_publisher_arguments(parser)
    parser.add_argument("--labels", type=_labels, metavar="A,B,…", help="names of the classes, in the model's order")
    parser.add_argument(
        "--embedding", action="store_true", help="the encoder alone, as an embedding; a head is left out"
    )
    parser.add_argument(
        "--sample-rate-hz", type=int, default=16_000, metavar="N", help="of an audonnx folder, which does not tell it"
    )
    add_checked_bundle_arguments(parser, "of the bundle (default: the publisher's)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Import."""
    if is_face_source(str(arguments.source)):
        consent = partial(_agree, accepted=arguments.accept_licence)
        import_face(arguments, partial(licensed, arguments), consent, arguments.name)
        return 0
    folder, name, revision, licence = locate(arguments, str(arguments.source))
    source = read_source(folder, arguments.labels, arguments.sample_rate_hz, encoder_alone=arguments.embedding)
    origin = Origin(name, revision, files_sha256(folder), licence_text(folder))
    text = _text(arguments, source, origin, licence)
    outputs = ", ".join(source.published_labels) or "embedding"
    note(f"{origin.name}: {source.title}; {outputs}; licence {licence.spdx}")
    recordings = recordings_or_voice(arguments.audio, source.sample_rate_hz)
    written = write_published(source, text, origin, arguments.out, recordings)
    note(_cost(written, source))
    say(f"bundle: {written}")
    return 0


def read_source(folder: Path, labels: list[str] | None, sample_rate_hz: int, *, encoder_alone: bool = False) -> Source:
    """A folder of any kind, checked.

    Raises:
        PublishedError: it cannot be imported.
    """
    if is_speechbrain(folder):
        return SpeechBrainFolder(folder, encoder_alone).source(labels)
    if is_emotion2vec(folder):
        return Emotion2vecFolder(folder, encoder_alone).source(labels)
    if not is_audonnx(folder):
        return checked(PublishedFolder(folder), encoder_alone=encoder_alone).source(labels)
    if encoder_alone:
        raise PublishedError(f"{folder}: --embedding is not for audonnx folders")
    return AudonnxFolder(folder, sample_rate_hz).source(labels, synthetic_voice(1.0, sample_rate_hz, seed=0))


def read_again(folder: Path, card: Card) -> Source:
    """The source of a bundle that was imported from ``folder``; raises as :func:`read_source`."""
    assert card.speech is not None
    is_encoder = card.task == "speech-embedding"
    return read_source(folder, list(card.labels) or None, card.speech.sample_rate_hz, encoder_alone=is_encoder)


def locate(arguments: argparse.Namespace, source: str) -> tuple[Path, str, str, Licence]:
    """The folder, fetched where it is on the hub; the model's name, its commit on the hub, and its licence.

    Raises:
        PublishedError: there is no such folder or model, or its licence does not permit what is wanted.
    """
    name, folder, revision = source, Path(source), ""

    if not folder.exists() and NAME.fullmatch(name):

        def consent(identifier: str, text: str) -> None:
            spdx = licensed(arguments, name, identifier).spdx
            told = text or f"{name} names the licence {identifier or spdx}: https://huggingface.co/{name}"
            _agree(name, identifier or spdx, told, arguments.accept_licence, spdx)

        fetched = fetch(name, arguments.revision, arguments.downloads, consent)
        folder, revision = fetched.folder, fetched.revision
    elif not folder.is_dir():
        raise PublishedError(f"{folder}: no such folder")
    else:
        name = folder.resolve().name
    return folder, name, revision, licensed(arguments, name, hub_identifier(folder))


def licensed(arguments: argparse.Namespace, name: str, identifier: str) -> Licence:
    """The licence of the weights that ``name`` publishes.

    Raises:
        PublishedError: nobody names a licence, or the licence policy forbids it.
    """
    found = licence_of(identifier, arguments.licence, name, permits_commerce=arguments.commercial_use)
    if not found.commercial_use and Settings().licence_policy == "commercial":
        raise PublishedError(f"{name}: {found.spdx} forbids commercial use and the licence policy is 'commercial'")
    return found


def _agree(name: str, identifier: str, text: str, accepted: str | None, spdx: str = "") -> None:
    """Show a licence and ask for consent; on no terminal ``accepted`` must name it, by either of its names.

    Raises:
        PublishedError: the user does not agree.
    """
    note(text)
    if accepted is not None and accepted.lower() in (identifier.lower(), spdx.lower()):
        return
    if accepted is None and sys.stdin.isatty() and input(f"Accept {identifier} and download? [y/N] ").lower() == "y":
        return
    raise PublishedError(f"{name}: not downloaded; say --accept-licence {identifier} once you accept it")


def _text(arguments: argparse.Namespace, source: Source, origin: Origin, licence: Licence) -> BundleText:
    return BundleText(
        name=arguments.name or bundle_name(origin.name),
        version=arguments.version,
        title=f"{origin.name} ({source.title})",
        description=(
            f"{source.title}, from samples to answers as the publisher's program computes them; not trained here."
        ),
        licence=licence,
        known_limits=(
            "How well it does, and on whom, is for its publisher to say: nothing was measured here.",
            "Its answers are not calibrated here, and it names no plausible emotions.",
        ),
    )


def _cost(bundle: Path, source: Source) -> str:
    """Processor time of one clip on one thread, and the memory that the import took."""
    clip = synthetic_voice(TIMED_S, source.sample_rate_hz, seed=0)
    clip_ms = processor_ms(bundle, {"waveform": clip[None], "lengths": np.array([len(clip)])})
    peak_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    return (
        f"{TIMED_S:g} s of sound take {clip_ms:.0f} ms of one core; the import took {peak_gb:.1f} GB of memory at most"
    )


def _labels(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    if len(names) < 2 or not all(re.fullmatch(r"[a-z][a-z -]{0,31}", name) for name in names):
        raise argparse.ArgumentTypeError("two or more names divided by commas, in lower-case letters")
    return names


def bundle_name(called: str) -> str:
    """A name of a bundle from what a publisher calls a model.

    Raises:
        PublishedError: nothing of it can be a name.
    """
    name = re.sub(r"[^a-z0-9._-]+", "-", called.rpartition("/")[2].lower()).strip("-._")[:64]
    if not name:
        raise PublishedError(f"'{called}' makes no name of a bundle: choose one with --name")
    return name
