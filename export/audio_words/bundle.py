"""From training frames to a bundle of the bag of audio words: codebook, graph, check, card."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from export.audio_words.codebook import Codebook, audio_words_features
from export.audio_words.descriptors import FRAME_SAMPLES, SAMPLE_RATE_HZ, low_level_descriptors
from export.audio_words.graph import audio_words_model
from export.bundle.parity import refuse_difference
from export.bundle.write import Content, write_bundle
from export.corpora.audio import stack
from export.corpora.licences import strictest_licence
from service import __version__
from service.card import Card, FileEntry, Member, Parity, SpeechInput, TrainingData
from service.pipeline.device.session import Session

Samples = NDArray[np.float32]

GRAPH_FILE_NAME = "audio-words.onnx"
NETWORK = "bag-of-audio-words"
TOLERANCE = 1e-5
"""Largest difference of a share between NumPy in float64 and ONNX Runtime."""

WINDOW_S = 5.0
MAX_LENGTH_S = 60.0
MIN_LENGTH_S = 0.08

INTENDED_USE = (
    "A fixed-length description of a recording for classifiers, as a yardstick for learnt embeddings. It holds "
    "nothing that would allow a conclusion without a classifier, whose own rules of use apply."
)


@dataclass(frozen=True)
class AudioWordsBundle:
    """What the bundle is made with."""

    name: str
    version: str
    assignments: int
    logarithm: bool
    seed: int
    data: tuple[TrainingData, ...]


def write_audio_words_bundle(codebook: Codebook, about: AudioWordsBundle, out: Path, recordings: list[Samples]) -> Path:
    """Write ``out/<name>/<version>/`` and check the graph against NumPy on ``recordings``.

    Raises:
        ParityError: they differ by more than :data:`TOLERANCE`; nothing is left behind.
    """
    size = len(codebook.words)
    licence = strictest_licence(about.data)
    metadata = {"author": "Emoserve", "licence": licence.spdx, "name": about.name, "version": about.version}
    graph = audio_words_model(codebook, about.assignments, metadata, about.logarithm).SerializeToString()
    difference = largest_difference(graph, codebook, about, recordings)
    refuse_difference(about.name, difference, TOLERANCE, "NumPy")

    def card(files: dict[str, FileEntry]) -> Card:
        return Card(
            name=about.name,
            version=about.version,
            task="speech-embedding",
            title=f"Bag of {size} audio words",
            description=(
                f"Shares of {size} random example frames (MFCC 1–12 and log energy, 25 ms every 10 ms) among the "
                f"frames of a recording, {about.assignments} nearest a frame."
            ),
            speech=SpeechInput(
                sample_rate_hz=SAMPLE_RATE_HZ,
                window_s=WINDOW_S,
                hop_s=WINDOW_S,
                min_length_s=MIN_LENGTH_S,
                max_length_s=MAX_LENGTH_S,
                preset=NETWORK,
            ),
            settings={
                "codebook_size": size,
                "assignments": about.assignments,
                "logarithm": about.logarithm,
                "seed": about.seed,
            },
            licence=licence,
            members=[Member(network=NETWORK, weights_source="training frames", licence=licence, dimensions=size)],
            training_data=list(about.data),
            intended_use=INTENDED_USE,
            known_limits=[
                "The log energy makes it depend on the level of the recording.",
                "A frame that lies between two codewords may fall to either in another implementation; this moves "
                "one share by 1 / (frames · assignments).",
                f"A recording below {1000 * FRAME_SAMPLES // SAMPLE_RATE_HZ} ms has no frame and gives zeros.",
            ],
            exporter={"emoserve": __version__, "numpy": np.__version__, "python": platform.python_version()},
            parity=Parity(
                tolerance=TOLERANCE,
                largest_difference=difference,
                against=f"NumPy {np.__version__} in float64 on {len(recordings)} recordings, alone and in one batch",
            ),
            files=files,
        )

    return write_bundle(out, {GRAPH_FILE_NAME: Content(graph)}, card)


def largest_difference(graph: bytes, codebook: Codebook, about: AudioWordsBundle, recordings: list[Samples]) -> float:
    """Largest difference of a value between graph and NumPy, each recording alone and all in one batch."""
    session = Session(graph, device="cpu", threads=1)
    descriptors = [low_level_descriptors(recording) for recording in recordings]
    expected = audio_words_features(descriptors, codebook, about.assignments, about.logarithm)
    worst = 0.0
    for first, batch in [(index, [recording]) for index, recording in enumerate(recordings)] + [(0, recordings)]:
        waveform, lengths = stack(batch)
        answer = session.run({"waveform": waveform, "lengths": lengths}, ("embedding",))["embedding"]
        worst = max(worst, float(np.abs(answer - expected[first : first + len(batch)]).max()))
    return worst
