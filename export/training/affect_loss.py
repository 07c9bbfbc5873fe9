"""Targets and losses over one label set that no corpus covers whole."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from export.corpora.tables import Corpus

LISTENER_SHARE = 0.15
"""Weight of what CREMA-D's listeners heard beside what was acted; they agree with the actors in 41 % only."""


@dataclass(frozen=True)
class Targets:
    """Answers wanted for a batch of clips.

    Attributes:
        emotions: float32 [batch, classes], rows sum to 1.
        allowed: bool [batch, classes], the classes that the clip's corpus has.
        ratings: arousal and valence as listeners rated them, float32 [batch], −1 … 1, NaN where nobody did; a rating
            takes the place of the emotion's.
    """

    emotions: Tensor
    allowed: Tensor
    ratings: Mapping[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class LossConfig:
    """Weights of the terms.

    Attributes:
        smoothing: label smoothing, spread over the classes of the clip's corpus.
        open_set: weight of a second cross entropy over all classes, so that a class which a corpus lacks does not
            drift to the top on that corpus's kind of recording; the main term runs over the corpus's own classes.
        plane: weight of the arousal and the valence cross entropies.
        rating: weight of the mean square distance from a rating.
    """

    smoothing: float = 0.05
    open_set: float = 0.1
    plane: float = 0.3
    rating: float = 1.0


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

    def __call__(self, logits: dict[str, Tensor], wanted: Targets) -> Tensor:
        """Mean loss of the batch."""
        allowed, targets = wanted.allowed, wanted.emotions
        spread = allowed.float() / allowed.sum(dim=1, keepdim=True)
        smoothed = torch.lerp(targets, spread, self._config.smoothing)
        emotion = logits["emotion"].float()
        closed = emotion.masked_fill(~allowed, -torch.inf).log_softmax(dim=1).masked_fill(~allowed, 0.0)
        loss = -(smoothed * closed).sum(dim=1).mean()
        loss = loss - self._config.open_set * (smoothed * emotion.log_softmax(dim=1)).sum(dim=1).mean()
        for name, matrix in self._plane.items():
            level, answer = targets @ matrix, logits[name].float()
            if name in wanted.ratings:
                rated = ~wanted.ratings[name].isnan()
                level = level * ~rated[:, None]
                distance = on_scale(answer) - wanted.ratings[name].nan_to_num()
                loss = loss + self._config.rating * (distance.square() * rated).mean()
            weighted = level * self._level_weight[name]
            loss = loss - self._config.plane * (weighted * functional.log_softmax(answer, 1)).sum(1).mean()
        return loss


def on_scale(levels: Tensor) -> Tensor:
    """Float32 [batch], −1 … 1, of logits [batch, levels]: the mean level, evenly spaced, by its probability."""
    last = int(levels.shape[1]) - 1
    places = torch.tensor([2.0 * level / last - 1.0 for level in range(last + 1)], device=levels.device)
    return torch.softmax(levels, dim=1) @ places


def soft_targets(corpus: Corpus, labels: Sequence[str]) -> NDArray[np.float32]:
    """Targets float32 [utterances, classes]: the acted emotion, shaded by what listeners heard."""
    targets = np.zeros((len(corpus.utterances), len(labels)), dtype=np.float32)
    place = {label: column for column, label in enumerate(labels)}
    for row, utterance in enumerate(corpus.utterances):
        heard = [place[name] for name in utterance.heard if name in place]
        share = LISTENER_SHARE if heard else 0.0
        targets[row, place[utterance.emotion]] += 1.0 - share
        for column in heard:
            targets[row, column] += share / len(heard)
    return targets


def draw_weights(corpora: Sequence[Corpus], balance: float) -> NDArray[np.float64]:
    """How likely each utterance is drawn, float64 [utterances]: corpora by size^``balance``, their classes likewise."""
    parts = []
    for corpus in corpora:
        emotions = [utterance.emotion for utterance in corpus.utterances]
        counts = {name: emotions.count(name) for name in set(emotions)}
        weights = np.array([counts[name] ** (balance - 1.0) for name in emotions])
        parts.append(weights / weights.sum() * len(emotions) ** balance)
    joined = np.concatenate(parts)
    return joined / joined.sum()


def class_shares(targets: NDArray[np.float32], weights: NDArray[np.float64], labels: Sequence[str]) -> dict[str, float]:
    """Share of each class in targets float32 [n, classes] of which each counts as its weight, float64 [n], says."""
    shares = np.average(targets, axis=0, weights=weights)
    return {label: round(share, 4) for label, share in zip(labels, shares.tolist(), strict=True)}
