"""A trained classifier as files: ``head.safetensors`` with the numbers, ``head.json`` with what must be known."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load, save

from export.classifiers.fitting import Linear
from export.classifiers.probabilities import Link, link_of, probabilities
from export.classifiers.recipe import Calibration, ClassWeight, Loss, Penalty, Scaling, Selection
from export.failures import UserError
from export.features.origin import Backbone
from service.card import Licence, Measurement, TrainingData

HEAD_FILE_NAME = "head.safetensors"
CARD_FILE_NAME = "head.json"

TENSORS = ("scale", "offset", "weights", "bias")
"""float64: [features], [features], [classes, features], [classes]."""


class HeadError(UserError):
    """A head that cannot be read or used; the message names it and the cause."""


class GridCell(BaseModel):
    """One setting that was tried."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    loss: Loss
    penalty: Penalty
    strength: float
    uar: float
    converged: bool


class HeadCard(BaseModel):
    """``head.json``.

    Attributes:
        strength: α of SGD, or C of the support vector machine.
        link: how scores become probabilities.
        temperature: temperature of the softmax; 1 for the other links.
        calibration: whether the link is scikit-learn's or a calibrated softmax; older cards lack it: scikit-learn's.
        backbones: networks that the features come from, in the order of their columns.
        window_s: longest stretch of sound behind a row of the training data.
        weights_sha256: digest of ``head.safetensors``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int = 1
    labels: list[str]
    loss: Loss
    penalty: Penalty
    strength: float
    link: Link
    temperature: float
    calibration: Calibration = "none"
    scaling: Scaling
    recipe: str
    selection: Selection
    folds: int | None = None
    epochs: int
    tolerance: float | None
    oversampling: float | None
    class_weight: ClassWeight
    refit: bool
    seed: int
    grid: list[GridCell]
    dimensions: int
    backbones: list[Backbone]
    window_s: float
    training_data: list[TrainingData]
    licence: Licence
    measurements: list[Measurement] = []
    notes: list[str] = []
    exporter: dict[str, str]
    weights_sha256: str = ""


@dataclass(frozen=True)
class Head:
    """A linear classifier and its card."""

    linear: Linear
    card: HeadCard

    def probabilities(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """float64 [rows, classes] of float64 [rows, features].

        Raises:
            HeadError: another number of features.
        """
        if values.shape[1] != self.card.dimensions:
            raise HeadError(f"the classifier takes {self.card.dimensions} features, not {values.shape[1]}")
        return probabilities(self.linear.scores(values), self.card.link, self.card.temperature)


def head_tensors(head: Head) -> bytes:
    """The file of numbers."""
    return save({name: np.ascontiguousarray(getattr(head.linear, name)) for name in TENSORS})


def write_head(head: Head, folder: Path) -> Path:
    """Write both files into ``folder``; returns it."""
    folder.mkdir(parents=True, exist_ok=True)
    data = head_tensors(head)
    card = head.card.model_copy(update={"weights_sha256": hashlib.sha256(data).hexdigest()})
    (folder / HEAD_FILE_NAME).write_bytes(data)
    (folder / CARD_FILE_NAME).write_text(card.model_dump_json(indent=1) + "\n", encoding="utf-8")
    return folder


def read_head(path: Path) -> Head:
    """Read a head from its folder, or from the path of either file.

    Raises:
        HeadError: a file is missing, the card is not valid, or the numbers are not those of the card.
    """
    folder = path if path.is_dir() else path.parent
    card_file, tensor_file = folder / CARD_FILE_NAME, folder / HEAD_FILE_NAME
    for file in (card_file, tensor_file):
        if not file.is_file():
            raise HeadError(f"{path}: no head there, {file.name} is missing")
    try:
        card = HeadCard.model_validate_json(card_file.read_bytes())
    except ValidationError as error:
        raise HeadError(f"{card_file}: not the card of a head: {error.errors()[0]['msg']}") from error
    data = tensor_file.read_bytes()
    if hashlib.sha256(data).hexdigest() != card.weights_sha256:
        raise HeadError(f"{tensor_file}: is not the file that its card describes (sha256)")
    return Head(_linear(data, card, tensor_file), card)


def _linear(data: bytes, card: HeadCard, file: Path) -> Linear:
    try:
        tensors = load(data)
        linear = Linear(**{name: tensors[name] for name in TENSORS})
    except (SafetensorError, KeyError) as error:
        raise HeadError(f"{file}: not the numbers of a head: {error}") from error
    classes, width = len(card.labels), card.dimensions
    shapes = (linear.scale.shape, linear.offset.shape, linear.weights.shape, linear.bias.shape)
    if shapes != ((width,), (width,), (classes, width), (classes,)) or card.link != link_of(
        card.loss, card.calibration
    ):
        raise HeadError(f"{file}: its shapes {shapes} are not those of {classes} classes and {width} features")
    return linear
