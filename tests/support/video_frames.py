"""Messages of a video stream's client: pictures, and action units of a made-up face."""

import io
import struct

import av
import numpy as np

from service.pipeline.face.unit_scale import ACTION_UNITS

HEAD = struct.pack("<d", 0.0)
"""How a picture of the time 0 begins."""


def jpeg(width: int = 64, height: int = 48) -> bytes:
    """A grey picture."""
    target = io.BytesIO()
    with av.open(target, "w", format="image2pipe") as output:
        stream = output.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuvj420p"
        frame = av.VideoFrame.from_ndarray(np.full((height, width, 3), 90, np.uint8), format="rgb24")
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return target.getvalue()


def units(number: int) -> dict[str, float]:
    """The intensities of all action units in frame ``number``, by the names of their columns."""
    return {f"{name}_r": round(2.5 + 2.4 * np.sin(number / 9 + index), 3) for index, name in enumerate(ACTION_UNITS)}


def unit_table(count: int) -> bytes:
    """An OpenFace table of ``count`` such frames, 25 a second."""
    lines = ["frame,timestamp,confidence,success," + ",".join(units(0))]
    lines += [f"{n + 1},{n * 0.04:.2f},0.98,1," + ",".join(map(str, units(n).values())) for n in range(count)]
    return "\n".join(lines).encode()
