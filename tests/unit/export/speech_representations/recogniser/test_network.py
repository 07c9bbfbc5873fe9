"""The recogniser: clips do not touch one another, and PyTorch's packed sequences, librosa and the graph agree."""

import librosa
import numpy as np
import pytest
import scipy.signal
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from export.corpora.audio import stack
from export.evaluation.voice import synthetic_voice
from export.speech_representations.recogniser.deepspeech import CheckpointError, from_deepspeech, read_weights
from export.speech_representations.recogniser.graph import read_recogniser, recogniser_model
from export.speech_representations.recogniser.network import (
    PRESETS,
    Recogniser,
    RecogniserConfig,
    first_steps,
    last_steps,
    layer_means,
)
from export.speech_representations.recogniser.spectrogram import magnitude, scaled
from export.speech_representations.recogniser.two_way_gru import TwoWayGru, turning
from service.pipeline.device.session import Session

CLIPS = [synthetic_voice(seconds, 16_000, seed) for seed, seconds in enumerate((0.2, 0.61, 1.4))]
LABELS = "_'AB "


def learnt(network: nn.Module) -> nn.Module:
    """Statistics of batch normalisation as after some training, which random weights lack."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0.0, 0.3)
            nn.init.normal_(module.running_mean, 0.0, 0.3)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
    return network.eval()


def small(scaling="clip") -> Recogniser:
    torch.manual_seed(3)
    return learnt(Recogniser(RecogniserConfig(LABELS, 3, 12, 3, scaling)))


def heard(clips) -> tuple[torch.Tensor, torch.Tensor]:
    waveform, lengths = stack(clips)
    return magnitude(torch.from_numpy(waveform), torch.from_numpy(lengths))


def test_sizes_are_those_of_the_published_software() -> None:
    config = PRESETS["paper"]
    assert (config.channels * config.bands, config.units, config.layers) == (672, 1024, 5)
    frames = torch.arange(11, 2000)
    assert torch.equal(first_steps(frames), (frames + 9) // 2 + 1)
    assert torch.equal(last_steps(frames), first_steps(frames) - 10)
    network = Recogniser(RecogniserConfig(LABELS, 2, 4, 1))
    for count in (11, 12, 301):
        scores, steps = network.eval()(torch.rand(1, 161, count), torch.tensor([count]))
        assert steps.tolist() == [len(scores)]


def test_magnitudes_are_librosas() -> None:
    window = scipy.signal.windows.hamming(320)
    bins = np.abs(librosa.stft(CLIPS[1], n_fft=320, hop_length=160, window=window, pad_mode="constant"))
    found, frames = heard([CLIPS[1]])
    assert frames.tolist() == [bins.shape[1]]
    assert np.abs(found[0].numpy() - bins).max() < 1e-4
    values = np.log1p(bins)
    by_clip = (values - values.mean()) / values.std()
    by_bin = (values - values.mean(axis=1, keepdims=True)) / values.std(axis=1, keepdims=True)
    assert np.abs(scaled(found, frames, "clip")[0].numpy() - by_clip).max() < 1e-3
    assert np.abs(scaled(found, frames, "bins")[0].numpy() - by_bin).max() < 1e-2


@pytest.mark.parametrize("scaling", ["clip", "bins"])
def test_neither_batch_nor_padding_changes_a_clip(scaling) -> None:
    network = small(scaling)
    waveform, lengths = stack(CLIPS)
    longer = np.pad(waveform, ((0, 0), (0, 9000)), constant_values=0.7)  # what lies beyond a clip is ignored
    with torch.inference_mode():
        together, steps = network(*magnitude(torch.from_numpy(longer), torch.from_numpy(lengths)))
        by_layer, _ = network.scores_by_layer(*magnitude(torch.from_numpy(longer), torch.from_numpy(lengths)))
        assert len(by_layer) == network.config.layers
        assert torch.equal(by_layer[-1], together)
        assert not torch.allclose(by_layer[0], together)
        for row, clip in enumerate(CLIPS):
            alone, (count,) = network(*heard([clip]))
            assert count == steps[row]
            assert torch.allclose(together[:count, row], alone[:, 0], atol=1e-5)


def test_training_statistics_do_not_see_padding() -> None:
    waveform, lengths = stack(CLIPS)
    longer = np.pad(waveform, ((0, 0), (0, 9000)))
    kept = []
    for values in (waveform, longer):
        network = small().train()
        network(*magnitude(torch.from_numpy(values), torch.from_numpy(lengths)))
        kept.append([value for name, value in network.state_dict().items() if "running" in name])
    assert all(torch.allclose(one, other, atol=1e-6) for one, other in zip(*kept, strict=True))


@pytest.mark.parametrize("bias", [False, True])
def test_a_layer_is_pytorchs_packed_bidirectional_one(bias) -> None:
    torch.manual_seed(0)
    layer = TwoWayGru(5, 7, bias).double()
    both = nn.GRU(5, 7, bias=bias, bidirectional=True).double()
    for name, weight in layer.onward.named_parameters():
        both.get_parameter(name).data.copy_(weight)
        both.get_parameter(f"{name}_reverse").data.copy_(layer.homeward.get_parameter(name))
    x, steps = torch.rand(9, 2, 5).double(), torch.tensor([9, 4])
    turned, inside = turning(9, steps)
    found = torch.cat(layer(x, turned), dim=2)
    wanted, _ = pad_packed_sequence(both(pack_padded_sequence(x, steps))[0])
    assert torch.allclose(found[inside], wanted[inside], atol=1e-12)
    with torch.no_grad():
        assert torch.allclose(torch.cat(layer(x, turned), dim=2)[inside], found[inside], atol=1e-12)
    weight = torch.rand_like(found) * inside[:, :, None]
    (found * weight).sum().backward()
    (wanted * weight).sum().backward()
    for name, own in layer.onward.named_parameters():
        for part, way in ((own, name), (layer.homeward.get_parameter(name), f"{name}_reverse")):
            assert torch.allclose(part.grad, both.get_parameter(way).grad, atol=1e-12), way


@pytest.mark.parametrize(("scaling", "layers"), [("clip", [2]), ("bins", [3, 1])])
def test_the_graph_gives_the_networks_means(scaling, layers) -> None:
    network = small(scaling)
    model = recogniser_model(network, layers, {"author": "test"})
    session = Session(model.SerializeToString(), device="cpu", threads=1)
    assert {tensor.name for tensor in session.signature.inputs} == {"waveform", "lengths"}
    waveform, lengths = stack(CLIPS)
    found = session.run({"waveform": waveform, "lengths": lengths}, ("embedding",))["embedding"]
    for source in (network, read_recogniser(model, network.config)):
        with torch.inference_mode():
            means = layer_means(*source.states(*heard(CLIPS)))
        assert np.abs(found - torch.cat([means[layer - 1] for layer in layers], dim=1).numpy()).max() < 1e-5


class SequenceWise(nn.Module):
    """A module below the name 'module', as the other program names it."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module


