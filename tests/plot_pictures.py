"""Runs a plot's graph in tests and sets it against what librosa and matplotlib draw."""

from collections.abc import Sequence

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from export.deep_spectrum.picture.graph import plot_graph
from export.deep_spectrum.picture.presets import PlotPreset
from export.deep_spectrum.picture.toolkit_picture import specshow, toolkit_picture

Samples = NDArray[np.float32]


class Plotter:
    """A plot's graph in a session of one thread."""

    def __init__(self, preset: PlotPreset, size: int = 224, sample_rate_hz: int = 16_000) -> None:
        self.preset, self.size, self.sample_rate_hz = preset, size, sample_rate_hz
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        model = plot_graph(preset, size, sample_rate_hz).SerializeToString()
        self.session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def together(self, clips: Sequence[Samples], filler: float = 0.3) -> NDArray[np.float32]:
        """Pictures [clips, 3, size, size] of a batch, padded with what must not matter."""
        waveform = np.full((len(clips), max(map(len, clips))), filler, dtype=np.float32)
        for row, clip in zip(waveform, clips, strict=True):
            row[: len(clip)] = clip
        feeds = {"waveform": waveform, "lengths": np.array([len(clip) for clip in clips])}
        return self.session.run(["picture"], feeds)[0]

    def alone(self, clip: Samples) -> NDArray[np.float32]:
        """Picture [3, size, size] of one clip."""
        return self.together([clip])[0]

    def toolkit(self, clip: Samples) -> NDArray[np.float32]:
        """The same by librosa, matplotlib and Pillow."""
        picture = toolkit_picture(clip, self.preset, self.size, self.sample_rate_hz)
        return picture.transpose(2, 0, 1).astype(np.float32)

    def error(self, clip: Samples) -> float:
        """Mean absolute difference of the two, of 255."""
        return float(np.abs(self.alone(clip) - self.toolkit(clip)).mean())


def drawn_numbers(numbers: NDArray[np.int64], preset: PlotPreset, sample_rate_hz: int) -> NDArray[np.int64]:
    """The matrix's number, 0 … 4095, that matplotlib draws at each pixel, with colour map 'gray'."""
    drawn = np.zeros((preset.render_pixels, preset.render_pixels), dtype=np.int64)
    for shift in (0, 4, 8):  # four bits at a time, told apart by 16 greys
        matrix = ((numbers >> shift) & 15).astype(np.float32)
        matrix[0, 0], matrix[0, -1] = 15, 0  # all greys are in use in any case
        drawn |= np.rint(specshow(matrix, preset, sample_rate_hz)[:, :, 0] / 17.0).astype(np.int64) << shift
    return drawn
