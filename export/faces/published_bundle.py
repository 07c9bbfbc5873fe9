"""A published network of cropped faces as a bundle: compared with the publisher's own graph, then written."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from export.bundle.card import BundleFacts, BundleText, Setting, build_card
from export.bundle.write import Content, write_bundle
from export.evaluation.verification import refuse_difference, scaled_difference
from export.faces.published_graph import PublishedGraph
from export.published.folder import PUBLISHED, PublishedError
from service.card import Licence, Member, Parity
from service.pipeline.device.session import GraphError, Session

TOLERANCE = 1e-5
"""Largest difference from the publisher's program on the same crop: the same operators, in another frame."""

PICTURES = 4
"""Made crops on which both are compared."""

INTENDED_USE = (
    "Estimating the facial expression of emotion in videos, for research and as one input among others to people in "
    "health care. Not a diagnosis, not a lie detector, not a judgement of what a person feels. The EU AI Act "
    "(Regulation 2024/1689, article 5(1)(f)) prohibits emotion recognition at work and in education except for medical "
    "or safety reasons; elsewhere it is high-risk and people must be told."
)


def made_pictures(size_px: int, seed: int = 0) -> list[NDArray[np.float32]]:
    """Crops to compare graphs on, float32 [size, size, 3] in 0…1: noise, from fine to coarse."""
    generator = np.random.default_rng(seed)
    pictures = []
    for number in range(PICTURES):
        cells = generator.random((max(size_px >> (2 * number), 2),) * 2 + (3,))
        repeat = -(-size_px // len(cells))
        pictures.append(np.kron(cells, np.ones((repeat, repeat, 1)))[:size_px, :size_px].astype(np.float32))
    return pictures


def write_published_face(
    source: PublishedGraph, text: BundleText, out: Path, licence_text: str, revision: str = ""
) -> Path:
    """Write ``out/<name>/<version>/``.

    Args:
        source: the publisher's file.
        text: the part of the card that a person decides.
        licence_text: the publisher's licence, as far as it was at hand.
        revision: commit of the publisher's that the file was fetched from; empty of a file at hand.

    Raises:
        PublishedError: the file cannot be read, or gives numbers that are not finite.
        ParityError: graph and program differ; nothing is left behind.
    """
    kind = source.kind
    model = source.framed(text.metadata)
    data = model.SerializeToString(deterministic=True)
    difference = _difference(source, data, made_pictures(kind.size_px))
    refuse_difference(text.name, difference, TOLERANCE, "the publisher's graph")
    settings: dict[str, Setting] = {
        PUBLISHED: kind.publisher.name,
        "source": kind.publisher.address,
        "revision": revision,
        "files": [f"{source.sha256}  {source.path.name}"],
        "licence_text": licence_text,
        "image_px": kind.size_px,
        "crop": kind.publisher.crop,
        "action_units": list(kind.action_units),
    }
    facts = BundleFacts(
        task="face-expression",
        intended_use=INTENDED_USE,
        settings=settings,
        labels=kind.labels,
        members=[
            Member(
                network=source.path.stem,
                weights_sha256=source.sha256,
                weights_source=f"{kind.publisher.address}@{revision}" if revision else source.path.name,
                licence=text.licence,
            )
        ],
        parity=Parity(
            tolerance=TOLERANCE,
            largest_difference=difference,
            against=f"ONNX Runtime on the publisher's graph, {PICTURES} made crops",
        ),
        made_with=("onnx", "numpy"),
        source=kind.publisher.address,
    )
    return write_bundle(out, {"model.onnx": Content(data)}, partial(build_card, text, facts))


def described(source: PublishedGraph, name: str, version: str, licence: Licence) -> BundleText:
    """The texts of the card."""
    kind, publisher = source.kind, source.kind.publisher
    told = ", ".join(output.replace("_", " ") for output in kind.outputs)
    return BundleText(
        name=name,
        version=version,
        title=f"{publisher.name}'s {source.path.stem}: {told}",
        description=(
            f"A network that {publisher.name} publishes, as its own program computes it from a face cut out of the "
            f"picture ({kind.size_px} pixels wide); not trained here."
        ),
        licence=licence,
        known_limits=(
            *publisher.limits,
            "How well it does, and on whom, is for its publisher to say: nothing was measured here.",
            "It looks at single pictures and knows no resting face: a face that looks stern at rest stays stern.",
        ),
    )


def _difference(source: PublishedGraph, model: bytes, pictures: Sequence[NDArray[np.float32]]) -> float:
    """Largest difference between the bundle's graph and the publisher's, in units of the larger of 1 and the number."""
    try:
        session = Session(model, device="cpu")
    except GraphError as error:
        raise PublishedError(f"{source.path}: {error}") from error
    largest = 0.0
    for picture in pictures:
        wanted = source.answers(picture)
        found = session.run({"image": picture[None]}, tuple(wanted))
        if not all(np.isfinite(values).all() for values in wanted.values()):
            raise PublishedError(f"{source.path}: gives numbers that are not finite: the file is broken")
        largest = max(largest, *(scaled_difference(found[name], wanted[name]) for name in wanted))
    return largest
