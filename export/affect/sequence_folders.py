"""A folder of features beside a folder of labels: files of one name are one recording."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from export.affect.avec_folders import partition_of, read_features, read_turns
from export.affect.label_layouts import Rated, rated_tables
from export.affect.sequences import AffectSequence, Partition
from service.pipeline.affect.functionals import HOP_S, WINDOW_S

#: Share of recordings held out where the names state no partition; a choice.
DEVEL_SHARE = 0.25


def read_sequences(
    features: Path,
    labels: Path,
    *,
    turns: Path | None = None,
    fps: float | None = None,
    window_s: float = WINDOW_S,
    hop_s: float = HOP_S,
    seed: int = 0,
) -> list[AffectSequence]:
    """Read all recordings that have features and labels, in the order of their names.

    Args:
        features: folder of ``*.csv`` with units per frame or functionals.
        labels: folder of ``*.csv`` of the same names.
        turns: folder of ``*.csv`` of the same names with stretches of speech, or None for a turn of 0.
        fps: replaces the time stamps of all tables of units.
        window_s, hop_s: windows of the functionals; labels have the same hop.
        seed: draws training and development where the names state none.

    Returns:
        Sequences; features and labels are cut to the shorter of both.

    Raises:
        ValueError: no recording has both, no development recordings, or an unusable file.
    """
    rated = rated_tables(labels)
    partitions = _partitions(_names(features, rated), seed)
    return _read(features, rated, partitions, turns, fps, window_s, hop_s)


def read_labelled(
    features: Path,
    rated: Mapping[str, Rated],
    partition: str,
    *,
    turns: Path | None = None,
    fps: float | None = None,
    window_s: float = WINDOW_S,
    hop_s: float = HOP_S,
) -> list[AffectSequence]:
    """Read the recordings of one partition, for scoring; the other arguments are those of :func:`read_sequences`.

    Args:
        rated: of a corpus; their labels are NaN where nobody rated.
        partition: one that the corpus or the beginning of the names states, or 'all'; where none is stated, 'test'.

    Raises:
        ValueError: no recording of that partition has both, or an unusable file.
    """
    stated: dict[str, Partition] = {name: rated[name].partition or "test" for name in _names(features, rated)}
    chosen = {name: own for name, own in stated.items() if partition in ("all", own)}
    if not chosen:
        raise ValueError(f"no recording in {features} belongs to the partition '{partition}'")
    return _read(features, rated, chosen, turns, fps, window_s, hop_s)


def _names(features: Path, rated: Mapping[str, Rated]) -> list[str]:
    names = sorted({path.stem for path in features.glob("*.csv")} & rated.keys())
    if not names:
        raise ValueError("no file of one name lies in both folders")
    return names


def _read(
    features: Path,
    rated: Mapping[str, Rated],
    partitions: dict[str, Partition],
    turns: Path | None,
    fps: float | None,
    window_s: float,
    hop_s: float,
) -> list[AffectSequence]:
    sequences = []
    for name, partition in partitions.items():
        truth = rated[name].read(features / f"{name}.csv", hop_s)
        steps = max(len(series) for series in truth.values())
        turn_path = None if turns is None else turns / f"{name}.csv"
        turn = read_turns(turn_path, steps, hop_s) if turn_path is not None and turn_path.exists() else None
        columns = read_features(features / f"{name}.csv", turn=turn, fps=fps, window_s=window_s, hop_s=hop_s)
        steps = min(steps, len(columns))
        cut = {target: series[:steps] for target, series in truth.items()}
        sequences.append(AffectSequence(name, partition, columns[:steps], cut))
    return sequences


def _partitions(names: list[str], seed: int) -> dict[str, Partition]:
    stated = {name: partition for name in names if (partition := partition_of(name)) is not None}
    if "devel" in stated.values():
        return {name: stated.get(name, "train") for name in names}
    free = [name for name in names if stated.get(name) != "test"]
    if len(free) < 2:
        raise ValueError("at least two recordings are needed, one of them for development")
    count = min(max(1, round(len(free) * DEVEL_SHARE)), len(free) - 1)
    held = {free[index] for index in np.random.default_rng(seed).permutation(len(free))[:count]}
    return {name: "test" if name not in free else "devel" if name in held else "train" for name in names}
