"""Training of the network on the GE2E encoder: all layers learn, the encoder's at a fraction of the rate."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from export.corpora.labels import arousal_matrix, valence_matrix
from export.corpora.tables import Corpus, CorpusError
from export.evaluation.calibration_fit import HeldOut, calibrate
from export.evaluation.metrics import unweighted_average_recall
from export.speech_representations.batches import BatchSampler
from export.speech_representations.encoder import PRESET, read_encoder
from export.speech_representations.network import VoiceConfig, VoiceNetwork
from export.speech_representations.spectra import Spectra, Spectrum, load_spectra
from export.training.affect_loss import AffectLoss, LossConfig, Targets, soft_targets
from export.training.trainer import LoopConfig, Trainer

LEAST_CORPORA = 2
"""Corpora that must have a class: one that a single corpus has is told by that corpus's sound."""

ENCODER_FACTOR = 0.3
"""The encoder's layers learn at this factor of the rate of the others."""

PEAK_RATE = 1e-3
FULL_FRAMES = PRESET.frames(PRESET.full_length_samples)
HOP_FRAMES = PRESET.frames(PRESET.sample_rate_hz) - 1


@dataclass(frozen=True)
class VoiceRecipe:
    """Data and length of a training.

    Attributes:
        encoder: file of the GE2E encoder; see :func:`export.speech_representations.encoder.read_encoder`.
        partitions: partitions trained on.
        versions: versions of each recording; all but the first are distorted.
        equalisation: see :class:`VoiceConfig`.
    """

    encoder: Path
    steps: int
    seed: int = 0
    partitions: tuple[str, ...] = ("train",)
    batch_size: int = 32
    versions: int = 4
    equalisation: float = 1.0
    report_steps: int = 200


class VoiceTrainer(Trainer[VoiceNetwork]):
    """A run of this recipe."""

    def __init__(
        self,
        network: VoiceNetwork,
        sampler: BatchSampler,
        loss: Callable[[dict[str, Tensor], Targets], Tensor],
        config: LoopConfig,
        out: Path,
        seed: int,
    ) -> None:
        settings: dict[str, object] = {"network": network.config.to_text()}
        super().__init__(network, config, out, seed, settings, slower=("layers.", ENCODER_FACTOR))
        self._sampler = sampler
        self._loss = loss

    def batch_loss(self) -> Tensor:
        """Draw clips, and compare what the network says with what is wanted."""
        batch = self._sampler.draw()
        return self._loss(self.network(batch.power, batch.frames), batch.targets)


def train_voice(
    corpora: Sequence[Corpus],
    watched: Sequence[Corpus],
    recipe: VoiceRecipe,
    out: Path,
    progress: Callable[[int, float], None],
    cache: Path | None = None,
) -> VoiceNetwork:
    """Train on ``corpora`` and return the averaged network; its calibration is kept in the checkpoint.

    Args:
        watched: corpora that are left out of training; the recall on their partitions train and devel is logged
            beside that of the devel partitions.

    Raises:
        CorpusError: fewer than two classes are in two corpora; nothing was trained.
    """
    torch.manual_seed(recipe.seed)
    labels = common_labels(corpora)
    network = VoiceNetwork(VoiceConfig(labels, recipe.equalisation))
    network.layers = read_encoder(recipe.encoder)
    training = [
        of_classes(load_spectra(part.partition(*recipe.partitions), recipe.versions, cache), labels) for part in corpora
    ]
    devel = [of_classes(load_spectra(part.partition("devel"), 1, cache), labels) for part in corpora]
    others = [of_classes(load_spectra(part.partition("train", "devel"), 1, cache), labels) for part in watched]
    network.reference.copy_(reference_spectrum(training))
    sampler = BatchSampler(training, labels, recipe.batch_size, seed=recipe.seed)
    share = np.concatenate([soft_targets(part.corpus, labels) for part in training]).mean(axis=0)
    planes = torch.from_numpy(arousal_matrix(labels)), torch.from_numpy(valence_matrix(labels))
    loss = AffectLoss(LossConfig(), *planes, torch.from_numpy(share))
    config = LoopConfig(recipe.steps, recipe.batch_size, PEAK_RATE, 0.01, 0.99, recipe.report_steps, 3.0)
    trainer = VoiceTrainer(network, sampler, loss, config, out, recipe.seed)
    trainer.resume()

    def evaluate(averaged: VoiceNetwork) -> dict[str, float]:
        scores = {f"devel_uar_{part.corpus.name}": recall(averaged, part) for part in devel}
        return scores | {f"left_out_uar_{part.corpus.name}": recall(averaged, part) for part in others}

    trainer.run(evaluate, progress)
    averaged = trainer.averaged_network()
    trainer.keep(calibrate([held_out(averaged, part) for part in devel], "temperature"))
    return averaged


