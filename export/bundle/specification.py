"""What a person decides about a bundle before it is exported: a JSON file beside the code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypeVar

from export.bundle.trained import TrainedBundle
from service.card import Licence, TrainingData

Kind = TypeVar("Kind", bound=TrainedBundle)


def read_specification(file: Path, kind: type[Kind]) -> tuple[Kind, frozenset[str]]:
    """The bundle's texts as ``kind``, and the names of the corpora that its weights saw."""
    values = json.loads(file.read_text(encoding="utf-8"))
    seen = frozenset(values.pop("seen_corpora"))
    values["licence"] = Licence(**values["licence"])
    values["training_data"] = tuple(TrainingData(**entry) for entry in values["training_data"])
    values["known_limits"] = tuple(values["known_limits"])
    return kind(**values), seen
