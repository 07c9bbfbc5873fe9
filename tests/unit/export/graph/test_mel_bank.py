import librosa
import numpy as np
import pytest

from export.graph.mel_bank import area_normalised_bank, hz_to_mel, mel_to_hz, peak_normalised_bank


@pytest.mark.parametrize("scale", ["slaney", "htk"])
def test_area_normalised_bank_is_librosas(scale):
    ours = area_normalised_bank(16_000, 1024, 128, 0.0, 8000.0, scale)
    theirs = librosa.filters.mel(sr=16_000, n_fft=1024, n_mels=128, htk=scale == "htk")
    np.testing.assert_allclose(ours, theirs, atol=1e-7)


@pytest.mark.parametrize("scale", ["slaney", "htk"])
def test_mel_and_hz_are_inverse(scale):
    frequency_hz = np.linspace(0.0, 8000.0, 401)
    np.testing.assert_allclose(mel_to_hz(hz_to_mel(frequency_hz, scale), scale), frequency_hz, atol=1e-6)


def test_htk_formula_is_the_printed_one():
    assert hz_to_mel(np.array([700.0]), "htk")[0] == pytest.approx(2595 * np.log10(2))  # A5


def test_peak_normalised_bank_has_no_weight_at_zero_and_peaks_near_one():
    bank = peak_normalised_bank(16_000, 512, 64, 20.0, 8000.0)
    assert bank.shape == (64, 257)
    assert not bank[:, 0].any()
    assert bank.max() <= 1.0
    assert (bank[20:].max(axis=1) > 0.6).all()
