from dataclasses import replace

import numpy as np
import pytest

from export.deep_spectrum.picture.colour_maps import colour_table
from export.deep_spectrum.picture.graph import write_seen
from export.deep_spectrum.picture.presets import PLOT_PRESETS
from export.evaluation.voice import synthetic_voice
from export.graph.builder import INT64, GraphBuilder
from tests.plot_pictures import Plotter
from tests.support.graphs import run_graph

VOICES = [synthetic_voice(duration_s, 16_000, seed) for seed, duration_s in enumerate((0.5, 1.3, 3.0, 5.9))]
NOISY = VOICES[2] + np.random.default_rng(9).normal(0.0, 0.003, len(VOICES[2])).astype(np.float32)
EMONET, CUMMINS = PLOT_PRESETS["emonet-2021"], PLOT_PRESETS["cummins-2017"]


@pytest.fixture(scope="module", params=list(PLOT_PRESETS))
def plotter(request) -> Plotter:
    return Plotter(PLOT_PRESETS[request.param])


def test_pictures_are_the_toolkits(plotter):
    assert max(plotter.error(voice) for voice in VOICES) < 0.02


def test_pictures_are_whole_numbers_of_8_bits(plotter):
    picture = plotter.alone(VOICES[1])
    assert picture.shape == (3, 224, 224)
    assert picture.dtype == np.float32
    np.testing.assert_array_equal(picture, picture.astype(np.uint8))


def test_a_clip_has_the_same_picture_in_any_company(plotter):
    together = plotter.together(VOICES)
    for clip, picture in zip(VOICES, together, strict=True):
        np.testing.assert_array_equal(plotter.alone(clip), picture)


def test_level_does_not_matter(plotter):
    loud = np.rint(NOISY * 8192.0).astype(np.float32) / 8192.0  # a quarter of it is exact in 16 bits too
    assert np.abs(plotter.alone(loud) - plotter.alone(loud / 4)).mean() < 0.02


@pytest.mark.parametrize("samples", [1, 5000])
def test_silence_is_the_lowest_colour(plotter, samples):
    picture = plotter.alone(np.zeros(samples, dtype=np.float32))
    rounding = "truncate" if plotter.preset.drawn_by == "specgram" else "round"
    lowest = colour_table(plotter.preset.colour_map, rounding)[0]
    np.testing.assert_array_equal(picture, np.broadcast_to(lowest[:, None, None], picture.shape))


@pytest.mark.parametrize("size", [227, 299])
@pytest.mark.parametrize("name", ["ottl-2020", "cummins-2017"])
def test_other_networks_get_the_toolkits_picture_too(name, size):
    assert Plotter(PLOT_PRESETS[name], size).error(VOICES[2]) < 0.02


@pytest.mark.parametrize("name", ["ottl-2020", "cummins-2017"])
def test_other_sample_rates(name):
    assert Plotter(PLOT_PRESETS[name], 224, 44_100).error(synthetic_voice(1.5, 44_100, 8)) < 0.02


@pytest.mark.parametrize(
    "change",
    [
        {"magnitude": "amplitude", "bands": 64},
        {"mel_formula": "htk"},
        {"low_hz": 20.0, "high_hz": 4000.0, "bands": 40},
        {"axis": "linear", "colour_map": "jet"},
        {"representation": "linear", "bands": 0},
        {"representation": "linear", "bands": 0, "axis": "linear"},
        {"representation": "chroma", "bands": 0, "axis": "linear"},
        {"representation": "chroma", "bands": 0, "axis": "linear", "magnitude": "amplitude"},
        {"fft_samples": 400, "hop_samples": 160},
        {"fft_samples": 514, "hop_samples": 700},
        {"render_pixels": 300},
        {"resize": "nearest"},
        {"trim_zeros": True},
    ],
)
def test_free_parameters_give_the_toolkits_picture(change):
    assert Plotter(replace(EMONET, **change)).error(VOICES[1]) < 0.02


@pytest.mark.filterwarnings("ignore:n_fft=2048 is too large:UserWarning")
def test_a_clip_shorter_than_a_window_is_padded_with_zeros_as_librosa_does():
    short = Plotter(PLOT_PRESETS["ottl-2020"])
    clip = NOISY[8000:9500]  # 94 ms, less than the 128 ms of the window; two frames
    assert short.error(clip) < 0.02


def test_a_single_frame_fills_the_picture():
    # matplotlib draws a cell of no width then; a column of colours is what the clip has.
    picture = Plotter(EMONET).alone(NOISY[8000:8100])
    np.testing.assert_array_equal(picture, np.broadcast_to(picture[:, :, :1], picture.shape))
    assert len(np.unique(picture)) > 50


@pytest.mark.parametrize("samples", [100, 256, 300, 2000])
def test_specgram_fills_short_clips_up_with_zeros(samples):
    assert Plotter(CUMMINS, 227).error(NOISY[8000 : 8000 + samples]) < 0.02


def test_zeros_at_the_ends_are_left_out():
    plotter = Plotter(CUMMINS)
    clip = VOICES[1][np.abs(VOICES[1]).argmax() :]
    padded = [np.pad(clip, ends) for ends in ((0, 0), (1, 0), (700, 3000), (256, 255))]
    pictures = [plotter.alone(one) for one in padded] + list(plotter.together(padded))
    for picture in pictures[1:]:
        np.testing.assert_array_equal(picture, pictures[0])


def test_digital_silence_inside_a_clip_stays_white():
    clip = NOISY.copy()
    clip[20_000:24_000] = 0.0  # frames 157 … 185 of 374 hold nothing else
    plotter = Plotter(CUMMINS)
    white = (plotter.alone(clip) == 255.0).all(axis=(0, 1))
    assert np.flatnonzero(white).tolist() == list(range(94, 112))
    assert plotter.error(clip) < 0.02


def test_residue_of_a_decoder_is_silence():
    clip = NOISY.copy()
    clip[20_000:24_000] = 1e-34
    plotter = Plotter(CUMMINS)
    silent = np.where(np.abs(clip) < 1e-30, 0.0, clip).astype(np.float32)
    np.testing.assert_array_equal(plotter.alone(clip), plotter.alone(silent))


COLUMNS = np.array([[0, 0, 1, 2, 2], [0, 1, 2, 2, 3]])


def seen(frames: int) -> tuple[np.ndarray, np.ndarray]:
    graph = GraphBuilder("seen")
    columns, given = graph.input("columns", INT64, ["batch", 5]), graph.input("frames", INT64, [1])
    chosen = write_seen(graph, given, columns, 5, once=True)
    assert chosen.shown is not None
    graph.output("chosen", chosen.frames, INT64, ["batch or 1", "frames"])
    graph.output("shown", chosen.shown, INT64, ["batch", 5])
    return tuple(run_graph(graph, columns=COLUMNS, frames=np.array([frames])))


@pytest.mark.parametrize(("frames", "computed"), [(4, 4), (5, 5), (6, 5), (900, 5)])
def test_every_column_shows_its_frame_and_no_more_are_computed(frames, computed):
    chosen, shown = seen(frames)
    assert chosen.shape == (2, computed)
    np.testing.assert_array_equal(np.take_along_axis(chosen, shown, axis=1), COLUMNS)


def test_columns_are_computed_one_for_one_where_nothing_is_saved():
    graph = GraphBuilder("seen")
    chosen = write_seen(graph, "frames", "columns", 5, once=False)
    assert (chosen.frames, chosen.shown) == ("columns", None)
