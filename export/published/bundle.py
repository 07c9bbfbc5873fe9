"""Published models as bundles: checked against the publisher's own program, then written."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from export.bundle.card import EMBEDDING_USE, SPEECH_EMOTION_USE, BundleFacts, BundleText, Setting, build_card
from export.bundle.write import MAX_GRAPH_BYTES, TENSORS_ROLE, Content, write_bundle
from export.corpora.audio import stack
from export.evaluation.verification import (
    BATCH_TOLERANCE,
    Clip,
    Verification,
    batch_check,
    clips_of,
    difference_check,
    refuse_difference,
    scaled_difference,
    verification,
)
from export.published.folder import PUBLISHED, PublishedError
from service.card import Card, Member, Parity, SpeechInput, Task, read_card
from service.pipeline.device.session import Session

GRAPH_FILE_NAME, TENSORS_FILE_NAME = "model.onnx", "model.tensors"
TOLERANCE = 1e-4
"""Largest difference from the publisher's program, in units of the largest number wanted where that is above 1."""

WINDOW_S, HOP_S, MAX_LENGTH_S = 6.0, 3.0, 30.0
"""Utterances of the corpora that published models learn from last some 3 to 11 s; Whisper hears 30 s."""

Answers = Mapping[str, NDArray[np.float32]]
Program = Callable[[Clip], Answers]
"""The publisher's program on one clip: answers by output, float32 [1, …]."""


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


@dataclass(frozen=True)
class Source:
    """A published model that was checked and can be written.

    Attributes:
        task: 'speech-emotion', or 'speech-embedding' of an encoder alone.
        title: encoder and kind of answers, for people.
        network: of the card's member.
        preset: name of the front end.
        sample_rate_hz: that it hears.
        shortest_samples: fewest samples of a clip.
        published_labels: the publisher's names of its outputs.
        labels: our names of its classes; none where it has dimensions alone.
        weights_sha256: of its file of weights.
        make_graph: makes the graph; takes strings to be kept inside the file.
        answers: the publisher's program on one clip.
        program: name and version of that program.
        made_with: packages whose versions the card tells.
    """

    task: Task
    title: str
    network: str
    preset: str
    sample_rate_hz: int
    shortest_samples: int
    published_labels: Sequence[str]
    labels: Sequence[str]
    weights_sha256: str
    make_graph: Callable[[Mapping[str, str]], onnx.ModelProto]
    answers: Program
    program: str
    made_with: Sequence[str]


def write_published(source: Source, text: BundleText, origin: Origin, out: Path, recordings: Sequence[Clip]) -> Path:
    """Write ``out/<name>/<version>/``.

    Args:
        recordings: at the model's rate; the graph is compared with the publisher's program on them.

    Raises:
        PublishedError: its weights are of another network.
        ParityError: graph and program differ, or an answer depends on its batch; nothing is left behind.
    """
    speech = SpeechInput(
        sample_rate_hz=source.sample_rate_hz,
        window_s=WINDOW_S,
        hop_s=HOP_S,
        min_length_s=source.shortest_samples / source.sample_rate_hz,
        max_length_s=MAX_LENGTH_S,
        preset=source.preset,
    )
    clips = clips_of(speech, recordings)
    with tempfile.TemporaryDirectory() as scratch:
        contents = save_graph(source.make_graph(text.metadata), Path(scratch))
        session = Session(Path(scratch) / GRAPH_FILE_NAME, device="cpu", threads=1)
        difference, batch_difference = differences(session, source.answers, clips)
        refuse_difference(text.name, difference, TOLERANCE, "the publisher's program")
        refuse_difference(text.name, batch_difference, BATCH_TOLERANCE, "itself in a batch")
        facts = _facts(source, text, origin, speech, session, difference, len(clips))
        return write_bundle(out, contents, partial(build_card, text, facts))


