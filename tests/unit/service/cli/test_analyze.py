import csv
import io
import json
import os
import pty
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from service.__main__ import main
from service.local.sources import find_sources
from service.pipeline.results import Segments, SpeakerEmotion, SpeakerTurns
from service.problems import MediaInvalid
from tests.shared_material import ROOT
from tests.support.example_results import SIX_LABELS, example_result
from tests.support.fakes import FakeEngine


def test_one_file_as_a_readable_table(engine: FakeEngine, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["analyze", str(folder / "good.wav")]) == 0
    output = capsys.readouterr()
    result = example_result()
    for label in result.labels:
        assert label in output.out
    assert f"{result.channels[0].emotion}" in next(line for line in output.out.splitlines() if "◀" in line)
    assert "Not a diagnosis" in output.out
    assert output.err == ""
    assert "\x1b" not in output.out


def test_failures_are_told_and_the_rest_goes_on(
    engine: FakeEngine, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["analyze", str(folder), str(folder / "absent.wav")]) == 1
    output = capsys.readouterr()
    errors = output.err.splitlines()
    assert errors == [
        f"{folder / 'bad.ogg'}: media_invalid: {MediaInvalid().detail}",
        f"{folder / 'absent.wav'}: unreadable: No such file or directory",
    ]
    assert "good.wav" in output.out
    assert "also.MP4" in output.out
    assert "bad.ogg" not in output.out


def test_a_prior_is_handed_on_or_refused(engine: FakeEngine, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["analyze", "--json", "--prior", "uniform", str(folder / "good.wav")]) == 0
    assert engine.pipeline.options[-1].prior == "uniform"
    assert main(["analyze", "--prior", "anger", str(folder / "good.wav")]) == 2
    assert "--prior must be 'card', 'uniform'" in capsys.readouterr().err


def test_json_lines_name_their_file(engine: FakeEngine, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["analyze", "--json", "--timeline", str(folder)]) == 1
    documents = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [document["file"] for document in documents] == [str(folder / "good.wav"), str(folder / "sub/also.MP4")]
    assert all(len(document["timeline"]["start_s"]) == 12 for document in documents)
    assert documents[0]["request_id"] != documents[1]["request_id"]


def test_json_of_one_file_is_the_answer_of_the_service(
    engine: FakeEngine, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["analyze", "--json", str(folder / "good.wav")]) == 0
    document = json.loads(capsys.readouterr().out)
    assert "file" not in document
    assert "timeline" not in document
    assert document["emotion"] == example_result().channels[0].emotion


def test_csv_of_several_has_one_header(engine: FakeEngine, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["analyze", "--csv", str(folder)]) == 1
    rows = list(csv.reader(io.StringIO(capsys.readouterr().out)))
    assert rows[0][:3] == ["file", "channel", "start_s"]
    assert len(rows) == 1 + 2 * 12
    assert {row[0] for row in rows[1:]} == {str(folder / "good.wav"), str(folder / "sub/also.MP4")}


def test_csv_has_no_room_for_voice_activity(
    engine: FakeEngine, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["analyze", "--csv", "--voice-activity", str(folder / "good.wav")]) == 2
    assert "--voice-activity has no place in --csv" in capsys.readouterr().err


