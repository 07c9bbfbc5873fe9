"""The answers of ``POST /v1/audio/embedding``: JSON, whose rows stay arrays, and CSV."""

from collections.abc import Iterator
from dataclasses import asdict

import numpy as np
import orjson
from numpy.typing import NDArray

from service.pipeline.results import AudioEmbedding, ChannelEmbedding, FloatArray
from service.render.audio_json import SECONDS_DECIMALS, media_members
from service.render.channels import has_channel_list, plain_values


def mean_rows(result: AudioEmbedding) -> FloatArray:
    """Mean over channels, float32 [windows, dimensions], of each window over its channels that are not silent.

    A window that is silent in all channels is NaN. A single channel is returned unchanged.
    """
    if len(result.channels) == 1:
        return result.channels[0].rows
    stacked = np.stack([channel.rows for channel in result.channels])
    sounding = np.isfinite(stacked[:, :, :1]).sum(axis=0)
    total = np.where(np.isfinite(stacked), stacked, 0).sum(axis=0, dtype=np.float64)
    mean = np.full(total.shape, np.nan)
    np.divide(total, sounding, out=mean, where=sounding > 0)
    return mean.astype(np.float32)


def audio_embedding_json(result: AudioEmbedding, request_id: str) -> dict[str, object]:
    """Render ``result`` for JSON.

    Args:
        result: result of the speech pipeline.
        request_id: value of the response header ``X-Request-Id``.

    Returns:
        A tree of dict, list, str, float, int and None, with a float32 array [dimensions] for each row of ``embedding``,
        so the encoder must know arrays. Numbers are not rounded; the row of a silent window is None. Where each channel
        was requested there is ``channels``, and the top level is :func:`mean_rows`.
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
    if has_channel_list(result):
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


def audio_embedding_csv(result: AudioEmbedding) -> bytes:
    """Render ``result`` as CSV with a header and CRLF line ends.

    Columns: ``start_s, end_s, e0, e1`` …, after ``channel`` where each channel was requested. Numbers are not rounded;
    the cells of a silent window are empty.
    """
    return b"\r\n".join((embedding_csv_header(result), *embedding_csv_lines(result), b""))


def embedding_csv_header(result: AudioEmbedding) -> bytes:
    """The header line, without its line end."""
    names = ["start_s", "end_s", *(f"e{index}" for index in range(result.dimensions))]
    return ",".join((["channel"] if has_channel_list(result) else []) + names).encode()


def embedding_csv_lines(result: AudioEmbedding) -> Iterator[bytes]:
    """The lines below the header without line ends: each channel's windows in order."""
    each = has_channel_list(result)
    starts_s, ends_s = plain_values(result.start_s, SECONDS_DECIMALS), plain_values(result.end_s, SECONDS_DECIMALS)
    times = [f"{start_s},{end_s}".encode() for start_s, end_s in zip(starts_s, ends_s, strict=True)]
    for channel in result.channels:
        prefix = f"{channel.channel},".encode() if each else b""
        for time, cells in zip(times, _cells(channel), strict=True):
            yield prefix + time + b"," + cells


def _cells(channel: ChannelEmbedding) -> Iterator[bytes]:
    """Cells of each row: a JSON array of numbers without its brackets is a CSV row."""
    nothing = b"," * (channel.rows.shape[1] - 1)
    for row in channel.rows:
        known = bool(np.isfinite(row[0]))
        yield orjson.dumps(row, option=orjson.OPT_SERIALIZE_NUMPY)[1:-1] if known else nothing
