"""Features of whole corpora: one process, one loaded network, a thread a processor, rows in the corpus's order."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import soundfile
from numpy.typing import NDArray

from export.corpora.audio import read_waveform
from export.corpora.tables import Corpus, CorpusError, Utterance
from export.features.origin import Backbone, Origin
from export.features.table import FeatureTable
from service.card import SpeechInput, TrainingData
from service.pipeline.speech.extent import is_silent
from service.pipeline.speech.windows import Windows, plan_windows
from service.problems import MediaTooShort
from service.settings import Limits

Waveform = NDArray[np.float32]


class Extractor(Protocol):
    """Something that turns clips into features; called by several threads at once."""

    backbone: Backbone
    speech: SpeechInput
    feature_names: tuple[str, ...]

    def features(self, clip: Waveform) -> NDArray[np.float32]:
        """Features of one clip at ``speech.sample_rate_hz``, float32 [features]."""
        ...


@dataclass(frozen=True)
class Cut:
    """How recordings become rows: windows of these lengths, or whole utterances where both are None."""

    window_s: float | None = None
    hop_s: float | None = None

    @property
    def is_whole(self) -> bool:
        """Whether a row is an utterance."""
        return self.window_s is None and self.hop_s is None


@dataclass(frozen=True)
class _Rows:
    """Rows of one recording: times in seconds and features.

    Attributes:
        left_out: why there is none, or why there are fewer than windows; empty where nothing lacks.
    """

    start_s: Sequence[float]
    end_s: Sequence[float]
    values: Sequence[NDArray[np.float32]]
    left_out: str = ""
    pooled: bool = False


def extract(
    extractor: Extractor,
    corpora: Sequence[Corpus],
    cut: Cut,
    data: Sequence[TrainingData],
    threads: int,
    progress: Callable[[], None] | None = None,
) -> FeatureTable:
    """Compute the features of every recording.

    A recording too short for the network has no row and is named in the table's origin; so is one with digital
    silence, whose silent windows have no row, as the service answers ``null`` for them. Of a whole utterance longer
    than the network takes, the row is the mean over windows of the card's default length and hop, and counted.

    Raises:
        CorpusError: a recording cannot be read, or its features are not finite numbers; the message names it.
        Unprocessable: ``cut`` asks for windows that the network does not take.
    """
    work = [(corpus, utterance) for corpus in corpora for utterance in corpus.utterances]

    def one(item: tuple[Corpus, Utterance]) -> _Rows:
        rows = _rows_of(extractor, item[1], cut)
        if progress:
            progress()
        return rows

    with ThreadPoolExecutor(threads) as pool:
        try:
            parts = list(pool.map(one, work))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return _assemble(extractor, work, parts, cut, data)


def _rows_of(extractor: Extractor, utterance: Utterance, cut: Cut) -> _Rows:
    assert utterance.audio is not None
    try:
        waveform = read_waveform(utterance.audio, extractor.speech.sample_rate_hz)
    except soundfile.LibsndfileError as error:
        raise CorpusError(f"{utterance.audio}: cannot be read as audio ({error})") from error
    try:
        windows = _windows(len(waveform), extractor.speech, cut)
    except MediaTooShort:
        duration_s = len(waveform) / extractor.speech.sample_rate_hz
        return _Rows((), (), (), f"{duration_s:.3f} s, the network needs {extractor.speech.min_length_s:g} s")
    spans = list(zip(windows.start_samples, windows.end_samples, strict=True))
    sounds = [not is_silent(waveform[start:end], windows.rate_hz) for start, end in spans]
    if not any(sounds):
        return _Rows((), (), (), "digital silence")
    values = [
        extractor.features(waveform[start:end]) for (start, end), heard in zip(spans, sounds, strict=True) if heard
    ]
    if not all(np.isfinite(value).all() for value in values):
        raise CorpusError(f"{utterance.audio}: its features are not finite numbers (silence, or a broken recording?)")
    if cut.is_whole:
        end_s = len(waveform) / windows.rate_hz
        return _Rows((0.0,), (end_s,), (np.mean(values, axis=0, dtype=np.float32),), pooled=len(values) > 1)
    silent = len(sounds) - sum(sounds)
    return _Rows(
        windows.start_s[sounds].tolist(),
        windows.end_s[sounds].tolist(),
        values,
        f"{silent} of {len(sounds)} windows are digital silence" if silent else "",
    )


def _windows(samples: int, speech: SpeechInput, cut: Cut) -> Windows:
    if cut.is_whole and samples <= speech.max_length_s * speech.sample_rate_hz:
        plan_windows(samples, speech, Limits(), window_s=None, hop_s=None)  # refuses what is too short
        return Windows(np.zeros(1, np.int64), samples, speech.sample_rate_hz)
    return plan_windows(samples, speech, Limits(), window_s=cut.window_s, hop_s=cut.hop_s)


def _assemble(
    extractor: Extractor,
    work: Sequence[tuple[Corpus, Utterance]],
    parts: Sequence[_Rows],
    cut: Cut,
    data: Sequence[TrainingData],
) -> FeatureTable:
    described = [
        (f"{corpus.name}/{row.name}", f"{corpus.name}/{row.speaker}" if row.speaker else "", row.partition, row.emotion)
        for corpus, row in work
    ]
    repeated = [columns for columns, part in zip(described, parts, strict=True) for _ in part.values]
    left_out = [f"{columns[0]}: {part.left_out}" for columns, part in zip(described, parts, strict=True)]
    values = [value for part in parts for value in part.values]
    width = len(extractor.feature_names)
    names, speakers, partitions, labels = zip(*repeated, strict=True) if repeated else ((), (), (), ())
    return FeatureTable(
        names=names,
        speakers=speakers,
        partitions=partitions,
        labels=labels,
        start_s=np.array([time for part in parts for time in part.start_s], dtype=np.float64),
        end_s=np.array([time for part in parts for time in part.end_s], dtype=np.float64),
        values=np.stack(values) if values else np.empty((0, width), np.float32),
        feature_names=extractor.feature_names,
        origin=Origin(
            backbones=[extractor.backbone],
            data=list(data),
            window_s=cut.window_s,
            hop_s=cut.hop_s,
            left_out=[line for line, part in zip(left_out, parts, strict=True) if part.left_out],
            pooled=sum(part.pooled for part in parts),
        ),
    )
