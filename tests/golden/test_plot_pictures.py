"""The picture graph on human speech, against what librosa, matplotlib and Pillow draw of it."""

import numpy as np
import onnx
import onnxruntime
import pytest

from export.corpora.audio import read_waveform
from export.corpora.tables import read_corpus
from export.deep_spectrum.picture.presets import PLOT_PRESETS
from tests.plot_pictures import Plotter
from tests.shared_material import corpus_folder, shared_file

CORPORA = ("emodb4", "ravdess", "nemo")
SQUEEZENET_MEAN_BGR = np.array([104.0, 117.0, 123.0], dtype=np.float32)[:, None, None]


@pytest.fixture(scope="module", params=CORPORA)
def speech(request) -> list[np.ndarray]:
    """Four recordings, one of them cut to half a second, lengths 0.5 to about 6 s."""
    utterances = read_corpus(corpus_folder(request.param)).utterances
    clips = [read_waveform(utterance.audio, 16_000) for utterance in utterances[7 :: len(utterances) // 4]]
    return [clips[0][4000:12_000], *clips[1:]]


@pytest.fixture(scope="module")
def squeezenet() -> onnxruntime.InferenceSession:
    model = onnx.load(shared_file("weights/squeezenet1_1_imagenet_fp16.onnx"))
    del model.graph.output[:]
    model.graph.output.append(onnx.helper.make_tensor_value_info("fire9/concat_1", onnx.TensorProto.FLOAT16, None))
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def features(squeezenet: onnxruntime.InferenceSession, picture: np.ndarray) -> np.ndarray:
    """Features [512], averaged over the picture."""
    pixels = (picture[::-1] - SQUEEZENET_MEAN_BGR)[None].astype(np.float16)
    return squeezenet.run(None, {"data_0": pixels})[0][0].astype(np.float64).mean(axis=(1, 2))


@pytest.mark.parametrize("name", list(PLOT_PRESETS))
def test_pictures_of_speech_are_the_toolkits(name, speech):
    plotter = Plotter(PLOT_PRESETS[name])
    assert max(plotter.error(clip) for clip in speech) < 0.02


@pytest.mark.parametrize("name", list(PLOT_PRESETS))
def test_company_changes_no_pixel(name, speech):
    plotter = Plotter(PLOT_PRESETS[name])
    for clip, picture in zip(speech, plotter.together(speech), strict=True):
        np.testing.assert_array_equal(plotter.alone(clip), picture)


@pytest.mark.parametrize("name", list(PLOT_PRESETS))
def test_a_network_sees_no_difference(name, speech, squeezenet):
    plotter = Plotter(PLOT_PRESETS[name])
    for clip in speech[:2]:
        ours, theirs = features(squeezenet, plotter.alone(clip)), features(squeezenet, plotter.toolkit(clip))
        cosine = ours @ theirs / np.linalg.norm(ours) / np.linalg.norm(theirs)
        assert cosine > 0.9999
