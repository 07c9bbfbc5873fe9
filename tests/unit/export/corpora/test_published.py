"""Published corpora, in miniature: files and tables as their publishers document them, and what they say."""

import csv
import shutil
from collections import defaultdict

import numpy as np
import pytest
import soundfile

from export.__main__ import main
from export.corpora.found import read_layout, with_partitions
from export.corpora.label_tables import TABLE_LAYOUTS, Found
from export.corpora.layouts import LAYOUTS
from export.corpora.tables import CorpusError, read_corpus
from export.speech_representations.recogniser.transcripts import read_transcripts

NAMED = {
    "emodb": {"wav/03a01Fa.wav": ("03", "male", "happiness"), "wav/16b10Wb.wav": ("16", "female", "anger")},
    "ravdess": {
        "Actor_12/03-01-06-01-02-01-12.wav": ("12", "female", "fear"),
        "Actor_01/03-01-02-02-01-02-01.wav": ("01", "male", "calm"),
        "Actor_01/03-02-02-02-01-02-01.wav": None,
    },
    "cremad": {
        "AudioWAV/1001_DFA_ANG_XX.wav": ("1001", "", "anger"),
        "AudioWAV/1040_ITH_SAD_X.wav": ("1040", "", "sadness"),
    },
    "tess": {
        "OAF_angry/OAF_back_angry.wav": ("OA", "female", "anger"),
        "YAF_pleasant_surprised/YAF_bar_ps.wav": ("YA", "female", "surprise"),
        "OAF_neutral/OA_bite_neutral.wav": ("OA", "female", "neutral"),
    },
    "savee": {
        "AudioData/DC/sa03.wav": ("DC", "male", "sadness"),
        "AudioData/KL/su15.wav": ("KL", "male", "surprise"),
        "JE_d07.wav": ("JE", "male", "disgust"),
    },
    "emovo": {"f1/rab-f1-b2.wav": ("f1", "female", "anger"), "m3/gio-m3-l4.wav": ("m3", "male", "happiness")},
    "demos": {
        "DEMOS/PR_f_01_rab01a.wav": ("01", "female", "anger"),
        "DEMOS/NP_m_69_col12b.wav": ("69", "male", "guilt"),
    },
    "turev": {
        "Sound Source/Angry/1157_kz_beste.wav": ("1157", "", "anger"),
        "Sound Source/Calm/1234_sk_algi.wav": ("1234", "", "calm"),
    },
    "baved": {"3/15-m-20-3-1-357.wav": ("15", "male", "neutral"), "0/40-f-23-0-2-1900.wav": ("40", "female", "high")},
    "casia": {
        "liuchanhong/angry/201.wav": ("liuchanhong", "", "anger"),
        "zhaoquanyin/sad/250.wav": ("zhaoquanyin", "", "sadness"),
    },
    "urdu": {"Angry/SM1_F1_A01.wav": ("SM1", "male", "anger"), "Sad/SF12_F3_S10.wav": ("SF12", "female", "sadness")},
    "enterface": {
        "subject 1/anger/sentence 1/s1_an_1.wav": ("1", "", "anger"),
        "subject 11/fear/sentence 2/s12_fe_2.wav": ("11", "", "fear"),
        "subject 3/sadness/sentence 4/s_3_sa_4.wav": ("3", "", "sadness"),
        "subject 16/surprise/sentence 3/s16_su_3avi.wav": ("16", "", "surprise"),
        "subject 6/anger/s6_an_2.wav": ("6", "", "anger"),
    },
    "shemo": {"female/F01A02.wav": ("F01", "female", "anger"), "male/M44W01.wav": ("M44", "male", "surprise")},
    "cafe": {"Colère/Faible/01-C-1-1.wav": ("01", "male", "anger"), "Neutre/12-N-1-6.wav": ("12", "female", "neutral")},
}  # fmt: skip
"""Files of each corpus, and the speaker, sex and emotion that the publisher says; None where it is not meant."""

