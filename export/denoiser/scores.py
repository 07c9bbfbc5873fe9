"""Gains of a denoiser: SI-SDR on speakers, noises and rooms that training never met.

The speech is real; noises and rooms are made by the program from a seed, so that anyone gets the same mixtures.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from export.corpora.audio import Waveform, read_waveform
from export.corpora.tables import Corpus
from export.denoiser.mixtures import RT60_RANGE_S, SNR_RANGE_DB, add_noise, trim
from export.denoiser.noises import SAMPLE_RATE_HZ, UNSEEN_FAMILIES, babble, unit_power
from export.denoiser.rooms import draw_room
from export.evaluation.metrics import Interval

Condition = Literal["noise", "babble", "room", "both", "clean"]

CONDITIONS: tuple[Condition, ...] = ("noise", "babble", "room", "both", "clean")
DISTANCE_M = (2.7, 3.3)
"""About 3 m, as the room microphone of D9."""

MAX_UTTERANCES = 120
"""Most utterances scored; a larger partition is thinned evenly."""

PERFECT_DB = 100.0
"""A ratio above this is rounding; it is cut here so that means stay finite."""


@dataclass(frozen=True)
class Mixture:
    """One example: what the denoiser hears, what is wanted, and which family of noise is in it."""

    condition: Condition
    family: str
    heard: Waveform
    wanted: Waveform


@dataclass(frozen=True)
class ConditionReport:
    """Figures of one condition; ratios are SI-SDR in dB, means over utterances.

    ``gain_db`` is after minus before. On clean speech ``before_db`` is the ceiling and only ``after_db`` tells.
    ``times_real_time`` is seconds of sound for each second of processor time, all threads together.
    """

    condition: str
    n: int
    before_db: float
    after_db: Interval
    gain_db: Interval
    families: dict[str, float]
    times_real_time: float

    def to_json(self) -> dict[str, object]:
        """A plain dictionary."""
        return asdict(self)


def si_sdr_db(estimate: NDArray[np.floating], wanted: NDArray[np.floating]) -> float:
    """Scale-invariant signal-to-distortion ratio in dB (Le Roux et al. 2019), within ±:data:`PERFECT_DB`.

    Args:
        estimate, wanted: [samples], of equal length.

    Raises:
        ValueError: ``wanted`` is silent.
    """
    estimate, wanted = np.asarray(estimate, np.float64), np.asarray(wanted, np.float64)
    power = float(wanted @ wanted)
    if power == 0.0:
        raise ValueError("the wanted signal is silent")
    projection = (float(estimate @ wanted) / power) * wanted
    distortion = estimate - projection
    limit = 10.0 ** (PERFECT_DB / 10.0)
    ratio = float(projection @ projection) / max(float(distortion @ distortion), 1e-300)
    return float(10.0 * np.log10(np.clip(ratio, 1.0 / limit, limit)))


def make_mixtures(corpus: Corpus, seed: int) -> Iterator[list[Mixture]]:
    """For each utterance of an already selected partition one mixture of every condition."""
    step = max(1.0, len(corpus.utterances) / MAX_UTTERANCES)
    chosen = [corpus.utterances[int(index * step)] for index in range(min(MAX_UTTERANCES, len(corpus.utterances)))]
    clips = [trim(read_waveform(row.audio, SAMPLE_RATE_HZ)) for row in chosen if row.audio]
    speakers = [row.speaker for row in chosen if row.audio]
    families = list(UNSEEN_FAMILIES)
    for index, clip in enumerate(clips):
        if len(clip) < SAMPLE_RATE_HZ // 2:
            continue
        random = np.random.default_rng([seed, index])
        speech = unit_power(clip) * np.float32(0.1)
        family = families[index % len(families)]
        noise = UNSEEN_FAMILIES[family](random, len(speech))
        # A corpus of one speaker babbles with that speaker's other recordings.
        others = [other for other, name in zip(clips, speakers, strict=True) if name != speakers[index]] or clips
        voices = babble(random, len(speech), others)
        heard, early = draw_room(random, SAMPLE_RATE_HZ, DISTANCE_M, RT60_RANGE_S).apply(speech)
        snr_db = random.uniform(*SNR_RANGE_DB)
        yield [
            Mixture("noise", family, add_noise(speech, noise, snr_db), speech),
            Mixture("babble", "", add_noise(speech, voices, snr_db), speech),
            Mixture("room", "", heard, early),
            Mixture("both", family, add_noise(heard, noise, snr_db), early),
            Mixture("clean", "", speech, speech),
        ]


def evaluate_denoiser(
    denoise: Callable[[Waveform], Waveform], corpus: Corpus, seed: int, progress: Callable[[], None] | None = None
) -> list[ConditionReport]:
    """Figures of ``denoise`` (float32 [samples] at 16 kHz to the same) in every condition."""
    rows: dict[Condition, list[_Row]] = {condition: [] for condition in CONDITIONS}
    for mixtures in make_mixtures(corpus, seed):
        for mixture in mixtures:
            before_db = si_sdr_db(mixture.heard, mixture.wanted)
            began_s = time.process_time()
            denoised = denoise(mixture.heard)
            processor_s = time.process_time() - began_s
            after_db = si_sdr_db(denoised, mixture.wanted)
            duration_s = len(denoised) / SAMPLE_RATE_HZ
            rows[mixture.condition].append(_Row(mixture.family, before_db, after_db, duration_s, processor_s))
        if progress:
            progress()
    return [_report(condition, entries) for condition, entries in rows.items()]


def mean_with_interval(values: NDArray[np.float64], seed: int = 0, draws: int = 2000) -> Interval:
    """Mean with its 95 % bootstrap interval over utterances."""
    random = np.random.default_rng(seed)
    means = values[random.integers(len(values), size=(draws, len(values)))].mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return Interval(float(values.mean()), float(low), float(high))


@dataclass(frozen=True)
class _Row:
    family: str
    before_db: float
    after_db: float
    duration_s: float
    processor_s: float


def _report(condition: Condition, rows: list[_Row]) -> ConditionReport:
    before = np.array([row.before_db for row in rows])
    after = np.array([row.after_db for row in rows])
    names = np.array([row.family for row in rows])
    families = {str(name): float((after - before)[names == name].mean()) for name in sorted(set(names)) if name}
    return ConditionReport(
        condition=condition,
        n=len(rows),
        before_db=float(before.mean()),
        after_db=mean_with_interval(after),
        gain_db=mean_with_interval(after - before),
        families=families if len(families) > 1 else {},
        times_real_time=sum(row.duration_s for row in rows) / max(sum(row.processor_s for row in rows), 1e-9),
    )
