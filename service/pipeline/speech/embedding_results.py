"""What goes into the embedding of a recording beside the recording, and what comes out: plain data."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from service.pipeline.results import ChannelChoice, FloatArray, MediaInfo, ModelReference


@dataclass(frozen=True)
class EmbeddingOptions:
    """The query parameters of ``POST /v1/audio/embedding``; ``None`` means the model card's default."""

    model: str | None = None
    version: str | None = None
    channel: ChannelChoice = "mix"
    start_s: float | None = None
    end_s: float | None = None
    window_s: float | None = None
    hop_s: float | None = None
    denoise: bool = False


@dataclass(frozen=True)
class ChannelEmbedding:
    """The answer for one channel (or for the mix).

    Attributes:
        channel: 'mix', 'left', 'right' or the channel's index as text.
        rows: float32 [windows, dimensions]; a row of NaN stands for ``null``: a silent window has none.
        flags: such as 'silent', 'silent_windows', 'clipped', 'denoised'.
    """

    channel: str
    rows: FloatArray
    flags: tuple[str, ...] = ()


@dataclass(frozen=True)
class AudioEmbedding:
    """The answer for a recording: one entry in ``channels``, or one a channel with ``channel='each'``.

    ``start_s`` and ``end_s`` are float64 [windows], seconds from the beginning of the recording, of every
    channel's rows.
    """

    media: MediaInfo
    model: ModelReference
    dimensions: int
    start_s: NDArray[np.float64]
    end_s: NDArray[np.float64]
    channels: tuple[ChannelEmbedding, ...]
    denoiser: ModelReference | None = None
    stages_s: dict[str, float] = field(default_factory=dict)
