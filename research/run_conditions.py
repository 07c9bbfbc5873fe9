"""``python -m research conditions``: training and test in clean, noisy and denoised sound (D6–D16)."""

import argparse
import importlib.util
from collections.abc import Iterator, Mapping, Sequence
from itertools import compress
from pathlib import Path

import numpy as np

from export.audio_words.codebook import ASSIGNMENTS, CODEBOOK_SIZES, Descriptors
from export.audio_words.descriptors import SAMPLE_RATE_HZ, low_level_descriptors
from export.classifiers.examples import TrainingError
from export.classifiers.recipe import Recipe
from export.cli.common import ExpectedFailure, advance_by, note, progress_bar
from export.corpora.audio import read_waveform
from export.corpora.tables import Corpus
from export.features.extractors import BundleExtractor, OpenSmileExtractor
from export.features.table import FeatureTable
from research.classes import Classes
from research.comparison import bundle_of
from research.conditions import CONDITIONS, Condition, make_conditions
from research.confusions import write_confusions
from research.matched import best_matched
from research.matrix import OVERSAMPLING, Cells, cross, crossed, recipe_of, rows_of, train_all, training_table
from research.preparation import features, finish, summary, trainings_of, usable
from research.tables import Cell, draw_matrix
from research.trainings import Training, Trainings
from research.words import Grid, bag_tables, choose_bags
from service.card import CARD_FILE_NAME

SETS = {"eGeMAPS": "eGeMAPSv02", "ComParE": "ComParE_2016"}
OURS = "Deep Spectrum"
WORDS = "BoAW"

Tables = Mapping[Condition, FeatureTable]


def run(arguments: argparse.Namespace) -> int:
    """Make the conditions, compute features, train and judge every pair; tables and pictures of every matrix."""
    bundle = bundle_of(arguments.bundles, arguments.network)
    if bundle is None:
        raise ExpectedFailure(f"{arguments.bundles}: no bundle of {arguments.network}")
    if not (arguments.denoiser / CARD_FILE_NAME).is_file():
        raise ExpectedFailure(f"{arguments.denoiser} is not a bundle: it has no {CARD_FILE_NAME}")
    if OURS not in arguments.features:
        raise ExpectedFailure(f"--features needs '{OURS}', which the others are tested against")
    trainings = trainings_of(arguments)
    rows: list[dict[str, Cell]] = []
    tests: list[dict[str, Cell]] = []
    for corpus in usable(arguments):
        with progress_bar(f"conditions of {corpus.name}", len(corpus.utterances)) as bar:
            made = make_conditions(corpus, arguments.denoiser, arguments.seed, arguments.cache, advance_by(bar))
        cells = []
        try:
            for entry in all_cells(made, bundle, trainings, arguments):
                cells.append(entry)
                rows += rows_of(corpus.name, entry)
                _draw(entry, corpus.name, arguments.out)
                # Written after every matrix: what was computed before an interruption is there.
                finish(rows, arguments.out / "conditions", "Training and test conditions, UAR (D13–D16)")
        except TrainingError as error:
            raise ExpectedFailure(f"{corpus.name}: {error}") from error
        tests += best_matched(corpus.name, cells)
        if tests:
            finish(tests, arguments.out / "conditions-tests", "Deep Spectrum against the others, best matched (D16)")
    return summary(trainings)


def all_cells(
    made: Mapping[Condition, Corpus], bundle: Path, trainings: Trainings, arguments: argparse.Namespace
) -> Iterator[Cells]:
    """The matrices of every set of features, number of classes and balancing."""
    tables = feature_tables(made, bundle, arguments)
    descriptors = {
        condition: [
            low_level_descriptors(read_waveform(row.audio, SAMPLE_RATE_HZ))
            for row in corpus.utterances
            if row.audio is not None
        ]
        for condition, corpus in made.items()
        if WORDS in arguments.features
    }
    for classes in (Classes(arguments.two_classes), Classes()):
        recipes = {name: recipe_of(name, arguments.seed, _strengths(arguments.alphas)) for name in OVERSAMPLING}
        for balancing, recipe in recipes.items():
            for name, parts in tables.items():
                own = {condition: classes.of(table) for condition, table in parts.items()}
                yield cross(name, classes, balancing, own, train_all(own, recipe, trainings))
        if WORDS in arguments.features:
            strengths = _strengths(arguments.boaw_alphas or arguments.alphas)
            recipes = {name: recipe_of(name, arguments.seed, strengths) for name in OVERSAMPLING}
            yield from word_cells(tables[OURS], descriptors, classes, recipes, trainings, _grid(arguments))


