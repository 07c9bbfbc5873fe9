"""Runs a speech model's graph on a clip with Triton's client (``pip install tritonclient[http]``).

Usage: python python_inference.py HOST:PORT MODEL CLIP.wav
"""

import sys
import wave

import numpy as np
import tritonclient.http as triton

if len(sys.argv) != 4:
    sys.exit("Usage: python python_inference.py HOST:PORT MODEL CLIP.wav")
place, model, recording = sys.argv[1:]
with wave.open(recording, "rb") as file:  # one channel of 16 bit at the model's rate, as long as its card permits
    clip = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32) / 32768

client = triton.InferenceServerClient(place)
waveform = triton.InferInput("waveform", list(clip.shape), "FP32")
waveform.set_data_from_numpy(clip)  # ±1 is full scale
result = client.infer(model, [waveform])
print(result.as_numpy("probabilities"), result.as_numpy("arousal"))
