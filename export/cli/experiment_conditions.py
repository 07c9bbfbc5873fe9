"""``emoserve-export experiment conditions``: training and test in clean, noisy and denoised sound (D6–D16)."""

from __future__ import annotations

import argparse
import importlib.util
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from export.classifiers.examples import TrainingError
from export.classifiers.training import Trained
from export.cli.common import ExpectedFailure, advance, available_threads, note, progress_bar
from export.cli.experiment import features, finish, usable
from export.corpora.audio import read_waveform
from export.corpora.tables import Corpus
from export.experiments.comparison import bundle_of
from export.experiments.conditions import CONDITIONS, Condition, make_conditions
from export.experiments.matrix import (
    OVERSAMPLING,
    Cells,
    best_matched,
    cross,
    crossed,
    recipe_of,
    rows_of,
    train_all,
    training_table,
    two_classes,
)
from export.experiments.tables import Cell, draw_matrix
from export.experiments.words import Grid, bag_tables, choose_bags
from export.features.audio_words import ASSIGNMENTS, CODEBOOK_SIZES
from export.features.descriptors import SAMPLE_RATE_HZ, low_level_descriptors
from export.features.extractors import BundleExtractor, OpenSmileExtractor
from export.features.table import FeatureTable
from service.card import CARD_FILE_NAME

SETS = {"eGeMAPS": "eGeMAPSv02", "ComParE": "ComParE_2016"}

Tables = Mapping[Condition, FeatureTable]


def run(arguments: argparse.Namespace) -> int:
    """Make the conditions, compute features, train and judge every pair; tables and a picture a matrix."""
    bundle = bundle_of(arguments.bundles, arguments.network)
    if bundle is None:
        raise ExpectedFailure(f"{arguments.bundles}: no bundle of {arguments.network}")
    if not (arguments.denoiser / CARD_FILE_NAME).is_file():
        raise ExpectedFailure(f"{arguments.denoiser} is not a bundle: it has no {CARD_FILE_NAME}")
    rows: list[dict[str, Cell]] = []
    tests: list[dict[str, Cell]] = []
    for corpus in usable(arguments):
        folder = arguments.cache / f"conditions-{corpus.name}-{arguments.seed}"
        with progress_bar(f"conditions of {corpus.name}", len(corpus.utterances)) as bar:
            made = make_conditions(corpus, arguments.denoiser, arguments.seed, folder, lambda bar=bar: advance(bar))
        cells = []
        try:
            for entry in all_cells(made, bundle, arguments):
                cells.append(entry)
                rows += rows_of(corpus.name, entry)
                name = f"{corpus.name}-{entry.features}-{entry.classes}-{entry.balancing}".replace(" ", "-").strip(".")
                title = f"{entry.features}, {entry.classes} classes, {entry.balancing}, {corpus.name}"
                draw_matrix(entry.uar, CONDITIONS, title, arguments.out / "matrices" / f"{name.lower()}.png")
                note(f"{title}: clean {entry.uar[0][0]:.1%}, noisy {entry.uar[1][1]:.1%}")
                # Written after every matrix: what was computed before an interruption is there.
                finish(rows, arguments.out / "conditions", "Training and test conditions, UAR (D13–D16)")
        except TrainingError as error:
            raise ExpectedFailure(f"{corpus.name}: {error}") from error
        tests += best_matched(corpus.name, cells)
    return finish(tests, arguments.out / "conditions-tests", "Deep Spectrum against the others, best matched (D16)")


def all_cells(made: Mapping[Condition, Corpus], bundle: Path, arguments: argparse.Namespace) -> Iterator[Cells]:
    """The matrices of every set of features, number of classes and balancing."""
    tables: dict[str, Tables] = {"Deep Spectrum": _tables(BundleExtractor(bundle), made, arguments)}
    if importlib.util.find_spec("opensmile"):
        for name, feature_set in SETS.items():
            tables[name] = _tables(OpenSmileExtractor(feature_set), made, arguments)  # type: ignore[arg-type]
    else:
        note("eGeMAPS and ComParE are left out: openSMILE is not installed")
    grid = Grid(
        tuple(arguments.codebook_sizes or CODEBOOK_SIZES), tuple(arguments.assignments or ASSIGNMENTS), arguments.seed
    )
    descriptors = {
        condition: [low_level_descriptors(read_waveform(row.audio, SAMPLE_RATE_HZ)) for row in corpus.utterances]
        for condition, corpus in made.items()
    }
    for classes in ("2", "all"):
        for balancing in OVERSAMPLING:
            recipe = recipe_of(balancing, arguments.seed, tuple(arguments.alphas) if arguments.alphas else None)
            for name, parts in tables.items():
                own = _of_classes(parts, classes)
                yield cross(name, classes, balancing, own, train_all(own, recipe, available_threads()))
            model = _of_classes(tables["Deep Spectrum"], classes)
            judged: dict[Condition, Tables] = {}
            trained: dict[Condition, Trained] = {}
            for condition in CONDITIONS:
                bags = bag_tables(model, descriptors, condition, grid)
                chosen, trained[condition] = choose_bags(bags, condition, recipe, available_threads())
                judged[condition] = chosen
            yield crossed("BoAW", classes, balancing, judged, trained)


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


def _of_classes(tables: Tables, classes: str) -> Tables:
    return {name: two_classes(table) for name, table in tables.items()} if classes == "2" else tables
