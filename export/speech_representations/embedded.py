"""Corpora as the encoder sees them, and what a network's dense layers say of them, with or without profiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from export.corpora.tables import Corpus, CorpusError
from export.evaluation.calibration_fit import HeldOut
from export.evaluation.metrics import unweighted_average_recall
from export.speech_representations.encoder import PRESET
from export.speech_representations.network import POOLED, VoiceEncoder, VoiceNetwork
from export.speech_representations.spectra import Spectrum, cache_file, load_spectra

FULL_FRAMES = PRESET.frames(PRESET.full_length_samples)
HOP_FRAMES = PRESET.frames(PRESET.sample_rate_hz) - 1
BATCH_SIZE = 32

Profiles = tuple[NDArray[np.float32], NDArray[np.float32]]
"""For each recording a profile, float32 [recordings, 1536], and how much it counts, float32 [recordings], 0…1."""


@dataclass(frozen=True)
class Embedded:
    """The representation of each window of 3.0 s of a corpus's recordings.

    Attributes:
        pooled: float32 [windows, 1536].
        recordings: int64 [windows], the recording of each.
        is_clean: bool [windows], whether the window is of the recording as it is, not of a distorted version.
    """

    corpus: Corpus
    pooled: NDArray[np.float32]
    recordings: NDArray[np.int64]
    is_clean: NDArray[np.bool_]

    @property
    def speakers(self) -> NDArray[np.str_]:
        """Speaker of each recording."""
        return np.array([utterance.speaker for utterance in self.corpus.utterances])

    @property
    def emotions(self) -> NDArray[np.str_]:
        """Emotion of each recording."""
        return np.array([utterance.emotion for utterance in self.corpus.utterances])

    @property
    def means(self) -> NDArray[np.float32]:
        """Mean representation of each recording as it is, float32 [recordings, 1536]."""
        sums = np.zeros((len(self.corpus.utterances), POOLED))
        np.add.at(sums, self.recordings[self.is_clean], self.pooled[self.is_clean])
        counts = np.bincount(self.recordings[self.is_clean], minlength=len(sums))
        return (sums / counts[:, None]).astype(np.float32)

    def where(self, kept: NDArray[np.bool_]) -> Embedded:
        """Some of the recordings, chosen by bool [recordings]."""
        utterances = tuple(utterance for utterance, keep in zip(self.corpus.utterances, kept, strict=True) if keep)
        windows = kept[self.recordings]
        numbers = (np.cumsum(kept) - 1)[self.recordings[windows]]
        corpus = Corpus(self.corpus.name, self.corpus.folder, utterances)
        return Embedded(corpus, self.pooled[windows], numbers, self.is_clean[windows])

    def partition(self, name: str) -> Embedded:
        """The recordings of a partition."""
        return self.where(np.array([utterance.partition == name for utterance in self.corpus.utterances]))


def embed(encoder: VoiceEncoder, corpus: Corpus, versions: int = 1, cache: Path | None = None) -> Embedded:
    """Run the encoder over every version of every recording, or read from ``cache`` what it gave.

    Args:
        versions, cache: see :func:`load_spectra`.

    Raises:
        CorpusError: there is no recording, as in a partition that the corpus lacks.
    """
    if not corpus.utterances:
        raise CorpusError(f"{corpus.folder}: the partition has no recordings")
    file = cache_file(cache, corpus, "pooled", f"{versions} {encoder.sha256}")
    if file and file.is_file():
        with np.load(file) as stored:
            return Embedded(corpus, stored["pooled"], stored["recordings"], stored["is_clean"])
    windows = spectra_of_windows(corpus, versions, cache)
    recordings = np.array([recording for _, recording, _ in windows])
    is_clean = np.array([clean for _, _, clean in windows])
    heard = Embedded(corpus, _pooled(encoder, [part for part, _, _ in windows]), recordings, is_clean)
    if file:
        np.savez(file, pooled=heard.pooled, recordings=recordings, is_clean=is_clean)
    return heard


def spectra_of_windows(corpus: Corpus, versions: int, cache: Path | None) -> list[tuple[Spectrum, int, bool]]:
    """Spectrum, recording and whether it is clean of every window, in the order of :func:`embed`: by length."""
    windows = [
        (part, recording, version == 0)
        for recording, values in enumerate(load_spectra(corpus, versions, cache).versions)
        for version, value in enumerate(values)
        for part in windows_of(value)
    ]
    return sorted(windows, key=lambda window: len(window[0]))


def joined(parts: Sequence[Embedded]) -> Embedded:
    """Partitions of one corpus put together."""
    first = np.cumsum([0, *(len(part.corpus.utterances) for part in parts)])
    corpus = parts[0].corpus
    utterances = tuple(utterance for part in parts for utterance in part.corpus.utterances)
    return Embedded(
        Corpus(corpus.name, corpus.folder, utterances),
        np.concatenate([part.pooled for part in parts]),
        np.concatenate([part.recordings + start for part, start in zip(parts, first, strict=False)]),
        np.concatenate([part.is_clean for part in parts]),
    )


def _pooled(encoder: VoiceEncoder, windows: Sequence[Spectrum]) -> NDArray[np.float32]:
    pooled = np.empty((len(windows), POOLED), np.float32)
    for start in range(0, len(windows), BATCH_SIZE):
        batch = windows[start : start + BATCH_SIZE]
        with torch.inference_mode():
            pooled[start : start + len(batch)] = encoder(*power_of(batch, encoder.reference.device)).cpu().numpy()
    return pooled


def power_of(windows: Sequence[Spectrum], device: torch.device | str = "cpu") -> tuple[Tensor, Tensor]:
    """Mel power for the encoder, float32 [windows, steps, 40], and the steps of each window, int64, on ``device``."""
    frames = torch.tensor([len(part) for part in windows])
    power = torch.zeros(len(windows), int(frames.max()), windows[0].shape[1])
    for row, part in enumerate(windows):
        power[row, : len(part)] = 10.0 ** torch.from_numpy(part.astype(np.float32))
    return power.to(device), frames.to(device)


def windows_of(value: Spectrum) -> list[Spectrum]:
    """A recording cut into windows of 3.0 s, the last one ending with it."""
    if len(value) <= FULL_FRAMES:
        return [value]
    starts = list(range(0, len(value) - FULL_FRAMES, HOP_FRAMES))
    return [value[start : start + FULL_FRAMES] for start in [*starts, len(value) - FULL_FRAMES]]


def held_out(network: VoiceNetwork, heard: Embedded, profiles: Profiles | None = None) -> HeldOut:
    """Logits for the recordings as they are: logarithms of the mean probability over windows."""
    labels, emotions, clean = network.config.labels, heard.emotions, heard.is_clean
    recordings, profile, device = heard.recordings[clean], None, network.centre.device
    if profiles is not None:
        mean, weight = (torch.from_numpy(values[recordings]).to(device) for values in profiles)
        profile = mean, weight
    network.eval()
    with torch.inference_mode():
        logits = network.judge(torch.from_numpy(heard.pooled[clean]).to(device), profile)["emotion"].cpu()
        odds = torch.softmax(logits, dim=1).double().numpy()
    sums = np.zeros((len(emotions), len(labels)))
    np.add.at(sums, recordings, odds)
    mean_odds = sums / np.bincount(recordings, minlength=len(sums))[:, None]
    truth = np.array([labels.index(name) if name in labels else -1 for name in emotions.tolist()])
    own = np.isin(labels, emotions)
    return HeldOut(heard.corpus.name, np.log(mean_odds).astype(np.float32), truth, own)


def choice(network: VoiceNetwork, heard: Embedded, profiles: Profiles | None = None) -> NDArray[np.int64]:
    """The most likely class of each recording among those that network and corpus share, int64 [recordings]."""
    found = held_out(network, heard, profiles)
    own = np.flatnonzero(found.own)
    return own[found.logits[:, own].argmax(axis=1)]


def recall(network: VoiceNetwork, heard: Embedded, profiles: Profiles | None = None) -> float:
    """Unweighted average recall over the classes that network and corpus share, the others left out."""
    labels = network.config.labels
    known = np.isin(heard.emotions, labels)
    truth = np.array([labels.index(name) for name in heard.emotions[known].tolist()])
    return unweighted_average_recall(truth, choice(network, heard, profiles)[known])
