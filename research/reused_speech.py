"""The systems of Lakomkin et al. (B14–B17) and their protocol (B8–B10, B13): one speaker tests, one validates."""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from export.classifiers.selection import speaker_folds
from export.speech_representations.heads.pooling import MeanPooling, Pooling, RecurrentPooling
from research.speech_frames import FEATURES

RNN_UNITS = 96
BRANCH_UNITS = 96
"""Choices of F10; the paper does not state them."""

MOST_SINGLE_SPEAKERS = 12
GROUPS = 10
"""Up to so many speakers each is left out alone; more are put into ten groups."""


@dataclass(frozen=True)
class System:
    """Parts of a system.

    Attributes:
        own_units: width of the two GRU layers on features of its own; 0 where there are none.
        layer: layer of the encoder; 0 where it is not reused.
        rnn_units: width of a new GRU on that layer; 0 for its mean alone.
    """

    name: str
    own_units: int = 0
    layer: int = 0
    rnn_units: int = 0


SYSTEMS = (
    *(System(f"Baseline {units}", own_units=units) for units in (64, 96, 128)),
    *(System(f"MP-{layer}", layer=layer) for layer in (1, 2, 3)),
    *(System(f"RNN-{layer}", layer=layer, rnn_units=RNN_UNITS) for layer in (1, 2, 3)),
    *(System(f"Progressive-{layer}", own_units=BRANCH_UNITS, layer=layer) for layer in (1, 2, 3)),
)


@dataclass(frozen=True)
class StudyRecipe:
    """How each network is trained; the defaults are the paper's (B9, B13), but for the bound of epochs.

    Attributes:
        epochs: most epochs of systems with a GRU of their own; the rate stops a training earlier where it comes to
            ``last_rate``.
        softmax_epochs: the same of systems whose softmax alone learns.
        anneal: the rate's divisor when validation has not improved for two epochs (F10).
    """

    rate: float = 1e-4
    batch_size: int = 64
    epochs: int = 300
    softmax_epochs: int = 300
    last_rate: float = 1e-6
    anneal: float = 1.1
    clip_norm: float = 15.0
    dropout: float = 0.25


@dataclass(frozen=True)
class Heard:
    """Recordings for one system: sequences float32 [steps, numbers] each, and their classes int64 [recordings]."""

    sequences: Sequence[Sequence[Tensor]]
    targets: NDArray[np.int64]
    speakers: Sequence[str]

    def batch(self, rows: NDArray[np.intp]) -> list[tuple[Tensor, Tensor]]:
        """For each kind of sequence, float32 [steps, batch, numbers] and steps int64 [batch]."""
        found = []
        for kind in self.sequences:
            values = [kind[row] for row in rows]
            found.append((nn.utils.rnn.pad_sequence(values), torch.tensor([len(value) for value in values])))
        return found


class EmotionNetwork(nn.Module):
    """Branches whose means over time stand side by side, dropout, and a softmax."""

    def __init__(self, system: System, reused_units: int, classes: int, dropout: float) -> None:
        super().__init__()
        branches: list[Pooling] = []
        if system.own_units:
            branches.append(RecurrentPooling(FEATURES, system.own_units, layers=2))
        if system.layer:
            width = system.rnn_units
            branches.append(RecurrentPooling(reused_units, width) if width else MeanPooling(reused_units))
        self.branches = nn.ModuleList(branches)
        size = sum(branch.size for branch in branches)
        self.dropout = nn.Dropout(dropout)
        self.classes = nn.Linear(size, classes)

    def forward(self, inputs: list[tuple[Tensor, Tensor]]) -> Tensor:
        """Logits float32 [batch, classes] of what :meth:`Heard.batch` gives."""
        means = []
        for branch, (x, steps) in zip(self.branches, inputs, strict=True):
            mask = (torch.arange(len(x)) < steps[:, None]).float()
            means.append(branch(x.transpose(0, 1), mask))
        logits: Tensor = self.classes(self.dropout(torch.cat(means, dim=1)))
        return logits


