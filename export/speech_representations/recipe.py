"""Training of the dense layers on the GE2E encoder; its own layers learn along in a short last phase."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch import Tensor

from export.corpora.labels import arousal_matrix, valence_matrix
from export.corpora.tables import Corpus, CorpusError
from export.evaluation.calibration import Calibration
from export.evaluation.calibration_fit import HeldOut, calibrate
from export.evaluation.conformal import Judged, fit_doubt
from export.speech_representations.batches import BatchSampler, voice_means
from export.speech_representations.embedded import Embedded, held_out, joined, power_of, recall
from export.speech_representations.encoder import read_encoder
from export.speech_representations.network import VoiceConfig, VoiceEncoder, VoiceNetwork
from export.speech_representations.spectra import Spectrum
from export.training.affect_loss import AffectLoss, LossConfig, Targets, soft_targets
from export.training.trainer import LoopConfig, Trainer

LEAST_CORPORA = 2
LEAST_SHARE = 1 / 3
"""Number and share of the corpora that must have a class: one that few corpora have is told by their sound."""

PEAK_RATE = 1e-3
TUNING_RATE = 1e-4
TUNING_BATCH = 32
"""Peak rate and windows of a step of the last phase, in which the encoder's layers learn along."""


@dataclass(frozen=True)
class VoiceRecipe:
    """Length and classes of a training.

    Attributes:
        partitions: partitions trained on.
        labels: classes that are learnt; those of :func:`common_labels` by default.
        unheard: whether temperature and plausible labels are fitted on what networks that were trained without a
            corpus say of it. Without, there is only a temperature, from corpora that were heard.
        tuning_steps: steps of :func:`tune`.
        device: of PyTorch, where networks are.
    """

    steps: int = 1500
    seed: int = 0
    partitions: tuple[str, ...] = ("train",)
    labels: tuple[str, ...] | None = None
    unheard: bool = False
    batch_size: int = 256
    report_steps: int = 250
    tuning_steps: int = 0
    device: str = "cpu"


@dataclass(frozen=True)
class Material:
    """Speech as the encoder gave it.

    Attributes:
        training, devel: partitions of the corpora that are trained on.
        watched: corpora that are left out of training.
    """

    training: Sequence[Embedded]
    devel: Sequence[Embedded]
    watched: Sequence[Embedded] = ()


class VoiceTrainer(Trainer[VoiceNetwork]):
    """A run of this recipe.

    Args:
        spectra: of all windows that the sampler draws from, where the encoder learns along.
    """

    def __init__(
        self,
        network: VoiceNetwork,
        sampler: BatchSampler,
        loss: Callable[[dict[str, Tensor], Targets], Tensor],
        config: LoopConfig,
        out: Path,
        seed: int,
        spectra: Sequence[Spectrum] = (),
    ) -> None:
        super().__init__(network, config, out, seed, {"network": network.config.to_text()})
        self._sampler = sampler
        self.class_prior = sampler.class_prior
        self._loss = loss
        self._spectra = spectra

    def batch_loss(self) -> Tensor:
        """Draw windows and profiles, and compare what the network says with what is wanted."""
        batch, device = self._sampler.draw(), self._config.device
        mean, weight = (values.to(device) for values in batch.profile)
        if self._spectra:
            power, frames = power_of([self._spectra[window] for window in batch.windows], device)
            pooled = self.network.encoder(power, frames) + batch.move.to(device)
        else:
            pooled = batch.pooled.to(device)
        logits = self.network.judge(pooled, (mean, weight))
        return self._loss({name: value.cpu() for name, value in logits.items()}, batch.targets)


def frozen_encoder(file: Path, equalisation: float) -> VoiceEncoder:
    """The encoder of a file, behind the conditioning; it does not learn.

    Args:
        file: see :func:`export.speech_representations.encoder.read_encoder`.
        equalisation: see :class:`VoiceConfig`.
    """
    encoder = VoiceEncoder(equalisation)
    encoder.layers = read_encoder(file)
    return encoder.requires_grad_(False).eval()


def common_labels(corpora: Sequence[Corpus]) -> tuple[str, ...]:
    """Emotions that at least two and a third of the corpora have, in alphabetical order.

    Raises:
        CorpusError: there are fewer than two.
    """
    names = sorted({label for corpus in corpora for label in corpus.labels})
    least = min(max(LEAST_CORPORA, math.ceil(LEAST_SHARE * len(corpora))), len(corpora))
    common = tuple(name for name in names if sum(name in corpus.labels for corpus in corpora) >= least)
    if len(common) < 2:
        raise CorpusError("fewer than two emotions are in two corpora or more: nothing can be told apart")
    return common


def require_heard_by_others(corpora: Sequence[Corpus], recipe: VoiceRecipe) -> None:
    """Refuse corpora that :func:`train_voice` would find too few, before anything of them is computed.

    Raises:
        CorpusError: fewer than two classes are in two corpora, or nothing is left where one source is left out.
    """
    common_labels([corpus.partition(*recipe.partitions) for corpus in corpora])
    if not recipe.unheard:
        return
    for name in (corpus.name for corpus in corpora):
        others = [corpus for corpus in corpora if origin(corpus.name) != origin(name)]
        if not others:
            raise CorpusError(f"without {name} no corpus is left to train on: give recordings of two sources at least")


