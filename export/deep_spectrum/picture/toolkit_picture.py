"""The picture as the Deep Spectrum toolkit comes by it: librosa computes, matplotlib draws, Pillow resizes.

It shares no line with the graphs that are checked against it. It follows the description of the toolkit's behaviour
(A4–A7, D1–D3, F1–F3, F16), not its code.
"""

import warnings
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from export.deep_spectrum.picture.presets import PlotPreset

Picture = NDArray[np.uint8]
"""RGB, uint8 [edge, edge, 3], the top row first."""


def toolkit_picture(waveform: NDArray[np.floating], preset: PlotPreset, size: int, sample_rate_hz: int) -> Picture:
    """Draw one clip.

    Args:
        waveform: float32 [samples].
        size: edge of the picture in pixels.
    """
    if preset.drawn_by == "specgram":
        # What is plotted is a 16-bit file: digital silence is exact there and has no residue of a decoder.
        waveform = np.rint(waveform.astype(np.float64) * 32768.0) / 32768.0
    if preset.trim_zeros:
        waveform = np.trim_zeros(waveform)
    if preset.drawn_by == "specgram":
        drawn = _specgram(waveform, preset, sample_rate_hz)
    else:
        drawn = specshow(spectrogram(waveform, preset, sample_rate_hz), preset, sample_rate_hz)
    if size == preset.render_pixels:
        return drawn
    kind = Image.Resampling.BICUBIC if preset.resize == "bicubic" else Image.Resampling.NEAREST
    return np.asarray(Image.fromarray(drawn).resize((size, size), kind))


def spectrogram(waveform: NDArray[np.floating], preset: PlotPreset, sample_rate_hz: int) -> NDArray[np.float32]:
    """Compute the matrix by librosa, float32 [rows, frames]: dB below the maximum without a floor (F3), or chroma."""
    import librosa  # slow to import

    amplitude = preset.magnitude == "amplitude"
    stft: dict[str, Any] = {"n_fft": preset.fft_samples, "hop_length": preset.hop_samples}
    if preset.representation == "linear":
        magnitudes = np.abs(librosa.stft(waveform, **stft))
        return librosa.amplitude_to_db(magnitudes, ref=np.max, top_db=None)
    if preset.representation == "chroma":
        magnitudes = np.abs(librosa.stft(waveform, **stft)) ** (1 if amplitude else 2)
        return librosa.feature.chroma_stft(S=magnitudes, sr=sample_rate_hz, tuning=0.0, **stft)
    mel = librosa.feature.melspectrogram(
        y=waveform,
        sr=sample_rate_hz,
        power=1.0 if amplitude else 2.0,
        n_mels=preset.bands,
        fmin=preset.low_hz,
        fmax=preset.top_hz(sample_rate_hz),
        htk=preset.mel_formula == "htk",
        **stft,
    )
    to_db = librosa.amplitude_to_db if amplitude else librosa.power_to_db
    return to_db(mel, ref=np.max, top_db=None)


def specshow(matrix: NDArray[np.float32], preset: PlotPreset, sample_rate_hz: int) -> Picture:
    """Draw a matrix [rows, frames] as librosa's ``specshow`` does."""
    import librosa.display  # slow to import

    axes = _full_bleed_axes(preset.render_pixels)
    vertical: dict[str, Any] = {}
    if preset.axis == "symlog":
        vertical = {
            "y_axis": "mel",
            "fmin": preset.low_hz,
            "fmax": preset.top_hz(sample_rate_hz),
            "htk": preset.mel_formula == "htk",
        }
        if preset.representation == "linear":
            vertical["y_coords"] = librosa.fft_frequencies(sr=sample_rate_hz, n_fft=preset.fft_samples)
    librosa.display.specshow(
        matrix,
        sr=sample_rate_hz,
        hop_length=preset.hop_samples,
        x_axis="time",
        cmap=preset.colour_map,
        ax=axes,
        **vertical,
    )
    return _pixels(axes)


def _specgram(waveform: NDArray[np.floating], preset: PlotPreset, sample_rate_hz: int) -> Picture:
    axes = _full_bleed_axes(preset.render_pixels)
    with warnings.catch_warnings(), np.errstate(divide="ignore"):
        warnings.simplefilter("ignore", UserWarning)  # a clip of one frame
        _, _, _, image = axes.specgram(
            waveform,
            NFFT=preset.fft_samples,
            noverlap=preset.fft_samples - preset.hop_samples,
            Fs=sample_rate_hz,
            cmap=preset.colour_map,
            interpolation="nearest",
        )
    left, right, bottom, top = image.get_extent()
    axes.set_xlim(left, right)
    axes.set_ylim(bottom, top)
    return _pixels(axes)


def _full_bleed_axes(pixels: int) -> Axes:
    figure = Figure(figsize=(1, 1), dpi=pixels, frameon=False)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set_axis_off()
    return axes


def _pixels(axes: Axes) -> Picture:
    canvas = axes.figure.canvas
    assert isinstance(canvas, FigureCanvasAgg)
    canvas.draw()  # type: ignore[no-untyped-call]
    pixels = canvas.buffer_rgba()  # type: ignore[no-untyped-call]
    return np.asarray(pixels)[:, :, :3].copy()
