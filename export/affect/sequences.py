"""Sequences of features with labels, the delay of the annotators, and batches of unequal lengths."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Partition = Literal["train", "devel", "test"]
TARGETS = ("arousal", "valence")

#: Seconds that annotators lag behind the face (E8); the AVEC baseline takes 2.0 s for both (E20).
DELAY_S = {"arousal": 4.0, "valence": 2.8}
AVEC_DELAY_S = 2.0


@dataclass(frozen=True)
class AffectSequence:
    """One recording of one person.

    Attributes:
        name: file name without suffix.
        partition: 'train', 'devel' or 'test'.
        features: float32 [steps, 37].
        labels: of each target, float32 [steps]; none for an unlabelled test recording.
    """

    name: str
    partition: Partition
    features: NDArray[np.float32]
    labels: dict[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Batch:
    """All sequences at once, zero padded at the end.

    Attributes:
        features: float32 [batch, steps, 37].
        labels: float32 [batch, steps], shifted to the front by the delay.
        mask: bool [batch, steps], steps that have both a face and a label.
    """

    features: Tensor
    labels: Tensor
    mask: Tensor


def delay_steps(delay_s: float, hop_s: float) -> int:
    """Whole steps of a delay: 40 for 4.0 s at 10 Hz."""
    return round(delay_s / hop_s)


def shift_to_front(labels: NDArray[np.float32], steps: int) -> NDArray[np.float32]:
    """Training label at t = label at t + ``steps``, zeros at the end (E9); float32 [steps of labels]."""
    shifted = np.zeros_like(labels)
    shifted[: max(len(labels) - steps, 0)] = labels[steps:]
    return shifted


def shift_to_back(predictions: NDArray[np.float64], steps: int) -> NDArray[np.float64]:
    """Prediction to be compared with the label at t = raw answer at t − ``steps``, zeros at the start (E9).

    The raw answer at t speaks of the face at t, and is what the service shows; only a comparison with
    labels shifts.
    """
    shifted = np.zeros_like(predictions)
    shifted[steps:] = predictions[: max(len(predictions) - steps, 0)]
    return shifted


def make_batch(sequences: list[AffectSequence], target: str, delay: int) -> Batch:
    """Pad and shift; ``delay`` in steps."""
    longest = max(len(sequence.features) for sequence in sequences)
    features = torch.zeros(len(sequences), longest, sequences[0].features.shape[1])
    labels = torch.zeros(len(sequences), longest)
    mask = torch.zeros(len(sequences), longest, dtype=torch.bool)
    for row, sequence in enumerate(sequences):
        steps = len(sequence.features)
        features[row, :steps] = torch.from_numpy(sequence.features)
        labels[row, :steps] = torch.from_numpy(shift_to_front(sequence.labels[target], delay))
        mask[row, : max(steps - delay, 0)] = True
    return Batch(features, labels, mask)
