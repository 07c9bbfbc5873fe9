"""Recordings to measure with: a synthetic voice as PCM wav, of the lengths that a service gets."""

from __future__ import annotations

import io
import wave

import numpy as np

from export.evaluation.voice import synthetic_voice

SAMPLE_RATE_HZ = 16_000
MIX_S = (3.0, 3.0, 10.0, 3.0, 3.0)
"""Durations in turn: short utterances with a longer one among them."""


def wav_bytes(duration_s: float, seed: int) -> bytes:
    """A mono 16-bit wav file."""
    samples = np.rint(synthetic_voice(duration_s, SAMPLE_RATE_HZ, seed) * 32767).astype("<i2")
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE_HZ)
        file.writeframes(samples.tobytes())
    return buffer.getvalue()


def mixed_clips() -> list[tuple[float, bytes]]:
    """(duration_s, file) of one round of :data:`MIX_S`."""
    return [(duration_s, wav_bytes(duration_s, seed)) for seed, duration_s in enumerate(MIX_S)]
