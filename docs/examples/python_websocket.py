"""A WAV file as a live stream with nothing but websockets.

Usage: python python_websocket.py ws://HOST:PORT RECORDING
"""

import json
import os
import sys
import wave

from websockets.sync.client import connect

address, recording = sys.argv[1:]
headers = {"Authorization": f"Bearer {os.environ['EMOSERVE_KEY']}"} if "EMOSERVE_KEY" in os.environ else {}
file = wave.open(recording)
with connect(f"{address}/v1/stream/audio", additional_headers=headers, compression=None) as stream:
    stream.send(json.dumps({"type": "config", "sample_rate_hz": file.getframerate(), "channels": file.getnchannels()}))
    while pcm := file.readframes(file.getframerate() // 10):  # 16 bit, a tenth of a second
        stream.send(pcm)
    stream.send(json.dumps({"type": "end"}))
    for message in stream:
        print(json.loads(message))
