"""The small recording that ``emoserve check`` sends through decoder and models."""

from __future__ import annotations

import io
import wave

import numpy as np

from service.pipeline.results import FloatArray

PROBE_RATE_HZ = 16_000
PROBE_S = 3.0
_PITCH_HZ = 120.0
_SYLLABLES_HZ = 4.0  # the modulation that speech has most of


def probe_samples() -> FloatArray:
    """Three seconds of a buzz with a voice's pitch and rhythm, on the grid of 16-bit samples: float32 [n]."""
    times_s = np.arange(round(PROBE_S * PROBE_RATE_HZ)) / PROBE_RATE_HZ
    buzz = sum(np.sin(2 * np.pi * _PITCH_HZ * harmonic * times_s) / harmonic for harmonic in range(1, 20))
    loudness = 0.5 - 0.5 * np.cos(2 * np.pi * _SYLLABLES_HZ * times_s)
    return (np.round(0.2 * buzz * loudness * 32768) / 32768).astype(np.float32)


def probe_wav() -> bytes:
    """The same as a mono wav file."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(PROBE_RATE_HZ)
        writer.writeframes((probe_samples() * 32768).astype("<i2").tobytes())
    return buffer.getvalue()
