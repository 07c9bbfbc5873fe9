"""Losses over one label set that no corpus covers whole."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from export.emonet.batches import Batch


@dataclass(frozen=True)
class LossConfig:
    """Weights of the terms.

    Attributes:
        smoothing: label smoothing, spread over the classes of the clip's corpus.
        open_set: weight of a second cross entropy over all classes, so that a class which a corpus lacks does not
            drift to the top on that corpus's kind of recording; the main term runs over the corpus's own classes.
        plane: weight of the arousal and the valence cross entropies.
    """

    smoothing: float = 0.05
    open_set: float = 0.1
    plane: float = 0.3


class AffectLoss:
    """Cross entropies of emotion, arousal level and valence level against soft targets."""

    def __init__(self, config: LossConfig, arousal: Tensor, valence: Tensor, class_share: Tensor) -> None:
        """Prepare the loss.

        Args:
            arousal, valence: float32 [classes, levels], one-hot rows (C26).
            class_share: float32 [classes], how often each class is drawn; levels are weighted by its inverse.
        """
        self._config = config
        self._plane = {"arousal": arousal, "valence": valence}
        self._level_weight = {}
        for name, matrix in self._plane.items():
            share = class_share @ matrix
            weight = share.sum() / (share.clamp(min=1e-6) * share.numel())
            self._level_weight[name] = torch.where(share > 0, weight, 0.0)

    def __call__(self, logits: dict[str, Tensor], batch: Batch) -> Tensor:
        """Mean loss of the batch."""
        allowed = batch.allowed
        spread = allowed.float() / allowed.sum(dim=1, keepdim=True)
        targets = torch.lerp(batch.targets, spread, self._config.smoothing)
        emotion = logits["emotion"].float()
        closed = emotion.masked_fill(~allowed, -torch.inf).log_softmax(dim=1).masked_fill(~allowed, 0.0)
        loss = -(targets * closed).sum(dim=1).mean()
        loss = loss - self._config.open_set * (targets * emotion.log_softmax(dim=1)).sum(dim=1).mean()
        for name, matrix in self._plane.items():
            level = batch.targets @ matrix
            weighted = level * self._level_weight[name]
            loss = (
                loss - self._config.plane * (weighted * functional.log_softmax(logits[name].float(), 1)).sum(1).mean()
            )
        return loss
