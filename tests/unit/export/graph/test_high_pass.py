"""The high-pass: the graph computes the reference, stops what lies below speech, and passes speech."""

import numpy as np
import pytest

from export.graph.builder import FLOAT, INT64, GraphBuilder
from export.graph.high_pass import CORNER_HZ, TRANSITION_HZ, high_passed, write_high_pass
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
    inner = waveform[4_000:-4_000].astype(np.float64)
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


@pytest.mark.parametrize("hz", [0.5, 10.0, 25.0, 50.0, CORNER_HZ - TRANSITION_HZ / 2])
def test_what_lies_below_speech_is_stopped(hz):
    assert level_db(high_passed(tone(hz), RATE_HZ)) < -55.0


@pytest.mark.parametrize("hz", [CORNER_HZ + TRANSITION_HZ / 2, 120.0, 440.0, 3_000.0, 7_000.0])
def test_speech_passes_unchanged(hz):
    np.testing.assert_allclose(high_passed(tone(hz), RATE_HZ)[4_000:-4_000], tone(hz)[4_000:-4_000], atol=1e-3)


def test_half_of_the_amplitude_is_left_at_the_corner():
    assert level_db(high_passed(tone(CORNER_HZ), RATE_HZ)) == pytest.approx(-6.0, abs=0.3)


@pytest.mark.parametrize("offset", [0.002, -0.05, 0.2])
def test_an_offset_leaves_nothing_even_at_the_ends(offset):
    voice = 0.1 * tone(200.0)
    np.testing.assert_allclose(high_passed(voice + np.float32(offset), RATE_HZ), high_passed(voice, RATE_HZ), atol=1e-4)


def test_a_rate_that_cannot_be_decimated_is_refused():
    with pytest.raises(ValueError, match="multiple of 500 Hz, not 22050"):
        high_passed(tone(200.0), 22_050)
