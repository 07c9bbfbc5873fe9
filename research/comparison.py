"""The ten-network comparison (Table 2 of A) and the fusions (Table 1 of A) on one corpus, by the recipe of A20–A21."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from export.classifiers.answers import Predictions, by_name
from export.classifiers.combinations import COMBINATIONS, COMPARE, plain_name
from export.classifiers.fusion import aligned, mean_answers, side_by_side
from export.classifiers.recipe import Recipe
from export.corpora.tables import Corpus
from export.evaluation.metrics import accuracy
from export.evaluation.significance import compare_answers
from export.features.table import FeatureTable
from research import published
from research.tables import Cell
from research.trainings import Trainings
from service.card import read_card

MISSING = "weights not available"
RANDOM = "random weights: unusable, not measured"
NO_COMPARE = "ComParE was left out"
OWN_COMBINATION = ("squeezenet", "mobilenet_v2")
"""The two networks whose published weights are most easily had."""

Tables = Mapping[str, FeatureTable]
"""Network, or 'compare2016', to its features."""


@dataclass
class Compared:
    """Rows of a table, and the answers on devel and test of each system that was trained."""

    rows: list[dict[str, Cell]] = field(default_factory=list)
    answers: dict[str, Sequence[Predictions]] = field(default_factory=dict)


def compare_networks(
    corpus: Corpus, tables: Tables, recipe: Recipe, trainings: Trainings, random: Collection[str] = ()
) -> Compared:
    """A row for each of the ten networks; those without features say why.

    Args:
        random: networks that there are seeded random weights of only.
    """
    found = Compared()
    for network, (item, uar, acc) in published.NETWORKS.items():
        answers = trainings.train(tables[network], recipe).answers if network in tables else None
        note = "" if answers else RANDOM if network in random else MISSING
        _add(found, corpus, (item, network, note), answers, (uar, acc), None)
    return found


def compare_fusions(corpus: Corpus, tables: Tables, recipe: Recipe, trainings: Trainings) -> Compared:
    """ComParE alone, each network alone, fusions that can be had, and the published ones that cannot.

    The tests are McNemar's against ComParE (A24), where ComParE was computed.
    """
    found = Compared()
    singles = {network: trainings.train(table, recipe).answers for network, table in tables.items()}
    reference = singles.get(COMPARE)
    note = "" if reference else NO_COMPARE
    _add(found, corpus, ("A19, A24", "ComParE + SGD", note), reference, published.COMPARE, None)
    for network, answers in singles.items():
        if network != COMPARE:
            item, uar, acc = published.NETWORKS[network]
            _add(found, corpus, (item, network, ""), answers, (uar, acc), reference)
    for name, kind, members in _fusions():
        lacking = [network for network in members if network not in tables]
        fused = None if lacking else _fuse(kind, members, tables, recipe, trainings)
        note = (NO_COMPARE if lacking == [COMPARE] else MISSING) if lacking else ""
        item = "A22" if kind == "early" else "A23"
        _add(found, corpus, (item, name, note), fused, published.FUSIONS.get(name), reference)
    return found


def bundle_of(bundles: Path, network: str) -> Path | None:
    """The newest bundle of a Deep Spectrum network below ``bundles``, or None."""
    found = sorted(bundles.glob(f"deep-spectrum-{network.replace('_', '-')}/*/card.json"))
    return found[-1].parent if found else None


def has_trained_weights(bundle: Path) -> bool:
    """Whether a bundle's weights are anything but random numbers."""
    return bool(read_card(bundle).settings.get("usable", True))


def _fuse(
    kind: str, members: Sequence[str], tables: Tables, recipe: Recipe, trainings: Trainings
) -> Sequence[Predictions]:
    kept, _ = aligned([tables[network] for network in members], by_row=kind == "early")
    if kind == "early":
        return trainings.train(side_by_side(kept), recipe).answers
    columns = zip(*(trainings.train(table, recipe).answers for table in kept), strict=True)
    return [mean_answers(column) for column in columns]


def _fusions() -> list[tuple[str, str, tuple[str, ...]]]:
    spelled = {plain_name(network): network for network in published.NETWORKS} | {COMPARE: COMPARE}
    own = "+".join(OWN_COMBINATION)
    entries: list[tuple[str, str, tuple[str, ...]]] = [
        (f"{kind} {own}", kind, OWN_COMBINATION) for kind in ("early", "late")
    ]
    entries += [(f"{kind} {own}+compare", kind, (*OWN_COMBINATION, COMPARE)) for kind in ("early", "late")]
    for name in published.FUSIONS:
        kind, _, combination = name.partition(" ")
        entries.append((name, kind, tuple(spelled[network] for network in COMBINATIONS[combination])))
    return entries


def _add(
    found: Compared,
    corpus: Corpus,
    about: tuple[str, str, str],
    answers: Sequence[Predictions] | None,
    printed: tuple[float, float] | None,
    reference: Sequence[Predictions] | None,
) -> None:
    """Add a row and the answers; ``about`` is item, system and note."""
    item, system, note = about
    row: dict[str, Cell] = {"corpus": corpus.name, "item": item, "system": system}
    for partition in ("devel", "test"):
        part = _part(answers, partition)
        row[f"{partition} UAR %"] = None if part is None else round(100 * part.uar, 1)
        row[f"{partition} accuracy %"] = None if part is None else round(100 * accuracy(part.targets, part.answers), 1)
    for partition in ("devel", "test"):
        part, rival = _part(answers, partition), _part(reference, partition)
        test = compare_answers(by_name(part), by_name(rival)) if part and rival else None
        row[f"{partition} McNemar p"] = None if test is None else f"{test.mcnemar_p:.2g} {test.mark}".strip()
    row["paper: UAR / accuracy on its own devel %"] = None if printed is None else f"{printed[0]} / {printed[1]}"
    row["note"] = note
    found.rows.append(row)
    if answers:
        found.answers[system] = answers


def _part(answers: Sequence[Predictions] | None, partition: str) -> Predictions | None:
    return next((part for part in answers or () if part.partition == partition), None)
