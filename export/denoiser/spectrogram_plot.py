"""Spectrograms before and after a denoiser, one picture a corpus."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.signal import stft

from export.corpora.audio import Waveform
from export.corpora.tables import Corpus
from export.denoiser.noises import SAMPLE_RATE_HZ
from export.denoiser.scores import make_mixtures

RANGE_DB = 70.0


def draw_mixtures(denoise: Callable[[Waveform], Waveform], corpus: Corpus, seed: int, file: Path) -> None:
    """Draw heard, denoised and wanted speech of the first utterance in every condition, on one scale of dB."""
    mixtures = next(make_mixtures(corpus, seed))
    figure = Figure(figsize=(13, 2.2 * len(mixtures)), layout="constrained")
    FigureCanvasAgg(figure)
    rows = figure.subplots(len(mixtures), 3, sharex=True, sharey=True)
    for axes, mixture in zip(rows, mixtures, strict=True):
        signals = {"heard": mixture.heard, "denoised": denoise(mixture.heard), "wanted": mixture.wanted}
        top_db = _decibels(mixture.wanted)[2].max()
        for place, (name, signal) in zip(axes, signals.items(), strict=True):
            _draw(place, signal, float(top_db))
            place.set_title(f"{mixture.condition} {mixture.family}: {name}".replace(" :", ":"), fontsize=9)
        axes[0].set_ylabel("Hz")
    for place in rows[-1]:
        place.set_xlabel("s")
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=80)


def _draw(place: Axes, signal: Waveform, top_db: float) -> None:
    frequency_hz, time_s, decibels = _decibels(signal)
    place.pcolormesh(time_s, frequency_hz, decibels, vmin=top_db - RANGE_DB, vmax=top_db, cmap="magma", rasterized=True)


def _decibels(signal: Waveform) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    frequency_hz, time_s, spectrum = stft(signal, SAMPLE_RATE_HZ, nperseg=512, noverlap=384)
    return frequency_hz, time_s, 20.0 * np.log10(np.abs(spectrum) + 1e-9)
