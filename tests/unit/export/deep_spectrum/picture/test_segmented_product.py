import numpy as np
import pytest

from export.deep_spectrum.picture.segmented_product import in_segments, write_segments_product
from export.graph.builder import FLOAT, GraphBuilder
from export.graph.mel_bank import area_normalised_bank
from tests.support.graphs import run_graph

BANKS = {
    "mel of 2048": area_normalised_bank(16_000, 2048, 128, 0.0, 8000.0, "slaney"),
    "mel of 512": area_normalised_bank(16_000, 512, 128, 0.0, 8000.0, "slaney"),
    "few bands in the middle": area_normalised_bank(16_000, 512, 5, 1000.0, 2000.0, "htk"),
    "every band in every bin": np.random.default_rng(3).random((12, 201)).astype(np.float32),
    "no weight at all": np.zeros((3, 20), dtype=np.float32),
}


@pytest.mark.parametrize("name", list(BANKS))
def test_segments_multiply_as_the_whole_bank(name):
    bank, random = BANKS[name], np.random.default_rng(7)
    places = random.permutation(bank.shape[1])
    graph = GraphBuilder("bank")
    spectrum = graph.input("spectrum", FLOAT, ["places", "n"])
    product = write_segments_product(graph, in_segments(bank), spectrum, places)
    graph.output("product", product, FLOAT, [len(bank), "n"])
    power = random.random((bank.shape[1], 9)).astype(np.float32)
    expected = bank.astype(np.float64) @ power[places]
    np.testing.assert_allclose(run_graph(graph, spectrum=power)[0], expected, rtol=1e-5, atol=1e-9)


def test_segments_multiply_little_by_zero():
    bank = BANKS["mel of 2048"]
    assert in_segments(bank).weights.size < 0.2 * bank.size


def test_no_sum_is_longer_than_what_is_the_same_in_every_batch():
    assert max(in_segments(bank).bins.shape[1] for bank in BANKS.values()) <= 128
