"""Bundles of emotion networks: what EmoNet and the network on GE2E have in common."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.torch import save
from torch import nn

from export.bundle.card import SPEECH_EMOTION_USE, BundleFacts, BundleText, build_card
from export.bundle.measurements import UAR
from export.bundle.parity import by_graph, measured_parity
from export.bundle.write import Content, write_bundle
from export.evaluation.calibration import Calibration
from export.evaluation.verification import (
    Check,
    Clip,
    Compute,
    Verification,
    alone_and_together,
    batch_check,
    clips_of,
    difference_check,
    verification,
)
from service.card import Card, Doubt, SpeechInput, read_card

WEIGHTS_FILE_NAME = "weights.safetensors"
TOLERANCE = 1e-4
"""Largest difference of a probability between PyTorch and ONNX Runtime; both run in fp32."""


@dataclass(frozen=True)
class EmotionText(BundleText):
    """Text and settings of the card that do not follow from the network.

    Attributes:
        calibration_corpora: whose devel partitions the calibration is fitted on; empty means all that were seen.
    """

    preset: str = "open"
    hop_s: float = 1.0
    min_length_s: float = 0.08
    calibration_corpora: Sequence[str] = ()


@dataclass(frozen=True)
class DomainGraph:
    """The graph of one domain of a network, its name in the bundle, and its reference in PyTorch."""

    data: bytes
    file_name: str
    reference: Compute


@dataclass(frozen=True)
class Drawn:
    """A network as it goes into a bundle.

    Attributes:
        graph: the exported file.
        graph_file_name: its name in the bundle.
        reference: the network in PyTorch, behind its front end.
        settings: what the card says of the network, so that it can be made again from its weights.
        folded: the network where its weights cannot be read from the graph; they are kept in a file of their own.
        domains: classes of each domain, where there are several; ``graph`` is that of the first.
        further: graphs of the other domains.
    """

    graph: bytes
    graph_file_name: str
    reference: Compute
    settings: str
    labels: Sequence[str]
    folded: nn.Module | None = None
    domains: Mapping[str, Sequence[str]] = field(default_factory=dict)
    further: Mapping[str, DomainGraph] = field(default_factory=dict)


Statistics = NDArray[np.float32]
"""Means over the windows of recordings that a graph tells, float32 [recordings, numbers]."""

LearnFamiliar = Callable[[Sequence[Statistics]], Callable[[Statistics], NDArray[np.float32]]]
"""Takes statistics of each corpus of the training; gives what tells unfamiliarity, float32 [recordings], of others."""


@dataclass(frozen=True)
class EmotionSource:
    """Weights that can be written as a bundle, and what was found out about them before.

    Attributes:
        write: writes a bundle below a folder, checked on recordings, and returns its folder.
        calibration: as the training or the former export fitted it, None if neither did.
        rivals: corpus to system to its test UAR, from the former card.
        doubt: bound of plausible labels as the training or the former export fitted it.
        class_prior: share of each class that the network expects under ``calibration``.
        preset: front end that the weights know, where there are several.
        learn_familiar: lets the network know the speech of its training, where it can tell it from other speech.
    """

    write: Callable[[EmotionText, Calibration, Path, list[NDArray[np.float32]]], Path]
    calibration: Calibration | None
    rivals: dict[str, dict[str, float]] = field(default_factory=dict)
    doubt: Doubt | None = None
    class_prior: dict[str, float] | None = None
    preset: str = ""
    learn_familiar: LearnFamiliar | None = None


def write_emotion_bundle(
    drawn: Drawn, about: EmotionText, speech: SpeechInput, calibration: Calibration, out: Path, inputs: Sequence[Clip]
) -> Path:
    """Write ``out/<name>/<version>/`` and check the graph against the network on ``inputs``.

    Args:
        inputs: recordings, float32 [samples] at the rate of ``speech``.

    Raises:
        ParityError: graph and network differ by more than :data:`TOLERANCE`; nothing is left behind.
    """
    clips = [clip[: round(speech.max_length_s * speech.sample_rate_hz)] for clip in inputs]
    graphs = [(drawn.graph, drawn.reference), *((one.data, one.reference) for one in drawn.further.values())]
    pairs = [(by_graph(graph, "probabilities"), reference) for graph, reference in graphs]
    facts = BundleFacts(
        task="speech-emotion",
        speech=speech,
        settings={**calibration.to_settings(), "network": drawn.settings},
        intended_use=SPEECH_EMOTION_USE,
        parity=measured_parity(about.name, pairs, clips, TOLERANCE),
        made_with=("torch",),
        labels=drawn.labels,
        domains={name: list(classes) for name, classes in drawn.domains.items()},
    )
    contents = {drawn.graph_file_name: Content(drawn.graph)}
    contents |= {one.file_name: Content(one.data, f"model:{name}") for name, one in drawn.further.items()}
    if drawn.folded is not None:
        weights = save({key: value.contiguous() for key, value in drawn.folded.state_dict().items()})
        contents[WEIGHTS_FILE_NAME] = Content(weights, "weights")
    return write_bundle(out, contents, partial(build_card, about, facts))


def check_weights(card: Card, folder: Path, role: str) -> None:
    """Refuse a bundle that cannot be exported again.

    Args:
        role: the role of the file that holds its weights.

    Raises:
        ValueError: it has no weights of a network, or not those that its card names; the message is one line.
    """
    if card.task != "speech-emotion" or not isinstance(card.settings.get("network"), str):
        raise ValueError(f"{folder}: not a bundle of a network that is trained here")
    name = card.file_with_role(role)
    with (folder / name).open("rb") as stream:
        if hashlib.file_digest(stream, "sha256").hexdigest() != card.files[name].sha256:
            raise ValueError(f"{folder / name}: its sha256 is not the one of its card")


def former(
    folder: Path,
) -> tuple[Calibration, dict[str, dict[str, float]], Doubt | None, dict[str, float] | None]:
    """Calibration, rivals, bound of plausible labels and prior of the classes on the card of a bundle."""
    card = read_card(folder)
    rivals = {entry.data: dict(entry.rivals) for entry in card.measurements if entry.metric == UAR}
    return Calibration.from_settings(dict(card.settings)), rivals, card.doubt, card.class_prior


def verify_emotion_bundle(
    folder: Path,
    recordings: Sequence[Clip],
    network: Compute,
    librosa: Compute | None,
    librosa_tolerance: float,
    further: Mapping[str, Compute] | None = None,
) -> Verification:
    """Compare a bundle's graph with its network, with itself in a batch, and with librosa's front end.

    Args:
        recordings: float32 [samples] each, at the card's rate.
        network: the network in PyTorch behind its front end.
        librosa: the same behind librosa's front end; None where there is none.
        librosa_tolerance: largest difference of a probability from ``librosa``.
        further: the network in PyTorch for each domain that has a graph of its own.
    """
    card = read_card(folder)
    assert card.speech is not None
    assert card.parity is not None
    clips = clips_of(card.speech, recordings)

    def compared(role: str, *others: Compute) -> tuple[float, list[float]]:
        """Largest differences of a graph in a batch, and from other ways of computing it."""
        graph = by_graph(folder / card.file_with_role(role), "probabilities")
        alone, batch_difference = alone_and_together(graph, clips)
        found = (np.concatenate([other([clip]) for clip in clips]) for other in others)
        return batch_difference, [float(np.abs(alone - one).max()) for one in found]

    batches, differences = list[float](), list[float]()
    for role, computes in {
        "model": network,
        **{card.graph_role(name): one for name, one in (further or {}).items()},
    }.items():
        batch, (difference,) = compared(role, computes)
        batches.append(batch)
        differences.append(difference)
    found = None if librosa is None else compared("model", librosa)[1][0]
    return verification(
        card,
        len(clips),
        difference_check("torch", float(np.max(differences)), card.parity.tolerance),
        batch_check(float(np.max(batches))),
        Check("librosa", "reference_difference", "reference_tolerance", found, librosa_tolerance),
    )
