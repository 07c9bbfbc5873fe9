"""Front end 'open' by librosa: an implementation that shares no line with ours, to check the graphs against."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from export.graph.front_end import POWER_RANGE_DB, PRESETS


def librosa_picture(waveform: NDArray[np.float32]) -> NDArray[np.float32]:
    """Picture of one clip, float32 [128, frames], as the CREMA-D features were made.

    Args:
        waveform: float32 [samples] at 16 kHz, at most 3.0 s; a shorter one is padded with silence, as there.
    """
    import librosa  # slow to import

    preset = PRESETS["open"]
    padded = np.zeros(preset.full_length_samples, dtype=np.float32)
    padded[: len(waveform)] = waveform
    power = librosa.feature.melspectrogram(
        y=padded,
        sr=preset.sample_rate_hz,
        n_fft=preset.fft_samples,
        hop_length=preset.hop_samples,
        n_mels=preset.bands,
        pad_mode="constant",
    )
    frames = preset.frames(len(waveform))
    # Our floor is relative to the clip's maximum; librosa's absolute floor (amin) is set out of its way.
    decibels = librosa.power_to_db(power, ref=power[:, :frames].max(), amin=1e-30, top_db=None)
    decibels = np.maximum(decibels, -POWER_RANGE_DB)
    minimum, maximum = decibels.min(), decibels[:, :frames].max()
    return ((decibels - minimum) / (maximum - minimum))[:, :frames].astype(np.float32)
