"""What the bundles of networks that were trained here share: the texts a person decides, and the card."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from service import __version__
from service.card import (
    Card,
    FileEntry,
    Licence,
    Measurement,
    Parity,
    SpeechInput,
    Task,
    TrainingData,
    read_card,
    write_card,
)

Setting = float | int | str | bool | list[float] | list[str]


@dataclass(frozen=True)
class TrainedBundle:
    """What a person decides about a bundle before it is exported."""

    name: str
    version: str
    title: str
    description: str
    licence: Licence
    training_data: tuple[TrainingData, ...]
    known_limits: tuple[str, ...]
    priority: int = 0

    @property
    def metadata(self) -> dict[str, str]:
        """What is written into the graph itself."""
        return {"author": "Emoserve", "licence": self.licence.spdx, "name": self.name, "version": self.version}


@dataclass(frozen=True)
class FromNetwork:
    """What follows from the network.

    Attributes:
        difference: the largest one between graph and network, which is within ``tolerance``.
        recordings: how many it was found on.
    """

    task: Task
    speech: SpeechInput
    settings: dict[str, Setting]
    intended_use: str
    tolerance: float
    difference: float
    recordings: int
    labels: Sequence[str] = ()


def trained_card(about: TrainedBundle, content: FromNetwork, files: dict[str, FileEntry]) -> Card:
    """The card, without measurements."""
    return Card(
        name=about.name,
        version=about.version,
        task=content.task,
        title=about.title,
        description=about.description,
        labels=list(content.labels),
        speech=content.speech,
        settings=dict(content.settings),
        licence=about.licence,
        training_data=list(about.training_data),
        intended_use=content.intended_use,
        known_limits=list(about.known_limits),
        exporter={"emoserve": __version__, "torch": torch.__version__, "python": platform.python_version()},
        parity=Parity(
            tolerance=content.tolerance,
            largest_difference=content.difference,
            against=f"PyTorch {torch.__version__} on {content.recordings} recordings, alone and in one batch",
        ),
        priority=about.priority,
        files=files,
    )


def add_measurements(folder: Path, measurements: Sequence[Measurement]) -> None:
    """Replace the card's measurements."""
    write_card(read_card(folder).model_copy(update={"measurements": list(measurements)}), folder)
