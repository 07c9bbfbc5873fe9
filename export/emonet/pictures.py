"""Scoring a network on stored pictures, as the service would: windows of 3 s, answers averaged."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from export.corpora.features import STORED_RANGE_DB, Pictures
from export.emonet.batches import MAX_FRAMES
from export.emonet.network import EmoNet
from export.evaluation.metrics import unweighted_average_recall
from export.graph.front_end import scale_relative

HOP_FRAMES = 62
"""Hop between windows: 1 s."""


def window_starts(frames: int) -> list[int]:
    """First frames of windows of ``MAX_FRAMES``; the last one ends with the recording."""
    if frames <= MAX_FRAMES:
        return [0]
    starts = list(range(0, frames - MAX_FRAMES + 1, HOP_FRAMES))
    return starts if starts[-1] == frames - MAX_FRAMES else [*starts, frames - MAX_FRAMES]


def predict(network: EmoNet, pictures: Pictures, batch_size: int = 64) -> dict[str, NDArray[np.float32]]:
    """Mean logits of each recording's windows, float32 [utterances, …] by output name."""
    windows = [
        (index, value[:, start : start + MAX_FRAMES])
        for index, value in enumerate(pictures.values)
        for start in window_starts(value.shape[1])
    ]
    owners = np.array([index for index, _ in windows])
    parts: dict[str, list[NDArray[np.float32]]] = {}
    for batch in _batches([value for _, value in windows], batch_size):
        for name, value in batch_logits(network, batch).items():
            parts.setdefault(name, []).append(value)
    counts = np.bincount(owners)[:, None]
    result = {}
    for name, chunks in parts.items():
        rows = np.concatenate(chunks)
        sums = np.zeros((len(counts), rows.shape[1]), dtype=np.float32)
        np.add.at(sums, owners, rows)
        result[name] = (sums / counts).astype(np.float32)
    return result


def batch_logits(network: EmoNet, values: Sequence[NDArray[np.uint8]]) -> dict[str, NDArray[np.float32]]:
    """Logits of pictures of at most ``MAX_FRAMES`` frames."""
    frames = torch.tensor([value.shape[1] for value in values])
    stacked = np.zeros((len(values), values[0].shape[0], MAX_FRAMES), dtype=np.uint8)
    for row, value in enumerate(values):
        stacked[row, :, : value.shape[1]] = value
    decibels = torch.from_numpy(stacked).float() * (STORED_RANGE_DB / 255.0) - STORED_RANGE_DB
    inside = torch.arange(MAX_FRAMES)[None, :] < frames[:, None]
    scaled = scale_relative(decibels, inside, frames < MAX_FRAMES)[:, None]
    network.eval()
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        device = next(network.parameters()).device
        logits = network(scaled.to(device, memory_format=torch.channels_last), frames.to(device))
    return {name: value.float().cpu().numpy() for name, value in logits.items()}


def corpus_uar(network: EmoNet, pictures: Pictures, labels: Sequence[str]) -> float:
    """UAR over the classes of the corpus, the others left out of the choice."""
    truth = np.array([labels.index(utterance.emotion) for utterance in pictures.corpus.utterances])
    logits = predict(network, pictures)["emotion"]
    own = [column for column, label in enumerate(labels) if label in pictures.corpus.labels]
    predicted = np.array(own)[logits[:, own].argmax(axis=1)]
    return unweighted_average_recall(truth, predicted)


def _batches(values: list[NDArray[np.uint8]], size: int) -> Iterator[list[NDArray[np.uint8]]]:
    for start in range(0, len(values), size):
        yield values[start : start + size]
