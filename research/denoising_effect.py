"""Effect of ``denoise=true`` on a speech model's answers, on clean recordings and in noise of known strength."""

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from export.classifiers.answers import Predictions, by_name, figures_of
from export.corpora.audio import Waveform, read_waveform
from export.corpora.tables import Corpus, CorpusError
from export.denoiser.bundle import denoiser_of
from export.denoiser.mixtures import add_noise
from export.denoiser.noises import SAMPLE_RATE_HZ, UNSEEN_FAMILIES
from export.evaluation.bundle import truth, waveform_judge
from export.evaluation.metrics import Interval
from export.evaluation.significance import compare_answers
from research.tables import Cell
from service.card import read_card
from service.problems import MediaTooShort

Level = float | None
"""Signal-to-noise ratio in dB; None is the recording as it is."""


@dataclass(frozen=True)
class Effect:
    """One model's answers on one partition at one level of noise, without and with the denoiser."""

    model: str
    level: Level
    plain: Predictions
    denoised: Predictions


def measure_effects(
    corpus: Corpus,
    models: Sequence[Path],
    denoiser: Path,
    levels_db: Sequence[float],
    seed: int,
    threads: int,
    progress: Callable[[], None] | None = None,
) -> list[Effect]:
    """Judge an already selected partition; emotions that a model lacks are left out for that model.

    The noise is of families that the denoiser was not trained on and added as in its training, to the whole
    recording; family and noise follow from the seed and the recording's name, and are the same at every level.

    Raises:
        CorpusError: a model and the corpus share fewer than two classes, or a recording is too short.
        ValueError: a model takes another rate than the denoiser.
    """
    cards = {bundle: read_card(bundle) for bundle in models}
    for card in (read_card(denoiser), *cards.values()):
        if card.speech is None or card.speech.sample_rate_hz != SAMPLE_RATE_HZ:
            raise ValueError(f"{card.name} does not take speech at {SAMPLE_RATE_HZ} Hz")
    denoise = denoiser_of(denoiser, "auto", threads)
    judges = {bundle: waveform_judge(bundle, threads) for bundle in models}
    levels: list[Level] = [None, *levels_db]
    shares: dict[tuple[Path, Level, bool], list[NDArray[np.float32]]] = {}
    for utterance in corpus.utterances:
        assert utterance.audio is not None
        speech = read_waveform(utterance.audio, SAMPLE_RATE_HZ)
        for level, heard in mixtures(speech, utterance.name, levels, seed).items():
            for is_denoised, clip in ((False, heard), (True, denoise(heard))):
                for bundle, judge in judges.items():
                    try:
                        answer = judge(clip)["probabilities"]
                    except MediaTooShort as error:
                        raise CorpusError(f"{utterance.audio}: {error.detail}") from error
                    shares.setdefault((bundle, level, is_denoised), []).append(answer)
        if progress:
            progress()
    return [
        Effect(
            card.name,
            level,
            answers_among_shared(np.stack(shares[bundle, level, False]), card.labels, corpus),
            answers_among_shared(np.stack(shares[bundle, level, True]), card.labels, corpus),
        )
        for bundle, card in cards.items()
        for level in levels
    ]


def mixtures(speech: Waveform, name: str, levels: Sequence[Level], seed: int) -> Mapping[Level, Waveform]:
    """``speech`` float32 [samples] at each level; one noise for all, drawn by the seed and the recording's name."""
    number = zlib.crc32(name.encode())
    families = list(UNSEEN_FAMILIES.values())
    noise = families[number % len(families)](np.random.default_rng([seed, number]), len(speech))
    return {level: speech if level is None else add_noise(speech, noise, level) for level in levels}


def answers_among_shared(probabilities: NDArray[np.float32], labels: Sequence[str], corpus: Corpus) -> Predictions:
    """Predictions among the classes that model and corpus share, as ``evaluate`` counts them.

    Args:
        probabilities: float32 [utterances, classes of the model].

    Raises:
        CorpusError: fewer than two classes are shared.
    """
    targets = truth(corpus, labels)
    kept = targets >= 0
    own = np.array([place for place, label in enumerate(labels) if label in corpus.labels], dtype=np.int64)
    if len(own) < 2:
        raise CorpusError(f"{corpus.name}: the model knows fewer than two of its emotions")
    shared = probabilities[kept][:, own].astype(np.float64)
    names = tuple(row.name for row, is_kept in zip(corpus.utterances, kept, strict=True) if is_kept)
    partition = corpus.utterances[0].partition
    classes = tuple(labels[place] for place in own)
    return Predictions(partition, classes, names, np.searchsorted(own, targets[kept]).astype(np.int64), shared)


def effect_row(corpus: str, effect: Effect) -> dict[str, Cell]:
    """UAR without and with denoising, the difference with its paired 95 % interval, McNemar's test."""
    plain, denoised = (figures_of(part, corpus).uar for part in (effect.plain, effect.denoised))
    test = compare_answers(by_name(effect.denoised), by_name(effect.plain))
    return {
        "corpus": corpus,
        "model": effect.model,
        "noise": "none" if effect.level is None else f"{effect.level:g} dB",
        "n": test.n,
        "classes": len(effect.plain.labels),
        "UAR % as it is (95 %)": _with_interval(plain, ""),
        "UAR % denoised (95 %)": _with_interval(denoised, ""),
        "difference (95 %)": _with_interval(test.uar_difference, "+"),
        "McNemar p": f"{test.mcnemar_p:.2g} {test.mark}".strip(),
    }


def _with_interval(figure: Interval, sign: str) -> str:
    return f"{100 * figure.value:{sign}.1f} ({100 * figure.low:{sign}.1f} … {100 * figure.high:{sign}.1f})"
