"""Frames that the systems of Lakomkin et al. hear: features of their own, and layers of a frozen encoder."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from export.corpora.audio import Waveform, read_waveform
from export.corpora.tables import Corpus
from export.graph.front_end import FrontEnd
from export.graph.high_pass import BELOW_SPEECH, high_passed
from export.speech_representations.encoder import PRESET
from export.speech_representations.recipe import frozen_encoder
from export.speech_representations.recogniser.deepspeech import read_weights
from export.speech_representations.recogniser.spectrogram import FFT_SAMPLES, HOP_SAMPLES, SAMPLE_RATE_HZ, magnitude
from export.speech_representations.spectra import cache_file

FEATURES = 27
PITCH_HZ = (60.0, 500.0)
PITCH_SAMPLES = 1024
SMOOTHED_FRAMES = 15
"""Moving average of the pitch (B11)."""

STUDIED_LAYERS = (1, 2, 3)
RECEPTIVE_CENTRE = 5
"""Step k of the recogniser hears frames 2·k − 10 to 2·k + 20."""

Frames = NDArray[np.float32]


def own_frames(waveform: Waveform) -> Frames:
    """13 MFCC, their deltas and smoothed pitch, each normalised (B11, B12): float32 [frames, 27], 100 a second.

    Pitch is librosa's YIN, without a decision on voicing, in place of openSMILE's.
    """
    import librosa  # slow to import

    mfcc = librosa.feature.mfcc(
        y=waveform, sr=SAMPLE_RATE_HZ, n_mfcc=13, n_fft=FFT_SAMPLES, hop_length=HOP_SAMPLES, n_mels=40
    )
    low_hz, high_hz = PITCH_HZ
    pitch_hz = librosa.yin(
        waveform, fmin=low_hz, fmax=high_hz, sr=SAMPLE_RATE_HZ, frame_length=PITCH_SAMPLES, hop_length=HOP_SAMPLES
    )
    smooth = np.convolve(np.pad(pitch_hz, SMOOTHED_FRAMES // 2, mode="edge"), np.ones(SMOOTHED_FRAMES), "valid")
    values = np.vstack([mfcc, librosa.feature.delta(mfcc), smooth[: mfcc.shape[1]]]).T
    scaled: Frames = ((values - values.mean(axis=0)) / (values.std(axis=0) + 1e-6)).astype(np.float32)
    return scaled


def loudness_db(waveform: Waveform, frames: int) -> NDArray[np.float64]:
    """Level in dB of 20 ms around each frame of 10 ms, float64 [frames]."""
    power = np.convolve(np.square(waveform.astype(np.float64)), np.ones(FFT_SAMPLES) / FFT_SAMPLES, "same")
    places = np.minimum(np.arange(frames) * HOP_SAMPLES, len(power) - 1)
    level: NDArray[np.float64] = 10.0 * np.log10(np.maximum(power[places], 1e-10))
    return level


class FrozenEncoder(ABC):
    """Layers 1 to 3 of a network that is not trained here.

    Attributes:
        name: for tables.
        sha256: digest of its weights.
    """

    name: str
    sha256: str

    @abstractmethod
    def layers(self, waveform: Waveform) -> tuple[list[Tensor], NDArray[np.int64]]:
        """Float32 [steps, units] a layer, and the frame of 10 ms in the middle of what each step hears."""


class RecogniserEncoder(FrozenEncoder):
    """The recogniser of a training's folder or a checkpoint."""

    def __init__(self, weights: Path) -> None:
        self._network = read_weights(weights)
        self.name, self.sha256 = "recogniser", _digest(self._network)

    def layers(self, waveform: Waveform) -> tuple[list[Tensor], NDArray[np.int64]]:  # noqa: D102 - as the base says
        states, _ = self._network.states(*magnitude(torch.from_numpy(waveform)[None], torch.tensor([len(waveform)])))
        return [state[:, 0] for state in states[:3]], 2 * np.arange(len(states[0])) + RECEPTIVE_CENTRE


