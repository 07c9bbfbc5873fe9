import dataclasses

import numpy as np
import onnx
import pytest
import torch

from export.corpora.audio import stack
from export.denoiser.graph import denoiser_model, read_denoiser
from export.denoiser.network import Denoiser, DenoiserConfig
from export.denoiser.recipe import denoising_loss
from export.evaluation.voice import synthetic_voice
from service.pipeline.device.session import Session

SMALL = DenoiserConfig(recurrent_units=12, feed_forward_units=6)
LENGTHS = (16_000, 5_001, 255, 1)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    network = Denoiser(SMALL).eval()
    network.fit_bands(torch.randn(2, 50, SMALL.bands) * 3.0 - 5.0)
    return network


@pytest.fixture(scope="module")
def session(network):
    return Session(denoiser_model(network, {"name": "small"}).SerializeToString(), device="cpu", threads=1)


@pytest.fixture(scope="module")
def clips():
    return [synthetic_voice(1.0, 16_000, seed)[:samples] for seed, samples in enumerate(LENGTHS)]


def denoise(session, clips):
    waveform, lengths = stack(clips)
    return session.run({"waveform": waveform, "lengths": lengths}, ("denoised",))["denoised"]


def test_the_network_has_the_layers_of_d12():
    network = Denoiser(DenoiserConfig())
    assert [(layer.input_size, layer.hidden_size) for layer in network.recurrent] == [(100, 256), (64, 256), (64, 256)]
    assert not any(layer.bidirectional for layer in network.recurrent)
    assert network.mask_layer.out_features == 100


@pytest.mark.parametrize("samples", [1, 255, 256, 257, 4000])
def test_overlap_add_gives_the_signal_back(network, samples):
    signal = torch.randn(2, samples)
    assert torch.allclose(network.invert(network.transform(signal), samples), signal, atol=1e-5)


def test_the_transform_is_that_of_numpy(network):
    signal = np.random.default_rng(0).normal(size=1024)
    spectrum = network.transform(torch.from_numpy(signal[None].astype(np.float32)))[0].numpy()
    expected = np.fft.rfft(signal[256:768] * SMALL.window())
    assert np.abs(spectrum[: SMALL.bins, 2] + 1j * spectrum[SMALL.bins :, 2] - expected).max() < 1e-3


def test_no_band_is_empty_and_masks_keep_their_range():
    config = DenoiserConfig()
    assert (config.band_matrix() > 0).any(axis=1).all()
    assert np.allclose(config.mask_matrix().sum(axis=1), 1.0)
    assert (config.mask_matrix() >= 0).all()


def test_white_noise_has_power_one_in_each_band(network):
    noise = torch.from_numpy(np.random.default_rng(0).normal(size=(1, 400_000)).astype(np.float32))
    bands = network.bands(network.transform(noise), noise.square().mean(dim=1))[0].exp()
    assert torch.allclose(bands.mean(dim=0), torch.ones(SMALL.bands), atol=0.12)


def test_a_hop_that_cannot_be_inverted_is_refused():
    with pytest.raises(ValueError, match="half"):
        DenoiserConfig(hop_samples=160)


def test_graph_and_network_agree(network, session, clips):
    for batch in [clips, *([clip] for clip in clips)]:
        waveform, lengths = stack(batch)
        with torch.inference_mode():
            expected = network(torch.from_numpy(waveform), torch.from_numpy(lengths)).numpy()
        assert np.abs(denoise(session, batch) - expected).max() < 1e-5


def test_company_in_a_batch_changes_nothing_and_padding_is_zero(session, clips):
    together = denoise(session, clips)
    for row, clip in zip(together, clips, strict=True):
        assert np.abs(row[: len(clip)] - denoise(session, [clip])[0]).max() <= 1e-5
        assert not row[len(clip) :].any()


def test_what_lies_beyond_a_clip_is_ignored(session, clips):
    waveform, lengths = stack(clips)
    dirty = waveform.copy()
    for row, length in enumerate(lengths):
        dirty[row, length:] = 7.0
    answers = [session.run({"waveform": w, "lengths": lengths}, ("denoised",))["denoised"] for w in (waveform, dirty)]
    assert np.array_equal(*answers)


def test_a_louder_recording_gives_the_same_louder(session, clips):
    assert np.abs(denoise(session, [4 * clips[0]])[0] - 4 * denoise(session, [clips[0]])[0]).max() < 1e-5


def test_silence_stays_silence(session):
    assert not denoise(session, [np.zeros(3000, np.float32)]).any()


def test_later_sound_of_the_same_level_does_not_change_earlier_sound(session, clips):
    other = clips[0].copy()
    other[8000:] *= -1.0  # the level of the whole recording stays
    first, second = denoise(session, [clips[0]])[0], denoise(session, [other])[0]
    assert np.abs(first[:7000] - second[:7000]).max() < 1e-6
    assert np.abs(first[8200:] - second[8200:]).max() > 1e-3


def test_weights_come_back_from_the_graph(network):
    again = read_denoiser(denoiser_model(network, {}), SMALL)
    for name, values in network.state_dict().items():
        assert torch.equal(again.state_dict()[name], values), name


def test_the_graph_has_no_stft_operator(network):
    operators = {node.op_type for node in denoiser_model(network, {}).graph.node}
    assert {"Conv", "ConvTranspose", "LSTM"} <= operators
    assert not {"STFT", "DFT"} & operators


def test_configuration_survives_its_text():
    assert DenoiserConfig.from_text(SMALL.to_text()) == SMALL
    assert dataclasses.replace(SMALL, recurrent_units=13) != SMALL


def test_the_metadata_name_the_licence(network):
    model = onnx.load_from_string(denoiser_model(network, {"licence": "CC0-1.0"}).SerializeToString())
    assert {entry.key: entry.value for entry in model.metadata_props} == {"licence": "CC0-1.0"}


def test_the_loss_is_lower_the_nearer_the_estimate():
    wanted = torch.randn(2, 2 * SMALL.bins, 20)
    noise = torch.randn_like(wanted)
    losses = [denoising_loss(wanted + level * noise, wanted).item() for level in (0.0, 0.1, 1.0)]
    assert losses == sorted(losses)
    assert losses[0] == pytest.approx(-3.0, abs=0.01)
