"""Features of corpora: rows, times, labels, and what is refused or left out."""

import json

import numpy as np
import pytest
import soundfile

from export.__main__ import main
from export.corpora.recordings import read_recordings
from export.corpora.tables import CorpusError
from export.features.files import read_table
from tests.support.small_corpus import write_small_corpus
from tests.tiny_models import speech_model, write_speech_bundle

RATE_HZ = 16_000


def write_sound(path, duration_s, level=0.5, subtype="FLOAT"):
    path.parent.mkdir(parents=True, exist_ok=True)
    swinging = np.resize(np.array([level, -level / 2], np.float32), round(duration_s * RATE_HZ))
    soundfile.write(path, swinging, RATE_HZ, subtype=subtype)


@pytest.fixture
def bundle(tmp_path):
    return write_speech_bundle(tmp_path / "models", max_length_s=1.0)


def features(bundle, folder, out, *more):
    return main(["features", "--model", str(bundle), "--corpus", str(folder), "--out", str(out), *map(str, more)])


def test_a_row_an_utterance_in_the_order_of_the_table(tmp_path, bundle, capsys):
    folder = write_small_corpus(tmp_path / "small")
    assert features(bundle, folder, tmp_path / "t.parquet", "--data-licence", "small=CC0-1.0") == 0
    corpus, table = read_recordings(folder), read_table(tmp_path / "t.parquet")
    assert table.names == tuple(f"small/{row.name}" for row in corpus.utterances)
    assert table.labels == tuple(row.emotion for row in corpus.utterances)
    assert set(table.speakers) == {"small/train", "small/devel", "small/test"}
    np.testing.assert_allclose(table.end_s, [row.duration_s for row in corpus.utterances])
    short = corpus.utterances[0]
    samples = soundfile.read(short.audio)[0]
    np.testing.assert_allclose(table.values[0], [samples.mean(), (samples**2).mean()], atol=1e-6)
    assert table.origin.data[0].licence == "CC0-1.0"
    assert table.origin.backbones[0].network == "tiny"
    # Some voices last 1.1 s and more, and the network takes 1 s: the mean over windows stands for them.
    assert table.origin.pooled == sum(row.duration_s > 1.0 for row in corpus.utterances) > 0
    assert "are longer than the 1 s that the network takes" in capsys.readouterr().err


def test_windows_have_times_and_share_a_name(tmp_path, bundle):
    write_sound(tmp_path / "tree/anger/a.wav", 1.2)
    assert features(bundle, tmp_path / "tree", tmp_path / "t.csv", "--window-s", 0.5, "--hop-s", 0.25) == 0
    table = read_table(tmp_path / "t.csv")
    assert set(table.names) == {"tree/anger/a.wav"}
    np.testing.assert_allclose(table.start_s, [0.0, 0.25, 0.5, 0.7])
    np.testing.assert_allclose(table.end_s, [0.5, 0.75, 1.0, 1.2])
    assert (table.origin.window_s, table.origin.hop_s) == (0.5, 0.25)


def test_labels_and_partitions_of_a_plain_tree(tmp_path):
    for name in ("train/anger/a.wav", "Dev/joy/b.flac", "sadness/c.wav", "top.wav"):
        write_sound(tmp_path / "tree" / name, 0.2, subtype="PCM_16")
    rows = {row.name: (row.emotion, row.partition) for row in read_recordings(tmp_path / "tree").utterances}
    assert rows == {
        "train/anger/a.wav": ("anger", "train"),
        "Dev/joy/b.flac": ("joy", "devel"),
        "sadness/c.wav": ("sadness", ""),
        "top.wav": ("", ""),
    }


def test_a_table_of_labels_goes_before_folder_names(tmp_path):
    for name in ("x/a.wav", "x/b.wav"):
        write_sound(tmp_path / "tree" / name, 0.2)
    labels = tmp_path / "labels.csv"
    labels.write_text("name,label,speaker,partition\nx/a.wav,ärger,7,Train\nb.wav,joy,8,val\n", encoding="utf-8")
    rows = read_recordings(tmp_path / "tree", labels).utterances
    assert [(row.emotion, row.speaker, row.partition) for row in rows] == [
        ("ärger", "7", "train"),
        ("joy", "8", "devel"),
    ]
    labels.write_text("name,label\nx/a.wav,anger\n")
    with pytest.raises(CorpusError, match=r"no row for the recording x/b\.wav"):
        read_recordings(tmp_path / "tree", labels)
    labels.write_text("who,what\nx/a.wav,anger\n")
    with pytest.raises(CorpusError, match="needs a column 'file'"):
        read_recordings(tmp_path / "tree", labels)


