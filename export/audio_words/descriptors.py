"""The 13 low-level descriptors of the bag of audio words (D8): MFCC 1–12 and log energy.

Frames of 25 ms every 10 ms that lie inside the recording, pre-emphasis 0.97, Hamming window, power spectrum of 512
points, 26 HTK-mel triangles up to 8 kHz (librosa's with ``htk=True``), natural logarithm, orthonormal DCT-II without
lifter. The energy is that of the frame as it came, before pre-emphasis and window, as HTK has it. D8 names frames,
pre-emphasis and the coefficients; the rest is chosen. Constant factors and lifters change nothing in the end, since
the descriptors are standardised.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dct

from export.graph.mel_bank import area_normalised_bank

SAMPLE_RATE_HZ = 16_000
FRAME_SAMPLES = 400
HOP_SAMPLES = 160
FFT_SAMPLES = 512
MEL_BANDS = 26
PRE_EMPHASIS = 0.97
CEPSTRA = 12
DESCRIPTORS = CEPSTRA + 1
POWER_FLOOR = 1e-10
"""Least power of a band and least energy of a frame; samples are −1 … 1."""


def frame_count(samples: int) -> int:
    """Number of frames inside a recording of ``samples`` samples."""
    return max(0, 1 + (samples - FRAME_SAMPLES) // HOP_SAMPLES)


def spectrum_kernels() -> NDArray[np.float64]:
    """Pre-emphasis, window and Fourier transform in one: float64 [2·257, FRAME_SAMPLES + 1].

    Cosines, then negative sines. A kernel begins one sample before its frame, where pre-emphasis looks.
    """
    time = np.arange(FRAME_SAMPLES)
    window = 0.54 - 0.46 * np.cos(2.0 * np.pi * time / (FRAME_SAMPLES - 1))
    angle = 2.0 * np.pi * np.outer(np.arange(FFT_SAMPLES // 2 + 1), time) / FFT_SAMPLES
    waves = np.concatenate([np.cos(angle), -np.sin(angle)]) * window
    kernels = np.zeros((len(waves), FRAME_SAMPLES + 1))
    kernels[:, 1:] = waves
    kernels[:, :-1] -= PRE_EMPHASIS * waves
    return kernels


def mel_bank() -> NDArray[np.float64]:
    """float64 [MEL_BANDS, 257]."""
    bank = area_normalised_bank(SAMPLE_RATE_HZ, FFT_SAMPLES, MEL_BANDS, 0.0, SAMPLE_RATE_HZ / 2, scale="htk")
    return bank.astype(np.float64)


def cepstral_matrix() -> NDArray[np.float64]:
    """Rows 1 … 12 of the orthonormal DCT-II, float64 [CEPSTRA, MEL_BANDS]."""
    return dct(np.eye(MEL_BANDS), type=2, norm="ortho", axis=0)[1 : CEPSTRA + 1]


def low_level_descriptors(waveform: NDArray[np.floating]) -> NDArray[np.float64]:
    """Descriptors of a recording.

    Args:
        waveform: [samples] at 16 kHz.

    Returns:
        float64 [frames, 13]: MFCC 1–12, then log energy; no rows for a recording below 25 ms.
    """
    count = frame_count(len(waveform))
    if count == 0:
        return np.zeros((0, DESCRIPTORS))
    padded = np.concatenate([[0.0], np.asarray(waveform, dtype=np.float64)])
    frames = np.lib.stride_tricks.sliding_window_view(padded, FRAME_SAMPLES + 1)[::HOP_SAMPLES][:count]
    real, imaginary = np.split(frames @ spectrum_kernels().T, 2, axis=1)
    bands = (real**2 + imaginary**2) @ mel_bank().T
    cepstra = np.log(np.maximum(bands, POWER_FLOOR)) @ cepstral_matrix().T
    energy = np.log(np.maximum((frames[:, 1:] ** 2).sum(axis=1), POWER_FLOOR))
    return np.column_stack([cepstra, energy])
