"""Frames by file, start and end: the calls of opensmile and audinterface."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import emoserve
from emoserve.process import Level
from service.local.sources import FileError
from service.problems import EmoserveError, Unprocessable
from tests.plain_wav import tone, wav
from tests.tiny_models import write_speech_bundle, write_voice_bundle

SOUND = tone(3.0, amplitude=0.5)
SECOND = pd.Timedelta(seconds=1)


@pytest.fixture(scope="module", name="analyzer")
def analyzer_fixture(tmp_path_factory: pytest.TempPathFactory) -> Iterator[emoserve.Analyzer]:
    folder = tmp_path_factory.mktemp("models")
    write_speech_bundle(folder)
    write_voice_bundle(folder)
    with emoserve.Analyzer(model_dirs=[folder], device="cpu", threads=1) as analyzer:
        yield analyzer


@pytest.fixture(name="files")
def files_fixture(tmp_path: Path) -> list[Path]:
    (tmp_path / "b").mkdir()
    files = [tmp_path / "a.wav", tmp_path / "b/c.wav"]
    for file in files:
        file.write_bytes(wav(SOUND))
    (tmp_path / "notes.txt").write_text("no sound")
    return files


def test_a_recording_or_a_part_of_it_is_a_row(analyzer: emoserve.Analyzer, files: list[Path]) -> None:
    process = emoserve.Process(analyzer)
    whole = process.process_file(files[0])
    assert whole.index.names == ["file", "start", "end"]
    assert whole.index.tolist() == [(str(files[0]), 0 * SECOND, 3 * SECOND)]
    answer = analyzer.audio(files[0])
    assert answer.by_label is not None
    assert whole[list(answer.labels)].iloc[0].to_dict() == answer.by_label
    assert (whole["emotion"].item(), whole["arousal"].item()) == (answer.emotion, answer.arousal)
    part = analyzer.audio(files[0], start_s=1.0, end_s=2.5)
    for start, end in ((1, 2.5), (SECOND, "2.5s"), (np.timedelta64(1, "s"), 2.5 * SECOND)):
        row = process.process_file(files[0], start=start, end=end)
        assert row.index.tolist() == [(str(files[0]), SECOND, 2.5 * SECOND)]
        assert row[list(answer.labels)].iloc[0].to_dict() == part.by_label
    assert process.process_file(files[0], end=99.0).index[0][2] == 3 * SECOND


@pytest.mark.parametrize("level", ["window", "segment", "embedding"])
def test_rows_in_a_recording_are_those_of_its_table(
    analyzer: emoserve.Analyzer, files: list[Path], level: Level
) -> None:
    frame = emoserve.Process(analyzer, level).process_file(files[0], start=0.5)
    if level == "embedding":
        table = analyzer.embedding(files[0], start_s=0.5).to_frame()
    else:
        table = analyzer.audio(files[0], start_s=0.5, segments=level == "segment").to_frame().drop(columns="channel")
    assert len(frame) == len(table) > 0
    start_s = frame.index.get_level_values("start").total_seconds()
    np.testing.assert_allclose(start_s, table.pop("start_s"))
    np.testing.assert_allclose(frame.index.get_level_values("end").total_seconds(), table.pop("end_s"))
    pd.testing.assert_frame_equal(frame.reset_index(drop=True), table)
    assert start_s.min() >= 0.5


def test_files_folders_and_indices_join_their_frames(analyzer: emoserve.Analyzer, files: list[Path]) -> None:
    process = emoserve.Process(analyzer)
    both = process.process_files(files, starts=[0, 1], ends=[2, None])
    spans = [(0 * SECOND, 2 * SECOND), (SECOND, 3 * SECOND)]
    assert both.index.tolist() == [(str(file), *span) for file, span in zip(files, spans, strict=True)]
    root = files[0].parent
    folder = process.process_folder(root, include_root=False)
    assert folder.index.get_level_values("file").tolist() == ["a.wav", "b/c.wav"]
    pd.testing.assert_frame_equal(process.process_folder(root), process.process_files(files))
    assert process.process_folder(root, filetype="flac").index.names == ["file", "start", "end"]
    named = pd.Index(["a.wav", "b/c.wav"], name="file")
    pd.testing.assert_frame_equal(process.process_index(named, root=root), folder)
    segmented = pd.MultiIndex.from_arrays(
        [files, pd.to_timedelta([0, 1], unit="s"), pd.to_timedelta([2, None], unit="s")],
        names=["file", "start", "end"],
    )
    pd.testing.assert_frame_equal(process.process_index(segmented), both)


def test_samples_have_a_file_only_where_it_is_named(analyzer: emoserve.Analyzer) -> None:
    stereo = np.stack([SOUND, SOUND]).astype(np.float32)
    process = emoserve.Process(analyzer, "embedding", channel="each", window_s=1.0)
    plain = process.process_signal(stereo, 16_000)
    assert plain.index.names == ["start", "end"]
    assert set(plain["channel"]) == {"left", "right"}
    named = process.process_signal(stereo, 16_000, file="talk")
    assert named.index.names == ["file", "start", "end"]
    pd.testing.assert_frame_equal(named.droplevel("file"), plain)


def test_what_cannot_be_used_says_so(analyzer: emoserve.Analyzer, files: list[Path]) -> None:
    process = emoserve.Process(analyzer)
    with pytest.raises(Unprocessable, match="start: seconds"):
        process.process_file(files[0], start="soon")
    with pytest.raises(EmoserveError):
        process.process_file(files[0], start=2, end=1)
    with pytest.raises(FileError):
        process.process_file(files[0].with_name("absent.wav"))
    with pytest.raises(NotADirectoryError):
        process.process_folder(files[0])
    with pytest.raises(ValueError, match="level is one of recording"):
        emoserve.Process(analyzer, "row")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="timeline: rows follow level"):
        emoserve.Process(analyzer, timeline=True)
    with pytest.raises(ValueError, match="zip"):
        process.process_files(files, starts=[0])
