"""A WAV file as a live stream, as fast as the service judges it (``pip install './client[streams]'``).

Usage: python python_stream.py ADDRESS RECORDING
"""

import os
import sys
import wave
from collections.abc import Iterable

from emoserve_client import Emoserve, Problem, ServiceUnreachable, Window

address, recording = sys.argv[1:]


def show(windows: Iterable[Window]) -> None:
    """One line a window."""
    for window in windows:
        print(f"{window.start_s:.1f} s to {window.end_s:.1f} s: {window.emotion or 'no speech'}", flush=True)


with wave.open(recording) as file, Emoserve(address, api_key=os.environ.get("EMOSERVE_KEY")) as emoserve:
    try:
        with emoserve.audio_stream(file.getframerate(), channels=file.getnchannels()) as stream:
            while pcm := file.readframes(file.getframerate() // 10):
                stream.send(pcm)
                show(stream.ready())
            show(stream.finish())
    except Problem as problem:
        sys.exit(f"{problem.code}: {problem.detail}")
    except ServiceUnreachable as error:
        sys.exit(f"no answer: {error}")
