"""The ten-network comparison (Table 2 of A) and the fusions (Table 1 of A) on one corpus, by the recipe of A20–A21."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from export.classifiers.answers import Answers
from export.classifiers.combinations import COMBINATIONS, COMPARE, plain_name
from export.classifiers.fusion import train_fusion
from export.classifiers.recipe import Recipe
from export.classifiers.training import train_head
from export.corpora.tables import Corpus
from export.evaluation.metrics import accuracy, unweighted_average_recall
from export.evaluation.significance import compare_answers
from export.experiments import published
from export.experiments.tables import Cell
from export.features.table import FeatureTable

MISSING = "weights not available"
OWN_COMBINATION = ("squeezenet", "mobilenet_v2")
"""The two networks whose published weights are most easily had."""

NEEDS_COMPARE = ("compare + sgd", "+".join((*OWN_COMBINATION, "compare")))
"""Systems that lack nothing but ComParE where they were not run and their networks are there."""

Tables = Mapping[str, FeatureTable]
"""Network, or 'compare2016', to its features."""


def compare_networks(corpus: Corpus, tables: Tables, recipe: Recipe, threads: int) -> list[dict[str, Cell]]:
    """A row for each of the ten networks; those without features say so."""
    rows = []
    for network, (item, uar, acc) in published.NETWORKS.items():
        trained = train_head(tables[network], recipe, threads) if network in tables else None
        about: dict[str, Cell] = {"item": item, "system": network}
        rows.append(_row(corpus, about, trained.answers if trained else None, (uar, acc), None))
    return rows


def compare_fusions(
    corpus: Corpus, tables: Tables, recipe: Recipe, threads: int, progress: Callable[[], None] | None = None
) -> list[dict[str, Cell]]:
    """ComParE alone, each network alone, fusions that can be had, and the published ones that cannot.

    The mark is McNemar's test against ComParE on devel (A24), where ComParE was computed.
    """
    rows = []
    reference = train_head(tables[COMPARE], recipe, threads).answers if COMPARE in tables else None
    rows.append(_row(corpus, {"item": "A19, A24", "system": "ComParE + SGD"}, reference, published.COMPARE, None))
    for network in tables:
        if network != COMPARE:
            answers = train_head(tables[network], recipe, threads, progress=progress).answers
            item, uar, acc = published.NETWORKS[network]
            rows.append(_row(corpus, {"item": item, "system": network}, answers, (uar, acc), reference))
    for name, kind, members in _fusions():
        item = "A22" if kind == "early" else "A23"
        known = [network for network in members if network in tables]
        answers = None
        if len(known) == len(members):
            answers = train_fusion(kind, [tables[network] for network in known], recipe, threads, progress).answers
        rows.append(_row(corpus, {"item": item, "system": name}, answers, published.FUSIONS.get(name), reference))
    return rows


def bundle_of(bundles: Path, network: str) -> Path | None:
    """The newest bundle of a Deep Spectrum network below ``bundles``, or None."""
    found = sorted(bundles.glob(f"deep-spectrum-{network.replace('_', '-')}/*/card.json"))
    return found[-1].parent if found else None


def _fusions() -> list[tuple[str, str, tuple[str, ...]]]:
    spelled = {plain_name(network): network for network in published.NETWORKS} | {COMPARE: COMPARE}
    own = "+".join(OWN_COMBINATION)
    entries = [(f"{kind} {own}", kind, OWN_COMBINATION) for kind in ("early", "late")]
    entries += [(f"{kind} {own}+compare", kind, (*OWN_COMBINATION, COMPARE)) for kind in ("early", "late")]
    for name in published.FUSIONS:
        kind, _, combination = name.partition(" ")
        entries.append((name, kind, tuple(spelled[network] for network in COMBINATIONS[combination])))
    return entries


def _row(
    corpus: Corpus,
    about: dict[str, Cell],
    answers: Sequence[Answers] | None,
    printed: tuple[float, float] | None,
    reference: Sequence[Answers] | None,
) -> dict[str, Cell]:
    row: dict[str, Cell] = {"corpus": corpus.name, **about}
    for partition in ("devel", "test"):
        part = next((part for part in answers or () if part.partition == partition), None)
        for metric in ("UAR", "accuracy"):
            row[f"{partition} {metric} %"] = None if part is None else round(100 * _figure(part, metric), 1)
    row["sig."] = _mark(answers, reference)
    row["paper: UAR / accuracy on its own devel %"] = None if printed is None else f"{printed[0]} / {printed[1]}"
    had = str(about["system"]).lower().removeprefix("early ").removeprefix("late ") in NEEDS_COMPARE
    row["note"] = "" if answers else "ComParE was left out" if had else MISSING
    return row


def _figure(part: Answers, metric: str) -> float:
    if metric == "accuracy":
        return accuracy(part.targets, part.answers)
    return unweighted_average_recall(part.targets, part.answers, len(part.labels))


def _mark(answers: Sequence[Answers] | None, reference: Sequence[Answers] | None) -> str:
    if not answers or not reference:
        return ""
    pairs = [_by_name(next(part for part in parts if part.partition == "devel")) for parts in (answers, reference)]
    return compare_answers(*pairs).mark


def _by_name(part: Answers) -> dict[str, tuple[str, str]]:
    columns = zip(part.names, part.targets, part.answers, strict=True)
    return {name: (part.labels[target], part.labels[answer]) for name, target, answer in columns}
