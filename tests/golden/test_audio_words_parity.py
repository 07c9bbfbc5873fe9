"""The bag of audio words on real speech: the graph against librosa's mel bank and SciPy's transforms in float64."""

import librosa
import numpy as np
import pytest
import scipy

from export.audio_words.codebook import audio_words_features, sample_codebook
from export.audio_words.descriptors import low_level_descriptors
from export.audio_words.graph import audio_words_model
from export.corpora.audio import read_waveform, stack
from service.pipeline.device.session import Session
from tests.shared_material import corpus_folder


def reference_descriptors(waveform: np.ndarray) -> np.ndarray:
    """MFCC 1–12 and log energy step by step, as the literature has them."""
    signal = waveform.astype(np.float64)
    emphasised = scipy.signal.lfilter([1.0, -0.97], [1.0], signal)
    frames, raw = (librosa.util.frame(part, frame_length=400, hop_length=160) for part in (emphasised, signal))
    spectrum = scipy.fft.rfft(frames * scipy.signal.get_window("hamming", 400, fftbins=False)[:, None], 512, axis=0)
    bank = librosa.filters.mel(sr=16_000, n_fft=512, n_mels=26, fmin=0.0, fmax=8000.0, htk=True, dtype=np.float64)
    logarithm = np.log(np.maximum(bank @ np.abs(spectrum) ** 2, 1e-10))
    cepstra = librosa.feature.mfcc(S=logarithm, n_mfcc=13, dct_type=2, norm="ortho")[1:]
    energy = np.log(np.maximum((raw**2).sum(axis=0), 1e-10))
    return np.vstack([cepstra, energy]).T


@pytest.fixture(scope="module")
def recordings():
    return [read_waveform(path, 16_000) for path in sorted(corpus_folder("emodb4").glob("audio/*.flac"))[:12]]


def test_descriptors_are_those_of_librosa(recordings):
    for recording in recordings:
        assert np.abs(low_level_descriptors(recording) - reference_descriptors(recording)).max() < 1e-4


@pytest.mark.parametrize(("size", "count"), [(100, 1), (1000, 10), (2000, 500)])
def test_the_graph_gives_the_bags_of_the_reference(recordings, size, count):
    llds = [reference_descriptors(recording) for recording in recordings]
    codebook = sample_codebook(llds, size, seed=0)
    session = Session(audio_words_model(codebook, count, {}).SerializeToString(), device="cpu", threads=1)
    expected = audio_words_features(llds, codebook, count)
    waveform, lengths = stack(recordings)
    bags = session.run({"waveform": waveform, "lengths": lengths}, ("embedding",))["embedding"]
    assert np.abs(bags - expected).max() <= 1e-5
    assert np.allclose(bags.sum(axis=1), 1.0, atol=1e-5)
