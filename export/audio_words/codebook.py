"""Bag of audio words (D8): how often the frames of a recording fall near each of many random example frames.

The weighting is a choice, since D8 names none: counts are divided by frames times assignments, so that the length of
the recording does not matter; with ``logarithm`` they become ln(1 + codewords · share), 0.69 for an even bag.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CODEBOOK_SIZES = (10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
"""Cs of D8."""

ASSIGNMENTS = (1, 2, 5, 10, 20, 50, 100, 200, 500)
"""Na of D8, with 1, 2 and 5, which the published optima have too (F13)."""

CHUNK_FRAMES = 2048
"""Frames compared with the codebook at once: 80 MB for 5 000 codewords."""

Descriptors = NDArray[np.floating]


@dataclass(frozen=True)
class Codebook:
    """Codewords and the scale that they live in.

    Attributes:
        words: standardised descriptors, float64 [codewords, 13].
        mean, scale: descriptors are standardised by (x − mean) · scale; float64 [13].
    """

    words: NDArray[np.float64]
    mean: NDArray[np.float64]
    scale: NDArray[np.float64]


def sample_codebook(recordings: Sequence[Descriptors], size: int, seed: int) -> Codebook:
    """Draw ``size`` different frames of the training recordings at random.

    Args:
        recordings: descriptors [frames, 13] of each recording.

    Raises:
        ValueError: there are fewer different frames than ``size``.
    """
    frames = np.concatenate(recordings).astype(np.float64)
    # Frames of digital silence are all alike; two equal codewords would leave it to chance which of them counts.
    _, different = np.unique(frames.round(6), axis=0, return_index=True)
    if len(different) < size:
        raise ValueError(f"{len(different)} different frames are too few for {size} codewords")
    mean = frames.mean(axis=0)
    scale = 1.0 / np.maximum(frames.std(axis=0), 1e-8)
    chosen = np.random.default_rng(seed).choice(different, size, replace=False)
    return Codebook((frames[chosen] - mean) * scale, mean, scale)


def nearest_words(frames: Descriptors, codebook: Codebook, count: int) -> NDArray[np.int64]:
    """The ``count`` nearest codewords of each frame, nearest first: int64 [frames, count]."""
    norms = np.square(codebook.words).sum(axis=1)
    nearest = np.empty((len(frames), count), dtype=np.int64)
    for start in range(0, len(frames), CHUNK_FRAMES):
        part = (frames[start : start + CHUNK_FRAMES] - codebook.mean) * codebook.scale
        # The frame's own norm is the same for all codewords and left out.
        distances = norms - 2.0 * part @ codebook.words.T
        few = np.argpartition(distances, count - 1, axis=1)[:, :count]
        order = np.argsort(np.take_along_axis(distances, few, axis=1), axis=1, kind="stable")
        nearest[start : start + len(part)] = np.take_along_axis(few, order, axis=1)
    return nearest


def audio_words_features(
    llds: Sequence[Descriptors], codebook: Codebook, assignments: int, logarithm: bool = False
) -> NDArray[np.float32]:
    """The bag of each recording.

    Args:
        llds: descriptors [frames, 13] of each recording.
        assignments: codewords that each frame counts for; at most the size of the codebook.

    Returns:
        float32 [recordings, codewords]; rows sum to 1 without ``logarithm``. A recording without frames has zeros.
    """
    ends = np.cumsum([len(frames) for frames in llds])
    nearest = nearest_words(np.concatenate(llds), codebook, assignments)
    return _bags(nearest, ends, len(codebook.words), logarithm)


def audio_words_grid(
    training: Sequence[Descriptors],
    llds: Sequence[Descriptors],
    seed: int,
    codebook_sizes: Sequence[int] = CODEBOOK_SIZES,
    assignments: Sequence[int] = ASSIGNMENTS,
    logarithm: bool = False,
) -> Iterator[tuple[int, int, NDArray[np.float32]]]:
    """The bags of ``llds`` for every size Cs and every Na ≤ Cs; each frame is compared once for each size.

    Args:
        training: descriptors whose frames become codewords.

    Yields:
        Cs, Na and float32 [recordings, Cs].
    """
    ends = np.cumsum([len(frames) for frames in llds])
    frames = np.concatenate(llds)
    for size in codebook_sizes:
        fitting = [count for count in assignments if count <= size]
        if not fitting:
            continue
        nearest = nearest_words(frames, sample_codebook(training, size, seed), max(fitting))
        for count in fitting:
            yield size, count, _bags(nearest[:, :count], ends, size, logarithm)


def _bags(nearest: NDArray[np.int64], ends: NDArray[np.int64], size: int, logarithm: bool) -> NDArray[np.float32]:
    parts = np.split(nearest, ends[:-1])
    counts = np.stack([np.bincount(part.ravel(), minlength=size) for part in parts])
    shares = counts / np.maximum([[part.size] for part in parts], 1)
    return (np.log1p(size * shares) if logarithm else shares).astype(np.float32)