EVALUATIONS = """% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]

[6.2901 - 8.2357]\tSes01F_impro01_F000\tneu\t[2.5000, 2.5000, 2.5000]
C-E2:\tNeutral;\t()
C-E3:\tNeutral;\t()
C-E4:\tNeutral;\t()
C-F1:\tNeutral;\t(curious)
A-E3:\tval 3; act 2; dom  2;\t()

[10.0100 - 11.3925]\tSes01F_impro01_M001\txxx\t[2.5000, 2.5000, 2.5000]
C-E2:\tHappiness;\t()
C-E3:\tExcited;\t(amused)
C-E4:\tAnger;\t()

[14.8872 - 18.0175]\tSes01F_impro01_F002\txxx\t[2.5000, 2.5000, 2.5000]
C-E2:\tNeutral;\t()
C-E3:\tFrustration;\t()
C-E4:\tAnger;\t()

[19.2900 - 20.7875]\tSes01F_impro01_F003\tfru\t[2.5000, 3.5000, 3.5000]
C-E2:\tFrustration;\t()
C-E3:\tFrustration;\tAnger;\t()
C-E4:\tAnger; Sadness;\t()
"""
UTTERANCES = "Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01"
CHUNKS = "IS2009EmotionChallenge/chunk_labels_5cl_corpus.txt"
TABLED = {
    "iemocap": (
        {"Session1/dialog/EmoEvaluation/Ses01F_impro01.txt": EVALUATIONS},
        [f"{UTTERANCES}_{name}.wav" for name in ("F000", "M001", "F002", "F003")],
        [
            ("Ses01F", "female", "neutral", "", ""),
            ("Ses01M", "male", "happiness", "", ""),
        ],
    ),
    "msp-podcast": (
        {
            "Labels/labels_consensus.csv": "FileName,EmoClass,EmoAct,EmoVal,EmoDom,SpkrID,Gender,Split_Set\n"
            "MSP-PODCAST_0001_0008.wav,H,5.2,7,4,127,Female,Train\n"
            "MSP-PODCAST_0002_0033.wav,X,4.0,4.0,4.0,127,Female,Train\n"
            "MSP-PODCAST_0003_0011.wav,N,1,4,,9,Male,Test2\n"
            "MSP-PODCAST_0004_0009.wav,N,4,4,4,Unknown,Male,Development\n"
        },
        [f"Audios/MSP-PODCAST_000{name}.wav" for name in ("1_0008", "2_0033", "3_0011", "4_0009")],
        [("127", "female", "happiness", "", "train"), ("9", "male", "neutral", "", "test")],
    ),
    "meld": (
        {
            "train_sent_emo.csv": "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID\n"
            '1,"also I was, well",Chandler,joy,positive,0,0\n',
            "dev_sent_emo.csv": "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID\n"
            "1,Oh my God,Phoebe,surprise,negative,0,0\n",
            "test_sent_emo.csv": "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID\n"
            "1,Why,Mark,neutral,neutral,2,13\n",
        },
        [
            "train_splits/dia0_utt0.wav",
            "dev_splits_complete/dia0_utt0.wav",
            "output_repeated_splits_test/dia2_utt13.wav",
        ],
        [
            ("Chandler", "", "happiness", "", "train"),
            ("Phoebe", "", "surprise", "", "devel"),
            ("Mark", "", "neutral", "", "test"),
        ],
    ),
    "fau-aibo": (
        {f"labels/{CHUNKS}": "Ohm_01_000_00 N 0.6\nOhm_31_003_00 E 1.0\nMont_01_000_00 P 0.5\n"},
        ["wav/Ohm_01_000_00.wav", "wav/Ohm_31_003_00.wav", "wav/Mont_01_000_00.wav"],
        [
            ("Ohm_01", "", "neutral", "", ""),
            ("Ohm_31", "", "emphatic", "", ""),
            ("Mont_01", "", "positive", "", "test"),
        ],
    ),
    "nemo": (
        {
            "data.tsv": "file_id\temotion\traw_text\tnormalized_text\tspeaker_id\tgender\tage\n"
            'SB0_anger_1.wav\tanger\tOna "mówi".\tona mówi\tSB0\tfemale\t25\n'
            "KB0_surprised_2.wav\tsurprised\tCo?\tco\tKB0\tmale\t30\n"
        },
        ["samples/SB0_anger_1.wav", "samples/KB0_surprised_2.wav"],
        [("SB0", "female", "anger", "ona mówi", ""), ("KB0", "male", "surprise", "co", "")],
    ),
    "emofilm": (
        {"f_m_corpus_it_es_en_legend.csv": "file,film,speaker\nf_ans001en,Alien,Sigourney Weaver\nm_tri002it,X,Y Z\n"},
        ["f_ans001en.wav", "m_tri002it.wav"],
        [("sigourney weaver", "female", "fear", "", ""), ("y z", "male", "sadness", "", "")],
    ),
    "librispeech": (
        {"dev-clean/84/121123/84-121123.trans.txt": "84-121123-0000 GO DO YOU HEAR\n84-121123-0001 BUT IN LESS\n"},
        ["dev-clean/84/121123/84-121123-0000.flac", "dev-clean/84/121123/84-121123-0001.flac"],
        [("84", "", "", "GO DO YOU HEAR", "devel"), ("84", "", "", "BUT IN LESS", "devel")],
    ),
    "common-voice": (
        {
            "train.tsv": "client_id\tpath\tsentence\tage\tgender\nab1\tcv_1.mp3\tHe said \"no.\t\tmale_masculine\n",
            "dev.tsv": "client_id\tpath\tsentence\tage\tgender\nab2\tcv_2.mp3\tYes.\t\tfemale\n",
            "test.tsv": "client_id\tpath\tsentence\tage\tgender\nab3\tcv_3.mp3\tWell.\t\t\n",
        },
        ["clips/cv_1.mp3", "clips/cv_2.mp3", "clips/cv_3.mp3"],
        [
            ("ab1", "male", "", 'He said "no.', "train"),
            ("ab2", "female", "", "Yes.", "devel"),
            ("ab3", "", "", "Well.", "test"),
        ],
    ),
    "voxforge": (
        {
            "Aaron-20080318-kdl/etc/PROMPTS": "Aaron-20080318-kdl/mfc/b0019 AT LAST\n",
            "anonymous-20080425-hvk/etc/PROMPTS": "anonymous-20080425-hvk/mfc/a0001 SHE TURNED\n",
        },
        ["Aaron-20080318-kdl/wav/b0019.wav", "anonymous-20080425-hvk/flac/a0001.flac"],
        [("Aaron", "", "", "AT LAST", ""), ("anonymous-20080425-hvk", "", "", "SHE TURNED", "")],
    ),
    "ted-lium": (
        {
            "dev/stm/AlGore_2009.stm": ";; comment\n"
            "AlGore_2009 1 AlGore_2009 0.05 0.15 <o,f0,male> last year i showed <unk> these\n"
            "AlGore_2009 1 inter_segment_gap 0.15 0.20 <o,,unknown> ignore_time_segment_in_scoring\n"
        },
        ["dev/sph/AlGore_2009.wav"],
        [("AlGore_2009", "male", "", "last year i showed   these", "devel")],
    ),
}  # fmt: skip
"""Tables and recordings of each corpus, and what they say: speaker, sex, emotion, transcript and partition."""


