import json

import numpy as np
import pytest
import torch
from torch import nn

from export.__main__ import main
from export.corpora.audio import stack
from export.emonet.graph import emonet_model, fold_convolution
from export.emonet.network import AdaptedConvolution, EmoNet, EmoNetConfig
from export.emonet.vgg16 import CONVOLUTIONS, Vgg16EmoNet, make_emonet
from export.evaluation.calibration import Calibration
from export.evaluation.voice import synthetic_voice
from export.graph.front_end import PRESETS, FrontEnd
from export.graph.high_pass import high_passed
from service.pipeline.device.session import Session
from tests.shared_material import ROOT, corpus_folder
from tests.support.narrow_emonet import narrow_vgg16

LABELS = ("anger", "happiness", "neutral", "sadness")
PAPER = {"plane": False, "same_ends": True}


def random_network(labels: tuple[str, ...] = LABELS, **options: object) -> EmoNet:
    """A network whose normalisation is not the identity and whose outputs stay moderate."""
    torch.manual_seed(440)
    network = make_emonet(EmoNetConfig(labels, **options))
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.3, 0.6)
            nn.init.normal_(module.bias, 0.0, 0.1)
            module.running_mean.normal_(0.0, 0.1)
            module.running_var.uniform_(2.0, 6.0)
    for head in network.heads.values():
        head.emotion.weight.data *= 60.0  # so that different clips get different answers
    return network.eval()


def test_parameters_are_counted_as_in_the_paper():
    for adapters, wanted in ((True, 3_119_172), (False, 2_818_084)):  # C18
        network = EmoNet(EmoNetConfig(LABELS, adapters=adapters, **PAPER))
        running = sum(buffer.numel() for name, buffer in network.named_buffers() if "running" in name)
        assert sum(parameter.numel() for parameter in network.parameters()) + running == wanted


def test_vgg16_learns_behind_its_frozen_layers():
    """C6: 14,714,688 weights of VGG16 without its classifier; colours, normalisation, attention and head learn."""
    network = Vgg16EmoNet(EmoNetConfig(LABELS, backbone="vgg16", frozen_layers=CONVOLUTIONS - 1))
    assert sum(one.numel() for one in network.features.parameters()) == 14_714_688
    learnt = {id(one) for one in network.learnable()}
    names = {name.split(".")[0] for name, one in network.named_parameters() if id(one) in learnt}
    assert names == {"colours", "norms", "features", "attention", "heads"}
    assert {name for name, one in network.features.named_parameters() if id(one) in learnt} == {"28.weight", "28.bias"}


def test_vgg16_is_the_publishers_on_its_learned_colours(monkeypatch):
    """Without ends to mask: the mean over the cells of torchvision's own layers (λ = 0, C14)."""
    narrow_vgg16(monkeypatch)
    network = random_network(backbone="vgg16", attention_sharpness=0.0)
    picture = torch.randn(1, 1, 64, 96)
    with torch.inference_mode():
        colours = nn.functional.relu(nn.functional.conv2d(picture, network.colours.weight, network.colours.bias))
        expected = network.features(network.norms["any"](colours)).mean(dim=(2, 3))
        assert float(expected.std()) > 0.01
        torch.testing.assert_close(network.embed(picture, torch.tensor([96])), expected, rtol=1e-4, atol=1e-4)


def test_domains_share_no_parameters_of_their_own():
    network = EmoNet(EmoNetConfig(LABELS, domains=("a", "b")))
    first, second = ({id(one) for one in network.domain_parameters((name,))} for name in ("a", "b"))
    assert first.isdisjoint(second)
    assert len(first) == len(second)
    assert first | second < {id(one) for one in network.parameters()}
    adapters = sum(p.numel() for name, p in network.named_parameters() if ".adapters.a." in name)
    assert adapters == 301_088  # C18


