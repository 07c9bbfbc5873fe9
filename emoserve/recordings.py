"""Inputs of an analysis: a path, the bytes of a file, or samples with their rate."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from service.local.sources import MAX_FILE_BYTES, Source
from service.problems import MediaEmpty, TooLarge, Unprocessable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_FLOAT_FORMAT: Final = 3
_BYTES_A_SAMPLE: Final = 4
_MAX_CHANNELS: Final = 0xFFFF // _BYTES_A_SAMPLE


def content_of(recording: str | os.PathLike[str] | bytes | NDArray[np.floating[Any]], rate_hz: int | None) -> bytes:
    """The bytes of a file: of the one that is named, or of a WAV file of the samples, in which no number is changed.

    Args:
        recording: a path, the content of a file, or samples: float [samples] or [channels, samples], full scale ±1.
        rate_hz: sample rate of an array; None of everything else.

    Raises:
        FileError: the file cannot be read.
        TooLarge: there are more than :data:`service.local.sources.MAX_FILE_BYTES` bytes.
        MediaEmpty: there are no samples.
        Unprocessable: samples that are no floating point numbers or of another shape, or a rate that does not fit.
    """
    is_file = isinstance(recording, str | bytes | os.PathLike)
    if is_file != (rate_hz is None):
        needs = "A file has a sample rate of its own" if is_file else "Samples need a sample rate"
        raise Unprocessable(f"{needs}: rate_hz is for arrays alone.", pointer="/rate_hz")
    if isinstance(recording, bytes):
        return recording
    if isinstance(recording, str | os.PathLike):
        path = Path(recording)
        return Source(path, Path(path.name)).read()
    assert rate_hz is not None
    return _wav(recording, rate_hz)


def _wav(samples: NDArray[np.floating[Any]], rate_hz: int) -> bytes:
    """A WAV file of 32 bit floating point numbers."""
    import numpy as np

    rows = np.atleast_2d(np.asarray(samples))
    if not np.issubdtype(rows.dtype, np.floating):
        raise Unprocessable("Samples must be floating point numbers with full scale at 1: divide integers by theirs.")
    if rows.ndim != 2 or not 0 < len(rows) <= _MAX_CHANNELS:
        raise Unprocessable("Samples must have the shape [samples] or [channels, samples].")
    if not 0 < rate_hz < 2**31 or rate_hz != int(rate_hz):
        raise Unprocessable("rate_hz must be a whole number of hertz.", pointer="/rate_hz")
    channels, count = rows.shape
    if count == 0:
        raise MediaEmpty
    frame_bytes = channels * _BYTES_A_SAMPLE
    data_bytes = count * frame_bytes
    if data_bytes > MAX_FILE_BYTES:
        raise TooLarge(f"The samples have more than {MAX_FILE_BYTES} bytes.")
    rate = int(rate_hz)
    form = struct.pack("<HHIIHH", _FLOAT_FORMAT, channels, rate, (rate * frame_bytes) % 2**32, frame_bytes, 32)
    header = b"RIFF" + struct.pack("<I", 36 + data_bytes) + b"WAVEfmt " + struct.pack("<I", len(form)) + form
    return header + b"data" + struct.pack("<I", data_bytes) + np.ascontiguousarray(rows.T, "<f4").tobytes()