def feature_tables(made: Mapping[Condition, Corpus], bundle: Path, arguments: argparse.Namespace) -> dict[str, Tables]:
    """Tables of the conditions for each set of features that is not a bag of words."""
    tables: dict[str, Tables] = {OURS: _tables(BundleExtractor(bundle), made, arguments)}
    wanted = [name for name in SETS if name in arguments.features]
    if wanted and importlib.util.find_spec("opensmile") is None:
        note(f"{' and '.join(wanted)} left out: openSMILE is not installed")
        return tables
    for name in wanted:
        tables[name] = _tables(OpenSmileExtractor(SETS[name]), made, arguments)  # type: ignore[arg-type]
    return tables


def word_cells(
    parts: Tables,
    descriptors: Mapping[Condition, Sequence[Descriptors]],
    classes: Classes,
    recipes: Mapping[str, Recipe],
    trainings: Trainings,
    grid: Grid,
) -> Iterator[Cells]:
    """The matrices of the bag of audio words, a balancing each.

    Args:
        parts: tables of the recordings, whose names and labels are taken over.
        descriptors: of every recording, in the order of the tables.
        recipes: balancing to recipe.
    """
    model = {condition: classes.of(table) for condition, table in parts.items()}
    kept = {
        condition: list(compress(descriptors[condition], classes.kept(table.labels)))
        for condition, table in parts.items()
    }
    judged: dict[str, dict[Condition, Tables]] = {name: {} for name in recipes}
    trained: dict[str, dict[Condition, Training]] = {name: {} for name in recipes}
    for condition in CONDITIONS:
        chosen = choose_bags(bag_tables(model, kept, condition, grid), condition, recipes, trainings)
        for name, (bags, training) in chosen.items():
            judged[name][condition], trained[name][condition] = bags, training
    for balancing in recipes:
        yield crossed(WORDS, classes, balancing, judged[balancing], trained[balancing])


def _strengths(values: Sequence[float] | None) -> tuple[float, ...] | None:
    return tuple(values) if values else None


def _grid(arguments: argparse.Namespace) -> Grid:
    return Grid(
        tuple(arguments.codebook_sizes or CODEBOOK_SIZES), tuple(arguments.assignments or ASSIGNMENTS), arguments.seed
    )


def _draw(entry: Cells, corpus: str, out: Path) -> None:
    """The matrix of UARs and the nine confusion matrices."""
    title = f"{entry.features}, classes: {entry.classes.name}, {entry.balancing}, {corpus}"
    name = f"{corpus}-{entry.features}-{entry.classes.name}-{entry.balancing}".replace(", ", "-").replace(" ", "-")
    name = name.strip(".").lower()
    draw_matrix(entry.uar, CONDITIONS, title, out / "matrices" / f"{name}.png")
    parts = {f"{train} → {test}": entry.answers[test, train] for test in CONDITIONS for train in CONDITIONS}
    write_confusions(parts, len(CONDITIONS), f"{title}, trained in → tested in", out / "confusions-conditions" / name)
    note(f"{title}: clean {entry.uar[0][0]:.1%}, noisy {entry.uar[1][1]:.1%}, denoised {entry.uar[2][2]:.1%}")


def _tables(
    extractor: BundleExtractor | OpenSmileExtractor, made: Mapping[Condition, Corpus], arguments: argparse.Namespace
) -> Tables:
    tables = {condition: features(extractor, corpus, arguments) for condition, corpus in made.items()}
    names = {table.names for table in tables.values()}
    if len(names) > 1 or len(next(iter(names))) != len(next(iter(made.values())).utterances):
        raise ExpectedFailure("a recording is too short for the network: leave it out of the corpus")
    for table in tables.values():
        if not np.isfinite(training_table(table).values).all():
            raise ExpectedFailure(f"{extractor.backbone.network}: features that are not finite")
    return tables
