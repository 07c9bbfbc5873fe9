"""Mel spectra of whole corpora in memory: each recording as it is, and some times distorted."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from export.corpora.audio import Waveform, read_waveform
from export.corpora.requirements import require_audio
from export.corpora.tables import Corpus
from export.graph.front_end import FrontEnd
from export.graph.high_pass import BELOW_SPEECH, high_passed
from export.speech_representations.distortion import distort
from export.speech_representations.encoder import PRESET

FLOOR = 1e-9
"""Smallest power that is kept, 90 dB below that of full-scale noise."""

TRIM_DB = 35.0
"""Ends of a recording that are quieter than its loudest frame by more than this count as no speech."""

MARGIN_FRAMES = 10
"""Frames kept around speech, 0.1 s as in the service."""

VOICES = 40
"""Recordings of a corpus that babble is mixed from."""

Spectrum = NDArray[np.float16]
"""Logarithm to base 10 of mel power, float16 [frames, 40]."""


@dataclass(frozen=True)
class Spectra:
    """Spectra of a corpus.

    Attributes:
        versions: for each utterance its spectra: first the clean one, then the distorted ones; ends without speech
            are cut off.
    """

    corpus: Corpus
    versions: tuple[tuple[Spectrum, ...], ...]


def load_spectra(
    corpus: Corpus,
    versions: int = 1,
    cache: Path | None = None,
    seed: int = 0,
    progress: Callable[[], None] | None = None,
) -> Spectra:
    """Compute, or read from ``cache``, the spectra of all utterances.

    Args:
        versions: spectra of a recording; all but the first are distorted.

    Raises:
        CorpusError: the corpus comes as features without audio.
    """
    require_audio([corpus])
    file = cache_file(cache, corpus, "spectra", f"{versions} {seed}")
    if file and file.is_file():
        with np.load(file) as stored:
            return _grouped(corpus, np.split(stored["values"], stored["ends"][:-1]), versions)
    values = _compute(corpus, versions, seed, progress)
    if cache and file:
        cache.mkdir(parents=True, exist_ok=True)
        np.savez(file, values=np.concatenate(values), ends=np.cumsum([len(value) for value in values]))
    return _grouped(corpus, values, versions)


def cache_file(cache: Path | None, corpus: Corpus, what: str, settings: str) -> Path | None:
    """File of a cache for what is computed of a corpus's recordings with some settings."""
    names = "\n".join(utterance.name for utterance in corpus.utterances)
    key = hashlib.sha256(f"{names}\n{settings}".encode()).hexdigest()[:12]
    return cache / f"{corpus.name}-{what}-{key}.npz" if cache else None


def _grouped(corpus: Corpus, values: list[Spectrum], versions: int) -> Spectra:
    return Spectra(corpus, tuple(tuple(values[i : i + versions]) for i in range(0, len(values), versions)))


def _compute(corpus: Corpus, versions: int, seed: int, progress: Callable[[], None] | None) -> list[Spectrum]:
    random = np.random.default_rng(seed)
    rate_hz = PRESET.sample_rate_hz
    rows = corpus.utterances
    chosen = random.choice(len(rows), min(VOICES, len(rows)), replace=False)
    voices = [_read(corpus, int(index)) for index in chosen] if versions > 1 else []
    front_end = FrontEnd(PRESET)
    values = []
    for index in range(len(rows)):
        waveform = _read(corpus, index)
        for version in range(versions):
            heard = distort(random, waveform, voices) if version else waveform
            values.append(trimmed(spectrum(front_end, high_passed(heard, rate_hz, BELOW_SPEECH))))
        if progress:
            progress()
    return values


def _read(corpus: Corpus, index: int) -> Waveform:
    audio = corpus.utterances[index].audio
    assert audio is not None
    return read_waveform(audio, PRESET.sample_rate_hz)


def spectrum(front_end: FrontEnd, waveform: Waveform) -> Spectrum:
    """Spectrum of one recording, float32 [samples] at 16 kHz, relative to its loudest frame."""
    with torch.inference_mode():
        power = front_end.mel_power(torch.from_numpy(waveform)[None], torch.tensor([len(waveform)]))[0].T.numpy()
    loudest = max(float(power.sum(axis=1).max()), FLOOR)
    return np.log10(np.maximum(power / loudest, FLOOR)).astype(np.float16)


def trimmed(value: Spectrum) -> Spectrum:
    """``value`` without the quiet frames at its ends."""
    energy = (10.0 ** value.astype(np.float32)).sum(axis=1)
    loud = np.flatnonzero(energy > energy.max() * 10.0 ** (-TRIM_DB / 10.0))
    return value[max(0, loud[0] - MARGIN_FRAMES) : loud[-1] + 1 + MARGIN_FRAMES]
