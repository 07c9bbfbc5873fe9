"""A sound that every speech model is tried with: before it serves, and in ``emoserve check``."""

from __future__ import annotations

import io
import wave
from typing import TYPE_CHECKING

import numpy as np

from service.pipeline.audio_options import AudioOptions
from service.pipeline.device.task import Work
from service.pipeline.results import AudioEmotion, FloatArray

if TYPE_CHECKING:
    from service.pipeline.speech_pipeline import SpeechPipeline
    from service.registry import Bundle

PROBE_RATE_HZ = 16_000
PROBE_S = 3.0
_PITCH_HZ = 120.0
_SYLLABLES_HZ = 4.0  # the strongest modulation of speech


def judge_probe(pipeline: SpeechPipeline, bundle: Bundle, patience_s: float) -> AudioEmotion:
    """The answer of a speech model about :func:`probe_wav`.

    Raises:
        ValueError: other weights answered, or the probabilities are none.
        Problem: it cannot answer.
    """
    asked = AudioOptions(bundle.card.name, bundle.card.version)
    result = pipeline.analyse(memoryview(probe_wav()), asked, Work.within(patience_s))
    if result.model.sha256 != bundle.sha256:
        raise ValueError("other weights answered")
    probabilities = result.channels[0].probabilities
    if probabilities is not None and (
        not np.isfinite(probabilities).all() or abs(float(probabilities.sum()) - 1) > 1e-3
    ):
        raise ValueError("the probabilities do not sum to 1")
    return result


def probe_samples() -> FloatArray:
    """Three seconds of a buzz with a voice's pitch and rhythm, on the grid of 16-bit samples: float32 [n]."""
    times_s = np.arange(round(PROBE_S * PROBE_RATE_HZ)) / PROBE_RATE_HZ
    buzz = sum(np.sin(2 * np.pi * _PITCH_HZ * harmonic * times_s) / harmonic for harmonic in range(1, 20))
    loudness = 0.5 - 0.5 * np.cos(2 * np.pi * _SYLLABLES_HZ * times_s)
    return (np.round(0.2 * buzz * loudness * 32768) / 32768).astype(np.float32)


def probe_wav() -> bytes:
    """The samples of :func:`probe_samples` as a mono wav file."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(PROBE_RATE_HZ)
        writer.writeframes((probe_samples() * 32768).astype("<i2").tobytes())
    return buffer.getvalue()