def train_voice(
    encoder: VoiceEncoder, material: Material, recipe: VoiceRecipe, out: Path, progress: Callable[[int, float], None]
) -> VoiceNetwork:
    """Train dense layers on ``encoder`` and return the averaged network; its calibration is kept in the checkpoint.

    The recall on each part of ``material`` that is not trained on is logged on the way.

    Raises:
        CorpusError: no corpus is left, or fewer than two classes are in two; nothing was trained.
    """
    if not material.training:
        raise CorpusError("no corpus is left to train on: give recordings of two sources at least")
    torch.manual_seed(recipe.seed)
    labels = recipe.labels or common_labels([part.corpus for part in material.training])
    network = VoiceNetwork(VoiceConfig(labels, encoder.equalisation), encoder)
    sampler = _sampler(material.training, labels, recipe.batch_size, recipe.seed)
    network.centre.copy_(sampler.centre)
    network.spread.copy_(sampler.spread)
    config = LoopConfig(
        recipe.steps,
        recipe.batch_size,
        PEAK_RATE,
        average_decay=0.99,
        report_steps=recipe.report_steps,
        rise=0.1,
        device=recipe.device,
    )
    trainer = VoiceTrainer(network, sampler, _loss(material.training, labels), config, out, recipe.seed)
    trainer.resume()

    def evaluate(averaged: VoiceNetwork) -> dict[str, float]:
        scores = {f"devel_uar_{part.corpus.name}": recall(averaged, part) for part in material.devel}
        return scores | {f"left_out_uar_{part.corpus.name}": recall(averaged, part) for part in material.watched}

    trainer.run(evaluate, progress)
    averaged = trainer.averaged_network()
    answers = [held_out(averaged, part) for part in material.devel]
    if not recipe.unheard:
        trainer.keep(calibrate(answers, "temperature"))
        return averaged
    unheard = where_unheard(encoder, material, replace(recipe, labels=labels, unheard=False))
    calibration = calibrate([*answers, *unheard], "temperature")
    trainer.keep(calibration, fit_doubt([judged(part, calibration) for part in unheard]))
    return averaged


def tune(
    network: VoiceNetwork,
    training: Sequence[Embedded],
    spectra: Sequence[Sequence[Spectrum]],
    recipe: VoiceRecipe,
    out: Path,
    progress: Callable[[int, float], None],
) -> VoiceTrainer:
    """Let all layers learn along for some steps at a small rate, after the dense layers have (Kumar 2022).

    Args:
        spectra: of the windows of each part of ``training``, in their order.

    Returns:
        The run at its end; its averaged network is the result.
    """
    labels = network.config.labels
    kept = []
    for part, values in zip(training, spectra, strict=True):
        known = np.isin(part.emotions, labels)[part.recordings]
        kept += [value for value, keep in zip(values, known, strict=True) if keep]
    config = LoopConfig(
        recipe.tuning_steps,
        TUNING_BATCH,
        TUNING_RATE,
        0.0,
        0.98,
        recipe.report_steps,
        rise=0.2,
        device=recipe.device,
    )
    trainer = VoiceTrainer(
        deepcopy(network).requires_grad_(True),
        _sampler(training, labels, TUNING_BATCH, recipe.seed + 1),
        _loss(training, labels),
        config,
        out,
        recipe.seed,
        kept,
    )
    trainer.resume()
    trainer.run(None, progress)
    return trainer


def _sampler(training: Sequence[Embedded], labels: Sequence[str], batch_size: int, seed: int) -> BatchSampler:
    voices = np.concatenate([voice_means(part) for part in training])
    known = [part.where(np.isin(part.emotions, labels)) for part in training]
    return BatchSampler(known, voices, labels, batch_size, seed=seed)


def _loss(training: Sequence[Embedded], labels: tuple[str, ...]) -> AffectLoss:
    known = [part.where(np.isin(part.emotions, labels)).corpus for part in training]
    share = np.concatenate([soft_targets(corpus, labels) for corpus in known]).mean(axis=0)
    planes = torch.from_numpy(arousal_matrix(labels)), torch.from_numpy(valence_matrix(labels))
    return AffectLoss(LossConfig(), *planes, torch.from_numpy(share))


def where_unheard(encoder: VoiceEncoder, material: Material, recipe: VoiceRecipe) -> list[HeldOut]:
    """Answers for the recordings of each corpus by a network that was trained without it."""
    answers = []
    for heard, devel in zip(material.training, material.devel, strict=True):
        name = heard.corpus.name
        others = [part for part in material.training if origin(part.corpus.name) != origin(name)]
        with TemporaryDirectory() as folder:
            network = train_voice(encoder, Material(others, material.devel), recipe, Path(folder), silent)
        answers.append(replace(held_out(network, joined([heard, devel])), corpus=f"{name} (unheard)"))
    return answers


def origin(name: str) -> str:
    """Name of the recordings that a corpus is cut from: ``emodb4`` and ``emodb7`` hold the same."""
    return name.rstrip("0123456789")


def silent(_step: int, _loss: float) -> None:
    """Tell nobody."""


def judged(answers: HeldOut, calibration: Calibration) -> Judged:
    """The calibrated answers for recordings whose class the network has."""
    known = answers.truth >= 0
    return Judged(answers.corpus, calibration.probabilities(answers.logits[known]), answers.truth[known])
