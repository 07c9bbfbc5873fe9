"""Encoders alone as bundles: layers of the recogniser and the GE2E encoder's, and what tells voices apart.

The first two are of the task 'speech-embedding', the third of 'speaker-embedding'. An embedding is a mean over time of
what layers give (B15), or mean and deviation for GE2E. It is no emotion: a classifier is trained on it.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor

from export.bundle.card import EMBEDDING_USE, BundleFacts, BundleText, Setting, build_card
from export.bundle.parity import by_graph, measured_parity
from export.bundle.write import Content, write_bundle
from export.evaluation.verification import (
    Clip,
    Compute,
    Verification,
    alone_and_together,
    batch_check,
    clips_of,
    difference_check,
    scaled_difference,
    verification,
)
from export.graph.high_pass import BELOW_SPEECH, high_passed
from export.speech_representations.encoder import PRESET, WEIGHTS_SHA256
from export.speech_representations.graph import encoder_model, read_encoder_graph
from export.speech_representations.inputs import GE2E, RECOGNISER, SPEAKERS, SPEECH, magnitudes, mel_power
from export.speech_representations.network import POOLED, VoiceEncoder
from export.speech_representations.recogniser.graph import read_recogniser, recogniser_model
from export.speech_representations.recogniser.network import Recogniser, RecogniserConfig, layer_means
from export.speech_representations.recogniser.spectrogram import (
    FFT_SAMPLES,
    HOP_SAMPLES,
)
from export.speech_representations.speakers import EMBEDDING, SpeakerEncoder, read_speaker_graph, speaker_model
from service.card import Card, Member, read_card

BATCH_SIZE = 32
GRAPH_FILE_NAME = "encoder.onnx"
TOLERANCE = 1e-4
REFERENCE_TOLERANCE = 1e-3
"""Largest difference from PyTorch, and from librosa's front end with PyTorch behind: see :func:`scaled_difference`."""

SPEAKERS_USE = (
    "Telling which stretches of one recording are spoken by the same person, so that answers can be given for each. "
    "It identifies nobody: it compares a recording with itself alone."
)

Front = Callable[[Sequence[Clip]], tuple[Tensor, Tensor]]
"""A front end: clips to what the network takes, and the frames of each."""


def write_recogniser(
    network: Recogniser, layers: Sequence[int], text: BundleText, out: Path, recordings: Sequence[Clip]
) -> Path:
    """Write the means of the recogniser's layers as ``out/<name>/<version>/``.

    Args:
        layers: numbers from 1 on.

    Raises:
        ParityError: graph and network differ on ``recordings``.
    """
    model = recogniser_model(network, layers, text.metadata)
    settings: dict[str, Setting] = {"network": network.config.to_text(), "layers": list(layers)}
    member = Member(network=RECOGNISER, licence=text.licence, dimensions=network.config.units * len(layers))
    return _write(model, _recogniser(network, layers, magnitudes), text, settings, member, out, recordings)


def write_ge2e(encoder: VoiceEncoder, text: BundleText, out: Path, recordings: Sequence[Clip]) -> Path:
    """Write mean and deviation of the GE2E encoder's three layers as ``out/<name>/<version>/``.

    Raises:
        ParityError: graph and network differ on ``recordings``.
    """
    model = encoder_model(encoder, text.metadata)
    settings: dict[str, Setting] = {"equalisation": encoder.equalisation}
    member = Member(network=GE2E, weights_sha256=WEIGHTS_SHA256, licence=text.licence, dimensions=POOLED)
    return _write(model, _ge2e(encoder, mel_power), text, settings, member, out, recordings)


def write_speakers(
    network: SpeakerEncoder, threshold: float, text: BundleText, out: Path, recordings: Sequence[Clip]
) -> Path:
    """Write the encoder that tells voices apart as ``out/<name>/<version>/``.

    Args:
        threshold: cosine similarity of two groups of windows from which on they are one voice.

    Raises:
        ParityError: graph and network differ on ``recordings``.
    """
    model = speaker_model(network, text.metadata)
    member = Member(network=SPEAKERS, weights_sha256=WEIGHTS_SHA256, licence=text.licence, dimensions=EMBEDDING)
    return _write(model, _ge2e(network, mel_power), text, {"threshold": threshold}, member, out, recordings)


def _write(
    model: onnx.ModelProto,
    network: Compute,
    text: BundleText,
    settings: dict[str, Setting],
    member: Member,
    out: Path,
    recordings: Sequence[Clip],
) -> Path:
    graph = model.SerializeToString()
    facts = BundleFacts(
        task="speaker-embedding" if member.network == SPEAKERS else "speech-embedding",
        intended_use=SPEAKERS_USE if member.network == SPEAKERS else EMBEDDING_USE,
        speech=SPEECH[member.network],
        settings=settings,
        members=[member],
        parity=measured_parity(text.name, [(by_graph(graph, "embedding"), network)], recordings, TOLERANCE),
        made_with=("torch",),
    )
    return write_bundle(out, {GRAPH_FILE_NAME: Content(graph)}, partial(build_card, text, facts))


