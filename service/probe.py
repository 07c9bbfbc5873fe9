"""A sound that every speech model is tried with: before it serves, and in ``emoserve check``."""

from __future__ import annotations

import io
import wave
from typing import TYPE_CHECKING

import numpy as np

from service.pipeline.audio_options import AudioOptions
from service.pipeline.device.task import Work
from service.pipeline.results import AudioEmotion, FloatArray
from service.pipeline.speech.check_clip import CLIP_S, check_clip

if TYPE_CHECKING:
    from service.pipeline.speech_pipeline import SpeechPipeline
    from service.registry import Bundle

PROBE_RATE_HZ = 16_000


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
    """The check clip at the probe's rate, on the grid of 16-bit samples: float32 [n]."""
    return check_clip(PROBE_RATE_HZ, CLIP_S)


def probe_wav() -> bytes:
    """The samples of :func:`probe_samples` as a mono wav file."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(PROBE_RATE_HZ)
        writer.writeframes((probe_samples() * 32768).astype("<i2").tobytes())
    return buffer.getvalue()
