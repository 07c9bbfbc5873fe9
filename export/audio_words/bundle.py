"""Bundles of the bag of audio words: graph of a codebook, parity check, card."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from export.audio_words.codebook import Codebook, audio_words_features
from export.audio_words.descriptors import FRAME_SAMPLES, SAMPLE_RATE_HZ, low_level_descriptors
from export.audio_words.graph import audio_words_model
from export.bundle.card import BundleFacts, BundleText, build_card
from export.bundle.parity import by_graph, measured_parity
from export.bundle.write import Content, write_bundle
from export.corpora.licences import strictest_licence
from export.evaluation.verification import Clip
from service.card import Member, SpeechInput, TrainingData

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
class AudioWordsPlan:
    """Name, parameters and training data of a bundle."""

    name: str
    version: str
    assignments: int
    logarithm: bool
    seed: int
    data: tuple[TrainingData, ...]


def write_audio_words_bundle(codebook: Codebook, about: AudioWordsPlan, out: Path, recordings: Sequence[Clip]) -> Path:
    """Write ``out/<name>/<version>/`` and check the graph against NumPy on ``recordings``.

    Raises:
        ParityError: they differ by more than :data:`TOLERANCE`; nothing is left behind.
    """
    size = len(codebook.words)
    licence = strictest_licence(about.data)
    text = BundleText(
        name=about.name,
        version=about.version,
        title=f"Bag of {size} audio words",
        description=(
            f"Shares of {size} random example frames (MFCC 1–12 and log energy, 25 ms every 10 ms) among the frames "
            f"of a recording, {about.assignments} nearest a frame."
        ),
        licence=licence,
        training_data=about.data,
        known_limits=(
            "The log energy makes it depend on the level of the recording.",
            "A frame that lies between two codewords may fall to either in another implementation; this moves one "
            "share by 1 / (frames · assignments).",
            f"A recording below {1000 * FRAME_SAMPLES // SAMPLE_RATE_HZ} ms has no frame and gives zeros.",
        ),
    )
    graph = audio_words_model(codebook, about.assignments, text.metadata, about.logarithm).SerializeToString()
    by_numpy = partial(bags_by_numpy, codebook=codebook, assignments=about.assignments, logarithm=about.logarithm)
    pair = by_graph(graph, "embedding"), by_numpy
    facts = BundleFacts(
        task="speech-embedding",
        intended_use=INTENDED_USE,
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
        members=[Member(network=NETWORK, weights_source="training frames", licence=licence, dimensions=size)],
        parity=measured_parity(about.name, [pair], recordings, TOLERANCE, f"NumPy {np.__version__} in float64"),
        made_with=("numpy",),
    )
    return write_bundle(out, {GRAPH_FILE_NAME: Content(graph)}, partial(build_card, text, facts))


def bags_by_numpy(clips: Sequence[Clip], codebook: Codebook, assignments: int, logarithm: bool) -> NDArray[np.float32]:
    """Bags that NumPy counts in float64, float32 [clips, words]."""
    return audio_words_features([low_level_descriptors(clip) for clip in clips], codebook, assignments, logarithm)
