"""Published corpora that are broken: one line says what is wrong, and nothing is written."""

import re

import pytest

from export.__main__ import main
from export.corpora.found import read_layout
from export.corpora.tables import CorpusError
from tests.support.published_corpora import CHUNKS, NAMED, TABLED, lay_out

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


NO_TABLE = r": no (table )?[^ ]+$"


def broken_ways(name):
    """Five ways to break a miniature: what is done to its tables and recordings, and a pattern of what is said."""
    tables, files = (TABLED[name][0], TABLED[name][1]) if name in TABLED else ({}, [*NAMED[name]])
    yield {}, [], NO_TABLE if tables else "nothing like .*: no recordings"
    yield tables, ["notes/of another form.wav"], "no recording" if tables else "a name of another form"
    yield tables, dict.fromkeys(files, b"RIFF"), "cannot be read"
    if tables:
        yield {}, files, NO_TABLE
        yield dict.fromkeys(tables, "\x00 no, table"), files, "lacks the columns|a table is not as http|nothing like"
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
        assert re.search(message, line)
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
