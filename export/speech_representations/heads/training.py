"""Training of a head on states of frozen encoders: one cycle, and the weights that did best on devel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from export.corpora.labels import arousal_matrix, valence_matrix
from export.corpora.tables import Corpus
from export.evaluation.calibration_fit import HeldOut
from export.evaluation.metrics import unweighted_average_recall
from export.speech_representations.heads.network import HeadNetwork
from export.speech_representations.heads.pooling import Layers
from export.speech_representations.heads.states import Heard
from export.training.affect_loss import AffectLoss, LossConfig, Targets, class_shares, draw_weights, soft_targets
from export.training.checkpoint import CHECKPOINT_FILE_NAME, OtherTrainingError, load_checkpoint, save_checkpoint
from export.training.trainer import LoopConfig, Trainer

BEST_FILE_NAME = "best.pt"
PEAK_RATE = 1e-3
BALANCE = 0.5
"""Exponent of a corpus's and a class's size in how often it is drawn, as for the network on GE2E."""

LEAST_SPREAD, LEAST_SHARE = 1e-4, 0.05
"""Least deviation of a number, and least share of its layer's mean: one that hardly changes would tell of rounding."""

RATED = ("arousal", "valence")
EVALUATED_WINDOWS = 32


@dataclass(frozen=True)
class HeadRecipe:
    """Length of a training; ``device`` is of PyTorch."""

    steps: int = 1000
    seed: int = 0
    batch_size: int = 32
    report_steps: int = 50
    peak_rate: float = PEAK_RATE
    device: str = "cpu"


@dataclass(frozen=True)
class Trained:
    """A head at the step that did best on devel.

    Attributes:
        devel_uar: mean over the corpora of the unweighted average recall on their partition devel.
        class_prior: share of each class that it learnt to expect.
    """

    network: HeadNetwork
    devel_uar: float
    step: int
    class_prior: dict[str, float]


@dataclass(frozen=True)
class Batch:
    """Windows, an encoder each, and what is wanted."""

    columns: list[Layers]
    targets: Targets


class WindowSampler:
    """Draws windows with replacement: corpora in proportion to size^½, classes of a corpus likewise.

    Attributes:
        class_prior: share of each class as it is drawn.
    """

    def __init__(self, corpora: Sequence[Heard], labels: Sequence[str], batch_size: int, seed: int) -> None:
        self._random, self._batch_size = np.random.default_rng(seed), batch_size
        self._corpora = corpora
        sizes = [len(part.recordings) for part in corpora]
        self._owner = np.repeat(np.arange(len(corpora)), sizes)
        self._window = np.concatenate([np.arange(size) for size in sizes])
        allowed = np.array([[label in part.corpus.labels for label in labels] for part in corpora])
        self._allowed = allowed[self._owner]
        self._targets = np.concatenate([_targets(part.corpus, labels)[part.recordings] for part in corpora])
        self._ratings = np.concatenate([_ratings(part.corpus)[part.recordings] for part in corpora])
        first = np.cumsum([0, *(len(part.corpus.utterances) for part in corpora)])
        owners = np.concatenate([part.recordings + start for part, start in zip(corpora, first, strict=False)])
        weights = draw_weights([part.corpus for part in corpora], BALANCE) / np.bincount(owners)
        known = self._targets.sum(axis=1) > 0
        self._weights = weights[owners] * known / (weights[owners] * known).sum()
        self.class_prior = class_shares(self._targets, self._weights, labels)

    def draw(self) -> Batch:
        """Draw one batch."""
        chosen = self._random.choice(len(self._owner), self._batch_size, p=self._weights)
        chosen = chosen[np.argsort(self._owner[chosen], kind="stable")]
        owners = np.unique(self._owner[chosen])
        parts = [self._corpora[owner].batch(self._window[chosen[self._owner[chosen] == owner]]) for owner in owners]
        return Batch(
            [_joined(column) for column in zip(*parts, strict=True)],
            Targets(
                torch.from_numpy(self._targets[chosen]),
                torch.from_numpy(self._allowed[chosen]),
                {name: torch.from_numpy(self._ratings[chosen, place]) for place, name in enumerate(RATED)},
            ),
        )


class HeadTrainer(Trainer[HeadNetwork]):
    """A run of this recipe."""

    def __init__(
        self,
        network: HeadNetwork,
        sampler: WindowSampler,
        loss: AffectLoss,
        config: LoopConfig,
        out: Path,
        seed: int,
        settings: dict[str, object],
    ) -> None:
        super().__init__(network, config, out, seed, settings)
        self._sampler, self._loss = sampler, loss
        self.class_prior = sampler.class_prior

    def batch_loss(self) -> Tensor:
        """Draw windows, and compare what the network says with what is wanted."""
        batch, device = self._sampler.draw(), self._config.device
        logits = self.network([(states.to(device), mask.to(device)) for states, mask in batch.columns])
        answers = {name: value.cpu() for name, value in logits.items()}
        return self._loss(answers, batch.targets)


