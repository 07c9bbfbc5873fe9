"""``emoserve-export import`` of a published network of cropped faces."""

import argparse
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from export.cli.common import note, say
from export.faces.emotiefflib import COMMIT, PREFIX, download
from export.faces.published_bundle import described, made_pictures, write_published_face
from export.faces.published_graph import EMOTIEFFLIB, PublishedGraph
from export.published.folder import PublishedError, licence_text
from service.card import Licence
from service.pipeline.device.session import Array, Session

SUFFIX = ".onnx"

Licensed = Callable[[str, str], Licence]
"""The licence of a publisher's weights by the publisher and its SPDX name; raises where the policy forbids them."""

Consent = Callable[[str, str, str], None]
"""Shown a name, its SPDX name and the licence's text before a download; raises where the user does not agree."""


def is_face_source(source: str) -> bool:
    """Whether a source is a file of a face network, or the name of one."""
    return source.startswith(PREFIX) or source.endswith(SUFFIX)


def import_face(arguments: argparse.Namespace, licensed: Licensed, consent: Consent, name: str | None) -> None:
    """Import, and say where the bundle lies and what it costs.

    Args:
        arguments: of the command.
        name: of the bundle; None for that of the file.

    Raises:
        PublishedError: the network cannot be had or read, or its licence is refused.
        ParityError: our graph and the publisher's differ.
    """
    if arguments.labels or arguments.embedding or arguments.audio:
        raise PublishedError("--labels, --embedding and --audio are for speech models, and this is a face's")
    source, text, revision = _found(arguments, licensed, consent)
    kind = source.kind
    licence = licensed(kind.publisher.name, kind.publisher.licence)
    told = ", ".join(kind.outputs)
    note(f"{source.path.name}: {kind.publisher.name} ({kind.publisher.address}); {told}; licence {licence.spdx}")
    words = described(source, name or source.path.stem.lower().replace(" ", "-"), arguments.version, licence)
    written = write_published_face(source, words, arguments.out, text, revision)
    face_ms = processor_ms(written, {"image": made_pictures(kind.size_px)[0][None]})
    note(f"a face takes {face_ms:.0f} ms of one core; the service looks at most ten times a second")
    say(f"bundle: {written}")


def _found(arguments: argparse.Namespace, licensed: Licensed, consent: Consent) -> tuple[PublishedGraph, str, str]:
    """The publisher's file, the text of its licence, and the commit that it was fetched from."""
    source = str(arguments.source)
    if source.startswith(PREFIX):
        spdx = licensed(EMOTIEFFLIB.name, EMOTIEFFLIB.licence).spdx
        fetched = download(source.removeprefix(PREFIX), arguments.downloads, lambda text: consent(source, spdx, text))
        return PublishedGraph(fetched.file), fetched.licence_text, COMMIT
    file = Path(source)
    if not file.is_file():
        raise PublishedError(f"{file}: no such file")
    return PublishedGraph(file), licence_text(file.parent), ""


def processor_ms(bundle: Path, inputs: Mapping[str, Array]) -> float:
    """Processor time of the second run of a bundle's graph, on one thread."""
    session = Session(bundle / "model.onnx", device="cpu", threads=1)
    session.run(inputs, session.output_names)
    started_s = time.thread_time()
    session.run(inputs, session.output_names)
    return 1e3 * (time.thread_time() - started_s)
