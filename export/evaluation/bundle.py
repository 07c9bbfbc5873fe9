"""Scoring a bundle on a corpus: the exported graph itself, over windows, as the service runs it."""

import lzma
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from export.corpora.audio import read_waveform, stack
from export.corpora.features import FEATURE_STEPS
from export.corpora.tables import DIMENSIONS, FEATURE_FILE_NAME, Corpus, CorpusError, Utterance
from export.graph.front_end_graph import FRAME_COUNTS, PICTURES
from service.card import Card, read_card
from service.pipeline.device.session import Session
from service.pipeline.speech.windows import plan_windows
from service.problems import MediaTooShort
from service.settings import Limits

STATISTICS = "statistics"

OUTPUTS = ("probabilities", *DIMENSIONS, STATISTICS)
"""Outputs of a model; all but the first are optional."""


@dataclass(frozen=True)
class CorpusAnswers:
    """Predictions of a bundle for every utterance of a corpus.

    Attributes:
        probabilities: float32 [utterances, classes], mean over windows.
        arousal, valence, dominance: float32 [utterances], mean over windows; None where the model has no such output.
        statistics: float32 [utterances, numbers], mean over windows of what profiles are made of; None likewise.
    """

    labels: tuple[str, ...]
    probabilities: NDArray[np.float32]
    arousal: NDArray[np.float32] | None
    valence: NDArray[np.float32] | None
    dominance: NDArray[np.float32] | None = None
    statistics: NDArray[np.float32] | None = None


def answer_corpus(
    bundle: Path,
    corpus: Corpus,
    threads: int,
    progress: Callable[[], None] | None = None,
    domain: str | None = None,
) -> CorpusAnswers:
    """Run the bundle's graph over the corpus; corpora of features enter the graph behind its front end.

    Args:
        domain: of the model; left out, that of the corpus's name where there is one, else the first.

    Raises:
        CorpusError: a recording is shorter than the model takes, or the model has no such domain.
    """
    card = read_card(bundle)
    if domain is not None and domain not in card.domains:
        raise CorpusError(f"{bundle} has no domain '{domain}'; it has {', '.join(card.domains) or 'none'}")
    domain = domain or (corpus.name if corpus.name in card.domains else None)
    graph = bundle / card.file_with_role(card.graph_role(domain))
    run = _audio_judge(bundle, card, threads, domain) if corpus.has_audio else _feature_judge(graph, corpus, threads)
    rows = []
    for utterance in corpus.utterances:
        rows.append(run(utterance))
        if progress:
            progress()
    columns = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
    optional = {name: columns.get(name) for name in (*DIMENSIONS, STATISTICS)}
    return CorpusAnswers(tuple(card.labels), columns["probabilities"], **optional)


Judge = Callable[[Utterance], dict[str, NDArray[np.float32]]]
WaveformJudge = Callable[[NDArray[np.float32]], dict[str, NDArray[np.float32]]]


def waveform_judge(bundle: Path, threads: int, domain: str | None = None) -> WaveformJudge:
    """A function from float32 [samples] at the card's rate to the graph's mean outputs over the card's windows.

    It raises :class:`service.problems.MediaTooShort` for a clip that is shorter than the model takes.
    """
    card = read_card(bundle)
    assert card.speech is not None
    session = Session(bundle / card.file_with_role(card.graph_role(domain)), device="auto", threads=threads)
    speech, limits = card.speech, Limits()
    outputs = [name for name in OUTPUTS if name in session.output_names]

    def run(waveform: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        windows = plan_windows(len(waveform), speech, limits, window_s=None, hop_s=None)
        spans = zip(windows.start_samples, windows.end_samples, strict=True)
        clips, lengths = stack([waveform[start:end] for start, end in spans])
        answer = session.run({"waveform": clips, "lengths": lengths}, outputs)
        return {name: answer[name].mean(axis=0) for name in outputs}

    return run


def _audio_judge(bundle: Path, card: Card, threads: int, domain: str | None) -> Judge:
    assert card.speech is not None
    judge, rate_hz = waveform_judge(bundle, threads, domain), card.speech.sample_rate_hz

    def run(utterance: Utterance) -> dict[str, NDArray[np.float32]]:
        assert utterance.audio is not None
        try:
            return judge(read_waveform(utterance.audio, rate_hz))
        except MediaTooShort as error:
            raise CorpusError(f"{utterance.audio}: {error.detail}") from error

    return run


def _feature_judge(graph: Path, corpus: Corpus, threads: int) -> Judge:
    session = _session_behind_front_end(graph, threads)
    outputs = session.output_names
    with lzma.open(corpus.folder / FEATURE_FILE_NAME) as file:
        features = np.load(file)

    def run(utterance: Utterance) -> dict[str, NDArray[np.float32]]:
        assert utterance.frames is not None
        first, count = utterance.frames
        picture = features[first : first + count].T.astype(np.float32)[None] / FEATURE_STEPS
        inputs = {PICTURES: picture, FRAME_COUNTS: np.array([count], dtype=np.int64)}
        answer = session.run(inputs, outputs)
        return {name: answer[name][0] for name in outputs}

    return run


def _session_behind_front_end(graph: Path, threads: int) -> Session:
    model = onnx.shape_inference.infer_shapes(onnx.load(graph))
    names = {value.name for value in model.graph.output}
    outputs = [name for name in OUTPUTS if name in names]
    cut = onnx.utils.Extractor(model).extract_model([PICTURES, FRAME_COUNTS], outputs)
    return Session(cut.SerializeToString(), device="auto", threads=threads)


def truth(corpus: Corpus, labels: Sequence[str]) -> NDArray[np.int64]:
    """Index of each utterance's emotion in ``labels``, −1 where the model has no such class."""
    return np.array([labels.index(row.emotion) if row.emotion in labels else -1 for row in corpus.utterances])
