"""1 − CCC as a loss (E7)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

Scope = Literal["sequence", "concatenated"]


def concordance_loss(predicted: Tensor, gold: Tensor, mask: Tensor, scope: Scope = "sequence") -> Tensor:
    """One minus the concordance correlation coefficient.

    Args:
        predicted: float32 [batch, steps].
        gold: float32 [batch, steps].
        mask: [batch, steps], 1 at steps that count. The challenge's script lets the zero padding count;
            here it does not, so a sequence's loss does not depend on the longest one.
        scope: 'sequence' averages the CCC of each sequence, as the challenge's script does; 'concatenated'
            takes that of all steps joined, which is what is scored.

    Returns:
        A scalar in 0…2. Variances and covariance are over N, a smooth and consistent choice for training.
    """
    if scope == "concatenated":
        predicted, gold, mask = predicted.reshape(1, -1), gold.reshape(1, -1), mask.reshape(1, -1)
    weight = mask.to(predicted.dtype)
    count = weight.sum(dim=1, keepdim=True).clamp_min(1.0)

    def mean(values: Tensor) -> Tensor:
        return (values * weight).sum(dim=1, keepdim=True) / count

    predicted_mean, gold_mean = mean(predicted), mean(gold)
    predicted_rest, gold_rest = predicted - predicted_mean, gold - gold_mean
    spread = mean(predicted_rest**2) + mean(gold_rest**2) + (predicted_mean - gold_mean) ** 2
    coefficient = 2.0 * mean(predicted_rest * gold_rest) / (spread + torch.finfo(spread.dtype).eps)
    return 1.0 - coefficient.mean()
