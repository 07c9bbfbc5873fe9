import numpy as np

from export.deep_spectrum.picture.clip_ends import write_moved, write_padded, write_trimmed
from export.graph.builder import FLOAT, INT64, GraphBuilder
from tests.support.graphs import run_graph

LENGTHS = np.array([700, 1000, 3])
RANDOM = np.random.default_rng(5)
WAVEFORM = RANDOM.normal(size=(3, 1000)).astype(np.float32)


def test_zeros_lie_around_the_batch_and_behind_each_clip():
    graph = GraphBuilder("padded")
    waveform, lengths = graph.input("waveform", FLOAT, ["batch", "samples"]), graph.input("lengths", INT64, ["batch"])
    padded = write_padded(graph, waveform, lengths, before=20, behind=100, multiple=64, silenced=100)
    graph.output("padded", padded, FLOAT, ["clips", "n"])
    found = run_graph(graph, waveform=WAVEFORM, lengths=LENGTHS)[0]
    assert found.shape == (3, 20 + 1000 - 1000 % 64 + 100)
    for row, clip, length in zip(found, WAVEFORM, LENGTHS, strict=True):
        np.testing.assert_array_equal(row[20 : 20 + length], clip[:length])
        assert not row[:20].any()
        assert not row[20 + length : 20 + length + 100].any()


def test_trimmed_clips_begin_at_their_first_sample_that_is_not_zero():
    graph = GraphBuilder("trimmed")
    waveform, lengths = graph.input("waveform", FLOAT, ["batch", "samples"]), graph.input("lengths", INT64, ["batch"])
    trimmed = write_trimmed(graph, waveform, lengths, fft_samples=256, hop_samples=128)
    graph.output("moved", write_moved(graph, trimmed, 128), FLOAT, ["clips", 128, "columns"])
    graph.output("trimmed_lengths", trimmed.lengths, INT64, ["clips"])
    quiet = WAVEFORM.copy()
    quiet[0, :333], quiet[0, 650:700], quiet[2, :3] = 0.0, 0.0, 0.0
    moved, counts = run_graph(graph, waveform=quiet, lengths=LENGTHS)
    assert counts.tolist() == [650 - 333, 1000, 3]  # a clip of zeros keeps its length
    for columns, clip, first, count in zip(moved, quiet, (333, 0, 0), counts, strict=True):
        np.testing.assert_array_equal(columns.T.reshape(-1)[:count], clip[first : first + count])
    assert not moved[0].T.reshape(-1)[counts[0] : counts[0] + 256].any()
