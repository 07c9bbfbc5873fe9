"""Free choice of plot and layer: stated in one text that comes back, drawn and cut as it says, and verified."""

from pathlib import Path

import numpy as np
import pytest
import torch

from export.__main__ import main
from export.deep_spectrum.bundle import ExtractorBundle, bundle_of_front_end
from export.deep_spectrum.networks.graph import EMBEDDING, PICTURE, extractor_graph
from export.deep_spectrum.networks.layers import WeightsError, readable_layers
from export.deep_spectrum.networks.network import EmbeddingNetwork, embedding_names
from export.deep_spectrum.networks.normalisation import omissions
from export.deep_spectrum.networks.specification import EXTRACTORS
from export.deep_spectrum.plot_choice import plot_preset, plot_text
from export.deep_spectrum.weights.load import load_weights
from service.card import read_card
from service.pipeline.device.session import Session


def command(*words: object) -> int:
    return main(list(map(str, words)))


def test_a_plot_is_one_text_and_comes_back() -> None:
    text = plot_text("ottl-2020", {"colour_map": "magma", "bands": 64, "high_hz": 7600.0, "fft_samples": 512})
    assert text == "ottl-2020(fft_samples=512,bands=64,high_hz=7600,colour_map=magma)"
    preset = plot_preset(text)
    assert (preset.name, preset.colour_map, preset.bands, preset.high_hz) == (text, "magma", 64, 7600.0)
    assert (preset.fft_samples, preset.hop_samples) == (512, 256)  # half a window, as the toolkit (A6)
    assert plot_preset("emonet-2021").name == "emonet-2021"
    assert plot_preset("ottl-2020(representation=chroma)").rows() == 12
    for wrong, cause in (
        ("ottl-2020(colour=red)", "no parameter 'colour'"),
        ("ottl-2020(bands=x)", "'x' is not a whole number, which a plot's bands must be"),
        ("mine(bands=3)", "no plot preset 'mine'"),
        ("ottl-2020(window_s=2)", "window_s and hop_s come together"),
    ):
        with pytest.raises(ValueError, match=cause):
            plot_preset(wrong)


@pytest.mark.parametrize("normalisation", ["deepspectrum", "keras"])
@pytest.mark.parametrize("layer", ["", "features.5"])
def test_a_front_end_is_one_text_and_comes_back(normalisation: str, layer: str) -> None:
    about = ExtractorBundle("ottl-2020(bands=64,colour_map=jet)", normalisation, 16_000, layer=layer)
    assert bundle_of_front_end(about.front_end, 16_000) == about


@pytest.mark.parametrize(
    ("name", "layer", "numbers"),
    [
        ("squeezenet", "features.12.squeeze", 64 * 13 * 13),
        ("mobilenet_v2", "features.16", 160 * 7 * 7),  # a block with a shortcut
        ("mobilenet_v2", "features.14.conv.1.0", 576 * 7 * 7),  # in front of a normalisation
        ("alexnet_caffe", "relu6", 4096),
    ],
)
def test_any_layer_is_what_a_hook_in_the_whole_network_sees(name: str, layer: str, numbers: int) -> None:
    weights, extractor = load_weights(name, "random:3"), EXTRACTORS[name]
    whole = EmbeddingNetwork(name).load(weights.tensors)
    seen: list[torch.Tensor] = []
    whole.network.get_submodule(layer).register_forward_hook(lambda _, __, value: seen.append(value.clone()))
    shape = (2, 3, extractor.size, extractor.size)
    pictures = np.random.default_rng(1).integers(0, 256, shape).astype(np.float32)
    given = weights.convention.apply(pictures, omissions("deepspectrum", extractor.toolkit_omits))
    with torch.inference_mode():
        whole.network(torch.from_numpy(np.ascontiguousarray(given)))
    expected = seen[0].flatten(1).numpy()
    graph = extractor_graph(name, weights, layer=layer)
    session = Session(graph.SerializeToString(), device="cpu")
    answer = session.run({PICTURE: pictures}, (EMBEDDING,))[EMBEDDING]
    assert answer.shape == expected.shape == (2, numbers)
    np.testing.assert_allclose(answer, expected, atol=1e-4 * np.abs(expected).max())
    assert set(embedding_names(name, layer)) < set(weights.tensors)


def test_layers_are_listed_with_their_length(capsys: pytest.CaptureFixture) -> None:
    layers = readable_layers(EmbeddingNetwork("alexnet_caffe").network, 227)
    assert layers["fc6"] == layers["relu6"] == 4096
    assert "pool" not in layers  # runs three times
    assert "conv1" not in layers  # too long
    assert command("networks", "--layers", "squeezenet") == 0
    assert "features.12.squeeze: 10816 numbers" in capsys.readouterr().out.splitlines()


def test_a_file_that_ends_before_the_layer_is_refused() -> None:
    weights = load_weights("squeezenet", "random:1")
    body = {key: value for key, value in weights.tensors.items() if not key.startswith("classifier")}
    object.__setattr__(weights, "tensors", body)
    with pytest.raises(WeightsError, match=r"ends before the layer 'classifier.3' of squeezenet: no classifier"):
        extractor_graph("squeezenet", weights, layer="classifier.3")


def test_a_chosen_plot_and_layer_go_through_export_and_verify(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    choice = ("--layer", "features.12.squeeze", "--colour-map", "magma", "--bands", 64, "--mel-formula", "htk")
    words = ("export", "squeezenet", "--weights", "random:1", "--name", "mine", "--out", tmp_path / "models")
    assert command(*words, *choice) == 0
    card = read_card(tmp_path / "models/mine/1")
    assert card.speech is not None
    plot = "ottl-2020(bands=64,mel_formula=htk,colour_map=magma)"
    assert card.speech.preset == f"{plot}, layer features.12.squeeze"
    assert (card.settings["plot"], card.members[0].dimensions) == (plot, 10816)
    assert command("verify", tmp_path / "models/mine/1") == 0
    assert "FAIL" not in capsys.readouterr().out