def test_csv_of_one_has_no_file_column(engine: FakeEngine, folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.csv"
    assert main(["analyze", "--csv", "--output", str(output), str(folder / "good.wav")]) == 0
    assert output.read_bytes().startswith(b"channel,start_s,end_s,emotion,")
    assert output.read_bytes().count(b"\r\n") == 13
    assert b"\r\r\n" not in output.read_bytes()


def test_options_reach_the_pipeline(engine: FakeEngine, folder: Path) -> None:
    flags = ["--model=example", "--model-version=2", "--channel=each", "--window-s=2", "--hop-s=0.5"]
    flags += ["--start-s=1", "--end-s=9", "--csv", "--device=cpu", "--threads=3"]
    assert main(["analyze", *flags, str(folder / "good.wav")]) == 0
    (options,) = engine.pipeline.options
    assert (options.model, options.version, options.channel) == ("example", "2", "each")
    assert (options.window_s, options.hop_s, options.start_s, options.end_s) == (2, 0.5, 1, 9)
    assert options.timeline
    assert engine.settings is not None
    assert (engine.settings.device, engine.settings.threads) == ("cpu", 3)
    assert engine.settings.limits.deadline_s > 3600


def test_utterances_are_in_every_form(
    engine: FakeEngine, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = np.array([0.5], np.float32)
    share = np.full((1, len(SIX_LABELS)), 1 / 6, np.float32)
    segments = Segments(one + 0.25, one + 1, share, one, one, one, -20 * one, one, one < 0)
    plain = example_result(3)
    spoken = replace(plain, channels=(replace(plain.channels[0], segments=segments),))
    engine.pipeline.answer = lambda data, options: spoken
    file = str(folder / "good.wav")
    assert main(["analyze", file, "--segments", "--track", "1", "--json"]) == 0
    assert engine.pipeline.options[-1].segments
    assert engine.pipeline.options[-1].track == 1
    answer = json.loads(capsys.readouterr().out)
    assert answer["segments"]["start_s"] == [0.75]
    assert main(["analyze", file, "--segments", "--csv"]) == 0
    header, row = capsys.readouterr().out.splitlines()
    assert "speech_level_db" in header
    assert row.startswith("mix,0.75,1.5,anger")
    assert main(["analyze", file, "--segments"]) == 0
    assert "0:01.5" in capsys.readouterr().out
    pictures = []
    for flags in ([], ["--segments"]):
        assert main(["analyze", file, *flags, "--plot", str(tmp_path / "a.png")]) == 0
        pictures.append((tmp_path / "a.png").read_bytes())
    assert pictures[0] != pictures[1]


def test_speakers_are_in_every_form(engine: FakeEngine, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = np.array([0.5], np.float32)
    share = np.full((1, len(SIX_LABELS)), 1 / 6, np.float32)
    segments = Segments(one, one + 1, share, one, one, one, -20 * one, one, one < 0, speaker=("B",))
    voice = SpeakerEmotion("B", 1.0, share[0], "anger", ("anger", "fear"), 0.5, 0.5, None)
    turns = SpeakerTurns(one.astype(float), one.astype(float) + 1, ("B",))
    plain = example_result(3)
    channel = replace(plain.channels[0], segments=segments, speakers=(voice,), turns=turns)
    engine.pipeline.answer = lambda data, options: replace(plain, channels=(channel,), speaker_model=plain.model)
    words = ["analyze", str(folder / "good.wav"), "--segments", "--speakers", "2"]
    assert main([*words, "--json"]) == 0
    assert engine.pipeline.options[-1].speakers == "2"
    assert json.loads(capsys.readouterr().out)["speakers"][0]["speech_s"] == 1.0
    assert main([*words, "--csv"]) == 0
    (row,) = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert row["speaker"] == "B"
    assert main(words) == 0
    output = capsys.readouterr().out
    assert "speaker B: 1.0 s, anger or fear" in output
    assert output.count(" B ") == 1
    assert main(["analyze", "--speakers", "many", str(folder / "good.wav")]) == 2
    assert "--speakers must be 'off', 'auto'" in capsys.readouterr().err


def test_plot_of_one(engine: FakeEngine, folder: Path, tmp_path: Path) -> None:
    assert main(["analyze", "--plot", str(tmp_path / "one.png"), str(folder / "good.wav")]) == 0
    assert Image.open(tmp_path / "one.png").width == 1320


@pytest.mark.parametrize(
    ("words", "name", "begin"),
    [
        (["one.svg"], "one.svg", b'width="180mm"'),
        (["one.SVG", "--plot-width-mm", "250"], "one.SVG", b'width="250mm"'),
        (["one.pdf"], "one.pdf", b"%PDF"),
        (["plots", "--plot-format", "pdf"], "plots/good.pdf", b"%PDF"),
        (["{name}.svg"], "good.svg", b"<svg"),
    ],
)
def test_a_plot_is_a_file_for_print(
    engine: FakeEngine, folder: Path, tmp_path: Path, words: list[str], name: str, begin: bytes
) -> None:
    target, *flags = words
    assert main(["analyze", "--plot", str(tmp_path / target), *flags, str(folder / "good.wav")]) == 0
    assert begin in (tmp_path / name).read_bytes()


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--plot-format", "svg"], "need --plot"),
        (["--plot", "a.png", "--plot-width-mm", "200"], "1320 pixels"),
        (["--plot", "a.svg", "--plot-width-mm", "164"], "between 165 and 841"),
        (["--plot", "a.svg", "--plot-width-mm", "nan"], "between 165 and 841"),
        (["--plot", "a.svg", "--plot-format", "pdf"], "does not end like"),
    ],
)
def test_flags_of_a_plot_that_do_not_fit(
    engine: FakeEngine, folder: Path, capsys: pytest.CaptureFixture[str], flags: list[str], told: str
) -> None:
    assert main(["analyze", *flags, str(folder / "good.wav")]) == 2
    assert told in capsys.readouterr().err


def test_plots_of_several_mirror_the_folder(engine: FakeEngine, folder: Path, tmp_path: Path) -> None:
    plots = tmp_path / "plots"
    assert main(["analyze", "--plot", str(plots), "--json", str(folder)]) == 1
    found = sorted(str(path.relative_to(plots)) for path in plots.rglob("*.png"))
    assert found == ["good.png", "sub/also.png"]


def test_plots_of_like_names_do_not_overwrite_each_other(engine: FakeEngine, folder: Path, tmp_path: Path) -> None:
    (folder / "good.mp3").write_bytes(b"good")
    pattern = str(tmp_path / "{name}-emotion.png")
    assert main(["analyze", "--plot", pattern, str(folder / "good.wav"), str(folder / "good.mp3")]) == 0
    assert sorted(path.name for path in tmp_path.glob("*.png")) == ["good-emotion-2.png", "good-emotion.png"]


def test_unwritable_plot_is_one_failure(engine: FakeEngine, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = folder / "good.wav" / "x.png"
    assert main(["analyze", "--plot", str(target), str(folder / "good.wav")]) == 1
    assert "not_written: " in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["--plot", "one.png", "{folder}"],
        ["--output", "{folder}/good.wav", "{folder}/good.wav"],
        ["--plot", "{folder}/good.wav.png/../good.wav", "{folder}/good.wav"],
    ],
)
def test_flags_that_do_not_go_together(
    engine: FakeEngine, folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    (folder / "good.wav.png").mkdir()
    status = main(["analyze", *(argument.format(folder=folder) for argument in arguments)])
    output = capsys.readouterr()
    assert (folder / "good.wav").read_bytes() == b"good"
    if "good.wav.png" in arguments[1]:  # not a png: taken as a folder, which it is not
        assert status == 1
        assert "not_written" in output.err
    else:
        assert status == 2
        assert output.err.count("\n") == 1
        assert engine.pipeline.options == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["--json", "--csv", "x"],
        ["--json", "--format", "csv", "x"],
        ["--format", "wav", "x"],
        ["--workers", "0", "x"],
        ["--channel", "middle", "x"],
        ["--hop-s", "x", "y"],
    ],
)
def test_usage_errors_exit_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["analyze", *arguments])
    assert exit_.value.code == 2
    assert "usage:" in capsys.readouterr().err


