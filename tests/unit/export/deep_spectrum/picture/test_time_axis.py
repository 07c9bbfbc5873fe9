from dataclasses import replace

import numpy as np
import pytest

from export.deep_spectrum.picture.presets import PLOT_PRESETS, PlotPreset
from export.deep_spectrum.picture.time_axis import write_columns
from export.graph.builder import INT64, GraphBuilder
from tests.plot_pictures import drawn_numbers
from tests.support.graphs import run_graph

EMONET = PLOT_PRESETS["emonet-2021"]


def columns(preset: PlotPreset, sample_rate_hz: int, counts: list[int]) -> np.ndarray:
    graph = GraphBuilder("columns")
    given = graph.input("counts", INT64, ["batch", 1])
    pixels = np.arange(preset.render_pixels)
    graph.output("columns", write_columns(graph, preset, given, pixels, sample_rate_hz), INT64, ["batch", len(pixels)])
    return run_graph(graph, counts=np.array(counts)[:, None])[0]


@pytest.mark.parametrize(("hop_samples", "sample_rate_hz"), [(256, 16_000), (1024, 44_100), (512, 48_000)])
def test_columns_are_those_that_matplotlib_draws(hop_samples, sample_rate_hz):
    preset = replace(EMONET, hop_samples=hop_samples, bands=4, colour_map="gray")
    counts = [2, 3, 4, 12, 47, 94, 188, 226, 227, 300, 376, 454, 900, 908, 3001]
    for count, ours in zip(counts, columns(preset, sample_rate_hz, counts), strict=True):
        drawn = drawn_numbers(np.tile(np.arange(count), (4, 1)), preset, sample_rate_hz)[120]
        np.testing.assert_array_equal(ours, drawn, str(count))


def test_a_single_frame_is_seen_everywhere():
    assert not columns(EMONET, 16_000, [1]).any()


def test_specgram_takes_the_left_frame_between_two():
    ours = columns(PLOT_PRESETS["cummins-2017"], 16_000, [374, 454])
    assert ours[0, 113] == 186  # the pixel's centre is where frame 187 begins
    assert ours[1].tolist() == list(range(0, 454, 2))
