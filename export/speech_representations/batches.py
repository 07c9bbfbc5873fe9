"""Batches for training: spectra drawn over corpora, distorted in the picture and placed anywhere in a window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from export.speech_representations.encoder import BANDS
from export.speech_representations.spectra import FLOOR, Spectra, Spectrum
from export.training.affect_loss import Targets, draw_weights, soft_targets

WINDOW_FRAMES = 220
"""Frames of a training window: 2.2 s, some utterance of most clips, at two thirds of the cost of 3.0 s."""

CLEAN_SHARE = 0.35
"""How often the clean version of a recording is drawn."""

TEMPO = (0.87, 1.15)
THROAT_BANDS = 1.5
"""Largest shift of the spectrum in bands, as a longer or shorter vocal tract makes."""

COLOUR_DB = 8.0
COLOUR_PEAKS = 3
"""A microphone's response: so many smooth peaks or dips of up to so many dB."""

NOISE_RATIO_DB = (5.0, 55.0)
MASKED_BANDS = 5
MASKED_FRAMES = 25
"""Largest number of neighbouring bands, or frames, that are blanked (SpecAugment, Park 2019)."""


@dataclass(frozen=True)
class Batch:
    """One step's worth.

    Attributes:
        power: float32 [batch, 220, 40].
        frames: int64 [batch], where each clip ends; beyond is silence.
    """

    power: Tensor
    frames: Tensor
    targets: Targets


class BatchSampler:
    """Draws clips with replacement: corpora in proportion to size^``balance``, classes of a corpus likewise."""

    def __init__(
        self, corpora: Sequence[Spectra], labels: Sequence[str], batch_size: int, balance: float = 0.5, seed: int = 0
    ) -> None:
        self._random = np.random.default_rng(seed)
        self._batch_size = batch_size
        self._versions = [versions for corpus in corpora for versions in corpus.versions]
        self._targets = np.concatenate([soft_targets(part.corpus, labels) for part in corpora])
        allowed = [[label in part.corpus.labels for label in labels] for part in corpora]
        self._allowed = np.repeat(np.array(allowed), [len(part.versions) for part in corpora], axis=0)
        self._weights = draw_weights([part.corpus for part in corpora], balance)

    def draw(self) -> Batch:
        """Draw one batch."""
        chosen = self._random.choice(len(self._versions), self._batch_size, p=self._weights)
        windows = [self._window(self._versions[index]) for index in chosen]
        return Batch(
            torch.from_numpy(np.stack([power for power, _ in windows])),
            torch.tensor([frames for _, frames in windows]),
            Targets(torch.from_numpy(self._targets[chosen]), torch.from_numpy(self._allowed[chosen])),
        )

    def _window(self, versions: Sequence[Spectrum]) -> tuple[NDArray[np.float32], int]:
        random = self._random
        distorted = len(versions) > 1 and random.random() >= CLEAN_SHARE
        value = versions[int(random.integers(1, len(versions))) if distorted else 0]
        power = 10.0 ** self._warped(value.astype(np.float32))
        power *= 10.0 ** (self._colour() / 10.0)
        window, frames = self._placed(power)
        self._add_noise(window, float(power.sum(axis=1).mean()))
        self._mask(window)
        window[frames:] = 0.0
        return window, frames

    def _warped(self, value: NDArray[np.float32]) -> NDArray[np.float32]:
        """Change tempo, and move the spectrum up or down."""
        random = self._random
        if random.random() < 0.6:
            count = max(20, round(len(value) * random.uniform(*TEMPO)))
            value = value[np.linspace(0, len(value) - 1, count).round().astype(int)]
        if random.random() < 0.4:
            shift = random.uniform(-THROAT_BANDS, THROAT_BANDS)
            places = np.clip(np.arange(BANDS) + shift, 0, BANDS - 1)
            low = places.astype(int)
            high = np.minimum(low + 1, BANDS - 1)
            part = (places - low).astype(np.float32)
            value = value[:, low] * (1 - part) + value[:, high] * part
        return value

    def _colour(self) -> NDArray[np.float32]:
        random, bands = self._random, np.arange(BANDS)
        response = np.zeros(BANDS)
        for _ in range(COLOUR_PEAKS):
            shape = np.exp(-0.5 * ((bands - random.uniform(0, BANDS)) / random.uniform(3.0, 12.0)) ** 2)
            response += random.uniform(-COLOUR_DB, COLOUR_DB) * shape
        return response.astype(np.float32)

    def _placed(self, power: NDArray[np.float32]) -> tuple[NDArray[np.float32], int]:
        """A part of a long clip, or a short one anywhere in the window, or as a clip of its own length."""
        random = self._random
        window = np.zeros((WINDOW_FRAMES, BANDS), np.float32)
        if len(power) >= WINDOW_FRAMES:
            start = random.integers(0, len(power) - WINDOW_FRAMES + 1)
            window[:] = power[start : start + WINDOW_FRAMES]
            return window, WINDOW_FRAMES
        room = WINDOW_FRAMES - len(power)
        before = int(random.integers(0, room + 1)) if random.random() < 0.6 else min(room, 10)
        after = int(random.integers(0, room - before + 1)) if random.random() < 0.6 else min(room - before, 10)
        window[before : before + len(power)] = power
        return window, before + len(power) + after

    def _add_noise(self, window: NDArray[np.float32], level: float) -> None:
        """Stationary coloured noise from first frame to last, also where there is no speech."""
        random = self._random
        tilt = 10.0 ** (-random.uniform(0.0, 2.5) * np.arange(BANDS) / BANDS)
        noise = tilt / tilt.sum() * level * 10.0 ** (-random.uniform(*NOISE_RATIO_DB) / 10.0)
        window += (noise * random.exponential(1.0, window.shape) + FLOOR).astype(np.float32)

    def _mask(self, window: NDArray[np.float32]) -> None:
        random = self._random
        if random.random() < 0.5:
            first = random.integers(0, BANDS - MASKED_BANDS)
            window[:, first : first + random.integers(1, MASKED_BANDS + 1)] *= np.float32(1e-3)
        if random.random() < 0.4:
            first = random.integers(0, WINDOW_FRAMES - MASKED_FRAMES)
            window[first : first + random.integers(1, MASKED_FRAMES + 1)] *= np.float32(1e-3)
