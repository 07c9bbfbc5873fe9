"""Published corpora: what is read of their miniatures, written and used."""

import csv
from collections import defaultdict

import numpy as np
import pytest
import soundfile

from export.__main__ import main
from export.corpora.found import read_layout, with_partitions
from export.corpora.label_tables import TABLE_LAYOUTS, Found
from export.corpora.layouts import LAYOUTS
from export.corpora.tables import read_corpus
from export.speech_representations.recogniser.transcripts import read_transcripts
from tests.support.published_corpora import NAMED, TABLED, lay_out


def test_every_layout_has_a_miniature() -> None:
    assert NAMED.keys() == LAYOUTS.keys()
    assert TABLED.keys() == TABLE_LAYOUTS.keys()


@pytest.mark.parametrize("name", NAMED)
def test_names_say_who_speaks_and_how(name, tmp_path, sound) -> None:
    reading = read_layout(name, lay_out(tmp_path, NAMED[name], sound))
    found = {
        recording.audio.relative_to(tmp_path).as_posix(): (recording.speaker, recording.sex, recording.emotion)
        for recording in reading.recordings
    }
    assert found == {path: told for path, told in NAMED[name].items() if told}
    assert reading.left_out.total() == list(NAMED[name].values()).count(None)
    assert LAYOUTS[name].example in NAMED[name]


@pytest.mark.parametrize("name", TABLED)
def test_tables_say_who_speaks_and_what(name, tmp_path, sound) -> None:
    tables, files, told = TABLED[name]
    reading = read_layout(name, lay_out(tmp_path, files, sound, tables))
    assert [
        (found.speaker, found.sex, found.emotion, found.transcript, found.partition) for found in reading.recordings
    ] == told
    assert {found.audio for found in reading.recordings} <= {tmp_path / file for file in files}


RATED = {
    "iemocap": [{"arousal": -0.25, "valence": -0.25, "dominance": -0.25}] * 2,
    "msp-podcast": [{"arousal": 0.4, "valence": 1.0, "dominance": 0.0}, {"arousal": -1.0, "valence": 0.0}],
}
"""Ratings of the recordings of a miniature: IEMOCAP's of 1 … 5 and MSP-Podcast's of 1 … 7 as −1 … 1."""


@pytest.mark.parametrize("name", RATED)
def test_ratings_are_read_and_written(name, tmp_path, sound) -> None:
    tables, files, _ = TABLED[name]
    publisher = lay_out(tmp_path / "publisher", files, sound, tables)
    assert main(["corpus", name, str(publisher), "--out", str(tmp_path / "out"), "--partition", "test"]) == 0
    found = [row.ratings for row in read_corpus(tmp_path / "out").utterances]
    assert found == [pytest.approx(ratings, abs=1e-4) for ratings in RATED[name]]


def test_a_corpus_is_written_and_read_again(tmp_path, sound, capsys) -> None:
    files = [
        f"wav/{speaker}a0{text}{letter}a.wav"
        for speaker in ("03", "08", "09", "10")
        for text in (1, 2)
        for letter in "WN"
    ]
    lay_out(tmp_path / "publisher", [*files, "wav/03a01Xa.wav"], sound)
    assert main(["corpus", "emodb", str(tmp_path / "publisher"), "--out", str(tmp_path / "emodb")]) == 0
    said = capsys.readouterr().out
    assert "16 recordings, 2 classes, 4 speakers, 0.2 ± 0.0 s" in said
    assert "1 × emotion 'X'" in said
    corpus = read_corpus(tmp_path / "emodb")
    places = defaultdict(set)
    for row in corpus.utterances:
        places[row.speaker].add(row.partition)
    assert all(len(partitions) == 1 for partitions in places.values())
    assert {row.partition for row in corpus.utterances} == {"train", "devel", "test"}
    assert (
        main(["corpus", "emodb", str(tmp_path / "publisher"), "--out", str(tmp_path / "one"), "--partition", "test"])
        == 0
    )
    assert {row.partition for row in read_corpus(tmp_path / "one").utterances} == {"test"}


def test_spans_become_recordings_of_their_own(tmp_path, sound) -> None:
    tables, files, _ = TABLED["ted-lium"]
    lay_out(tmp_path / "publisher", files, sound, tables)
    assert main(["corpus", "ted-lium", str(tmp_path / "publisher"), "--out", str(tmp_path / "ted")]) == 0
    (row,) = csv.DictReader((tmp_path / "ted/utterances.csv").open(encoding="utf-8"))
    assert (row["duration_s"], row["transcript"]) == ("0.100", "last year i showed these")
    wanted, _ = soundfile.read(sound[".wav"])
    found, _ = soundfile.read(row["file"])
    assert np.abs(found - wanted[800:2400]).max() < 1e-4


def test_transcripts_train_a_recogniser(tmp_path, sound) -> None:
    tables, files, _ = TABLED["common-voice"]
    lay_out(tmp_path / "publisher", files, sound, tables)
    assert main(["corpus", "common-voice", str(tmp_path / "publisher"), "--out", str(tmp_path / "cv")]) == 0
    assert [row.text for row in read_transcripts(tmp_path / "cv")] == ['HE SAID "NO.', "YES.", "WELL."]


def test_partitions_spread_classes_and_sexes(tmp_path) -> None:
    recordings = [
        Found(tmp_path / f"{speaker}{emotion}{take}", str(speaker), emotion, "male" if speaker % 2 else "female")
        for speaker in range(20)
        for emotion in (("anger", "neutral") if speaker < 10 else ("fear", "sadness"))
        for take in range(5)
    ]
    placed = with_partitions(recordings)
    assert placed == with_partitions(recordings)
    assert placed != with_partitions(recordings, seed=1)
    for partition, share in (("train", 0.6), ("devel", 0.2), ("test", 0.2)):
        part = [found for found in placed if found.partition == partition]
        assert len(part) == share * len(placed)
        for emotion in ("anger", "fear", "neutral", "sadness"):
            assert sum(found.emotion == emotion for found in part) == len(part) / 4
        assert sum(found.sex == "male" for found in part) == len(part) / 2


def test_published_partitions_stay(tmp_path) -> None:
    recordings = [Found(tmp_path / str(number), f"s{number}", "anger", partition="test") for number in range(5)]
    recordings += [Found(tmp_path / f"x{number}", f"x{number}", "anger") for number in range(8)]
    placed = with_partitions(recordings)
    assert [found.partition for found in placed[:5]] == ["test"] * 5
    assert {found.partition for found in placed[5:]} == {"train", "devel"}
