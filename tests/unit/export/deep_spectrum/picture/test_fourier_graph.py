import numpy as np
import pytest

from export.deep_spectrum.picture.fourier_graph import Stages, hann, places_of_bins, stages, write_halves, write_power
from export.graph.builder import FLOAT, GraphBuilder
from tests.support.graphs import run_graph


def power_of(signal_values: np.ndarray, fft_samples: int, hop_samples: int, window: str) -> np.ndarray:
    graph = GraphBuilder("power")
    signal = graph.input("signal", FLOAT, ["batch", "samples"])
    halves = write_halves(graph, signal, fft_samples, hop_samples)
    graph.output("power", write_power(graph, halves, fft_samples, hop_samples, window), FLOAT, ["places", "columns"])
    return run_graph(graph, signal=signal_values)[0]


@pytest.mark.parametrize(
    ("fft_samples", "hop_samples", "window"),
    [
        (2048, 1024, "periodic"),
        (2048, 512, "periodic"),
        (1024, 512, "periodic"),
        (512, 256, "periodic"),
        (256, 128, "symmetric"),
        (400, 160, "periodic"),
        (26, 7, "periodic"),
    ],
)
def test_two_stages_are_a_fourier_transform(fft_samples, hop_samples, window):
    frames, random = 5, np.random.default_rng(fft_samples)
    signal = random.normal(size=(2, (frames - 1) * hop_samples + fft_samples)).astype(np.float32)
    power = power_of(signal, fft_samples, hop_samples, window)[places_of_bins(fft_samples)]
    power = power.reshape(len(power), 2, -1)[:, :, :frames]
    starts = hop_samples * np.arange(frames)
    cut = np.stack([signal[:, start : start + fft_samples] for start in starts], axis=1).astype(np.float64)
    expected = np.abs(np.fft.rfft(cut * hann(fft_samples, window))) ** 2
    expected = expected.transpose(2, 0, 1)
    np.testing.assert_allclose(power, expected, rtol=1e-3, atol=1e-6 * expected.max())


def test_windows_are_numpys_and_librosas():
    librosa = pytest.importorskip("librosa")
    np.testing.assert_allclose(hann(256, "symmetric"), np.hanning(256), atol=1e-12)
    np.testing.assert_allclose(hann(512, "periodic"), librosa.filters.get_window("hann", 512), atol=1e-12)


@pytest.mark.parametrize(
    ("fft_samples", "split"),
    [
        (4096, Stages(64, 2, 32)),
        (2048, Stages(64, 2, 16)),
        (512, Stages(32, 1, 16)),
        (256, Stages(32, 1, 8)),
        (400, Stages(40, 1, 10)),
    ],
)
def test_stages_are_the_cheapest(fft_samples, split):
    assert stages(fft_samples) == split
