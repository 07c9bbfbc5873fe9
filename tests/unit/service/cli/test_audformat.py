"""Answers as a database in audformat, read as its package reads one: header, tables, index, schemes, raters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import audformat
import pandas as pd
import pytest
import yaml

from service.__main__ import main
from service.cli.audformat import AudformatReport
from service.local.sources import FileError, Source
from service.pipeline.audio_options import AudioOptions
from tests.support.example_affect import example_affect
from tests.support.example_results import NINE_LABELS, example_result
from tests.support.fakes import FakeEngine


def header_of(folder: Path) -> dict[str, Any]:
    return yaml.safe_load((folder / "db.yaml").read_text("utf-8"))


def table_of(folder: Path, name: str) -> pd.DataFrame:
    """A table whose columns are checked against their schemes, as audformat does at loading."""
    header = header_of(folder)
    table = header["tables"][name]
    index = {"filewise": ["file"], "segmented": ["file", "start", "end"]}[table["type"]]
    frame = pd.read_csv(folder / f"db.{name}.csv", keep_default_na=False, na_values=[""])
    assert list(frame.columns) == [*index, *table["columns"]]
    for time in index[1:]:
        frame[time] = pd.to_timedelta(frame[time])
    frame = frame.set_index(index)
    assert frame.index.is_unique
    for name, column in table["columns"].items():
        scheme = header["schemes"][column["scheme_id"]]
        assert column["rater_id"] in header["raters"]
        known = frame[name].dropna()
        if "labels" in scheme:
            assert set(known) <= set(scheme["labels"])
        if scheme["dtype"] == "float":
            assert known.between(scheme.get("minimum", -1e9), scheme.get("maximum", 1e9)).all(), name
    return frame


def test_a_file_or_its_windows_or_utterances_are_rows(
    engine: FakeEngine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sources = tmp_path / "sounds"
    sources.mkdir()
    for name in ("a.wav", "b.wav"):
        (sources / name).write_bytes(b"good")
    (sources / "bad.wav").write_bytes(b"invalid")
    answer = example_result()
    channel = answer.channels[0]
    for flags, rows in (([], 1), (["--timeline"], len(channel.timeline.start_s))):
        folder = tmp_path / "".join(["db", *flags])
        assert main(["analyze", "--format", "audformat", "--output", str(folder), str(sources), *flags]) == 1
        assert "bad.wav: media_invalid" in capsys.readouterr().err
        frame = table_of(folder, "voice")
        assert len(frame) == 2 * rows
        assert set(frame.index.get_level_values("file")) == {str(sources / name) for name in ("a.wav", "b.wav")}
        if flags:
            start = frame.loc[str(sources / "a.wav")].index.get_level_values("start")
            assert start.total_seconds().tolist() == pytest.approx(channel.timeline.start_s.tolist(), abs=1e-3)
        else:
            assert channel.probabilities is not None
            assert frame[list(answer.labels)].iloc[0].tolist() == pytest.approx(channel.probabilities.tolist())
            assert frame["emotion"].tolist() == [channel.emotion] * 2
    (rater,) = header_of(folder)["raters"].values()
    assert (rater["type"], rater["sha256"]) == ("machine", answer.model.sha256)
    assert main(["analyze", "--format", "audformat", "--output", str(folder), str(sources)]) == 2
    assert "holds a database already" in capsys.readouterr().err


def test_channels_and_faces_have_tables_of_their_own(tmp_path: Path) -> None:
    report = AudformatReport(tmp_path, AudioOptions(timeline=True))
    both = example_result(4, channels=("left", "right"), hop_s=40_000.0)
    report.add(Source(None, Path("long.wav")), both)
    report.add(Source(None, Path("face.mp4")), example_affect(20, gaps=((5, 8),)))
    with pytest.raises(FileError, match="other_columns: the table voice-left has emotion"):
        report.add(Source(None, Path("nine.wav")), example_result(2, NINE_LABELS, channels=("left", "right")))
    report.close()
    assert set(header_of(tmp_path)["tables"]) == {"voice-left", "voice-right", "face"}
    starts = table_of(tmp_path, "voice-right").index.get_level_values("start").total_seconds()
    assert starts.tolist() == both.channels[1].timeline.start_s.tolist()
    assert starts.max() > 86_400
    face = table_of(tmp_path, "face")
    assert len(face) == 20
    assert face["arousal"].isna().sum() == 3


def test_the_package_of_the_format_reads_it(tmp_path: Path) -> None:
    report = AudformatReport(tmp_path, AudioOptions(timeline=True))
    answer = example_result(6, channels=("left", "right"))
    report.add(Source(None, Path("talk.wav")), answer)
    report.add(Source(None, Path("face.mp4")), example_affect(12))
    report.close()
    database = audformat.Database.load(tmp_path)
    assert set(database.tables) == {"voice-left", "voice-right", "face"}
    frame = database["voice-left"].get()
    assert len(frame) == 6
    assert frame["emotion"].dtype == "category"
    assert database.raters[database["face"]["arousal"].rater_id].type == "machine"
