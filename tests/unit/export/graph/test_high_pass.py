"""The high-pass: the graph computes the reference, stops offset and hum, and passes speech."""

import numpy as np
import pytest

from export.graph.builder import FLOAT, INT64, GraphBuilder
from export.graph.high_pass import behind_high_pass, high_passed, write_high_pass
from service.pipeline.device.session import Session

RATE_HZ = 16_000
LENGTHS = (24_000, 9_001, 1_280, 300, 2)


@pytest.fixture(scope="module")
def session():
    graph = GraphBuilder("high_pass")
    waveform = graph.input("waveform", FLOAT, ["batch", "samples"])
    lengths = graph.input("lengths", INT64, ["batch"])
    graph.output("passed", write_high_pass(graph, RATE_HZ, waveform, lengths), FLOAT, ["batch", "samples"])
    return Session(graph.model("tests", {}).SerializeToString(), device="cpu")


def tone(hz, samples=32_000):
    return np.sin(2 * np.pi * hz * np.arange(samples) / RATE_HZ).astype(np.float32)


def level_db(waveform):
    inner = waveform[8_000:-8_000].astype(np.float64)
    return 10 * np.log10(2 * np.mean(inner**2) + 1e-20)


def test_the_graph_computes_the_reference_alone_and_in_a_batch(session):
    rng = np.random.default_rng(1)
    clips = np.full((len(LENGTHS), max(LENGTHS)), 9.0, np.float32)  # what lies beyond a clip must not matter
    for row, samples in enumerate(LENGTHS):
        clips[row, :samples] = rng.normal(0.1, 0.1, samples)
    batch = session.run({"waveform": clips, "lengths": np.array(LENGTHS)}, ["passed"])["passed"]
    for row, samples in enumerate(LENGTHS):
        clip = clips[row : row + 1, :samples]
        alone = session.run({"waveform": clip, "lengths": np.array([samples])}, ["passed"])["passed"][0]
        np.testing.assert_allclose(batch[row, :samples], alone, atol=1e-6)
        np.testing.assert_allclose(alone, high_passed(clip[0], RATE_HZ), atol=2e-6)


@pytest.mark.parametrize("hz", [0.5, 2.0, 50.0, 55.0, 60.0])
def test_offset_drift_and_hum_are_stopped(hz):
    assert level_db(high_passed(tone(hz, 64_000), RATE_HZ)) < -50.0


@pytest.mark.parametrize("hz", [30.0, 80.0, 120.0, 440.0, 3_000.0, 7_000.0])
def test_speech_passes_unchanged(hz):
    np.testing.assert_allclose(high_passed(tone(hz), RATE_HZ)[8_000:-8_000], tone(hz)[8_000:-8_000], atol=3e-3)


@pytest.mark.parametrize("hz", [8.0, 46.0, 64.0])
def test_half_of_the_amplitude_is_left_at_the_corners(hz):
    assert level_db(high_passed(tone(hz, 64_000), RATE_HZ)) == pytest.approx(-6.0, abs=0.6)


@pytest.mark.parametrize("offset", [0.002, -0.05, 0.2])
def test_an_offset_leaves_nothing_even_at_the_ends(offset):
    voice = 0.1 * tone(200.0)
    np.testing.assert_allclose(high_passed(voice + np.float32(offset), RATE_HZ), high_passed(voice, RATE_HZ), atol=1e-4)


@pytest.mark.parametrize("rate_hz", [8_000, 22_050, 44_100])
def test_other_rates_have_filters_of_their_own(rate_hz):
    places_s = np.arange(3 * rate_hz) / rate_hz
    hum, voice = np.sin(2 * np.pi * 50 * places_s), np.sin(2 * np.pi * 200 * places_s)
    passed = high_passed((hum + voice).astype(np.float32), rate_hz)
    np.testing.assert_allclose(passed[rate_hz:-rate_hz], voice[rate_hz:-rate_hz], atol=2e-3)


def test_a_finished_graph_is_put_behind_it():
    graph = GraphBuilder("double")
    waveform = graph.input("waveform", FLOAT, ["batch", "samples"])
    graph.input("lengths", INT64, ["batch"])
    graph.output("doubled", graph.add("Add", waveform, waveform), FLOAT, ["batch", "samples"])
    model = behind_high_pass(graph.model("tests", {}), RATE_HZ)
    clip = (0.1 * tone(200.0) + 0.2 + 0.05 * tone(50.0))[None]
    inputs = {"waveform": clip, "lengths": np.array([clip.shape[1]])}
    doubled = Session(model.SerializeToString(), device="cpu").run(inputs, ["doubled"])["doubled"][0]
    np.testing.assert_allclose(doubled, 2 * high_passed(clip[0], RATE_HZ), atol=4e-6)
