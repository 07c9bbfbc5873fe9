"""Recipe 'open': one network, one domain, all corpora in every batch, distorted hard; see the modules it joins."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from export.corpora.features import Pictures, load_pictures
from export.corpora.labels import arousal_matrix, valence_matrix
from export.corpora.tables import Corpus
from export.emonet.augmentation import AugmentationConfig
from export.emonet.batches import BatchSampler
from export.emonet.network import EmoNet, EmoNetConfig
from export.emonet.pictures import corpus_uar, predict
from export.emonet.training_loop import EmoNetTrainer, has_matrix_units, label_set, load_trained
from export.evaluation.calibration import Kind
from export.evaluation.calibration_fit import CalibrationError, HeldOut, calibrate, expected_classes
from export.training.affect_loss import AffectLoss, LossConfig, soft_targets
from export.training.trainer import LoopConfig


@dataclass(frozen=True)
class OpenRecipe:
    """Data and length of a training.

    Attributes:
        partitions: partitions trained on; 'train' until the test figures are written down, then all of them.
        start: checkpoint of another run of this recipe to start from; only the emotion layer begins anew.
        calibration: what is fitted on devel in the end.
    """

    steps: int
    seed: int = 0
    partitions: tuple[str, ...] = ("train",)
    batch_size: int = 32
    start: Path | None = None
    calibration: Kind = "temperature"
    device: str = "cpu"


def train_open(
    corpora: Sequence[Corpus],
    recipe: OpenRecipe,
    out: Path,
    progress: Callable[[int, float], None],
    cache: Path | None = None,
) -> EmoNet:
    """Train on ``corpora`` and return the averaged network; its calibration is kept in the checkpoint.

    Raises:
        CalibrationError: biases are wanted, and devel lacks an emotion; nothing was trained.
        OtherTrainingError: the checkpoint to start from is of another network.
    """
    torch.manual_seed(recipe.seed)
    labels = label_set([corpus.labels for corpus in corpora])
    absent = set(labels) - {emotion for corpus in corpora for emotion in corpus.partition("devel").labels}
    if absent and recipe.calibration == "biases":
        raise CalibrationError(f"biases need devel recordings of every emotion; of {min(absent)} there is none")
    start = load_trained(recipe.start)[0] if recipe.start else None
    training = [select(load_pictures(corpus, cache), recipe.partitions) for corpus in corpora]
    devel = [select(load_pictures(corpus, cache), ("devel",)) for corpus in corpora]
    network = EmoNet(EmoNetConfig(labels, stem_kernel=5, stem_stride=2, block_dropout=0.1, head_dropout=0.2))
    if start:
        take_over(network, start)
    sampler = BatchSampler(training, labels, recipe.batch_size, AugmentationConfig(), seed=recipe.seed)
    share = torch.from_numpy(np.concatenate([soft_targets(corpus.corpus, labels) for corpus in training]).mean(axis=0))
    loss = AffectLoss(
        LossConfig(), torch.from_numpy(arousal_matrix(labels)), torch.from_numpy(valence_matrix(labels)), share
    )
    is_half = recipe.device == "cpu" and has_matrix_units()
    loop = LoopConfig(recipe.steps, recipe.batch_size, half_precision=is_half, device=recipe.device)
    trainer = EmoNetTrainer(network, sampler, loss, loop, out, recipe.seed)
    trainer.resume()

    def evaluate(averaged: EmoNet) -> dict[str, float]:
        return {f"devel_uar_{part.corpus.name}": corpus_uar(averaged, part, labels) for part in devel}

    trainer.run(evaluate, progress)
    averaged = trainer.averaged_network()
    answers = [held_out(averaged, part, labels) for part in devel]
    if recipe.calibration == "biases":
        trainer.class_prior = expected_classes(answers, labels)
    trainer.keep(calibrate(answers, recipe.calibration))
    return averaged


def held_out(network: EmoNet, pictures: Pictures, labels: Sequence[str]) -> HeldOut:
    """Logits of the network for held-out recordings."""
    return HeldOut(
        pictures.corpus.name,
        predict(network, pictures)["emotion"],
        np.array([labels.index(utterance.emotion) for utterance in pictures.corpus.utterances]),
        np.array([label in pictures.corpus.labels for label in labels]),
    )


def take_over(network: EmoNet, source: EmoNet) -> None:
    """Copy all weights of ``source`` but those of the emotion layer, whose classes differ."""
    kept = {key: value for key, value in source.state_dict().items() if ".emotion." not in key}
    network.load_state_dict(kept, strict=False)


def select(pictures: Pictures, partitions: Sequence[str]) -> Pictures:
    """The recordings of some partitions."""
    kept = [index for index, utterance in enumerate(pictures.corpus.utterances) if utterance.partition in partitions]
    return Pictures(pictures.corpus.partition(*partitions), tuple(pictures.values[index] for index in kept))