def test_empty_folder_fails_without_loading_models(
    engine: FakeEngine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["analyze", str(tmp_path)]) == 1
    assert "no_media" in capsys.readouterr().err
    assert engine.settings is None


def test_interrupt_reports_what_is_done(engine: FakeEngine, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.wav").write_bytes(b"good")
    (tmp_path / "b.wav").write_bytes(b"interrupt")
    assert main(["analyze", str(tmp_path)]) == 130
    output = capsys.readouterr()
    assert "a.wav" in output.out
    assert output.err == "emoserve: interrupted\n"


def test_bug_keeps_its_traceback_and_closes_all(engine: FakeEngine, tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"bug")
    with pytest.raises(RuntimeError):
        main(["analyze", str(tmp_path)])


def test_names_cannot_steer_the_terminal(
    engine: FakeEngine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in (b"evil\x1b[31m\n.wav", b"latin-\xe9.wav"):
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_bytes(b"invalid")
    assert main(["analyze", str(tmp_path)]) == 1
    errors = capsys.readouterr().err
    assert "\x1b" not in errors
    assert len(errors.splitlines()) == 2
    assert "latin-\\xe9.wav" in errors


def test_names_in_odd_bytes_come_out_as_json(
    engine: FakeEngine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in (b"latin-\xe9.wav", b"good.wav"):
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_bytes(b"good")
    assert main(["analyze", "--json", str(tmp_path)]) == 0
    names = [json.loads(line)["file"] for line in capsys.readouterr().out.splitlines()]
    assert names == [f"{tmp_path}/good.wav", f"{tmp_path}/latin-\\xe9.wav"]


def test_channels_and_windows_in_tables(engine: FakeEngine, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer = example_result(4, channels=("0", "1"), gaps=((1, 2),), flags=("clipped",))
    engine.pipeline.answer = lambda data, options: answer
    assert main(["analyze", "--timeline", str(folder / "good.wav")]) == 0
    output = capsys.readouterr().out
    assert output.count("channel 0") == output.count("channel 1") == 2
    assert "0:03.0" in output
    assert "clipped" in output
    assert main(["analyze", "--channel", "each", str(folder / "good.wav"), str(folder / "sub")]) == 0
    assert "[1]" in capsys.readouterr().out


def test_standard_input(
    engine: FakeEngine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"good")))
    assert main(["analyze", "-"]) == 0
    assert capsys.readouterr().out.startswith("-   0:13.0   wav")


def test_links_to_folders_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.wav").write_bytes(b"")
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    assert [str(source.relative) for source in find_sources([str(tmp_path)], lambda *_: None)] == ["a/x.wav"]


RUN_WITH_FAKES = """
import sys, pytest
from tests.support.fakes import FakeEngine
from service.__main__ import main
with pytest.MonkeyPatch.context() as patch:
    FakeEngine().install(patch)
    sys.exit(main(sys.argv[1:]))
"""


def test_reader_that_leaves_early_gets_no_traceback(folder: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", RUN_WITH_FAKES, "analyze", "--csv", *[str(folder / "good.wav")] * 200],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
    )
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr is not None
    errors = process.stderr.read()
    process.stderr.close()
    assert process.wait(60) == 128 + signal.SIGPIPE
    assert errors == b""


def test_bar_is_gone_before_the_table_comes(folder: Path) -> None:
    """On a terminal of its own, for both streams, as people have it."""
    for name in "cdef":
        (folder / f"{name}.wav").write_bytes(b"good")
    master, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", RUN_WITH_FAKES, "analyze", str(folder)],
        stdout=terminal,
        stderr=terminal,
        cwd=ROOT,
        env=os.environ | {"TERM": "xterm", "COLUMNS": "150"},
    )
    os.close(terminal)
    shown = b""
    try:
        while chunk := os.read(master, 4096):
            shown += chunk
    except OSError:  # how Linux says that the other side of a terminal has been closed
        pass
    os.close(master)
    assert process.wait(60) == 1
    text = shown.decode()
    assert "100%" in text
    assert "media_invalid" in text
    table = text[text.index("length") :]
    assert "%\x1b" not in table, "the bar was drawn after the table began"
    assert table.count("disgust") == 6
