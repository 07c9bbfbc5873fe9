"""``python -m research NAME``: the tables of the papers on corpora that are at hand."""

import argparse
import importlib.util
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from export.classifiers.answers import Predictions
from export.classifiers.combinations import COMPARE
from export.classifiers.examples import TrainingError
from export.classifiers.recipe import RECIPES, Recipe
from export.cli.common import (
    ExpectedFailure,
    Subparsers,
    add_cache_argument,
    add_corpus_argument,
    add_device_argument,
    exit_status,
)
from export.corpora.tables import Corpus
from export.features.extractors import OpenSmileExtractor
from research.classes import GROUPINGS
from research.comparison import Compared, compare_fusions, compare_networks
from research.confusions import write_confusions
from research.preparation import features, finish, network_tables, summary, trainings_of, usable
from research.published import NETWORKS
from research.tables import Cell
from research.trainings import Trainings

FEATURES = ("Deep Spectrum", "eGeMAPS", "ComParE", "BoAW")
DENOISER = Path("models/denoiser-lstm/1")


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The experiment and its options; wrong usage ends the program with status 2."""
    parser = argparse.ArgumentParser(prog="python -m research", description="The tables of the papers.")
    experiments: Subparsers = parser.add_subparsers(dest="experiment", required=True, metavar="NAME")
    for name, about, run in (
        ("networks", "ten networks with one recipe (Table 2 of Ottl et al. 2020)", run_networks),
        ("fusion", "early and late fusion (Table 1 of Ottl et al. 2020)", run_fusion),
        ("conditions", "clean, noisy and denoised (Tables 5-9 of Cummins et al. 2017)", run_conditions),
        ("denoise", "what the denoiser does to the answers of a speech model", run_denoise),
        ("emonet", "from scratch and transfer between corpora (Tables 3 and 4 of Gerczuk et al. 2021)", run_emonet),
        ("lakomkin", "reused layers of a speech recogniser (Lakomkin et al. 2017)", run_lakomkin),
        ("diarisation", "who speaks when in conversations made of a corpus's recordings", run_diarisation),
    ):
        own = experiments.add_parser(name, help=about, description=about)
        add_corpus_argument(own)
        if name != "diarisation":
            own.add_argument("--emotions", nargs="+", metavar="NAME", help="take these of every corpus; or all")
            own.add_argument("--at-most", type=int, metavar="N", help="take N recordings an emotion of a speaker")
        own.add_argument("--out", type=Path, required=True, metavar="DIR", help="tables, plots and trainings")
        own.add_argument("--seed", type=int, default=0)
        if name == "denoise":
            _add_denoise_arguments(own)
        elif name == "lakomkin":
            _add_lakomkin_arguments(own)
        elif name == "emonet":
            _add_emonet_arguments(own)
        elif name == "diarisation":
            _add_diarisation_arguments(own)
        else:
            add_cache_argument(own)
            own.add_argument("--bundles", type=Path, required=True, metavar="DIR", help="has deep-spectrum-* bundles")
        if name == "fusion":
            own.add_argument(
                "--without-compare", action="store_true", help="leave out openSMILE's ComParE, the slowest"
            )
        if name == "conditions":
            _add_condition_arguments(own)
        own.set_defaults(run=run)
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Run one experiment; 0 is success, 1 an expected failure, 2 wrong usage."""
    return exit_status("python -m research", parse(arguments))


def _add_denoise_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", type=Path, nargs="+", required=True, metavar="DIR", help="bundles that are judged")
    parser.add_argument("--denoiser", type=Path, default=DENOISER, metavar="DIR")
    parser.add_argument("--partition", default="test", choices=["train", "devel", "test"])
    parser.add_argument("--snr-db", type=float, nargs="+", default=[20.0, 10.0, 5.0, 0.0], metavar="DB")


def _add_lakomkin_arguments(parser: argparse.ArgumentParser) -> None:
    add_cache_argument(parser)
    parser.add_argument("--recogniser", type=Path, metavar="DIR", help="of 'emoserve-export train recogniser'")
    parser.add_argument("--encoder", type=Path, metavar="FILE", help="the wheel of resemblyzer 0.1.4: GE2E's layers")
    parser.add_argument("--systems", nargs="+", metavar="NAME", help="such as MP-2; all if not given")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--rate", type=float, default=1e-4, help="learning rate; the paper's by default (B9)")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=300, help="at most, of systems with a GRU of their own")
    parser.add_argument(
        "--softmax-epochs", type=int, default=300, help="at most, of systems whose softmax alone learns"
    )


def _add_emonet_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--preset", choices=["paper", "code"], default="paper", help="front end (F4)")
    parser.add_argument(
        "--budget",
        "--share",
        type=share_of_schedule,
        default=1.0,
        metavar="X",
        help="share of the paper's schedule, such as 5%% or 0.05, the same for every training",
    )
    parser.add_argument(
        "--sources",
        nargs="+",
        choices=["all", "arousal", "valence", "both", "single"],
        default=["all", "arousal", "valence", "both"],
        help="to transfer from",
    )
    parser.add_argument("--modes", nargs="+", choices=["full", "head", "adapters"], default=["adapters"])
    parser.add_argument(
        "--vgg16", metavar="WEIGHTS", help="a row of VGG16 as well (C6): publisher, a file, or random:SEED"
    )
    add_device_argument(parser)


