"""Corpora, features, trainings and tables of every experiment."""

import argparse
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from export.cli.common import ExpectedFailure, advance_by, available_threads, note, progress_bar, say
from export.corpora.licences import CORPORA
from export.corpora.tables import Corpus, read_corpora
from export.features.extraction import Cut, Extractor, extract
from export.features.extractors import BundleExtractor, ExtractorError
from export.features.files import read_table, write_table
from export.features.table import FeatureTable
from research.comparison import bundle_of, has_trained_weights
from research.published import NETWORKS
from research.tables import Cell, write_rows
from research.trainings import Trainings
from service.card import TrainingData


def trainings_of(arguments: argparse.Namespace) -> Trainings:
    """The store of this run's trainings."""
    return Trainings(arguments.out / "trainings", available_threads(), note)


def usable(arguments: argparse.Namespace, needed: Sequence[str] = ("train", "devel", "test")) -> list[Corpus]:
    """The corpora that can be tested on, cut to ``--emotions`` and ``--at-most``; others are named with the reason.

    Raises:
        ExpectedFailure: there is none.
    """
    kept = []
    for corpus in read_corpora(arguments.corpus):
        wanted = arguments.emotions or corpus.labels
        part = replace(corpus, utterances=tuple(row for row in corpus.utterances if row.emotion in wanted))
        if arguments.at_most:
            part = thinned(part, arguments.at_most)
        missing = set(needed) - {utterance.partition for utterance in part.utterances}
        absent = sorted(set(wanted) - set(corpus.labels))
        if not corpus.has_audio:
            note(f"skipped: {corpus.name} comes as features without audio")
        elif absent:
            note(f"skipped: {corpus.name} has no {', '.join(absent)}")
        elif missing:
            note(f"skipped: {corpus.name} has no partition {', '.join(sorted(missing))}")
        else:
            kept.append(part)
    if not kept:
        raise ExpectedFailure("no corpus is left to experiment on")
    return kept


def thinned(corpus: Corpus, at_most: int) -> Corpus:
    """At most so many recordings of each emotion of each speaker, evenly spaced in the order of the table."""
    groups: dict[tuple[str, str], list[int]] = {}
    for place, utterance in enumerate(corpus.utterances):
        groups.setdefault((utterance.speaker, utterance.emotion), []).append(place)
    kept = sorted(
        places[index * len(places) // min(at_most, len(places))]
        for places in groups.values()
        for index in range(min(at_most, len(places)))
    )
    return replace(corpus, utterances=tuple(corpus.utterances[place] for place in kept))


def network_tables(corpus: Corpus, arguments: argparse.Namespace) -> tuple[dict[str, FeatureTable], set[str]]:
    """Features of every network that has a bundle with trained weights, and the networks with random weights only.

    Raises:
        ExpectedFailure: no network has trained weights.
    """
    found = {name: bundle for name in NETWORKS if (bundle := bundle_of(arguments.bundles, name)) is not None}
    trained = {name: bundle for name, bundle in found.items() if has_trained_weights(bundle)}
    if not trained:
        raise ExpectedFailure(f"{arguments.bundles}: no bundle deep-spectrum-*; 'emoserve-export export' makes them")
    tables = {name: features(BundleExtractor(bundle), corpus, arguments) for name, bundle in trained.items()}
    return tables, found.keys() - trained.keys()


def features(extractor: Extractor, corpus: Corpus, arguments: argparse.Namespace) -> FeatureTable:
    """Features of a corpus, computed or from the cache."""
    with progress_bar(f"{extractor.backbone.network} of {corpus.name}", len(corpus.utterances)) as bar:
        try:
            return cached_features(extractor, corpus, arguments.cache, available_threads(), advance_by(bar))
        except ExtractorError as error:
            raise ExpectedFailure(str(error)) from error


def finish(rows: list[dict[str, Cell]], file: Path, title: str) -> None:
    """Write a table and say where."""
    write_rows(rows, file, title)
    say(f"table: {file.with_suffix('.md')}")


def summary(trainings: Trainings) -> int:
    """Say how many trainings were made and how many were there; 0, the exit status."""
    note(f"{trainings.made} trainings made, {trainings.found} found from before")
    return 0


def cached_features(
    extractor: Extractor, corpus: Corpus, cache: Path, threads: int, progress: Callable[[], None] | None = None
) -> FeatureTable:
    """The table of whole utterances, from ``cache`` where the same network read the same files before."""
    backbone = extractor.backbone
    parts = [backbone.network, backbone.preset, backbone.weights_sha256, corpus.name]
    for utterance in corpus.utterances:
        assert utterance.audio is not None
        parts += [str(utterance.audio), utterance.partition, utterance.emotion, str(utterance.audio.stat().st_mtime_ns)]
    digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
    file = cache / f"features-{corpus.name}-{backbone.network}-{digest}.parquet"
    if file.is_file() and file.with_name(file.name + ".json").is_file():
        return read_table(file)
    licence = CORPORA[corpus.name][1] if corpus.name in CORPORA else "LicenseRef-not-stated"
    data = [TrainingData(name=corpus.name, licence=licence, utterances=len(corpus.utterances))]
    table = extract(extractor, [corpus], Cut(), data, threads, progress)
    write_table(table, file)
    return table
