"""Options, tables and comparisons that trainings of single classifiers and of fusions share."""

import argparse
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import cast

from export.classifiers.answers import Predictions, read_answers
from export.classifiers.recipe import CLASSIFIERS, RECIPES, Calibration, Loss, Recipe
from export.classifiers.report import ANSWERS_FILE_NAME
from export.cli.common import ExpectedFailure, add_device_argument, bundle_card, note
from export.cli.data import OPENSMILE_NOTE, add_licence_argument, add_recordings_arguments, with_licences
from export.cli.features import compute
from export.evaluation.significance import compare_answers, holm
from export.features.extractors import BundleExtractor
from export.features.files import read_table
from export.features.table import FeatureTable

SGD_LOSSES = ("log_loss", "modified_huber", "hinge")


def add_training_arguments(parser: argparse.ArgumentParser, calibration: Calibration) -> None:
    """Add sources of features, the recipe and what can be changed of it; ``calibration`` is what is done unasked."""
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--features", nargs="+", type=Path, metavar="FILE", help="tables of 'emoserve-export features'")
    source.add_argument("--model", nargs="+", type=Path, metavar="DIR", help="bundles with an embedding, and --corpus")
    add_recordings_arguments(parser, required=False)
    add_licence_argument(parser)
    add_device_argument(parser)
    usual = parser.add_mutually_exclusive_group()
    usual.add_argument("--classifier", choices=sorted(CLASSIFIERS), default="sgd", help="its usual recipe; sgd: ottl")
    usual.add_argument("--recipe", choices=sorted(RECIPES), help="ottl: A20–A21; cummins: D13–D14; gerczuk: C3–C4")
    parser.add_argument("--loss", nargs="+", choices=[*SGD_LOSSES, "svm"], help="losses to search")
    parser.add_argument("--penalty", nargs="+", choices=["l1", "l2"], help="penalties to search")
    parser.add_argument("--strength", nargs="+", type=float, metavar="X", help="values of alpha (SGD) or C (svm)")
    parser.add_argument("--scaling", choices=["min-max", "standard", "none"], help="by statistics of train alone")
    parser.add_argument("--selection", choices=["devel", "speaker-folds"], help="what chooses among the settings")
    parser.add_argument("--folds", type=int, metavar="N", help="groups of speakers for 'speaker-folds'; 2")
    parser.add_argument("--oversample", type=float, metavar="SHARE", help="raise small classes, D14: 0.75")
    parser.add_argument("--class-weight", choices=["none", "balanced"])
    parser.add_argument(
        "--calibration",
        choices=["temperature", "none"],
        default=calibration,
        help="a temperature fitted on what was held out, or scikit-learn's own probabilities (G8); "
        f"default {calibration}",
    )
    parser.add_argument("--refit", action=argparse.BooleanOptionalAction, help="fit the choice on train and devel")
    parser.add_argument("--epochs", type=int, metavar="N", help="passes of SGD at most; 1000")
    parser.add_argument("--all-epochs", action="store_true", help="never stop SGD before the last epoch")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--against", nargs="+", type=Path, default=[], metavar="DIR", help="trainings to test against")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="classifier, report, answers, pictures")


