"""Published models as bundles: checked against the publisher's own program, then written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import transformers
from numpy.typing import NDArray

from export.bundle.card import SPEECH_EMOTION_USE, BundleFacts, BundleText, Setting, build_card
from export.bundle.write import Content, write_bundle
from export.corpora.audio import stack
from export.evaluation.verification import (
    BATCH_TOLERANCE,
    Clip,
    Verification,
    batch_check,
    clips_of,
    difference_check,
    refuse_difference,
    verification,
)
from export.published.folder import PUBLISHED, PublishedError, PublishedFolder
from export.published.network import published_model
from export.published.reading import Published, checked
from service.card import Member, Parity, SpeechInput, read_card
from service.pipeline.device.session import Session

GRAPH_FILE_NAME = "model.onnx"
TOLERANCE = 1e-4
"""Largest difference from the publisher's program, in units of the largest number wanted where that is above 1."""

WINDOW_S, HOP_S, MAX_LENGTH_S = 6.0, 3.0, 30.0
"""Utterances of the corpora that published models learn from last some 3 to 11 s; Whisper hears 30 s."""

Answers = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Origin:
    """Where a model comes from.

    Attributes:
        name: the publisher's name of it, or the folder's.
        revision: commit of the hub; empty of a folder.
        files: sha256 of every file by name.
        licence_text: as it was shown.
    """

    name: str
    revision: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    licence_text: str = ""


def write_published(
    published: Published, labels: Sequence[str], text: BundleText, origin: Origin, out: Path, recordings: Sequence[Clip]
) -> Path:
    """Write ``out/<name>/<version>/``.

    Args:
        labels: our names of its classes.
        recordings: at the model's rate; the graph is compared with the publisher's program on them.

    Raises:
        PublishedError: its weights are of another network.
        ParityError: graph and program differ, or an answer depends on its batch; nothing is left behind.
    """
    rate_hz, shortest = published.folder.sample_rate_hz, published.family.shortest_samples
    speech = SpeechInput(
        sample_rate_hz=rate_hz,
        window_s=WINDOW_S,
        hop_s=HOP_S,
        min_length_s=shortest / rate_hz,
        max_length_s=MAX_LENGTH_S,
        preset=f"{PUBLISHED}-{published.folder.config['model_type']}",
    )
    model = published_model(published.network(), rate_hz, text.metadata)
    graph = model.SerializeToString()
    del model
    clips = clips_of(speech, recordings)
    difference, batch_difference = _differences(Session(graph, device="cpu", threads=1), published, clips)
    refuse_difference(text.name, difference, TOLERANCE, "the publisher's program")
    refuse_difference(text.name, batch_difference, BATCH_TOLERANCE, "itself in a batch")
    member = Member(
        network=published.family.title,
        weights_sha256=published.folder.sha256_of_weights,
        weights_source=f"{origin.name}@{origin.revision}" if origin.revision else origin.name,
        licence=text.licence,
        dimensions=int(published.folder.config.get("hidden_size") or published.folder.config["d_model"]),
    )
    settings: dict[str, Setting] = {
        PUBLISHED: published.title,
        "source": origin.name,
        "revision": origin.revision,
        "files": [f"{digest}  {name}" for name, digest in origin.files.items()],
        "published_labels": published.folder.labels,
        "licence_text": origin.licence_text,
    }
    facts = BundleFacts(
        task="speech-emotion",
        intended_use=SPEECH_EMOTION_USE,
        speech=speech,
        settings=settings,
        labels=labels,
        members=[member],
        parity=Parity(
            tolerance=TOLERANCE,
            largest_difference=difference,
            against=f"transformers {transformers.__version__} on {len(clips)} recordings, each alone",
        ),
        made_with=("torch", "transformers"),
        source=member.weights_source,
    )
    return write_bundle(out, {GRAPH_FILE_NAME: Content(graph)}, partial(build_card, text, facts))


def verify_published_bundle(folder: Path, recordings: Sequence[Clip], source: Path | None = None) -> Verification:
    """Compare a bundle's graph with itself in a batch, and with the publisher's program.

    Args:
        source: folder of the publisher's files; None where they are not at hand.

    Raises:
        PublishedError: ``source`` cannot be read, or holds other weights than those of the bundle.
    """
    card = read_card(folder)
    assert card.speech is not None
    clips = clips_of(card.speech, recordings)
    session = Session(folder / card.file_with_role("model"), device="cpu", threads=1)
    published = None if source is None else checked(PublishedFolder(source))
    if published is not None and published.folder.sha256_of_weights != card.members[0].weights_sha256:
        raise PublishedError(f"{published.folder.weights}: not the weights that {card.name} {card.version} is made of")
    difference, batch_difference = _differences(session, published, clips)
    return verification(
        card,
        len(clips),
        difference_check("transformers", difference if published else None, TOLERANCE),
        batch_check(batch_difference),
    )


def _differences(session: Session, published: Published | None, clips: Sequence[Clip]) -> tuple[float, float]:
    """Largest differences of an output: from the publisher's program, each clip alone, and between alone and batch."""
    names = session.output_names

    def run(some: Sequence[Clip]) -> Answers:
        waveform, lengths = stack(some)
        return session.run({"waveform": waveform, "lengths": lengths}, names)

    together = run(clips)
    program, batch = 0.0, 0.0
    for number, clip in enumerate(clips):
        alone = run([clip])
        batch = max(batch, *(_difference(together[name][number], alone[name][0]) for name in names))
        if published is not None:
            answers = published.answers(clip)
            program = max(program, *(_difference(alone[name], answers[name]) for name in names))
    return program, batch


def _difference(found: NDArray[np.float32], wanted: NDArray[np.float32]) -> float:
    """Largest difference of a number, in units of the largest one wanted where that is above 1."""
    return float(np.abs(found - wanted).max() / max(1.0, float(np.abs(wanted).max())))