def train_head(
    network: HeadNetwork,
    training: Sequence[Heard],
    devel: Sequence[Heard],
    recipe: HeadRecipe,
    out: Path,
    progress: Callable[[int, float], None],
    about: str = "",
) -> Trained:
    """Train in the folder ``out``, or go on there; the encoders stay as they are.

    Args:
        about: what the states are of, so that another training is told from this one.

    Raises:
        OtherTrainingError: the folder has a checkpoint of another training.
    """
    labels = network.config.labels
    sampler = WindowSampler(training, labels, recipe.batch_size, recipe.seed)
    _standardise(network, training)
    config = LoopConfig(
        recipe.steps,
        recipe.batch_size,
        recipe.peak_rate,
        average_decay=0.99,
        report_steps=recipe.report_steps,
        rise=0.1,
        device=recipe.device,
    )
    settings: dict[str, object] = {"head": network.config.to_text(), "about": about, "steps": recipe.steps}
    former = load_checkpoint(out / CHECKPOINT_FILE_NAME)
    if former is not None and former.get("config") != settings:
        raise OtherTrainingError(f"{out}: has the checkpoint of another training; choose a new --work")
    trainer = HeadTrainer(network, sampler, _loss(training, labels), config, out, recipe.seed, settings)
    best = load_checkpoint(out / BEST_FILE_NAME) if trainer.resume() else None

    def evaluate(averaged: HeadNetwork) -> dict[str, float]:
        nonlocal best
        found = {f"devel_uar_{part.corpus.name}": recall(held_out(averaged, part)) for part in devel}
        uar = float(np.mean(list(found.values())))
        if best is None or uar > best["devel_uar"]:
            best = {"devel_uar": uar, "step": trainer.step, "weights": averaged.state_dict()}
            save_checkpoint(best, out / BEST_FILE_NAME)
        return found

    trainer.run(evaluate, progress)
    assert best is not None
    found = HeadNetwork(network.config)
    saved = load_checkpoint(out / BEST_FILE_NAME)
    assert saved is not None
    found.load_state_dict(saved["weights"])
    return Trained(found.eval(), float(saved["devel_uar"]), int(saved["step"]), sampler.class_prior)


def held_out(network: HeadNetwork, heard: Heard) -> HeldOut:
    """Logits of recordings: logarithms of the mean probability over their windows."""
    labels, device = network.config.labels, network.emotion.weight.device
    sums = np.zeros((len(heard.corpus.utterances), len(labels)))
    network.eval()
    with torch.inference_mode():
        for start in range(0, len(heard.recordings), EVALUATED_WINDOWS):
            rows = np.arange(start, min(start + EVALUATED_WINDOWS, len(heard.recordings)))
            columns = [(states.to(device), mask.to(device)) for states, mask in heard.batch(rows)]
            odds = torch.softmax(network(columns)["emotion"], dim=1).cpu().double().numpy()
            np.add.at(sums, heard.recordings[rows], odds)
    mean_odds = sums / np.bincount(heard.recordings, minlength=len(sums))[:, None]
    emotions = [row.emotion for row in heard.corpus.utterances]
    truth = np.array([labels.index(name) if name in labels else -1 for name in emotions])
    return HeldOut(heard.corpus.name, np.log(mean_odds), truth, np.isin(labels, emotions))


def recall(answers: HeldOut) -> float:
    """Unweighted average recall over the classes that network and corpus share, the others left out."""
    own, known = np.flatnonzero(answers.own), answers.truth >= 0
    chosen = own[answers.logits[known][:, own].argmax(axis=1)]
    return unweighted_average_recall(answers.truth[known], chosen)


def _standardise(network: HeadNetwork, training: Sequence[Heard]) -> None:
    """Set mean and deviation of the states, each corpus counting the same."""
    for number, mix in enumerate(network.mixes):
        mean, square = np.mean([part.columns[number].moments() for part in training], axis=0)
        spread = np.sqrt(np.maximum(square - np.square(mean), LEAST_SPREAD**2))
        spread = np.maximum(spread, LEAST_SHARE * spread.mean(axis=1, keepdims=True))
        mix.get_buffer("centre").copy_(torch.from_numpy(mean))
        mix.get_buffer("spread").copy_(torch.from_numpy(spread))


def _targets(corpus: Corpus, labels: Sequence[str]) -> NDArray[np.float32]:
    """Targets float32 [utterances, classes]; zero where the network has no such class."""
    known = np.array([row.emotion in labels for row in corpus.utterances])
    targets = np.zeros((len(known), len(labels)), np.float32)
    rows = tuple(row for row, keep in zip(corpus.utterances, known, strict=True) if keep)
    targets[known] = soft_targets(Corpus(corpus.name, corpus.folder, rows), labels)
    return targets


def _ratings(corpus: Corpus) -> NDArray[np.float32]:
    values = [[row.ratings.get(name, np.nan) for name in RATED] for row in corpus.utterances]
    return np.array(values, np.float32)


def _loss(training: Sequence[Heard], labels: tuple[str, ...]) -> AffectLoss:
    targets = np.concatenate([_targets(part.corpus, labels) for part in training])
    share = targets.sum(axis=0) / targets.sum()
    planes = torch.from_numpy(arousal_matrix(labels)), torch.from_numpy(valence_matrix(labels))
    return AffectLoss(LossConfig(), *planes, torch.from_numpy(share))


def _joined(parts: Sequence[Layers]) -> Layers:
    """Batches put together, padded to the longest."""
    states = [one for values, _ in parts for one in values]
    masks = [one for _, values in parts for one in values]
    padded = [torch.nn.utils.rnn.pad_sequence(values, batch_first=True) for values in (states, masks)]
    return padded[0], padded[1]
