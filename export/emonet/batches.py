"""Batches for training: clips drawn over corpora, cut, distorted, scaled and paired with soft targets."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from export.corpora.features import STORED_RANGE_DB, Pictures
from export.emonet import augmentation
from export.emonet.augmentation import AugmentationConfig
from export.graph.front_end import PRESETS, scale_relative
from export.training.affect_loss import Targets, class_shares, draw_weights, soft_targets

MAX_FRAMES = PRESETS["open"].frames(PRESETS["open"].full_length_samples)
"""Frames of 3.0 s: longer recordings are cut at random places."""


@dataclass(frozen=True)
class Batch:
    """One step's worth.

    Attributes:
        pictures: float32 [batch, 1, bands, frames], scaled to 0 … 1.
        frames: int64 [batch].
    """

    pictures: Tensor
    frames: Tensor
    targets: Targets


class BatchSampler:
    """Draws clips with replacement: corpora in proportion to size^``balance``, classes of a corpus likewise.

    Attributes:
        class_prior: share of each class as it is drawn.
    """

    def __init__(
        self,
        corpora: Sequence[Pictures],
        labels: Sequence[str],
        batch_size: int,
        config: AugmentationConfig,
        balance: float = 0.5,
        seed: int = 0,
    ) -> None:
        self._random = np.random.default_rng(seed)
        self._config = config
        self._batch_size = batch_size
        self._values = [value for corpus in corpora for value in corpus.values]
        self._targets = np.concatenate([soft_targets(corpus.corpus, labels) for corpus in corpora])
        self._corpus = np.repeat(np.arange(len(corpora)), [len(corpus.values) for corpus in corpora])
        allowed = [[label in corpus.corpus.labels for label in labels] for corpus in corpora]
        self._allowed = np.array(allowed)[self._corpus]
        self._weights = draw_weights([part.corpus for part in corpora], balance)
        self.class_prior = class_shares(self._targets, self._weights, labels)

    def __len__(self) -> int:
        return len(self._values) // self._batch_size

    def draw(self, corpus: int | None = None) -> Batch:
        """Draw one batch, of all corpora or of one."""
        weights = self._weights
        if corpus is not None:
            weights = weights * (self._corpus == corpus)
            weights = weights / weights.sum()
        chosen = self._random.choice(len(self._values), self._batch_size, p=weights)
        # Partners for mixup come from the same corpus, so that the classes allowed are the same: keep them adjacent.
        chosen = chosen[np.argsort(self._corpus[chosen], kind="stable")]
        pictures, frames = self._cut(chosen)
        batch = self._distort(pictures, frames, chosen)
        return self._mix(batch, self._corpus[chosen])

    def _cut(self, chosen: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        room = int(MAX_FRAMES * (1 + self._config.tempo)) + 2
        pictures = np.zeros((len(chosen), self._values[0].shape[0], room), dtype=np.uint8)
        frames = np.zeros(len(chosen), dtype=np.int64)
        for row, index in enumerate(chosen):
            value = self._values[index]
            # Leading and trailing parts are dropped now and then, so that length tells nothing of the corpus.
            least = max(min(value.shape[1], 63), int(value.shape[1] * self._random.uniform(0.75, 1.0)))
            kept = min(value.shape[1] if self._random.random() < 0.5 else least, room)
            start = self._random.integers(0, value.shape[1] - kept + 1)
            pictures[row, :, :kept] = value[:, start : start + kept]
            pictures[row, :, kept:] = value[:, start + kept - 1 : start + kept]
            frames[row] = kept
        decibels = torch.from_numpy(pictures).float() * (STORED_RANGE_DB / 255.0) - STORED_RANGE_DB
        return decibels, torch.from_numpy(frames)

    def _distort(self, pictures: Tensor, frames: Tensor, chosen: NDArray[np.int64]) -> Batch:
        pictures, frames = augmentation.warp(pictures, frames, MAX_FRAMES, self._config)
        pictures = augmentation.colour(pictures, self._config)
        pictures = augmentation.limit_band(pictures, self._config)
        pictures = augmentation.add_noise(pictures, self._config)
        inside = torch.arange(MAX_FRAMES)[None, :] < frames[:, None]
        scaled = scale_relative(pictures, inside, frames < MAX_FRAMES)
        scaled = augmentation.mask(scaled, frames, self._config) * inside[:, None, :]
        targets = Targets(torch.from_numpy(self._targets[chosen]), torch.from_numpy(self._allowed[chosen]))
        return Batch(scaled[:, None], frames, targets)

    def _mix(self, batch: Batch, corpus: NDArray[np.int64]) -> Batch:
        if not self._config.mixup:
            return batch
        partner = np.arange(len(corpus))
        for name in np.unique(corpus):
            members = np.flatnonzero(corpus == name)
            partner[members] = self._random.permutation(members)
        share = self._random.beta(self._config.mixup, self._config.mixup, len(corpus)).astype(np.float32)
        larger = torch.from_numpy(np.maximum(share, 1 - share))
        other = torch.from_numpy(partner)
        pictures = torch.lerp(batch.pictures[other], batch.pictures, larger[:, None, None, None])
        emotions = batch.targets.emotions
        mixed = torch.lerp(emotions[other], emotions, larger[:, None])
        frames = torch.maximum(batch.frames, batch.frames[other])
        return Batch(pictures, frames, Targets(mixed, batch.targets.allowed))
