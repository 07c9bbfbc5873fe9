"""The card of every bundle that is made here: what a person writes, what follows from the model, and the files."""

import importlib.metadata
import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from service import __version__
from service.card import (
    Card,
    FileEntry,
    Licence,
    Measurement,
    Member,
    Parity,
    SpeechInput,
    Task,
    TrainingData,
    read_card,
    write_card,
)

Setting = float | int | str | bool | list[float] | list[int] | list[str]

SPEECH_EMOTION_USE = (
    "Estimating the vocal expression of emotion in recordings of one speaker, for research and as one input among "
    "others to people in health care. Not a diagnosis, not a lie detector, not a judgement of what a person feels. "
    "The EU AI Act (Regulation 2024/1689, article 5(1)(f)) prohibits emotion recognition at work and in education "
    "except for medical or safety reasons; elsewhere it is high-risk and people must be told."
)

EMBEDDING_USE = (
    "A fixed-length description of a recording for classifiers. It says nothing without a classifier, whose own rules "
    "of use apply. It tells voices apart: where voices identify people, it is personal data."
)


@dataclass(frozen=True)
class BundleText:
    """The part of a card that a person decides.

    Attributes:
        title: one line for people.
        description: what it is and how it was made.
        licence: of the weights.
        training_data: what the weights saw.
        known_limits: in plain words.
        priority: the highest of its task is the default model.
    """

    name: str
    version: str
    title: str
    description: str
    licence: Licence
    training_data: tuple[TrainingData, ...] = ()
    known_limits: tuple[str, ...] = ()
    priority: int = 0

    @property
    def metadata(self) -> dict[str, str]:
        """Metadata of the graph itself."""
        return {"author": "Emoserve", "licence": self.licence.spdx, "name": self.name, "version": self.version}


Text = TypeVar("Text", bound=BundleText)


def read_text(file: Path, kind: type[Text]) -> tuple[Text, frozenset[str]]:
    """A bundle's texts from a JSON file, as ``kind``, and the names of the corpora that its weights saw."""
    values = json.loads(file.read_text(encoding="utf-8"))
    seen = frozenset(values.pop("seen_corpora"))
    values["licence"] = Licence(**values["licence"])
    values["training_data"] = tuple(TrainingData(**entry) for entry in values["training_data"])
    values["known_limits"] = tuple(values["known_limits"])
    return kind(**values), seen


@dataclass(frozen=True)
class BundleFacts:
    """The part of a card that follows from the model.

    Attributes:
        made_with: Python packages whose versions the card names.
        source: publisher's file or command that the files come from; empty where there is none.
    """

    task: Task
    intended_use: str
    settings: Mapping[str, Setting] = field(default_factory=dict)
    speech: SpeechInput | None = None
    labels: Sequence[str] = ()
    domains: Mapping[str, list[str]] = field(default_factory=dict)
    members: Sequence[Member] = ()
    measurements: Sequence[Measurement] = ()
    parity: Parity | None = None
    made_with: Sequence[str] = ()
    source: str = ""


def build_card(text: BundleText, facts: BundleFacts, files: Mapping[str, FileEntry]) -> Card:
    """The card of a bundle with ``files``."""
    versions = {name: importlib.metadata.version(name) for name in facts.made_with}
    source = {"source": facts.source} if facts.source else {}
    return Card(
        name=text.name,
        version=text.version,
        task=facts.task,
        title=text.title,
        description=text.description,
        labels=list(facts.labels),
        domains=dict(facts.domains),
        speech=facts.speech,
        settings=dict(facts.settings),
        licence=text.licence,
        members=list(facts.members),
        training_data=list(text.training_data),
        measurements=list(facts.measurements),
        intended_use=facts.intended_use,
        known_limits=list(text.known_limits),
        exporter={"emoserve": __version__, **source, **versions, "python": platform.python_version()},
        parity=facts.parity,
        priority=text.priority,
        files=dict(files),
    )


def add_measurements(folder: Path, measurements: Sequence[Measurement]) -> None:
    """Replace the card's measurements."""
    write_card(read_card(folder).model_copy(update={"measurements": list(measurements)}), folder)
