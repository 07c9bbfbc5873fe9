import csv
import lzma

import numpy as np
import pytest
import torch

from export.__main__ import main
from export.corpora.audio import read_waveform
from export.corpora.tables import read_corpus
from export.evaluation.voice import synthetic_voice
from export.graph.front_end import PRESETS, FrontEnd
from tests.support.small_corpus import write_small_corpus

FRONT_END = FrontEnd(PRESETS["open"])


def features(waveform):
    """float32 [frames, 128] in 0 … 1, as CREMA-D's."""
    with torch.inference_mode():
        pictures, _ = FRONT_END(torch.from_numpy(waveform)[None], torch.tensor([len(waveform)]))
    return pictures[0].T.numpy()


@pytest.fixture
def corpus(tmp_path):
    folder = tmp_path / "features"
    folder.mkdir()
    stored = [np.rint(features(synthetic_voice(s, 16_000, 1)) * 63).astype(np.uint8) for s in (1.0, 1.7)]
    with lzma.open(folder / "logmel.npy.xz", "wb") as file:
        np.save(file, np.concatenate(stored))
    with (folder / "utterances.csv").open("w", newline="") as table:
        writer = csv.writer(table)
        writer.writerow(
            ["clip", "first_frame", "frames", "duration_s", "speaker", "emotion", "voice_vote", "partition"]
        )
        writer.writerow(["a", 0, len(stored[0]), 1.0, "1", "anger", "A", "train"])
        writer.writerow(["b", len(stored[0]), len(stored[1]), 1.7, "2", "sadness", "S", "test"])
    return folder


def test_the_sound_has_the_features_that_it_was_made_of(corpus, tmp_path):
    out = tmp_path / "made"
    assert main(["resynthesise", str(corpus), "--out", str(out)]) == 0
    made = read_corpus(out)
    assert [(row.emotion, row.heard) for row in made.utterances] == [("anger", ("anger",)), ("sadness", ("sadness",))]
    for row, duration_s in zip(made.utterances, (1.0, 1.7), strict=True):
        original = features(synthetic_voice(duration_s, 16_000, 1))
        again = features(read_waveform(row.audio, 16_000))[: len(original)]
        assert np.corrcoef(original[: len(again)].ravel(), again.ravel())[0, 1] > 0.95


def test_it_goes_on_where_it_stopped(corpus, tmp_path):
    out = tmp_path / "made"
    main(["resynthesise", str(corpus), "--out", str(out)])
    first = (out / "audio/a.flac").stat().st_mtime_ns
    (out / "audio/b.flac").unlink()
    assert main(["resynthesise", str(corpus), "--out", str(out)]) == 0
    assert (out / "audio/a.flac").stat().st_mtime_ns == first
    assert (out / "audio/b.flac").is_file()


def test_a_corpus_with_audio_is_refused(tmp_path, capsys):
    write_small_corpus(tmp_path / "small", 1)
    assert main(["resynthesise", str(tmp_path / "small"), "--out", str(tmp_path / "made")]) == 1
    assert "comes with audio" in capsys.readouterr().err