def save_graph(model: onnx.ModelProto, folder: Path) -> dict[str, Content]:
    """Save a graph, with its tensors in a file beside it where one file cannot hold it; the files of the bundle."""
    contents = {GRAPH_FILE_NAME: Content(folder / GRAPH_FILE_NAME)}
    is_large = sum(len(tensor.raw_data) for tensor in model.graph.initializer) > MAX_GRAPH_BYTES
    if is_large:
        contents[TENSORS_FILE_NAME] = Content(folder / TENSORS_FILE_NAME, TENSORS_ROLE)
    onnx.save_model(model, folder / GRAPH_FILE_NAME, save_as_external_data=is_large, location=TENSORS_FILE_NAME)
    onnx.checker.check_model(str(folder / GRAPH_FILE_NAME))
    return contents


def _facts(
    source: Source,
    text: BundleText,
    origin: Origin,
    speech: SpeechInput,
    session: Session,
    difference: float,
    recordings: int,
) -> BundleFacts:
    embedding = next((tensor for tensor in session.signature.outputs if tensor.name == "embedding"), None)
    member = Member(
        network=source.network,
        weights_sha256=source.weights_sha256,
        weights_source=f"{origin.name}@{origin.revision}" if origin.revision else origin.name,
        licence=text.licence,
        dimensions=None if embedding is None else embedding.shape[1],
    )
    settings: dict[str, Setting] = {
        PUBLISHED: source.title,
        "source": origin.name,
        "revision": origin.revision,
        "files": [f"{digest}  {name}" for name, digest in origin.files.items()],
        "published_labels": list(source.published_labels),
        "licence_text": origin.licence_text,
    }
    return BundleFacts(
        task=source.task,
        intended_use=SPEECH_EMOTION_USE if source.task == "speech-emotion" else EMBEDDING_USE,
        speech=speech,
        settings=settings,
        labels=source.labels,
        members=[member],
        parity=Parity(
            tolerance=TOLERANCE,
            largest_difference=difference,
            against=f"{source.program} on {recordings} recordings, each alone",
        ),
        made_with=source.made_with,
        source=member.weights_source,
    )


def verify_published_bundle(
    folder: Path, recordings: Sequence[Clip], read: Callable[[Card], Source] | None = None
) -> Verification:
    """Compare a bundle's graph with itself in a batch, and with the publisher's program.

    Args:
        read: reads the publisher's files; None where they are not at hand.

    Raises:
        PublishedError: these files cannot be read, or hold other weights than those of the bundle.
    """
    card = read_card(folder)
    assert card.speech is not None
    clips = clips_of(card.speech, recordings)
    session = Session(folder / card.file_with_role("model"), device="cpu", threads=1)
    source = None if read is None else read(card)
    if source is not None and source.weights_sha256 != card.members[0].weights_sha256:
        raise PublishedError(f"these are not the weights that {card.name} {card.version} is made of")
    difference, batch_difference = differences(session, None if source is None else source.answers, clips)
    return verification(
        card,
        len(clips),
        difference_check("published", difference if source else None, TOLERANCE),
        batch_check(batch_difference),
    )


def differences(session: Session, program: Program | None, clips: Sequence[Clip]) -> tuple[float, float]:
    """Largest differences of an output: from the publisher's program, each clip alone, and between alone and batch."""
    names = session.output_names

    def run(some: Sequence[Clip]) -> Answers:
        waveform, lengths = stack(some)
        return session.run({"waveform": waveform, "lengths": lengths}, names)

    together = run(clips)
    difference, batch = 0.0, 0.0
    for number, clip in enumerate(clips):
        alone = run([clip])
        batch = np.max([batch, *(scaled_difference(together[name][number], alone[name][0]) for name in names)])
        if program is not None:
            answers = program(clip)
            difference = np.max([difference, *(scaled_difference(alone[name], answers[name]) for name in answers)])
    return float(difference), float(batch)  # NaN if any is