def is_encoder_bundle(card: Card) -> bool:
    """Whether the bundle is of this module."""
    return [member.network for member in card.members] in ([RECOGNISER], [GE2E], [SPEAKERS])


def verify_encoder_bundle(folder: Path, recordings: Sequence[Clip]) -> Verification:
    """Compare the graph with PyTorch, with itself in a batch, and with librosa's front end."""
    card = read_card(folder)
    assert card.speech is not None
    file = folder / card.file_with_role("model")
    clips = clips_of(card.speech, recordings)
    alone, batch_difference = alone_and_together(by_graph(file, "embedding"), clips)
    own, reference = _networks(card, onnx.load(file))

    def largest(other: Compute) -> float:
        return scaled_difference(alone, np.concatenate([other([clip]) for clip in clips]))

    return verification(
        card,
        len(clips),
        difference_check("torch", largest(own), TOLERANCE),
        batch_check(batch_difference),
        replace(
            difference_check("librosa", largest(reference), REFERENCE_TOLERANCE),
            figure="reference_difference",
            limit="reference_tolerance",
        ),
    )


def _networks(card: Card, model: onnx.ModelProto) -> tuple[Compute, Compute]:
    """The bundle's network in PyTorch behind its own front end, and behind librosa's."""
    if card.members[0].network == SPEAKERS:
        speakers = read_speaker_graph(model)
        return _ge2e(speakers, mel_power), _ge2e(speakers, _librosa_power)
    if card.members[0].network == GE2E:
        encoder = read_encoder_graph(model, card.number("equalisation"))
        return _ge2e(encoder, mel_power), _ge2e(encoder, _librosa_power)
    network = read_recogniser(model, RecogniserConfig.from_text(str(card.settings["network"])))
    chosen = card.settings["layers"]
    assert isinstance(chosen, list)
    layers = [int(layer) for layer in chosen]
    return _recogniser(network, layers, magnitudes), _recogniser(network, layers, _librosa_magnitudes)


def _recogniser(network: Recogniser, layers: Sequence[int], front: Front) -> Compute:
    def compute(clips: Sequence[Clip]) -> NDArray[np.float32]:
        with torch.inference_mode():
            means = layer_means(*network.eval().states(*front(clips)))
        return torch.cat([means[layer - 1] for layer in layers], dim=1).numpy()

    return compute


def _ge2e(encoder: VoiceEncoder | SpeakerEncoder, front: Front) -> Compute:
    def compute(clips: Sequence[Clip]) -> NDArray[np.float32]:
        with torch.inference_mode():
            pooled: NDArray[np.float32] = encoder(*front(clips)).numpy()
        return pooled

    return compute


def represent(encoder: VoiceEncoder, clips: Sequence[Clip], done: Callable[[], None]) -> NDArray[np.float32]:
    """Pooled layers of each clip, float32 [clips, 1536]; ``done`` is called after each batch."""
    compute, rows = _ge2e(encoder, mel_power), []
    for start in range(0, len(clips), BATCH_SIZE):
        rows.append(compute(clips[start : start + BATCH_SIZE]))
        done()
    return np.concatenate(rows)


def _librosa_magnitudes(clips: Sequence[Clip]) -> tuple[Tensor, Tensor]:
    import librosa  # slow to import
    import scipy.signal

    (clip,) = clips
    window = scipy.signal.windows.hamming(FFT_SAMPLES)
    bins = np.abs(librosa.stft(clip, n_fft=FFT_SAMPLES, hop_length=HOP_SAMPLES, window=window, pad_mode="constant"))
    return torch.from_numpy(bins.astype(np.float32))[None], torch.tensor([bins.shape[1]])


def _librosa_power(clips: Sequence[Clip]) -> tuple[Tensor, Tensor]:
    (clip,) = clips
    power = librosa_power(clip)
    return torch.from_numpy(power)[None], torch.tensor([len(power)])


def librosa_power(clip: Clip) -> NDArray[np.float32]:
    """Mel power of one clip as librosa computes it, float32 [frames, 40]."""
    import librosa  # slow to import

    power: NDArray[np.float32] = librosa.feature.melspectrogram(
        y=high_passed(clip, PRESET.sample_rate_hz, BELOW_SPEECH),
        sr=PRESET.sample_rate_hz,
        n_fft=PRESET.fft_samples,
        hop_length=PRESET.hop_samples,
        n_mels=PRESET.bands,
        pad_mode="constant",
    ).T.astype(np.float32)
    return power