def share_of_schedule(text: str) -> float:
    """A share above 0 and at most 1, written as such or in per cent, for argparse."""
    try:
        share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        share = 0.0
    if not 0 < share <= 1:
        raise argparse.ArgumentTypeError(f"'{text}' is no share of the schedule: above 0 and at most 100%")
    return share


def _add_diarisation_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--models", type=Path, nargs="+", metavar="DIR", help="folders of bundles; the service's")
    parser.add_argument("--partition", nargs="+", default=["test"], choices=["train", "devel", "test"])
    parser.add_argument("--speakers", type=int, nargs="+", default=[2], metavar="N", help="people who speak")
    parser.add_argument("--conversations", type=int, default=4, metavar="N", help="of each kind")
    parser.add_argument("--length-s", type=float, default=60.0, metavar="S")


def _add_condition_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--denoiser", type=Path, default=DENOISER, metavar="DIR")
    parser.add_argument("--network", choices=list(NETWORKS), default="squeezenet", help="of Deep Spectrum")
    parser.add_argument("--features", nargs="+", choices=FEATURES, default=list(FEATURES), help="all if not given")
    parser.add_argument(
        "--two-classes", choices=list(GROUPINGS), default="negative-rest", help="how emotions become two classes"
    )
    parser.add_argument(
        "--alphas", type=float, nargs="+", metavar="X", help="strengths to search; D13's 24 if not given"
    )
    parser.add_argument(
        "--boaw-alphas", type=float, nargs="+", metavar="X", help="the same for BoAW; --alphas if not given"
    )
    parser.add_argument("--codebook-sizes", type=int, nargs="+", metavar="CS", help="D8's grid if not given")
    parser.add_argument("--assignments", type=int, nargs="+", metavar="NA", help="D8's grid if not given")


def run_networks(arguments: argparse.Namespace) -> int:
    """Table 2 of A."""

    def compare(corpus: Corpus, recipe: Recipe, trainings: Trainings) -> Compared:
        tables, random = network_tables(corpus, arguments)
        return compare_networks(corpus, tables, recipe, trainings, random)

    return _compared(arguments, "networks", "Ten networks, one recipe (A20, A21)", compare)


def run_fusion(arguments: argparse.Namespace) -> int:
    """Table 1 of A."""

    def compare(corpus: Corpus, recipe: Recipe, trainings: Trainings) -> Compared:
        tables, _ = network_tables(corpus, arguments)
        if importlib.util.find_spec("opensmile") and not arguments.without_compare:
            tables[COMPARE] = features(OpenSmileExtractor("ComParE_2016"), corpus, arguments)
        return compare_fusions(corpus, tables, recipe, trainings)

    return _compared(arguments, "fusion", "Early and late fusion (A22–A24)", compare)


def run_conditions(arguments: argparse.Namespace) -> int:
    """Tables 5–9 of D."""
    from research.run_conditions import run  # PyTorch is behind it

    return run(arguments)


def run_denoise(arguments: argparse.Namespace) -> int:
    """UAR of speech models with and without denoising."""
    from research.run_denoise import run

    return run(arguments)


def run_emonet(arguments: argparse.Namespace) -> int:
    """Tables 3 and 4 of C."""
    from research.run_emonet import run

    return run(arguments)


def run_lakomkin(arguments: argparse.Namespace) -> int:
    """Table of B."""
    from research.run_lakomkin import run

    return run(arguments)


def run_diarisation(arguments: argparse.Namespace) -> int:
    """DER of the served answers."""
    from research.run_diarisation import run

    return run(arguments)


def _compared(
    arguments: argparse.Namespace, name: str, title: str, compare: Callable[[Corpus, Recipe, Trainings], Compared]
) -> int:
    """The table of one comparison on every corpus, written anew after each."""
    recipe = replace(RECIPES["ottl"], seed=arguments.seed)
    trainings = trainings_of(arguments)
    rows: list[dict[str, Cell]] = []
    for corpus in usable(arguments):
        try:
            found = compare(corpus, recipe, trainings)
        except TrainingError as error:
            raise ExpectedFailure(f"{corpus.name}: {error}") from error
        rows += found.rows
        for system, answers in found.answers.items():
            _draw(corpus, system, answers, arguments.out / f"confusions-{name}")
        finish(rows, arguments.out / name, title)
    return summary(trainings)


def _draw(corpus: Corpus, system: str, answers: Sequence[Predictions], folder: Path) -> None:
    name = f"{corpus.name}-{system}".lower().replace(" ", "-")
    parts = {part.partition: part for part in answers}
    write_confusions(parts, len(parts), f"{system}, {corpus.name}", folder / name)


if __name__ == "__main__":
    sys.exit(main())
