"""Sends a WAV file as a live stream with websockets alone.

Usage: python python_websocket.py ws://HOST:PORT RECORDING
"""

import json
import os
import sys
import wave

from websockets.sync.client import connect


def to_16_bit(pcm: bytes, width: int) -> bytes:
    """The upper two bytes of each little-endian sample of ``width`` bytes; samples of one byte are unsigned."""
    if width == 1:
        pcm, width = bytes(part for sample in pcm for part in (0, sample ^ 0x80)), 2
    upper = bytearray(len(pcm) // width * 2)
    upper[0::2], upper[1::2] = pcm[width - 2 :: width], pcm[width - 1 :: width]
    return bytes(upper)


if len(sys.argv) != 3:
    sys.exit("Usage: python python_websocket.py ws://HOST:PORT RECORDING")
address, recording = sys.argv[1:]
headers = {"Authorization": f"Bearer {os.environ['EMOSERVE_KEY']}"} if "EMOSERVE_KEY" in os.environ else {}
try:
    file = wave.open(recording)
except OSError as error:
    sys.exit(f"The file {recording} cannot be read: {error.strerror}.")
except (wave.Error, EOFError) as error:
    sys.exit(f"The file {recording} is no WAV file with PCM samples: {error}.")
with connect(f"{address}/v1/stream/audio", additional_headers=headers, compression=None) as stream:
    stream.send(json.dumps({"type": "config", "sample_rate_hz": file.getframerate(), "channels": file.getnchannels()}))
    while pcm := file.readframes(file.getframerate() // 10):  # a tenth of a second
        stream.send(to_16_bit(pcm, file.getsampwidth()))
    stream.send(json.dumps({"type": "end"}))
    for message in stream:
        print(json.loads(message))