class Ge2eEncoder(FrozenEncoder):
    """The GE2E encoder of the wheel, at frames within 30 dB of the loudest, every second one: 50 a second too."""

    def __init__(self, wheel: Path) -> None:
        self._network = frozen_encoder(wheel, 0.0)
        self.name, self.sha256 = "ge2e", self._network.sha256
        self._front_end = FrontEnd(PRESET)

    def layers(self, waveform: Waveform) -> tuple[list[Tensor], NDArray[np.int64]]:  # noqa: D102
        clip = torch.from_numpy(high_passed(waveform, SAMPLE_RATE_HZ, BELOW_SPEECH))[None]
        power, frames = self._front_end(clip, torch.tensor([clip.shape[1]]))
        x, active = self._network.condition(power.transpose(1, 2), frames)
        place = torch.nonzero(active[0])[::2, 0]
        found = []
        for layer in self._network.layers:
            x, _ = layer(x)
            found.append(x[0, place])
        return found, place.numpy()


@dataclass(frozen=True)
class Encoded:
    """Layers of an encoder for each recording of a corpus.

    Attributes:
        states: layer to float16 [steps, units] a recording.
        loudest_units: layer to the unit that follows loudness best, counted from 1, and its correlation (B6).
    """

    name: str
    states: dict[int, list[NDArray[np.float16]]]
    loudest_units: dict[int, tuple[int, float]]


def encode(encoder: FrozenEncoder, corpus: Corpus, cache: Path, progress: Callable[[], None] | None = None) -> Encoded:
    """Layers of all recordings, computed or read from ``cache``."""
    file = cache_file(cache, corpus, encoder.name, encoder.sha256)
    assert file is not None
    if not file.is_file():
        _write(encoder, corpus, file, progress)
    with np.load(file) as stored:
        ends, level = stored["ends"][:-1], stored["level"]
        values = {layer: stored[f"layer{layer}"] for layer in STUDIED_LAYERS}
    loudest = {layer: _loudest(value.astype(np.float32), level) for layer, value in values.items()}
    return Encoded(encoder.name, {layer: np.split(value, ends) for layer, value in values.items()}, loudest)


def hear(corpus: Corpus, cache: Path) -> list[Frames]:
    """Features of their own of all recordings, computed or read from ``cache``."""
    file = cache_file(cache, corpus, "own", "MFCC of 40 bands, deltas, YIN")
    assert file is not None
    if not file.is_file():
        values = [own_frames(waveform) for waveform in _waveforms(corpus)]
        file.parent.mkdir(parents=True, exist_ok=True)
        np.savez(file, values=np.concatenate(values), ends=np.cumsum([len(value) for value in values]))
    with np.load(file) as stored:
        return np.split(stored["values"], stored["ends"][:-1])


def _write(encoder: FrozenEncoder, corpus: Corpus, file: Path, progress: Callable[[], None] | None) -> None:
    states: list[list[NDArray[np.float16]]] = []
    levels = []
    for waveform in _waveforms(corpus):
        with torch.inference_mode():
            found, places = encoder.layers(waveform)
        states.append([layer.half().numpy() for layer in found])
        levels.append(loudness_db(waveform, 1 + len(waveform) // HOP_SAMPLES + RECEPTIVE_CENTRE)[places])
        if progress:
            progress()
    joined = {f"layer{layer}": np.concatenate([row[layer - 1] for row in states]) for layer in STUDIED_LAYERS}
    tables = joined | {"ends": np.cumsum([len(row) for row in levels]), "level": np.concatenate(levels)}
    file.parent.mkdir(parents=True, exist_ok=True)
    np.savez(file, allow_pickle=False, **tables)


def _waveforms(corpus: Corpus) -> list[Waveform]:
    return [read_waveform(row.audio, SAMPLE_RATE_HZ) for row in corpus.utterances if row.audio is not None]


def _loudest(values: Frames, level: NDArray[np.float64]) -> tuple[int, float]:
    centred, loud = values - values.mean(axis=0), level - level.mean()
    spread = np.sqrt(np.square(centred).sum(axis=0) * np.square(loud).sum())
    correlation = loud @ centred / np.maximum(spread, 1e-12)
    best = int(np.abs(correlation).argmax())
    return best + 1, float(correlation[best])


def _digest(network: torch.nn.Module) -> str:
    digest = hashlib.sha256()
    for name, value in sorted(network.state_dict().items()):
        digest.update(name.encode() + value.numpy().tobytes())
    return digest.hexdigest()
