"""Recordings in memory and random chunks of them, for recipes with a front end of their own."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from export.corpora.audio import read_waveform
from export.corpora.tables import Corpus


class WaveformCorpus:
    """All recordings of a corpus as int16, with random batches of one domain."""

    def __init__(self, corpus: Corpus, labels: Sequence[str], sample_rate_hz: int, seed: int) -> None:
        self.corpus = corpus
        self.truth = np.array([labels.index(row.emotion) for row in corpus.utterances], dtype=np.int64)
        self._classes = len(labels)
        self._random = np.random.default_rng(seed)
        self._waiting: list[int] = []  # recordings that this epoch has not drawn yet
        self._clips: list[NDArray[np.int16]] = []
        for row in corpus.utterances:
            assert row.audio is not None
            samples = np.clip(read_waveform(row.audio, sample_rate_hz), -1.0, 1.0)
            self._clips.append(np.rint(samples * 32767).astype(np.int16))

    def __len__(self) -> int:
        return len(self._clips)

    def class_weights(self) -> Tensor:
        """Inverse class frequencies, float32 [classes], mean 1 over the classes that occur (C19)."""
        counts = np.bincount(self.truth, minlength=self._classes).astype(np.float32)
        weights = np.where(counts > 0, len(self.truth) / np.maximum(counts, 1) / (counts > 0).sum(), 0.0)
        return torch.from_numpy(weights.astype(np.float32))

    def draw(self, batch_size: int, max_samples: int) -> tuple[Tensor, Tensor, Tensor]:
        """The epoch's next utterances, longer ones cut to a random chunk (C7): waveform, lengths, classes."""
        if not self._waiting:
            self._waiting = self._random.permutation(len(self._clips)).tolist()
        chosen, self._waiting = self._waiting[:batch_size], self._waiting[batch_size:]
        if len(self._waiting) == 1:  # a batch of one has no deviation to normalise by
            chosen, self._waiting = [*chosen, *self._waiting], []
        chunks = [self._chunk(self._clips[index], max_samples) for index in chosen]
        return *pad(chunks), torch.from_numpy(self.truth[chosen])

    def ordered(self, batch_size: int, max_samples: int) -> list[tuple[Tensor, Tensor, Tensor]]:
        """All utterances once, longer ones cut to their middle."""
        batches = []
        for start in range(0, len(self._clips), batch_size):
            clips = self._clips[start : start + batch_size]
            middle = [clip[max(0, (len(clip) - max_samples) // 2) :][:max_samples] for clip in clips]
            batches.append((*pad(middle), torch.from_numpy(self.truth[start : start + batch_size])))
        return batches

    def _chunk(self, clip: NDArray[np.int16], max_samples: int) -> NDArray[np.int16]:
        if len(clip) <= max_samples:
            return clip
        start = int(self._random.integers(0, len(clip) - max_samples + 1))
        return clip[start : start + max_samples]


def pad(clips: Sequence[NDArray[np.int16]]) -> tuple[Tensor, Tensor]:
    """Zero-pad to the longest: waveform float32 [batch, samples] in −1 … 1 and lengths int64 [batch]."""
    lengths = torch.tensor([len(clip) for clip in clips])
    waveform = torch.zeros(len(clips), int(lengths.max()))
    for row, clip in enumerate(clips):
        waveform[row, : len(clip)] = torch.from_numpy(clip.astype(np.float32)) / 32767.0
    return waveform, lengths
