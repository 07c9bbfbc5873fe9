from dataclasses import replace

import numpy as np
import pytest
from matplotlib.scale import SymmetricalLogTransform

from export.deep_spectrum.picture.presets import PLOT_PRESETS, PlotPreset
from export.deep_spectrum.picture.symlog_axis import cell_edges, row_centres_hz, rows_of_pixels, symlog
from tests.plot_pictures import drawn_numbers

EMONET = PLOT_PRESETS["emonet-2021"]


def test_the_axis_is_matplotlibs():
    frequency_hz = np.array([-900.0, -31.0, 0.0, 31.0, 999.0, 1000.0, 1001.0, 8000.0, 22_050.0])
    theirs = SymmetricalLogTransform(base=2, linthresh=1000.0, linscale=1.0).transform(frequency_hz)
    np.testing.assert_allclose(symlog(frequency_hz), theirs / 1000.0)


@pytest.mark.parametrize(("sample_rate_hz", "share"), [(16_000, 0.40), (44_100, 0.31)])
def test_share_of_the_picture_below_1_khz(sample_rate_hz, share):
    centres_hz = row_centres_hz(EMONET, sample_rate_hz)
    below = (centres_hz[rows_of_pixels(EMONET, sample_rate_hz)] < 1000.0).mean()
    assert below == pytest.approx(share, abs=0.01)  # F2


def test_outer_cells_are_as_wide_as_their_neighbours():
    assert cell_edges(np.array([0.0, 1.0, 3.0])).tolist() == [-0.5, 0.5, 2.0, 4.0]


@pytest.mark.parametrize(
    ("change", "sample_rate_hz"),
    [
        ({}, 16_000),
        ({}, 44_100),
        ({"bands": 64, "mel_formula": "htk"}, 16_000),
        ({"low_hz": 20.0, "high_hz": 3500.0}, 8000),
        ({"representation": "linear", "bands": 0}, 16_000),
        ({"axis": "linear"}, 16_000),
        ({"representation": "chroma", "bands": 0, "axis": "linear"}, 16_000),
    ],
)
def test_rows_are_those_that_matplotlib_draws(change, sample_rate_hz):
    preset: PlotPreset = replace(EMONET, colour_map="gray", **change)
    rows = np.tile(np.arange(preset.rows())[:, None], (1, 50))
    drawn = drawn_numbers(rows, preset, sample_rate_hz)[:, 120]
    np.testing.assert_array_equal(rows_of_pixels(preset, sample_rate_hz), drawn)