class Published(nn.Module):
    """The layout of deepspeech.pytorch at commit 96700b2, made anew with its names, for one clip."""

    def __init__(self, channels=32, units=8, layers=3) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv2d(1, channels, (41, 11), (2, 2), (0, 10)),
            nn.BatchNorm2d(channels),
            nn.Hardtanh(0, 20),
            nn.Conv2d(channels, channels, (21, 11), (2, 1)),
            nn.BatchNorm2d(channels),
            nn.Hardtanh(0, 20),
        )
        self.rnns = nn.ModuleList(nn.Module() for _ in range(layers))
        for index, row in enumerate(self.rnns):
            row.rnn = nn.GRU(units if index else channels * 21, units, bias=False, bidirectional=True)
            if index:
                row.batch_norm = SequenceWise(nn.BatchNorm1d(units))
        head = nn.Sequential(nn.BatchNorm1d(units), nn.Linear(units, len(LABELS), bias=False))
        self.fc = nn.Sequential(SequenceWise(head))

    def forward(self, spectrogram: torch.Tensor) -> torch.Tensor:
        x = self.conv(spectrogram[None, None]).flatten(1, 2)[0].T
        for row in self.rnns:
            x, _ = row.rnn(row.batch_norm.module(x) if hasattr(row, "batch_norm") else x)
            x = x.unflatten(1, (2, -1)).sum(dim=1)
        return self.fc[0].module(x).log_softmax(dim=1)


def package(network: nn.Module) -> dict:
    return {
        "version": "0.0.1",
        "hidden_size": 8,
        "hidden_layers": 3,
        "rnn_type": "gru",
        "audio_conf": {"window": "hamming", "sample_rate": 16000},
        "labels": LABELS,
        "bidirectional": True,
        "state_dict": {name: value for name, value in network.state_dict().items() if "num_batches" not in name},
    }


def test_a_checkpoint_of_the_published_layout_computes_the_same(tmp_path) -> None:
    torch.manual_seed(1)
    theirs = learnt(Published())
    torch.save(package(theirs), tmp_path / "theirs.pth")
    network = read_weights(tmp_path / "theirs.pth")
    magnitudes, frames = heard([CLIPS[1]])
    with torch.inference_mode():
        wanted = theirs(scaled(magnitudes, frames, "clip")[0])
        found, _ = network(magnitudes, frames)
    assert torch.allclose(found[:, 0], wanted, atol=1e-5)


def test_other_checkpoints_are_refused_in_one_line(tmp_path) -> None:
    good = package(Published())
    missing = {key: value for key, value in good["state_dict"].items() if key != "rnns.1.rnn.weight_hh_l0_reverse"}
    for broken, words in (
        ({"rnn_type": "lstm"}, "not bidirectional GRUs"),
        ({"labels": ""}, "no characters"),
        ({"hidden_size": 16}, r"layers.0.onward.weight_ih_l0 \(48, 672\) is \(24, 672\)"),
        ({"state_dict": missing}, "homeward.weight_hh_l0 .* is missing"),
        ({"hidden_layers": 4}, "is missing"),
    ):
        with pytest.raises(CheckpointError, match=words):
            from_deepspeech(good | broken, "file")
    (tmp_path / "text.pth").write_text("no checkpoint")
    torch.save({"weights": torch.ones(2)}, tmp_path / "other.pth")
    for name, words in (("text", "weights alone"), ("other", "not a checkpoint of"), ("none", "no such")):
        with pytest.raises(CheckpointError, match=words):
            read_weights(tmp_path / f"{name}.pth")
