"""openSMILE functionals with a linear SVM: the yardstick of C3, for corpora that come with audio.

openSMILE is licensed for research; it is an optional extra and nothing of it is served.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from export.corpora.audio import read_waveform
from export.corpora.tables import Corpus, CorpusError
from export.evaluation.metrics import Interval, bootstrap_uar, unweighted_average_recall

FeatureSet = Literal["eGeMAPSv02", "ComParE_2016"]
C_GRID = tuple(10.0**-k for k in range(10))
"""C3: a logarithmic grid 1 … 1e-9."""

SAMPLE_RATE_HZ = 16_000


@dataclass(frozen=True)
class RivalResult:
    """Figures of the rival: chosen C, devel UAR, and test UAR with its interval."""

    feature_set: str
    corpus: str
    c: float
    devel_uar: float
    test_uar: Interval


def functionals(
    corpus: Corpus, feature_set: FeatureSet, cache: Path | None, progress: Callable[[], None] | None = None
) -> NDArray[np.float32]:
    """Functionals of every recording, float32 [utterances, 88 or 6373].

    Raises:
        CorpusError: the corpus comes as features, without audio.
        ModuleNotFoundError: the extra 'opensmile' is not installed.
    """
    if not corpus.has_audio:
        raise CorpusError(f"{corpus.name}: comes without audio, so openSMILE cannot be run on it")
    file = cache / f"{corpus.name}-{feature_set}-{len(corpus.utterances)}.npy" if cache else None
    if file and file.is_file():
        return np.load(file)
    import opensmile  # an optional extra under a research licence

    smile = opensmile.Smile(opensmile.FeatureSet[feature_set], opensmile.FeatureLevel.Functionals, num_workers=1)
    rows = []
    for utterance in corpus.utterances:
        assert utterance.audio is not None
        rows.append(smile.process_signal(read_waveform(utterance.audio, SAMPLE_RATE_HZ), SAMPLE_RATE_HZ).to_numpy()[0])
        if progress:
            progress()
    values = np.nan_to_num(np.stack(rows)).astype(np.float32)
    if file:
        file.parent.mkdir(parents=True, exist_ok=True)
        np.save(file, values)
    return values


def score_rival(corpus: Corpus, features: NDArray[np.float32], feature_set: str) -> RivalResult:
    """Choose C on devel, refit on train and devel, score test (C3)."""
    truth = np.array([corpus.labels.index(utterance.emotion) for utterance in corpus.utterances])
    partition = np.array([utterance.partition for utterance in corpus.utterances])
    train, devel, test = (partition == name for name in ("train", "devel", "test"))

    def predict(fitted_on: NDArray[np.bool_], asked: NDArray[np.bool_], c: float) -> NDArray[np.int64]:
        scaler = StandardScaler().fit(features[fitted_on])
        machine = LinearSVC(C=c, class_weight="balanced", max_iter=4000, random_state=0)
        machine.fit(scaler.transform(features[fitted_on]), truth[fitted_on])
        return machine.predict(scaler.transform(features[asked]))

    on_devel = {c: unweighted_average_recall(truth[devel], predict(train, devel, c)) for c in C_GRID}
    best = max(C_GRID, key=lambda c: on_devel[c])
    answers = predict(train | devel, test, best)
    interval = bootstrap_uar(truth[test], answers)
    return RivalResult(feature_set, corpus.name, best, on_devel[best], interval)