def test_short_recordings_are_named_counted_and_tell_in_the_status(tmp_path, bundle, capsys):
    write_sound(tmp_path / "tree/anger/long.wav", 0.5)
    write_sound(tmp_path / "tree/anger/blip.wav", 0.05)
    assert features(bundle, tmp_path / "tree", tmp_path / "t.csv") == 3
    assert read_table(tmp_path / "t.csv").names == ("tree/anger/long.wav",)
    error = capsys.readouterr().err
    assert "WARNING: 1 recordings are left out" in error
    assert "tree/anger/blip.wav: 0.050 s, the network needs 0.1 s" in error
    left_out = json.loads((tmp_path / "t.csv.json").read_text())["left_out"]
    assert left_out == ["tree/anger/blip.wav: 0.050 s, the network needs 0.1 s"]


def test_silence_has_no_row_as_in_the_service(tmp_path, bundle, capsys):
    write_sound(tmp_path / "tree/anger/mute.wav", 0.8, level=0.0)
    write_sound(tmp_path / "tree/anger/long.wav", 0.5)
    half = np.concatenate([np.zeros(RATE_HZ), np.sin(np.arange(RATE_HZ))])
    soundfile.write(tmp_path / "tree/anger/half.wav", half, RATE_HZ)
    assert features(bundle, tmp_path / "tree", tmp_path / "t.csv", "--window-s", 0.5, "--hop-s", 0.5) == 3
    table = read_table(tmp_path / "t.csv")
    assert table.names == ("tree/anger/half.wav",) * 2 + ("tree/anger/long.wav",)
    np.testing.assert_allclose(table.start_s[:2], [1.0, 1.5])
    assert table.origin.left_out == [
        "tree/anger/half.wav: 2 of 4 windows are digital silence",
        "tree/anger/mute.wav: digital silence",
    ]
    assert "tree/anger/mute.wav: digital silence" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("spoil", "cause"),
    [
        (lambda path: write_sound(path, 0.5, np.nan), "its features are not finite"),
        (lambda path: path.write_bytes(b"RIFF nothing"), "cannot be read as audio"),
    ],
)
def test_unusable_recordings_are_refused_by_name(tmp_path, bundle, capsys, spoil, cause):
    write_sound(tmp_path / "tree/anger/good.wav", 0.5)
    spoil(tmp_path / "tree/anger/bad.wav")
    assert features(bundle, tmp_path / "tree", tmp_path / "t.csv") == 1
    error = capsys.readouterr().err
    assert "bad.wav" in error
    assert cause in error
    assert not (tmp_path / "t.csv").exists()


@pytest.mark.parametrize(
    ("more", "cause"),
    [
        (["--window-s", "7"], "window_s must be between 0.1 and 1"),
        (["--hop-s", "0"], "hop_s must be at least"),
        (["--data-licence", "other=MIT"], "names a corpus that is not there: other"),
    ],
)
def test_wrong_options_are_one_line(tmp_path, bundle, capsys, more, cause):
    write_sound(tmp_path / "tree/anger/a.wav", 1.2)
    assert features(bundle, tmp_path / "tree", tmp_path / "t.csv", *more) == 1
    assert cause in capsys.readouterr().err


def test_a_model_without_embedding_is_refused(tmp_path, capsys):
    bundle = write_speech_bundle(tmp_path / "models", model=speech_model(embedding=False))
    write_sound(tmp_path / "tree/anger/a.wav", 0.5)
    assert features(bundle, tmp_path / "tree", tmp_path / "t.csv") == 1
    assert "no output 'embedding'" in capsys.readouterr().err


def test_opensmile_features_say_their_licence_and_do_not_depend_on_threads(tmp_path, capsys):
    opensmile = pytest.importorskip("opensmile", reason="the optional extra 'opensmile' is not installed")
    folder = write_small_corpus(tmp_path / "small", per_class=1)
    words = ["features", "--opensmile", "eGeMAPSv02", "--corpus", str(folder), "--out", str(tmp_path / "t.arff")]
    assert main(words) == 0
    assert capsys.readouterr().err.startswith("openSMILE is licensed for research")
    table = read_table(tmp_path / "t.arff")
    assert table.values.shape == (9, 88)
    assert not table.origin.backbones[0].licence.commercial_use
    smile = opensmile.Smile(opensmile.FeatureSet.eGeMAPSv02, opensmile.FeatureLevel.Functionals)
    last = soundfile.read(read_recordings(folder).utterances[-1].audio, dtype="float32")[0]
    np.testing.assert_allclose(table.values[-1], smile.process_signal(last, RATE_HZ).to_numpy()[0], rtol=1e-6)
