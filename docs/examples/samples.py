"""Sample files for the examples: a recording, a video and a table of action units, each two seconds long.

Usage: python samples.py FOLDER     It runs in the environment of the service, whose packages av and numpy it needs.
The sounds and pictures are drawn by formula: there is no speech and no face in them, so most values are unknown.
"""

import sys
import wave
from pathlib import Path

import av
import numpy as np

RATE_HZ = 16_000
FRAMES_PER_S = 25
DURATION_S = 2
ACTION_UNITS = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 25, 26, 45)

folder = Path(sys.argv[1]) if len(sys.argv) == 2 else sys.exit("Usage: python samples.py FOLDER")
folder.mkdir(parents=True, exist_ok=True)

time_s = np.arange(DURATION_S * RATE_HZ) / RATE_HZ
hum = sum(np.sin(2 * np.pi * 140 * harmonic * time_s) / harmonic for harmonic in range(1, 12))
loudness = 0.15 * (1 + np.sin(2 * np.pi * 4 * time_s))  # four swells a second, like syllables
sound = np.rint(32_767 * loudness * hum / np.abs(hum).max()).astype("<i2")
with wave.open(str(folder / "talk.wav"), "wb") as file:
    file.setparams((1, 2, RATE_HZ, 0, "NONE", ""))
    file.writeframes(sound.tobytes())

frames = DURATION_S * FRAMES_PER_S
with av.open(folder / "talk.mp4", "w") as container:
    stream = container.add_stream("mpeg4", rate=FRAMES_PER_S)
    stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
    rows, columns = np.mgrid[0:240, 0:320]
    for number in range(frames):
        red_green_blue = np.stack([columns // 2, rows, np.full_like(rows, 4 * number)], axis=-1).astype(np.uint8)
        container.mux(stream.encode(av.VideoFrame.from_ndarray(red_green_blue, format="rgb24")))
    container.mux(stream.encode())

lines = ["frame,timestamp,confidence,success," + ",".join(f"AU{unit:02}_r" for unit in ACTION_UNITS)]
for number in range(frames):
    smile = 1.5 + 1.5 * np.sin(2 * np.pi * number / frames)
    intensities = [f"{smile if unit in (6, 12) else 0.2:.2f}" for unit in ACTION_UNITS]
    lines.append(",".join([str(number + 1), f"{number / FRAMES_PER_S:.3f}", "0.98", "1", *intensities]))
(folder / "units.csv").write_text("\n".join(lines) + "\n")