def common_labels(corpora: Sequence[Corpus]) -> tuple[str, ...]:
    """Emotions that at least two of the corpora have, in alphabetical order.

    Raises:
        CorpusError: there are fewer than two.
    """
    names = sorted({label for corpus in corpora for label in corpus.labels})
    least = min(LEAST_CORPORA, len(corpora))
    common = tuple(name for name in names if sum(name in corpus.labels for corpus in corpora) >= least)
    if len(common) < 2:
        raise CorpusError("fewer than two emotions are in two corpora or more: nothing can be told apart")
    return common


def of_classes(spectra: Spectra, labels: Sequence[str]) -> Spectra:
    """The utterances of some emotions."""
    corpus = spectra.corpus
    pairs = zip(corpus.utterances, spectra.versions, strict=True)
    kept = [(utterance, versions) for utterance, versions in pairs if utterance.emotion in labels]
    utterances = tuple(utterance for utterance, _ in kept)
    return Spectra(Corpus(corpus.name, corpus.folder, utterances), tuple(versions for _, versions in kept))


def reference_spectrum(corpora: Sequence[Spectra]) -> Tensor:
    """Mean share of each band over recordings, every corpus counting the same: float32 [40], sum 1."""
    means = []
    for part in corpora:
        shares = []
        for versions in part.versions:
            mean = (10.0 ** versions[0].astype(np.float32)).mean(axis=0)
            shares.append(mean / mean.sum())
        means.append(np.mean(shares, axis=0))
    whole = np.mean(means, axis=0)
    return torch.from_numpy((whole / whole.sum()).astype(np.float32))


def recall(network: VoiceNetwork, spectra: Spectra) -> float:
    """UAR over the classes of the corpus, the others left out of the choice."""
    found = held_out(network, spectra)
    own = np.flatnonzero(found.own)
    return unweighted_average_recall(found.truth, own[found.logits[:, own].argmax(axis=1)])


def held_out(network: VoiceNetwork, spectra: Spectra) -> HeldOut:
    """Logits of the network for held-out recordings, their clean versions."""
    labels = network.config.labels
    return HeldOut(
        spectra.corpus.name,
        predict(network, [versions[0] for versions in spectra.versions]),
        np.array([labels.index(utterance.emotion) for utterance in spectra.corpus.utterances]),
        np.array([label in spectra.corpus.labels for label in labels]),
    )


def predict(network: VoiceNetwork, values: Sequence[Spectrum], batch_size: int = 32) -> NDArray[np.float32]:
    """Logits of emotions, float32 [recordings, classes]: logarithms of the mean probability over windows of 3.0 s."""
    windows = [(index, part) for index, value in enumerate(values) for part in windows_of(value)]
    windows.sort(key=lambda item: len(item[1]))
    sums = np.zeros((len(values), len(network.config.labels)), np.float64)
    network.eval()
    for start in range(0, len(windows), batch_size):
        batch = windows[start : start + batch_size]
        frames = torch.tensor([len(part) for _, part in batch])
        power = torch.zeros(len(batch), int(frames.max()), batch[0][1].shape[1])
        for row, (_, part) in enumerate(batch):
            power[row, : len(part)] = 10.0 ** torch.from_numpy(part.astype(np.float32))
        with torch.inference_mode():
            odds = torch.softmax(network(power, frames)["emotion"], dim=1).double().numpy()
        np.add.at(sums, [index for index, _ in batch], odds)
    counts = np.bincount([index for index, _ in windows], minlength=len(values))
    return np.log(sums / counts[:, None]).astype(np.float32)


def windows_of(value: Spectrum) -> list[Spectrum]:
    """A recording cut into windows of 3.0 s, the last one ending with it."""
    if len(value) <= FULL_FRAMES:
        return [value]
    starts = list(range(0, len(value) - FULL_FRAMES, HOP_FRAMES))
    return [value[start : start + FULL_FRAMES] for start in [*starts, len(value) - FULL_FRAMES]]
