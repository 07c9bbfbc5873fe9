"""``emoserve-export experiment``: the tables of the Deep Spectrum papers on corpora that are at hand."""

from __future__ import annotations

import argparse
import importlib.util
from dataclasses import replace
from pathlib import Path

from export.classifiers.combinations import COMPARE
from export.classifiers.recipe import RECIPES
from export.cli.common import (
    ExpectedFailure,
    Subparsers,
    add_cache_argument,
    add_corpus_argument,
    advance,
    available_threads,
    note,
    progress_bar,
    say,
)
from export.corpora.tables import Corpus, read_corpora
from export.experiments.comparison import bundle_of, compare_fusions, compare_networks
from export.experiments.feature_cache import cached_features
from export.experiments.published import NETWORKS
from export.experiments.tables import Cell, write_rows
from export.features.extraction import Extractor
from export.features.extractors import BundleExtractor, ExtractorError, OpenSmileExtractor
from export.features.table import FeatureTable


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the experiments."""
    experiments: Subparsers = parser.add_subparsers(dest="experiment", required=True, metavar="EXPERIMENT")
    for name, summary, run in (
        ("networks", "ten networks with one recipe (Table 2 of Ottl et al. 2020)", run_networks),
        ("fusion", "early and late fusion (Table 1 of Ottl et al. 2020)", run_fusion),
        ("conditions", "clean, noisy and denoised (Tables 5-9 of Cummins et al. 2017)", run_conditions),
    ):
        own = experiments.add_parser(name, help=summary, description=summary)
        add_corpus_argument(own)
        add_cache_argument(own)
        own.add_argument("--bundles", type=Path, required=True, metavar="DIR", help="folder of deep-spectrum-* bundles")
        own.add_argument("--out", type=Path, required=True, metavar="DIR", help="tables and plots")
        own.add_argument("--seed", type=int, default=0)
        if name == "fusion":
            own.add_argument(
                "--without-compare", action="store_true", help="leave out openSMILE's ComParE, the slowest"
            )
        if name == "conditions":
            _add_condition_arguments(own)
        own.set_defaults(run=run)


def _add_condition_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--denoiser", type=Path, default=Path("models/denoiser-lstm/1"), metavar="DIR")
    parser.add_argument("--network", choices=list(NETWORKS), default="squeezenet", help="of Deep Spectrum")
    parser.add_argument(
        "--alphas", type=float, nargs="+", metavar="X", help="strengths to search; D13's 24 if not given"
    )
    parser.add_argument("--codebook-sizes", type=int, nargs="+", metavar="CS", help="D8's grid if not given")
    parser.add_argument("--assignments", type=int, nargs="+", metavar="NA", help="D8's grid if not given")


def run_networks(arguments: argparse.Namespace) -> int:
    """Table 2 of A."""
    recipe = replace(RECIPES["ottl"], seed=arguments.seed)
    rows: list[dict[str, Cell]] = []
    for corpus in usable(arguments):
        tables = network_tables(corpus, arguments)
        rows += compare_networks(corpus, tables, recipe, available_threads())
        note(f"{corpus.name}: {len(tables)} networks")
    return finish(rows, arguments.out / "networks", "Ten networks, one recipe (A20, A21)")


def run_fusion(arguments: argparse.Namespace) -> int:
    """Table 1 of A."""
    recipe = replace(RECIPES["ottl"], seed=arguments.seed)
    rows: list[dict[str, Cell]] = []
    for corpus in usable(arguments):
        tables = network_tables(corpus, arguments)
        if importlib.util.find_spec("opensmile") and not arguments.without_compare:
            tables[COMPARE] = features(OpenSmileExtractor("ComParE_2016"), corpus, arguments)
        rows += compare_fusions(corpus, tables, recipe, available_threads())
        note(f"{corpus.name}: done")
    return finish(rows, arguments.out / "fusion", "Early and late fusion (A22–A24)")


def run_conditions(arguments: argparse.Namespace) -> int:
    """Tables 5–9 of D."""
    from export.cli.experiment_conditions import run  # PyTorch is behind it

    return run(arguments)


def usable(arguments: argparse.Namespace) -> list[Corpus]:
    """The corpora that can be tested on; others are named with the reason.

    Raises:
        ExpectedFailure: there is none.
    """
    kept = []
    for corpus in read_corpora(arguments.corpus):
        missing = {"train", "devel", "test"} - {utterance.partition for utterance in corpus.utterances}
        if not corpus.has_audio:
            note(f"skipped: {corpus.name} comes as features without audio")
        elif missing:
            note(f"skipped: {corpus.name} has no partition {', '.join(sorted(missing))}")
        else:
            kept.append(corpus)
    if not kept:
        raise ExpectedFailure("no corpus is left to experiment on")
    return kept


def network_tables(corpus: Corpus, arguments: argparse.Namespace) -> dict[str, FeatureTable]:
    """Features of every network that has a bundle.

    Raises:
        ExpectedFailure: none has.
    """
    found = {name: bundle_of(arguments.bundles, name) for name in NETWORKS}
    tables = {
        name: features(BundleExtractor(bundle), corpus, arguments)
        for name, bundle in found.items()
        if bundle is not None
    }
    if not tables:
        raise ExpectedFailure(f"{arguments.bundles}: no bundle deep-spectrum-*; 'emoserve-export export' makes them")
    return tables


def features(extractor: Extractor, corpus: Corpus, arguments: argparse.Namespace) -> FeatureTable:
    """Features of a corpus, computed or from the cache."""
    with progress_bar(f"{extractor.backbone.network} of {corpus.name}", len(corpus.utterances)) as bar:
        try:
            return cached_features(extractor, corpus, arguments.cache, available_threads(), lambda: advance(bar))
        except ExtractorError as error:
            raise ExpectedFailure(str(error)) from error


def finish(rows: list[dict[str, Cell]], file: Path, title: str) -> int:
    """Write a table and say where."""
    write_rows(rows, file, title)
    say(f"table: {file.with_suffix('.md')}")
    return 0
