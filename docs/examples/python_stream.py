"""Sends a WAV file as a live stream, as fast as the service judges it (``pip install './client[streams]'``).

Usage: python python_stream.py ADDRESS RECORDING
"""

import os
import sys
import wave
from collections.abc import Iterable

from emoserve_client import Emoserve, Problem, ServiceUnreachable, Window


def to_16_bit(pcm: bytes, width: int) -> bytes:
    """The upper two bytes of each little-endian sample of ``width`` bytes; samples of one byte are unsigned."""
    if width == 1:
        pcm, width = bytes(part for sample in pcm for part in (0, sample ^ 0x80)), 2
    upper = bytearray(len(pcm) // width * 2)
    upper[0::2], upper[1::2] = pcm[width - 2 :: width], pcm[width - 1 :: width]
    return bytes(upper)


def show(windows: Iterable[Window]) -> None:
    """Print one line for each window."""
    for window in windows:
        print(f"{window.start_s:.1f} s to {window.end_s:.1f} s: {window.emotion or 'no speech'}", flush=True)


if len(sys.argv) != 3:
    sys.exit("Usage: python python_stream.py ADDRESS RECORDING")
address, recording = sys.argv[1:]
try:
    file = wave.open(recording)
except OSError as error:
    sys.exit(f"The file {recording} cannot be read: {error.strerror}.")
except (wave.Error, EOFError) as error:
    sys.exit(f"The file {recording} is no WAV file with PCM samples: {error}.")
with file, Emoserve(address, api_key=os.environ.get("EMOSERVE_KEY")) as emoserve:
    try:
        with emoserve.audio_stream(file.getframerate(), channels=file.getnchannels()) as stream:
            while pcm := file.readframes(file.getframerate() // 10):  # a tenth of a second
                stream.send(to_16_bit(pcm, file.getsampwidth()))
                show(stream.ready())
            show(stream.finish())
    except Problem as problem:
        sys.exit(f"{problem.code}: {problem.detail}")
    except ServiceUnreachable as error:
        sys.exit(f"The service gave no answer: {error}")
