"""Accuracy beside profiles: a corpus's recordings judged with profiles drawn from other recordings of it.

Profiles are drawn without any label but where a mix of moods is asked for. The recordings of each speaker are cut into
folds; a profile for one fold is drawn from the others, so that no recording is in its own profile.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from export.speech_representations.embedded import Embedded, Profiles, recall
from export.speech_representations.network import HALF_WEIGHT_CLIPS, VoiceNetwork

FOLDS: Final = 5
DRAWS: Final = 5
CLIPS: Final = (1, 5, 20, 50)
MOSTLY: Final = 0.7
"""Share of neutral recordings in the mix of an ordinary visit."""

Whose = Literal["speaker", "line", "both"]
Mix = Literal["balanced", "mostly neutral", "one mood", "any"]
MIXES: Final[tuple[Mix, ...]] = ("balanced", "mostly neutral", "one mood", "any")


@dataclass(frozen=True)
class ProfileRow:
    """Unweighted average recall with profiles of one kind; ``clips`` 0 stands for none."""

    whose: Whose | None
    clips: int
    mix: Mix | None
    recall: float


def study(network: VoiceNetwork, corpus: Embedded, seed: int = 0) -> Iterator[ProfileRow]:
    """The recall without a profile, then with each kind, a mean over :data:`DRAWS`.

    Profiles of a line are drawn from the other speakers, where there are two or more.
    """
    yield ProfileRow(None, 0, None, recall(network, corpus, None))
    whose: tuple[Whose, ...] = ("speaker", "line", "both") if len(set(corpus.speakers)) > 2 else ("speaker",)
    for kind in whose:
        for clips in CLIPS:
            for mix in MIXES:
                random = np.random.default_rng(seed)
                found = [recall(network, corpus, draw_profiles(corpus, kind, clips, mix, random)) for _ in range(DRAWS)]
                yield ProfileRow(kind, clips, mix, float(np.mean(found)))


def equal_error_rate(corpus: Embedded, clips: int, seed: int = 0) -> float:
    """Rate at which two profiles of one speaker and two of different speakers are mistaken alike often, 0…1.

    Each speaker's recordings are halved at random, ``clips`` of each half make a profile, and the cosine of two
    profiles, the corpus's mean taken out of each, is compared with a threshold.

    Raises:
        ValueError: fewer than three speakers have enough recordings.
    """
    random, means = np.random.default_rng(seed), corpus.means
    centred = means - means.mean(axis=0)
    names = [name for name in np.unique(corpus.speakers) if np.count_nonzero(corpus.speakers == name) >= 2 * clips]
    if len(names) < 3:
        raise ValueError(f"fewer than three speakers have {2 * clips} recordings")
    same: list[float] = []
    other: list[float] = []
    for _ in range(DRAWS):
        halves = []
        for name in names:
            chosen = random.permutation(np.flatnonzero(corpus.speakers == name))
            pair = np.stack([centred[chosen[:clips]].mean(axis=0), centred[chosen[clips : 2 * clips]].mean(axis=0)])
            halves.append(pair / np.linalg.norm(pair, axis=1, keepdims=True))
        first, second = np.stack(halves, axis=1)
        cosines = first @ second.T
        same += np.diag(cosines).tolist()
        other += cosines[~np.eye(len(names), dtype=bool)].tolist()
    thresholds = np.sort(np.concatenate([same, other]))
    missed = np.searchsorted(np.sort(same), thresholds) / len(same)
    matched = 1.0 - np.searchsorted(np.sort(other), thresholds) / len(other)
    best = int(np.abs(missed - matched).argmin())
    return float((missed[best] + matched[best]) / 2)


def draw_profiles(corpus: Embedded, whose: Whose, clips: int, mix: Mix, random: np.random.Generator) -> Profiles:
    """For each recording a profile that was drawn from recordings of other folds."""
    means, speakers, emotions = corpus.means, corpus.speakers, corpus.emotions
    profiles, counts = np.zeros_like(means), np.zeros(len(means), np.float32)
    folds = random.integers(0, FOLDS, len(means))
    for speaker in np.unique(speakers):
        own, others = np.flatnonzero(speakers == speaker), np.flatnonzero(speakers != speaker)
        for fold in range(FOLDS):
            judged, rest = own[folds[own] == fold], own[folds[own] != fold]
            pools = {"speaker": [rest], "line": [others], "both": [rest, others]}[whose]
            share = -(-clips // len(pools))
            drawn = np.concatenate([_draw(pool, emotions, share, mix, random) for pool in pools])
            if len(judged) and len(drawn):
                profiles[judged], counts[judged] = means[drawn].mean(axis=0), len(drawn)
    return profiles, counts / (counts + np.float32(HALF_WEIGHT_CLIPS))


def _draw(
    pool: NDArray[np.intp], emotions: NDArray[np.str_], clips: int, mix: Mix, random: np.random.Generator
) -> NDArray[np.intp]:
    """Up to so many recordings of a pool."""
    order = random.permutation(pool)
    if mix == "any" or not len(order):
        return order[:clips]
    labels = emotions[order]
    if mix == "one mood":
        return order[labels == random.choice(np.unique(labels))][:clips]
    if mix == "mostly neutral":
        neutral = order[labels == "neutral"][: round(MOSTLY * clips)]
        return np.concatenate([neutral, order[labels != "neutral"][: clips - len(neutral)]])
    turns = np.concatenate([np.flatnonzero(labels == name) for name in np.unique(labels)])
    ranks = np.concatenate([np.arange(np.count_nonzero(labels == name)) for name in np.unique(labels)])
    return order[turns[np.argsort(ranks, kind="stable")]][:clips]
