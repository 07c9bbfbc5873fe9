import json

import numpy as np
import pytest

from export.__main__ import main
from export.audio_words.codebook import Codebook, audio_words_features, audio_words_grid, nearest_words, sample_codebook
from export.audio_words.descriptors import frame_count, low_level_descriptors
from export.audio_words.graph import CHUNK_FRAMES, audio_words_model
from export.corpora.audio import stack
from export.corpora.licences import strictest_licence, training_data
from export.corpora.tables import CorpusError, read_corpus
from export.evaluation.voice import synthetic_voice
from service.card import TrainingData, read_card
from service.pipeline.device.session import Session
from service.registry import Registry
from service.settings import Settings
from tests.support.small_corpus import write_small_corpus


@pytest.fixture(scope="module")
def voices():
    return [synthetic_voice(duration_s, 16_000, seed) for seed, duration_s in enumerate((1.0, 0.4, 3.3, 0.03))]


@pytest.fixture(scope="module")
def llds(voices):
    return [low_level_descriptors(voice) for voice in voices]


def plain_codebook(words):
    return Codebook(np.array(words, dtype=np.float64), np.zeros(2), np.ones(2))


def embed(session, clips):
    waveform, lengths = stack(clips)
    return session.run({"waveform": waveform, "lengths": lengths}, ("embedding",))["embedding"]


def test_frames_lie_inside_the_recording():
    assert [frame_count(samples) for samples in (0, 399, 400, 559, 560, 16_000)] == [0, 0, 1, 1, 2, 98]
    assert low_level_descriptors(np.zeros(100)).shape == (0, 13)


def test_each_frame_counts_for_its_nearest_words():
    codebook = plain_codebook([[0, 0], [10, 0], [0, 10]])
    frames = np.array([[1, 0], [9, 0], [8, 1], [0, 7]])
    assert nearest_words(frames, codebook, 2).tolist() == [[0, 1], [1, 0], [1, 0], [2, 0]]
    assert audio_words_features([frames], codebook, 1).tolist() == [[0.25, 0.5, 0.25]]
    assert audio_words_features([frames], codebook, 2).tolist() == [[0.5, 0.375, 0.125]]
    even = audio_words_features([frames], codebook, 3, logarithm=True)
    assert np.allclose(even, np.log(2.0))


def test_descriptors_are_standardised_before_they_are_compared():
    codebook = Codebook(np.array([[1.0], [-1.0]]), np.array([100.0]), np.array([0.1]))
    assert nearest_words(np.array([[108.0], [99.0]]), codebook, 1).ravel().tolist() == [0, 1]


def test_codewords_are_different_training_frames(llds):
    codebook = sample_codebook(llds, 50, seed=1)
    frames = np.concatenate(llds)
    original = codebook.words / codebook.scale + codebook.mean
    distances = np.abs(frames[None] - original[:, None]).max(axis=2)
    assert (distances.min(axis=1) < 1e-9).all()
    assert len(set(distances.argmin(axis=1))) == 50
    assert np.array_equal(codebook.words, sample_codebook(llds, 50, seed=1).words)
    assert not np.array_equal(codebook.words, sample_codebook(llds, 50, seed=2).words)


def test_too_few_frames_are_refused(llds):
    with pytest.raises(ValueError, match="too few"):
        sample_codebook(llds, 10_000, seed=0)


def test_the_grid_holds_what_single_calls_give(llds):
    grid = {(size, count): bags for size, count, bags in audio_words_grid(llds, llds, 3, (5, 20), (1, 2, 10))}
    assert grid.keys() == {(5, 1), (5, 2), (20, 1), (20, 2), (20, 10)}
    for (size, count), bags in grid.items():
        assert np.array_equal(bags, audio_words_features(llds, sample_codebook(llds, size, 3), count))


@pytest.mark.parametrize(("size", "count", "logarithm"), [(10, 1, False), (60, 5, True), (60, 60, False)])
def test_graph_and_numpy_agree_alone_and_in_a_batch(voices, llds, size, count, logarithm):
    codebook = sample_codebook(llds, size, seed=0)
    graph = audio_words_model(codebook, count, {}, logarithm).SerializeToString()
    session = Session(graph, device="cpu", threads=1)
    expected = audio_words_features(llds, codebook, count, logarithm)
    assert frame_count(len(voices[2])) > CHUNK_FRAMES  # more than one round of the loop
    assert np.abs(embed(session, voices) - expected).max() <= 1e-5
    for voice, row in zip(voices, expected, strict=True):
        assert np.abs(embed(session, [voice])[0] - row).max() <= 1e-5


