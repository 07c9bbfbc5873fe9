from dataclasses import replace

import pytest

from export.deep_spectrum.picture.colour_maps import UnknownColourMap
from export.deep_spectrum.picture.graph import plot_graph
from export.deep_spectrum.picture.presets import PLOT_PRESETS, PlotPreset, PlotPresetError

OTTL = PLOT_PRESETS["ottl-2020"]


def test_presets_are_those_of_the_papers():
    assert (OTTL.fft_samples, OTTL.hop_samples, OTTL.bands, OTTL.colour_map) == (2048, 1024, 128, "viridis")  # A4
    assert (PLOT_PRESETS["emonet-2021"].bands, PLOT_PRESETS["emonet-2021"].colour_map) == (128, "magma")  # C4
    cummins = PLOT_PRESETS["cummins-2017"]
    assert (cummins.fft_samples, cummins.hop_samples, cummins.rows()) == (256, 128, 129)  # D1, D2
    assert cummins.trim_zeros
    assert (PLOT_PRESETS["avec-2019"].window_s, PLOT_PRESETS["avec-2019"].hop_s) == (4.0, 1.0)


@pytest.mark.parametrize("sample_rate_hz", [16_000, 44_100, 48_000])
def test_the_toolkits_own_fft_size_is_the_next_power_of_two_of_25_ms(sample_rate_hz):
    preset = OTTL if sample_rate_hz > 16_000 else PLOT_PRESETS["emonet-2021"]
    assert preset.fft_samples / 2 < 0.025 * sample_rate_hz <= preset.fft_samples  # A6
    assert preset.hop_samples == preset.fft_samples // 2


def test_all_presets_say_where_they_come_from():
    assert all(preset.source and name == preset.name for name, preset in PLOT_PRESETS.items())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"representation": "cepstrum"}, "unknown representation 'cepstrum', there are mel, linear, chroma"),
        ({"mel_formula": "bark"}, "unknown mel formula 'bark'"),
        ({"magnitude": "phase"}, "unknown magnitude"),
        ({"axis": "log"}, "unknown axis 'log'"),
        ({"drawn_by": "hand"}, "unknown drawing"),
        ({"resize": "lanczos"}, "unknown resizing"),
        ({"fft_samples": 511}, "fft_samples must be even"),
        ({"hop_samples": 0}, "hop_samples"),
        ({"sample_rate_hz": 0}, "sample_rate_hz"),
        ({"render_pixels": 0}, "render_pixels"),
        ({"bands": 0}, "bands belong to 'mel'"),
        ({"representation": "linear"}, "bands belong to 'mel'"),
        ({"low_hz": 9000.0}, "low_hz must be in 0…8000 Hz"),
        ({"representation": "chroma", "bands": 0}, "a chroma plot has a linear axis"),
        ({"drawn_by": "specgram"}, "specgram draws linear bins on a linear axis only"),
        ({"window_s": 4.0}, "window_s and hop_s come together"),
    ],
)
def test_contradictions_are_refused_in_one_line(change, message):
    with pytest.raises(PlotPresetError, match=message) as caught:
        replace(OTTL, **change)
    assert str(caught.value).startswith("plot 'ottl-2020': ")
    assert "\n" not in str(caught.value)


def test_an_unknown_colour_map_is_refused():
    with pytest.raises(UnknownColourMap, match="matplotlib has no colour map 'virides'"):
        PlotPreset("x", 512, 256, "virides", "", bands=128)


@pytest.mark.parametrize(("size", "sample_rate_hz"), [(0, 16_000), (224, 4000)])
def test_a_graph_that_cannot_be_is_refused(size, sample_rate_hz):
    with pytest.raises(PlotPresetError):
        plot_graph(replace(OTTL, high_hz=4000.0), size, sample_rate_hz)