@pytest.fixture(scope="session")
def sound(tmp_path_factory):
    """A recording of 0.2 s in each format, by its suffix."""
    folder = tmp_path_factory.mktemp("sound")
    samples = 0.1 * np.random.default_rng(0).standard_normal(3200)
    for suffix in (".wav", ".flac", ".mp3"):
        soundfile.write(folder / f"sound{suffix}", samples, 16_000)
    return {path.suffix: path for path in folder.iterdir()}


def lay_out(folder, recordings, sound, tables=()):
    """Write the miniature."""
    for name in recordings:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(sound[path.suffix], path)
    for name, text in dict(tables).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


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


BROKEN = {
    "nothing": ("emodb", {}, [], "nothing like wav/03a01Fa.wav"),
    "another corpus": ("ravdess", {}, ["wav/03a01Fa.wav"], "1 × a name of another form"),
    "unknown emotions": ("cremad", {}, ["1001_DFA_BOR_XX.wav"], "emotion 'BOR'"),
    "videos alone": ("meld", TABLED["meld"][0], [], "or one that is a video"),
    "no table": ("librispeech", {}, ["dev-clean/84/121123/84-121123-0000.flac"], "no table"),
    "no table of that name": ("nemo", {}, ["samples/SB0_anger_1.wav"], "no data.tsv"),
    "a table without a column": (
        "nemo",
        {"data.tsv": "file_id\temotion\na\tanger\n"},
        [],
        "lacks the columns gender, speaker_id",
    ),
    "a line too short": ("fau-aibo", {f"labels/{CHUNKS}": "Ohm_01_000_00\n"}, ["wav/Ohm_01_000_00.wav"], "is not as"),
    "times that are words": (
        "ted-lium",
        {"dev/stm/A.stm": "A 1 A zero one <o,f0,male> text\n"},
        ["dev/sph/A.wav"],
        "is not as https://www.openslr.org/51",
    ),
    "a span beyond the end": (
        "ted-lium",
        {"dev/stm/A.stm": "A 1 A 9.0 9.5 <o,f0,male> text\n"},
        ["dev/sph/A.wav"],
        "ends before 9.0 s",
    ),
    "one speaker": ("emodb", {}, ["wav/03a01Fa.wav", "wav/03a01Wa.wav"], "1 speakers are too few"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_corpus_is_refused(name, tmp_path, sound, capsys) -> None:
    layout, tables, files, message = BROKEN[name]
    (tmp_path / "publisher").mkdir()
    lay_out(tmp_path / "publisher", files, sound, tables)
    assert main(["corpus", layout, str(tmp_path / "publisher"), "--out", str(tmp_path / "out")]) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out/utterances.csv").exists()


def broken_ways(name):
    """Five ways to break a miniature: what is done to its tables and recordings, and a part of what is said."""
    tables, files = (TABLED[name][0], TABLED[name][1]) if name in TABLED else ({}, [*NAMED[name]])
    noise = dict.fromkeys(tables, "\x00 no, table")
    yield {}, [], "no"  # nothing is there
    yield tables, ["notes/of another form.wav"], "no recording" if tables else "a name of another form"
    yield tables, dict.fromkeys(files, b"RIFF"), "cannot be read"
    if tables:
        yield {}, files, "no"
        yield noise, files, "publisher"
    else:
        yield {}, [file.replace(".wav", ".avi") for file in files], "nothing like"
        yield {}, files[:1], "1 speakers are too few"


@pytest.mark.parametrize("name", [*NAMED, *TABLED])
def test_every_layout_is_refused_when_it_is_broken(name, tmp_path, sound, capsys) -> None:
    for number, (tables, files, message) in enumerate(broken_ways(name)):
        folder, out = tmp_path / f"{number}/publisher", tmp_path / f"{number}/out"
        folder.mkdir(parents=True)
        lay_out(folder, files, sound | {".avi": sound[".wav"]}, tables)
        for file, content in files.items() if isinstance(files, dict) else ():
            (folder / file).write_bytes(content)
        into = [] if "speakers" in message else ["--partition", "test"]
        assert main(["corpus", name, str(folder), "--out", str(out), *into]) == 1, (number, message)
        (line,) = capsys.readouterr().err.splitlines()
        assert message in line
        assert str(folder) in line or "speakers" in line
        assert not (out / "utterances.csv").exists()


def test_a_damaged_recording_is_named(tmp_path, sound, capsys) -> None:
    lay_out(tmp_path, [f"wav/{speaker}a01Wa.wav" for speaker in ("03", "08", "09")], sound)
    (tmp_path / "wav/08a01Wa.wav").write_bytes(b"RIFF")
    assert main(["corpus", "emodb", str(tmp_path), "--out", str(tmp_path / "out")]) == 1
    assert "08a01Wa.wav: cannot be read" in capsys.readouterr().err


def test_no_folder(tmp_path) -> None:
    with pytest.raises(CorpusError, match="no folder"):
        read_layout("emodb", tmp_path / "none")