def recipe_of(arguments: argparse.Namespace) -> Recipe:
    """The recipe with the changes of the command line.

    Raises:
        ExpectedFailure: SGD and the support vector machine in one grid, or a value out of range.
    """
    recipe = RECIPES[arguments.recipe or CLASSIFIERS[arguments.classifier]]
    changes: dict[str, object] = {
        "losses": cast("tuple[Loss, ...] | None", arguments.loss and tuple(arguments.loss)),
        "penalties": arguments.penalty and tuple(arguments.penalty),
        "strengths": arguments.strength and tuple(arguments.strength),
        "scaling": arguments.scaling,
        "selection": arguments.selection,
        "folds": arguments.folds,
        "oversampling": arguments.oversample,
        "class_weight": arguments.class_weight,
        "calibration": arguments.calibration,
        "refit": arguments.refit,
        "epochs": arguments.epochs,
    }
    recipe = replace(recipe, seed=arguments.seed, **{key: value for key, value in changes.items() if value is not None})  # type: ignore[arg-type]
    if arguments.all_epochs:
        recipe = replace(recipe, tolerance=None)
    if "svm" in recipe.losses and len(set(recipe.losses)) > 1:
        raise ExpectedFailure("'svm' has another kind of strength than SGD's losses: search it on its own")
    if min(recipe.strengths) <= 0 or recipe.epochs < 1 or not 0 < (recipe.oversampling or 1) <= 1:
        raise ExpectedFailure("--strength and --epochs must be positive, --oversample in 0 … 1")
    return recipe


def load_tables(arguments: argparse.Namespace) -> list[tuple[Path, FeatureTable]]:
    """The tables that the command line names, read or computed, with the licences of their data put in."""
    if arguments.features and arguments.corpus:
        raise ExpectedFailure("--features already holds the corpora: give --corpus with --model")
    if arguments.model and not arguments.corpus:
        raise ExpectedFailure("--model needs --corpus")
    tables = [(file, read_table(file)) for file in arguments.features or []]
    if any(backbone.kind == "opensmile" for _, table in tables for backbone in table.origin.backbones):
        note(OPENSMILE_NOTE)
    if tables:
        return [(file, _licensed(table, arguments.data_licence)) for file, table in tables]
    for bundle in arguments.model:
        bundle_card(bundle)
    return [(bundle, compute(BundleExtractor(bundle, arguments.device), arguments)) for bundle in arguments.model]


def compared(parts: Sequence[Predictions], rivals: Sequence[Path]) -> tuple[list[dict[str, object]], list[str]]:
    """Tests against other trainings on devel (A24) and test (D16), for the report: as data and as text.

    Raises:
        ExpectedFailure: a rival answered other recordings, or is not there.
    """
    entries: list[dict[str, object]] = []
    for part in parts:
        ours = {
            name: (part.labels[target], part.labels[answer])
            for name, target, answer in zip(part.names, part.targets, part.answers, strict=True)
        }
        for rival in rivals:
            try:
                found = compare_answers(ours, read_answers(rival / ANSWERS_FILE_NAME, part.partition))
            except ValueError as error:
                raise ExpectedFailure(f"{rival}, {part.partition}: {error}") from error
            entries.append({"against": str(rival), "partition": part.partition, **asdict(found)})
    for entry, raised in zip(entries, holm([cast(float, entry["mcnemar_p"]) for entry in entries]), strict=True):
        entry["mcnemar_p_holm"] = raised
    return entries, [_compared_line(entry) for entry in entries]


def _compared_line(entry: dict[str, object]) -> str:
    difference = cast("dict[str, float]", entry["uar_difference"])
    return (
        f"against {entry['against']} on {entry['partition']}: UAR {difference['value']:+.1%} "
        f"(95 % {difference['low']:+.1%} … {difference['high']:+.1%}), McNemar p {entry['mcnemar_p']:.3g}"
        f"{entry['mark']} (Holm {entry['mcnemar_p_holm']:.3g}), z-test p {entry['z_p']:.3g}"
    )


@contextmanager
def without_remarks() -> Iterator[None]:
    """Keep scikit-learn's remarks for the report."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="sklearn")
        yield


def corpus_names(table: FeatureTable) -> str:
    """The corpora of a table in one word."""
    names = [entry.name for entry in table.origin.data] or sorted({name.split("/")[0] for name in table.names})
    return "+".join(names[:4]) + ("+…" if len(names) > 4 else "")


def _licensed(table: FeatureTable, licences: Sequence[str]) -> FeatureTable:
    data = with_licences(table.origin.data, licences)
    return replace(table, origin=table.origin.model_copy(update={"data": data}))