def sequences_of(
    system: System, own: Sequence[NDArray[np.floating]], reused: Sequence[NDArray[np.floating]] | None
) -> list[list[Tensor]]:
    """Sequences that a system hears of each recording; a layer whose mean alone counts is averaged beforehand."""
    found = [own] if system.own_units else []
    if system.layer:
        assert reused is not None
        means = [value.mean(axis=0, keepdims=True, dtype=np.float32) for value in reused]
        found.append(reused if system.rnn_units else means)
    return [[torch.from_numpy(np.asarray(value, np.float32)) for value in kind] for kind in found]


def folds_of(speakers: Sequence[str]) -> NDArray[np.int64]:
    """Fold of each recording: its speaker, or one of ten groups of more than twelve speakers.

    Raises:
        TrainingError: speakers are not known, or there is one alone.
    """
    count = len(set(speakers))
    return speaker_folds(speakers, count if count <= MOST_SINGLE_SPEAKERS else GROUPS)


def judge(system: System, heard: Heard, classes: int, recipe: StudyRecipe, seed: int) -> NDArray[np.float64]:
    """Probabilities float64 [recordings, classes], each by a network that has heard nothing of its fold.

    The fold after the one that is left out validates.
    """
    folds = folds_of(heard.speakers)
    count = int(folds.max()) + 1
    if count < 3:
        raise ValueError("three speakers at least are needed: one tests, one validates, the others train")
    probabilities = np.zeros((len(folds), classes))
    for fold in range(count):
        validates = folds == (fold + 1) % count
        trains = np.flatnonzero((folds != fold) & ~validates)
        network = _train(system, heard, classes, (trains, np.flatnonzero(validates)), recipe, seed * count + fold)
        tests = np.flatnonzero(folds == fold)
        with torch.inference_mode():
            probabilities[tests] = network(heard.batch(tests)).softmax(dim=1).numpy()
    return probabilities


def _train(
    system: System,
    heard: Heard,
    classes: int,
    parts: tuple[NDArray[np.intp], NDArray[np.intp]],
    recipe: StudyRecipe,
    seed: int,
) -> EmotionNetwork:
    """The network with the least cross-entropy on validation (B9), in evaluation mode."""
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    trains, validates = parts
    reused_units = heard.sequences[-1][0].shape[1]
    network = EmotionNetwork(system, reused_units, classes, recipe.dropout)
    optimizer = torch.optim.Adam(network.parameters(), recipe.rate)
    schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=1 / recipe.anneal, patience=2, threshold=0)
    validation, wanted = heard.batch(validates), torch.from_numpy(heard.targets[validates])
    steps = np.array([len(value) for value in heard.sequences[0]])
    least, best = np.inf, deepcopy(network.state_dict())
    for epoch in range(recipe.epochs if system.own_units or system.rnn_units else recipe.softmax_epochs):
        network.train()
        for rows in _batches(trains, steps[trains], recipe.batch_size, random if epoch else None):
            loss = functional.cross_entropy(network(heard.batch(rows)), torch.from_numpy(heard.targets[rows]))
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), recipe.clip_norm)
            optimizer.step()
        network.eval()
        with torch.inference_mode():
            loss_now = float(functional.cross_entropy(network(validation), wanted))
        if loss_now < least:
            least, best = loss_now, deepcopy(network.state_dict())
        schedule.step(loss_now)
        if optimizer.param_groups[0]["lr"] <= recipe.last_rate:
            break
    network.load_state_dict(best)
    return network.eval()


def _batches(
    rows: NDArray[np.intp], steps: NDArray[np.int64], size: int, random: np.random.Generator | None
) -> list[NDArray[np.intp]]:
    """Recordings of like length together, in any order; from short to long where nothing is drawn (B10)."""
    if random is None:
        order = np.argsort(steps, kind="stable")
    else:
        order = np.argsort(steps * random.uniform(0.7, 1.3, len(steps)))
    batches = [rows[order[start : start + size]] for start in range(0, len(order), size)]
    return batches if random is None else [batches[place] for place in random.permutation(len(batches))]
