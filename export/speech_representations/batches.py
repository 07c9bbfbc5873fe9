"""Batches for training: windows beside profiles that were drawn at random, both moved from one voice towards another.

A profile of an ordinary visit is of any number of clips and any mix of moods. A network that learns with such profiles
gains by them; one that learns with balanced means loses by what an ordinary visit gives.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from export.speech_representations.embedded import Embedded
from export.speech_representations.network import HALF_WEIGHT_CLIPS, Profile
from export.training.affect_loss import Targets, class_shares, draw_weights, soft_targets

PROFILES_OF_A_SPEAKER = 40
PROFILES_OF_A_CORPUS = 300
"""Profiles that are drawn before training: of each speaker, and of some speakers of a corpus as on one line."""

SPEAKERS_ON_A_LINE = 8
MOST_CLIPS = 60
MOOD_SPREADS = (0.3, 1.0, 5.0)
"""Concentrations of the Dirichlet distribution of moods: from about one mood to about even."""

PROFILE_SHARE = 0.7
LINE_SHARE = 0.3
"""How often a window has a profile, and how often that is of a line."""

MOVED_SHARE = 0.7
"""How often a window and its profile are moved towards another voice."""

LEAST_SPREAD = 1e-4
"""Least deviation of a number of the representation, so that one that never changes divides by something."""


@dataclass(frozen=True)
class Batch:
    """One step's worth.

    Attributes:
        windows: int64 [batch], the windows that were drawn, counted over all corpora.
        pooled: float32 [batch, 1536], as they were embedded, moved.
        move: float32 [batch, 1536], by how much.
    """

    windows: NDArray[np.int64]
    pooled: Tensor
    move: Tensor
    profile: Profile
    targets: Targets


class BatchSampler:
    """Draws windows with replacement: corpora in proportion to size^``balance``, classes of a corpus likewise.

    Args:
        voices: mean representations of speakers, float32 [speakers, 1536]; the difference of two moves a window.

    Attributes:
        centre, spread: mean and deviation of the representation as it is drawn, float32 [1536].
        class_prior: share of each class as it is drawn.
    """

    def __init__(
        self,
        corpora: Sequence[Embedded],
        voices: NDArray[np.float32],
        labels: Sequence[str],
        batch_size: int,
        balance: float = 0.5,
        seed: int = 0,
    ) -> None:
        self._random = np.random.default_rng(seed)
        self._batch_size = batch_size
        self._voices = voices
        self._pooled = np.concatenate([part.pooled for part in corpora])
        sizes = [len(part.pooled) for part in corpora]
        allowed = [[label in part.corpus.labels for label in labels] for part in corpora]
        self._allowed = np.repeat(np.array(allowed), sizes, axis=0)
        self._targets = np.concatenate([soft_targets(part.corpus, labels)[part.recordings] for part in corpora])
        first = np.cumsum([0, *(len(part.corpus.utterances) for part in corpora)])
        owners = np.concatenate([part.recordings + start for part, start in zip(corpora, first, strict=False)])
        weights = draw_weights([part.corpus for part in corpora], balance) / np.bincount(owners)
        self._weights = weights[owners] / weights[owners].sum()
        self.class_prior = class_shares(self._targets, self._weights, labels)
        mean = np.average(self._pooled, axis=0, weights=self._weights)
        spread = np.sqrt(np.average((self._pooled - mean) ** 2, axis=0, weights=self._weights))
        self.centre = torch.from_numpy(mean.astype(np.float32))
        self.spread = torch.from_numpy(np.maximum(spread, LEAST_SPREAD).astype(np.float32))
        profiles, counts, own, line, made = [], [], [], [], 0
        for part in corpora:
            bank = _Bank(part, self._random)
            profiles.append(bank.profiles)
            counts.append(bank.counts)
            own.append(made + bank.first_own[part.recordings])
            line.append(np.full(len(part.pooled), made + bank.first_line))
            made += len(bank.counts)
        self._profiles, self._counts = np.concatenate(profiles), np.concatenate(counts)
        self._first_own, self._first_line = np.concatenate(own), np.concatenate(line)

    def draw(self) -> Batch:
        """Draw one batch."""
        random, size = self._random, self._batch_size
        chosen = random.choice(len(self._pooled), size, p=self._weights)
        first, second = random.integers(len(self._voices), size=(2, size))
        amount = random.uniform(0.0, 1.0, (size, 1)) * (random.random((size, 1)) < MOVED_SHARE)
        move = (amount * (self._voices[first] - self._voices[second])).astype(np.float32)
        own = self._first_own[chosen] + random.integers(PROFILES_OF_A_SPEAKER, size=size)
        line = self._first_line[chosen] + random.integers(PROFILES_OF_A_CORPUS, size=size)
        profile = np.where(random.random(size) < LINE_SHARE, line, own)
        counts = self._counts[profile] * (random.random(size) < PROFILE_SHARE)
        return Batch(
            chosen,
            torch.from_numpy(self._pooled[chosen] + move),
            torch.from_numpy(move),
            (torch.from_numpy(self._profiles[profile] + move), torch.from_numpy(counts / (counts + HALF_WEIGHT_CLIPS))),
            Targets(torch.from_numpy(self._targets[chosen]), torch.from_numpy(self._allowed[chosen])),
        )


def voice_means(heard: Embedded) -> NDArray[np.float32]:
    """Mean representation of each speaker as recorded, and where there are distorted versions of those.

    Returns:
        float32 [speakers or twice as many, 1536].
    """
    speakers = heard.speakers[heard.recordings]
    chosen = [(speakers == name) & (heard.is_clean == clean) for clean in (True, False) for name in np.unique(speakers)]
    return np.stack([heard.pooled[windows].mean(axis=0) for windows in chosen if windows.any()])


class _Bank:
    """Profiles of a corpus.

    Attributes:
        profiles, counts: float32 [profiles, 1536], and the number of different clips in each, float32.
        first_own: int64 [recordings], place of the first of the 40 profiles of the recording's speaker.
        first_line: place of the first of the 300 profiles of some speakers.
    """

    def __init__(self, heard: Embedded, random: np.random.Generator) -> None:
        self._random, self._means, self._emotions = random, heard.means, heard.emotions
        names, numbers = np.unique(heard.speakers, return_inverse=True)
        pools = [np.flatnonzero(numbers == number) for number in range(len(names))]
        drawn = [self._draw(pool) for pool in pools for _ in range(PROFILES_OF_A_SPEAKER)]
        self.first_own = numbers * PROFILES_OF_A_SPEAKER
        self.first_line = len(drawn)
        for _ in range(PROFILES_OF_A_CORPUS):
            several = int(random.integers(1, SPEAKERS_ON_A_LINE + 1))
            speakers = random.choice(len(names), min(several, len(names)), replace=False)
            drawn.append(self._draw(np.concatenate([pools[speaker] for speaker in speakers])))
        self.profiles = np.stack([mean for mean, _ in drawn])
        self.counts = np.array([count for _, count in drawn], np.float32)

    def _draw(self, pool: NDArray[np.intp]) -> tuple[NDArray[np.float32], int]:
        """The mean of 1 to 60 clips, small numbers as often as large ones, and how many different ones they are."""
        random = self._random
        count = min(int(np.exp(random.uniform(0.0, np.log(MOST_CLIPS)))), len(pool))
        moods, members = np.unique(self._emotions[pool], return_inverse=True)
        shares = random.dirichlet(np.full(len(moods), random.choice(MOOD_SPREADS)))[members] + 1e-9
        chosen = random.choice(pool, count, p=shares / shares.sum())
        return self._means[chosen].mean(axis=0), len(np.unique(chosen))
