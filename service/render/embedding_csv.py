"""Embeddings as CSV: one row a window of each channel, RFC 4180."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import orjson

from service.pipeline.speech.embedding_results import AudioEmbedding, ChannelEmbedding
from service.render.audio_json import SECONDS_DECIMALS
from service.render.channels import plain_values
from service.render.embedding_rows import has_each_channel


def audio_embedding_csv(result: AudioEmbedding) -> bytes:
    """Render ``result`` with a header and CRLF line ends.

    Columns: ``start_s, end_s, e0, e1`` …; where each channel was asked for, ``channel`` comes first. Numbers
    are not rounded; the cells of a silent window are empty.
    """
    return b"\r\n".join((embedding_csv_header(result), *embedding_csv_lines(result), b""))


def embedding_csv_header(result: AudioEmbedding) -> bytes:
    """Names of the columns, without a line end."""
    names = ["start_s", "end_s", *(f"e{index}" for index in range(result.dimensions))]
    return ",".join((["channel"] if has_each_channel(result) else []) + names).encode()


def embedding_csv_lines(result: AudioEmbedding) -> Iterator[bytes]:
    """The lines below the header, channel after channel, window after window, without line ends."""
    each = has_each_channel(result)
    starts_s, ends_s = plain_values(result.start_s, SECONDS_DECIMALS), plain_values(result.end_s, SECONDS_DECIMALS)
    times = [f"{start_s},{end_s}".encode() for start_s, end_s in zip(starts_s, ends_s, strict=True)]
    for channel in result.channels:
        prefix = f"{channel.channel},".encode() if each else b""
        for time, cells in zip(times, _cells(channel), strict=True):
            yield prefix + time + b"," + cells


def _cells(channel: ChannelEmbedding) -> Iterator[bytes]:
    """What stands between the brackets of a JSON array of numbers is a CSV row."""
    nothing = b"," * (channel.rows.shape[1] - 1)
    for row in channel.rows:
        known = bool(np.isfinite(row[0]))
        yield orjson.dumps(row, option=orjson.OPT_SERIALIZE_NUMPY)[1:-1] if known else nothing