@pytest.mark.parametrize("domains", [("any",), ("first", "second")])
@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (3, 2), (5, 2)])
def test_folding_is_exact(kernel, stride, domains):
    torch.manual_seed(1)
    layer = AdaptedConvolution(3, 4, kernel, stride, EmoNetConfig(LABELS, domains=domains), 0.5).eval()
    for norm in layer.norms.values():
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2.0)
    x = torch.randn(2, 3, 16, 24)
    total = kernel - stride
    pads = (total // 2, total - total // 2) * 2
    for domain in domains:
        weight, bias = fold_convolution(layer, domain)
        folded = nn.functional.conv2d(
            nn.functional.pad(x, pads), torch.from_numpy(weight), torch.from_numpy(bias), stride
        )
        torch.testing.assert_close(folded, layer(x, domain), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("preset", "options", "biases"),
    [
        ("open", {"stem_kernel": 5, "stem_stride": 2}, (0.9, -1.4, 0.2, 0.3)),
        ("paper", {"same_ends": True}, ()),
        ("paper", {"backbone": "vgg16", "attention_sharpness": 0.0}, ()),
    ],
)
def test_graph_computes_what_the_network_computes(preset, options, biases, tmp_path, monkeypatch):
    import onnx

    narrow_vgg16(monkeypatch)
    network = random_network(**options)
    file = tmp_path / "emonet.onnx"
    calibration = Calibration(1.7, biases)
    onnx.save(emonet_model(network, PRESETS[preset], {"licence": "CC0-1.0"}, calibration=calibration), file)
    session = Session(file, device="cpu", threads=1)
    clips = [synthetic_voice(s, 16_000, seed) for seed, s in enumerate((0.5, 1.23, 2.9, 3.0))]
    waveform, lengths = stack(clips)
    outputs = ("probabilities", "arousal", "valence", "embedding")
    together = session.run({"waveform": waveform, "lengths": lengths}, outputs)
    heard, _ = stack([high_passed(clip, 16_000) for clip in clips])
    with torch.inference_mode():
        pictures, frames = FrontEnd(PRESETS[preset])(torch.from_numpy(heard), torch.from_numpy(lengths))
        embedding = network.embed(pictures[:, None], frames)
        logits = network.heads["any"](embedding)
    expected = torch.softmax(logits["emotion"] / 1.7 + torch.tensor(biases or (0.0,)), dim=1).numpy()
    assert expected.std() > 0.01, "the answers must differ for the comparison to mean anything"
    np.testing.assert_allclose(together["probabilities"], expected, atol=1e-4)
    np.testing.assert_allclose(together["embedding"], embedding.numpy(), rtol=1e-3, atol=1e-3)
    levels = torch.softmax(logits["valence"], dim=1)
    np.testing.assert_allclose(together["valence"], (levels[:, 2] - levels[:, 0]).numpy(), atol=1e-4)
    levels = torch.softmax(logits["arousal"], dim=1)
    np.testing.assert_allclose(together["arousal"], (levels[:, 1] - levels[:, 0]).numpy(), atol=1e-4)
    for row, clip in enumerate(clips):
        alone = session.run({"waveform": clip[None], "lengths": lengths[row : row + 1]}, outputs)
        np.testing.assert_allclose(alone["probabilities"][0], together["probabilities"][row], atol=1e-5)


@pytest.mark.parametrize("preset", ["paper", "code"])
def test_each_domain_is_a_graph_of_its_own(preset):
    heads = ("anger", "sadness"), ("happiness", "neutral", "sadness")
    network = random_network(domains=("first", "second"), heads=heads, **PAPER)
    clips = [synthetic_voice(s, 16_000, seed) for seed, s in enumerate((0.5, 0.516, 1.23, 2.9))]
    waveform, lengths = stack(clips)
    heard = torch.from_numpy(stack([high_passed(clip, 16_000) for clip in clips])[0])
    for domain, classes in zip(network.config.domains, heads, strict=True):
        model = emonet_model(network, PRESETS[preset], {}, domain, Calibration(1.3))
        session = Session(model.SerializeToString(), device="cpu", threads=1)
        found = session.run({"waveform": waveform, "lengths": lengths}, ("probabilities", "arousal", "valence"))
        with torch.inference_mode():
            pictures, frames = FrontEnd(PRESETS[preset])(heard, torch.from_numpy(lengths))
            logits = network(pictures[:, None], frames, domain)["emotion"]
        assert {int(count) % 2 for count in frames} == {0, 1}
        assert logits.shape[1] == len(classes)
        odds = torch.softmax(logits / 1.3, dim=1).numpy()
        assert odds.std() > 0.01
        places = [LABELS.index(name) for name in classes]
        np.testing.assert_allclose(found["probabilities"][:, places], odds, atol=1e-4)
        others = np.delete(found["probabilities"], places, axis=1)
        np.testing.assert_array_equal(others, 0)
        signs = {"anger": (1, -1), "sadness": (-1, -1), "happiness": (1, 1), "neutral": (-1, 0)}
        for name, place in (("arousal", 0), ("valence", 1)):
            expected = odds @ np.array([signs[one][place] for one in classes], np.float32)
            np.testing.assert_allclose(found[name], expected, atol=1e-4)


def same(length: int, kernel: int, stride: int) -> tuple[int, int]:
    """Cells that TensorFlow's SAME padding puts before and behind."""
    total = max((-(-length // stride) - 1) * stride + kernel - length, 0)
    return total // 2, total - total // 2


def same_convolution(layer: AdaptedConvolution, x: torch.Tensor) -> torch.Tensor:
    rows, columns = (same(size, layer.kernel, layer.stride) for size in x.shape[2:])
    y = nn.functional.conv2d(nn.functional.pad(x, (*columns, *rows)), layer.shared.weight, None, layer.stride)
    y = y + nn.functional.conv2d(x, layer.adapters["any"].weight, None, layer.stride)
    return layer.norms["any"](y)


@pytest.mark.parametrize("frames", [61, 62, 63, 64, 155])
def test_ends_are_those_of_same_padding(frames):
    network = random_network(**PAPER)
    picture = torch.randn(1, 1, 64, frames)
    with torch.inference_mode():
        x = same_convolution(network.stem, picture)
        for block in network.blocks:
            y = torch.relu(same_convolution(block.first, x))
            y = same_convolution(block.second, y)
            if block.widens:
                # Means over the cells that there are, as SAME pooling takes them.
                x = nn.functional.avg_pool2d(x, 2, 2, ceil_mode=True, count_include_pad=False)
                x = torch.cat([x, torch.zeros_like(x)], dim=1)
            x = torch.relu(x + y)
        x = torch.relu(network.final_norms["any"](x))
        assert x.shape == (1, 256, 8, -(-frames // 8))
        expected = network.attention(x, torch.ones(1, 1, 1, x.shape[-1]))
        among_longer = torch.zeros(2, 1, 64, 160)
        among_longer[0, :, :, :frames], among_longer[1] = picture[0], torch.randn(1, 64, 160)
        found = network.embed(among_longer, torch.tensor([frames, 160]))[:1]
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("options", [{}, PAPER])
def test_company_does_not_matter_in_the_network(options):
    network = random_network(**options)
    pictures = torch.randn(3, 1, 64, 61)
    frames = torch.tensor([61, 40, 17])
    pictures *= (torch.arange(61)[None, :] < frames[:, None])[:, None, None, :]
    with torch.inference_mode():
        together = network(pictures, frames)["emotion"]
        for row, count in enumerate(frames.tolist()):
            alone = network(pictures[row : row + 1, :, :, :count], frames[row : row + 1])["emotion"]
            torch.testing.assert_close(alone[0], together[row], atol=1e-4, rtol=1e-4)


def test_configuration_survives_text():
    config = EmoNetConfig(LABELS, domains=("a", "b"), stem_kernel=5, heads=(LABELS[:2], LABELS))
    assert EmoNetConfig.from_text(config.to_text()) == config


def test_committed_bundles_verify_on_human_speech(capsys):
    audio = sorted(corpus_folder("ravdess").glob("audio/*.opus"))[:3]
    bundles = [str(ROOT / "models" / name / "2") for name in ("emonet-open", "emonet-research")]
    assert main(["verify", *bundles, "--json", "--audio", *map(str, audio)]) == 0
    assert [json.loads(line)["passed"] for line in capsys.readouterr().out.splitlines()] == [True, True]
