"""``emoserve-export train deep-spectrum``: a linear classifier on the features of one network (A19–A21, C3–C4, D13)."""

import argparse
from dataclasses import replace
from pathlib import Path

from export.classifiers.head import HEAD_FILE_NAME, write_head
from export.classifiers.report import describe_choice, measurements_of, write_report
from export.classifiers.training import train_head
from export.cli.classifier_options import (
    add_training_arguments,
    compared,
    corpus_names,
    load_tables,
    recipe_of,
    without_remarks,
)
from export.cli.common import ExpectedFailure, advance_by, available_threads, progress_bar, say
from export.features.files import read_table


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_training_arguments(parser, calibration="temperature")
    parser.add_argument(
        "--test-features", type=Path, metavar="FILE", help="take 'test' from here: another recording condition (D15)"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Train, report and write."""
    recipe = recipe_of(arguments)
    with without_remarks():
        tables = load_tables(arguments)
        if len(tables) > 1:
            raise ExpectedFailure("one network at a time; 'emoserve-export train fusion' takes several")
        _, table = tables[0]
        test_table = read_table(arguments.test_features) if arguments.test_features else None
        with progress_bar("search", len(recipe.grid)) as bar:
            trained = train_head(table, recipe, available_threads(), test_table, advance_by(bar))
    rivals, lines = compared(trained.answers, arguments.against)
    card = trained.head.card
    about = {"classifier": card.model_dump(mode="json", exclude={"measurements"}), "against": rivals}
    choice = describe_choice(card)
    figures, text = write_report(
        arguments.out, trained.answers, corpus_names(table), about, [*choice, *lines], trained.uncalibrated
    )
    protocol = (
        "a linear classifier on precomputed features, the mean over the rows of a recording"
        + ("; test is another recording condition" if test_table else "")
        + ("; devel before the refit on train and devel" if card.refit else "")
        + ("; the temperature was fitted on devel" if card.link == "softmax" and card.selection == "devel" else "")
    )
    command = (
        f"emoserve-export train deep-spectrum --features FILE --recipe {recipe.name} --seed {recipe.seed} --out DIR"
    )
    measured = card.model_copy(update={"measurements": measurements_of(figures, protocol, command)})
    folder = write_head(replace(trained.head, card=measured), arguments.out)
    say(text)
    say(f"trained: {folder / HEAD_FILE_NAME}")
    return 0
