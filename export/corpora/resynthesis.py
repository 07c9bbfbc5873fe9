"""Sound that has the log-mel features of CREMA-D, so that other front ends, noise, rooms and codecs can be applied.

Phase and loudness are invented: the features hold neither. A non-negative spectrum is fitted to the mel bands, then
a phase that is consistent with it (fast Griffin-Lim, Perraudin 2013).
"""

import csv
import lzma
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile
import torch
from numpy.typing import NDArray
from torch import Tensor

from export.corpora.features import FEATURE_STEPS
from export.corpora.tables import FEATURE_FILE_NAME, Corpus, CorpusError
from export.graph.front_end import POWER_RANGE_DB, PRESETS

FIT_STEPS = 10
"""Multiplicative steps of the fit of a spectrum to the mel bands (Lee & Seung 2001)."""

PHASE_STEPS = 24
"""Steps of fast Griffin-Lim."""

MOMENTUM = 0.9
"""Momentum of fast Griffin-Lim; 0.99 is the largest that converges (Perraudin 2013)."""

PEAK = 0.5
"""Peak of each resynthesised clip, as a share of full scale."""


class Resynthesis:
    """The inverse of the front end 'open', as far as there is one."""

    def __init__(self) -> None:
        preset = PRESETS["open"]
        self._fft, self._hop = preset.fft_samples, preset.hop_samples
        self._bank = torch.from_numpy(preset.mel_bank())
        self._back = torch.linalg.pinv(self._bank)
        self._window = torch.hann_window(self._fft)

    @torch.inference_mode()
    def sound(self, stored: NDArray[np.uint8], seed: int = 0) -> NDArray[np.float32]:
        """The clip of ``stored`` uint8 [frames, 128], 0 … 63, as float32 [samples] at 16 kHz with peak 0.5."""
        decibels = torch.from_numpy(stored.T.astype(np.float32)) * (POWER_RANGE_DB / FEATURE_STEPS) - POWER_RANGE_DB
        power = torch.where(torch.from_numpy(stored.T) == 0, 0.0, 10.0 ** (decibels / 10.0))
        signal = self._phased(self._spectrum(power).sqrt(), seed)
        return (signal * (PEAK / signal.abs().max().clamp(min=1e-9))).numpy()

    def _spectrum(self, power: Tensor) -> Tensor:
        """Non-negative power spectrum [513, frames] whose mel bands are ``power`` [128, frames]."""
        spectrum = torch.clamp(self._back @ power, min=1e-9)
        for _ in range(FIT_STEPS):
            spectrum = spectrum * (self._bank.T @ power) / (self._bank.T @ (self._bank @ spectrum) + 1e-12)
        return spectrum

    def _phased(self, size: Tensor, seed: int) -> Tensor:
        random = torch.Generator().manual_seed(seed)
        spectrum = size * torch.exp(2j * np.pi * torch.rand(size.shape, generator=random))
        before: Tensor | None = None
        for _ in range(PHASE_STEPS):
            signal = torch.istft(spectrum, self._fft, self._hop, window=self._window)
            now = torch.stft(
                signal, self._fft, self._hop, window=self._window, return_complex=True, pad_mode="constant"
            )
            pushed = now if before is None else now + MOMENTUM * (now - before)
            before = now
            spectrum = size * pushed / (pushed.abs() + 1e-9)
        return torch.istft(spectrum, self._fft, self._hop, window=self._window)


def resynthesise(corpus: Corpus, out: Path, progress: Callable[[], None] | None = None) -> Path:
    """Write a corpus with audio: a FLAC file a clip and the same table; clips that are there are kept.

    Raises:
        CorpusError: the corpus has audio already.
    """
    if corpus.has_audio:
        raise CorpusError(f"{corpus.folder}: comes with audio, so nothing is resynthesised")
    with lzma.open(corpus.folder / FEATURE_FILE_NAME) as file:
        frames = np.load(file)
    made = Resynthesis()
    (out / "audio").mkdir(parents=True, exist_ok=True)
    for number, utterance in enumerate(corpus.utterances):
        target = out / "audio" / f"{utterance.name}.flac"
        if not target.is_file():
            assert utterance.frames is not None
            first, count = utterance.frames
            sound = made.sound(frames[first : first + count], seed=number)
            partial = target.with_suffix(".partial")
            soundfile.write(partial, sound, PRESETS["open"].sample_rate_hz, format="FLAC")
            partial.replace(target)
        if progress:
            progress()
    _write_table(corpus, out)
    return out


def _write_table(corpus: Corpus, out: Path) -> None:
    with (corpus.folder / "utterances.csv").open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    with (out / "utterances.csv").open("w", encoding="utf-8", newline="") as target:
        kept = [name for name in rows[0] if name not in ("clip", "first_frame", "frames")]
        table = csv.DictWriter(target, ["file", *kept], extrasaction="ignore")
        table.writeheader()
        table.writerows({"file": f"audio/{row['clip']}.flac", **row} for row in rows)