def test_padding_counts_for_nothing_and_short_clips_give_zeros(voices, llds):
    graph = audio_words_model(sample_codebook(llds, 10, seed=0), 1, {}).SerializeToString()
    session = Session(graph, device="cpu", threads=1)
    waveform, lengths = stack([voices[1], voices[0]])
    waveform[0, lengths[0] :] = 5.0
    assert np.array_equal(
        session.run({"waveform": waveform, "lengths": lengths}, ("embedding",))["embedding"],
        embed(session, [voices[1], voices[0]]),
    )
    assert not embed(session, [np.ones(100, np.float32)]).any()


def test_more_assignments_than_words_are_refused(llds):
    with pytest.raises(ValueError, match="do not fit"):
        audio_words_model(sample_codebook(llds, 10, seed=0), 11, {})


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return write_small_corpus(tmp_path_factory.mktemp("words") / "small", per_class=1)


def test_one_command_makes_a_bundle_that_the_service_takes(small, tmp_path, capsys):
    words = ["train", "bag-of-audio-words", "--corpus", small, "--out", tmp_path, "--codebook-size", 20]
    words = list(map(str, [*words, "--assignments", 2, "--seed", 5]))
    assert main(words) == 1
    assert "name it with --licence" in capsys.readouterr().err
    assert main([*words, "--licence", "CC-BY-SA-4.0"]) == 0
    card = Registry.load(Settings(model_dirs=[tmp_path])).find(task="speech-embedding").card
    assert card.settings == {"codebook_size": 20, "assignments": 2, "logarithm": False, "seed": 5}
    assert card.members[0].dimensions == 20
    assert [data.utterances for data in card.training_data] == [3]  # those of 'train'
    assert (card.licence.spdx, card.licence.commercial_use) == ("CC-BY-SA-4.0", False)
    assert card.parity.largest_difference <= card.parity.tolerance
    assert json.loads(card.model_dump_json()) == json.loads(read_card(tmp_path / card.name / "1").model_dump_json())


@pytest.mark.parametrize(
    ("more", "cause"), [(["--assignments", "21"], "between 1 and"), (["--codebook-size", "100000"], "too few")]
)
def test_expected_failures_are_one_line(small, tmp_path, more, cause, capsys):
    words = ["train", "bag-of-audio-words", "--corpus", str(small), "--out", str(tmp_path), "--licence", "CC0-1.0"]
    assert main([*words, "--codebook-size", "20", *more]) == 1
    assert cause in capsys.readouterr().err


def test_the_strictest_licence_binds():
    free, bound, odd = (
        TrainingData(name=name, licence=name) for name in ("CC0-1.0", "CC-BY-NC-SA-4.0", "LicenseRef-X")
    )
    shared = TrainingData(name="c", licence="ODbL-1.0")
    assert strictest_licence([free]).spdx == "CC0-1.0"
    assert strictest_licence([free]).commercial_use
    assert strictest_licence([free, shared]).spdx == "ODbL-1.0"
    assert strictest_licence([free, bound]).spdx == "CC-BY-NC-SA-4.0"
    assert not strictest_licence([shared, odd]).commercial_use


def test_corpora_without_a_known_licence_need_one(small):
    with pytest.raises(CorpusError, match="--licence"):
        training_data([read_corpus(small)])


@pytest.mark.parametrize("more", [[], ["--logarithm"]])
def test_a_bundle_is_verified_with_the_codebook_of_its_graph(small, tmp_path, more, capsys):
    words = ["train", "bag-of-audio-words", "--corpus", str(small), "--licence", "CC0-1.0", "--out", str(tmp_path)]
    assert main([*words, "--codebook-size", "20", "--assignments", "3", *more]) == 0
    folder = tmp_path / "bag-of-audio-words/1"
    assert main(["verify", str(folder)]) == 0
    card = json.loads((folder / "card.json").read_text())
    card["settings"]["assignments"] = 2  # not what the graph counts
    (folder / "card.json").write_text(json.dumps(card))
    assert main(["verify", str(folder)]) == 1
    assert "FAIL bag-of-audio-words/1" in capsys.readouterr().out
