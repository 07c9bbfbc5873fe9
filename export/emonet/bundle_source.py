"""Sources of an EmoNet bundle: a checkpoint of its training, or a bundle made before."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from export.bundle.measurements import UAR
from export.emonet.bundle import load_network
from export.emonet.network import EmoNet
from export.emonet.training_loop import load_calibration, load_trained
from export.evaluation.calibration import Calibration
from service.card import Card, read_card


@dataclass(frozen=True)
class EmotionSource:
    """A network and what was found out about it before.

    Attributes:
        calibration: as the training or the former export fitted it, None if neither did.
        rivals: corpus to system to its test UAR, from the former card.
    """

    network: EmoNet
    calibration: Calibration | None
    rivals: dict[str, dict[str, float]] = field(default_factory=dict)


def read_source(weights: Path) -> EmotionSource:
    """Read a checkpoint, or the folder of a bundle, whose graph is not needed.

    Raises:
        ValueError: the checkpoint is of another recipe, the bundle is no EmoNet, or its weights are not those that its
            card names; the message is one line.
    """
    if not weights.is_dir():
        return EmotionSource(load_trained(weights), load_calibration(weights))
    card = read_card(weights)
    _check(card, weights)
    rivals = {entry.data: dict(entry.rivals) for entry in card.measurements if entry.metric == UAR}
    return EmotionSource(load_network(weights), Calibration.from_settings(dict(card.settings)), rivals)


def _check(card: Card, folder: Path) -> None:
    if card.task != "speech-emotion" or not isinstance(card.settings.get("network"), str):
        raise ValueError(f"{folder}: not a bundle of an EmoNet")
    name = card.file_with_role("weights")
    with (folder / name).open("rb") as stream:
        if hashlib.file_digest(stream, "sha256").hexdigest() != card.files[name].sha256:
            raise ValueError(f"{folder / name}: its sha256 is not the one of its card")
