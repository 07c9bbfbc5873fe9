"""Fusion of several networks: one classifier on all features (A22), or the mean of classifiers' answers (A23)."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from export.classifiers.answers import Predictions
from export.classifiers.examples import TrainingError
from export.classifiers.head import Head, HeadError, read_head, write_head
from export.classifiers.recipe import FusionKind, Recipe
from export.classifiers.training import Trained, train_head
from export.features.origin import Origin
from export.features.table import FeatureTable
from service.card import Measurement, TrainingData

FUSION_FILE_NAME = "fusion.json"
MILLISECONDS = 3


class FusionCard(BaseModel):
    """``fusion.json``: the members, as folders of heads below it, and what was measured of the whole."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    kind: FusionKind
    combination: str = ""
    heads: list[str]
    measurements: list[Measurement] = []
    notes: list[str] = []


@dataclass(frozen=True)
class Fusion:
    """Trained members and their card."""

    card: FusionCard
    heads: tuple[Head, ...]


@dataclass(frozen=True)
class TrainedFusion:
    """Members, the answers of the whole, and the recordings that not every table holds."""

    kind: FusionKind
    members: tuple[Trained, ...]
    answers: list[Predictions]
    dropped: tuple[str, ...]


def train_fusion(
    kind: FusionKind,
    tables: Sequence[FeatureTable],
    recipe: Recipe,
    threads: int,
    progress: Callable[[], None] | None = None,
) -> TrainedFusion:
    """Train a fusion on tables of the same recordings.

    Raises:
        TrainingError: fewer than two tables, tables without a row in common, that disagree about labels or
            partitions, or that cannot be trained on.
    """
    if len(tables) < 2:
        raise TrainingError("a fusion needs the features of two networks at least")
    kept, dropped = aligned(tables, by_row=kind == "early")
    if kind == "early":
        trained = train_head(side_by_side(kept), recipe, threads, progress=progress)
        return TrainedFusion(kind, (trained,), trained.answers, dropped)
    members = tuple(train_head(table, recipe, threads, progress=progress) for table in kept)
    parts = [mean_answers(column) for column in zip(*(member.answers for member in members), strict=True)]
    return TrainedFusion(kind, members, parts, dropped)


def aligned(tables: Sequence[FeatureTable], *, by_row: bool) -> tuple[list[FeatureTable], tuple[str, ...]]:
    """The rows that all tables hold, in the order of the first, and the names of the recordings that lost rows.

    Args:
        by_row: whether rows must agree in their times too, or only in their recording.

    Raises:
        TrainingError: nothing is in common, or labels or partitions disagree.
    """
    keys = [_keys(table, by_row) for table in tables]
    shared = set(keys[0]).intersection(*keys[1:])
    if not shared:
        raise TrainingError("the tables have no row in common (were they computed of other corpora or windows?)")
    dropped = {key[0] for column in keys for key in column if key not in shared}
    kept: list[FeatureTable] = []
    for table, column in zip(tables, keys, strict=True):
        part = table.rows(np.array([key in shared for key in column]))
        kept.append(_ordered_like(part, kept[0], by_row) if kept else part)
    for part in kept[1:]:
        if _about(part) != _about(kept[0]):
            raise TrainingError("the tables disagree about the label or partition of a recording")
    return kept, tuple(sorted(dropped))


def side_by_side(tables: Sequence[FeatureTable]) -> FeatureTable:
    """Features of aligned tables behind one another, in one table (A22)."""
    first = tables[0]
    names = [name for table in tables for name in table.feature_names]
    if len(set(names)) < len(names):
        names = [f"{place}:{name}" for place, table in enumerate(tables) for name in table.feature_names]
    data: dict[str, TrainingData] = {entry.name: entry for table in tables for entry in table.origin.data}
    origin = Origin(
        backbones=[backbone for table in tables for backbone in table.origin.backbones],
        data=list(data.values()),
        window_s=first.origin.window_s,
        hop_s=first.origin.hop_s,
        left_out=sorted({line for table in tables for line in table.origin.left_out}),
        pooled=max(table.origin.pooled for table in tables),
    )
    values = np.concatenate([table.values for table in tables], axis=1)
    return replace(first, values=values, feature_names=tuple(names), origin=origin)


def mean_answers(parts: Sequence[Predictions]) -> Predictions:
    """The arithmetic mean of the members' probabilities on one partition (A23).

    Raises:
        TrainingError: members have other classes or recordings.
    """
    first = parts[0]
    for part in parts[1:]:
        if part.labels != first.labels or part.names != first.names or part.partition != first.partition:
            raise TrainingError("the members of a late fusion answered other classes or recordings")
    return replace(first, probabilities=np.mean([part.probabilities for part in parts], axis=0))


def write_fusion(fusion: Fusion, folder: Path) -> Path:
    """Write the members into folders below ``folder``, and the card; returns ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, head in zip(fusion.card.heads, fusion.heads, strict=True):
        write_head(head, folder / name)
    (folder / FUSION_FILE_NAME).write_text(fusion.card.model_dump_json(indent=1) + "\n", encoding="utf-8")
    return folder


def read_fusion(folder: Path) -> Fusion:
    """Read what :func:`write_fusion` wrote.

    Raises:
        HeadError: a file is missing or not valid, or the members do not fit together.
    """
    file = folder / FUSION_FILE_NAME
    if not file.is_file():
        raise HeadError(f"{folder}: no fusion there, {FUSION_FILE_NAME} is missing")
    try:
        card = FusionCard.model_validate(json.loads(file.read_bytes()))
    except (ValidationError, ValueError) as error:
        raise HeadError(f"{file}: not the card of a fusion: {str(error).splitlines()[0]}") from error
    if card.kind == "early" and len(card.heads) != 1:
        raise HeadError(f"{file}: an early fusion has one classifier, not {len(card.heads)}")
    heads = tuple(read_head(folder / name) for name in card.heads)
    if len({tuple(head.card.labels) for head in heads}) != 1:
        raise HeadError(f"{file}: its members have other classes")
    return Fusion(card, heads)


Key = tuple[str, float, float]


def _keys(table: FeatureTable, by_row: bool) -> list[Key]:
    if not by_row:
        return [(name, 0.0, 0.0) for name in table.names]
    times = zip(np.round(table.start_s, MILLISECONDS), np.round(table.end_s, MILLISECONDS), strict=True)
    keys = [(name, float(start), float(end)) for name, (start, end) in zip(table.names, times, strict=True)]
    if len(set(keys)) < len(keys):
        raise TrainingError("a table holds the same stretch of a recording twice")
    return keys


def _ordered_like(table: FeatureTable, model: FeatureTable, by_row: bool) -> FeatureTable:
    place_of = {key: place for place, key in reversed(list(enumerate(_keys(model, by_row))))}
    order = np.argsort([place_of[key] for key in _keys(table, by_row)], kind="stable")

    return table.at(order)


def _about(table: FeatureTable) -> dict[str, tuple[str, str]]:
    pairs = zip(table.labels, table.partitions, strict=True)
    return dict(zip(table.names, pairs, strict=True))
