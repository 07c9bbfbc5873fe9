"""What the renderers of embeddings share."""

from __future__ import annotations

import numpy as np

from service.pipeline.results import FloatArray
from service.pipeline.speech.embedding_results import AudioEmbedding


def has_each_channel(result: AudioEmbedding) -> bool:
    """Whether each channel was asked for: several answers, or one that is named by its index."""
    return len(result.channels) > 1 or result.channels[0].channel.isdigit()


def mean_rows(result: AudioEmbedding) -> FloatArray:
    """Mean over channels, float32 [windows, dimensions]: of each window over the channels that sound there.

    A window that is silent in every channel stays NaN. One channel is returned as it is.
    """
    if len(result.channels) == 1:
        return result.channels[0].rows
    stacked = np.stack([channel.rows for channel in result.channels])
    sounding = np.isfinite(stacked[:, :, :1]).sum(axis=0)
    total = np.where(np.isfinite(stacked), stacked, 0).sum(axis=0, dtype=np.float64)
    mean = np.full(total.shape, np.nan)
    np.divide(total, sounding, out=mean, where=sounding > 0)
    return mean.astype(np.float32)
