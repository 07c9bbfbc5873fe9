"""The JSON answer of ``POST /v1/audio/embedding``: rows stay arrays, which the encoder writes as they are."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray

from service.pipeline.results import FloatArray
from service.pipeline.speech.embedding_results import AudioEmbedding
from service.render.audio_json import SECONDS_DECIMALS, media_members
from service.render.channels import plain_values
from service.render.embedding_rows import has_each_channel, mean_rows


def audio_embedding_json(result: AudioEmbedding, request_id: str) -> dict[str, object]:
    """Render ``result``.

    Args:
        result: the answer of the speech pipeline.
        request_id: what the response header ``X-Request-Id`` says.

    Returns:
        A tree of dict, list, str, float, int, None, and one float32 array [dimensions] for each row of
        ``embedding``, so it takes an encoder that knows arrays. Numbers are not rounded. The row of a silent
        window is None. With one answer a channel there is ``channels`` too, and the top level is their mean,
        window by window over the channels that sound.
    """
    document: dict[str, object] = {
        "request_id": request_id,
        "media": media_members(result.media),
        "model": asdict(result.model),
        "dimensions": result.dimensions,
        "timeline": {"start_s": _seconds(result.start_s), "end_s": _seconds(result.end_s)},
        "embedding": _rows(mean_rows(result)),
        "flags": list(dict.fromkeys(flag for channel in result.channels for flag in channel.flags)),
    }
    if result.denoiser is not None:
        document["denoiser"] = asdict(result.denoiser)
    if has_each_channel(result):
        document["channels"] = [
            {"channel": channel.channel, "embedding": _rows(channel.rows), "flags": list(channel.flags)}
            for channel in result.channels
        ]
    return document


def _seconds(times_s: NDArray[np.float64]) -> list[float | None]:
    return plain_values(times_s, SECONDS_DECIMALS)


def _rows(rows: FloatArray) -> list[FloatArray | None]:
    known = np.isfinite(rows[:, 0])
    return [row if is_known else None for row, is_known in zip(rows, known.tolist(), strict=True)]
