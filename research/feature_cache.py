"""Features of a corpus, computed once and kept."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from export.corpora.licences import CORPORA
from export.corpora.tables import Corpus
from export.features.extraction import Cut, Extractor, extract
from export.features.files import read_table, write_table
from export.features.table import FeatureTable
from service.card import TrainingData


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
