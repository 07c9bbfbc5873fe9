"""States of whole corpora: computed once by ONNX Runtime on the encoder's graph, and kept on disk.

Where a head hears means over time alone, these are kept: a thousandth of the size.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from export.corpora.audio import read_waveform, stack
from export.corpora.tables import Corpus, CorpusError
from export.published.bundle import save_graph
from export.speech_representations.heads.encoders import LayeredEncoder
from export.speech_representations.heads.pooling import Layers
from service.card import SpeechInput
from service.pipeline.device.session import Device, Session
from service.pipeline.speech.windows import plan_windows
from service.settings import Limits

BATCH_SIZE = 4
"""Windows of one run; more gain little on a CPU (see ``CPU_BATCH`` of the bundles on GE2E)."""

MOST_STEPS_A_SECOND = 101
"""GE2E and mel bands have a step every 10 ms, the others one every 20 ms."""

LARGEST_HALF = 65504.0
"""Largest number of half precision, in which steps are kept; wider layers' outliers are cut there."""


SAME_STATES = 1e-2
"""Largest difference from states that were kept, in units of the largest; that of half precision is 5e-4."""


@dataclass(frozen=True)
class Column:
    """States of all windows of a corpus by one encoder, one window's steps after another.

    Attributes:
        values: [steps, layers, width]; float16, or float32 where they are means.
        counted: bool [steps], whether a step counts.
        ends: int64 [windows], the step after each window's last.
    """

    values: NDArray[np.floating]
    counted: NDArray[np.bool_]
    ends: NDArray[np.int64]

    def batch(self, windows: Sequence[int] | NDArray[np.integer]) -> Layers:
        """States float32 [batch, steps, layers, width] of some windows, and their mask."""
        spans = [slice(int(self.ends[one - 1]) if one else 0, int(self.ends[one])) for one in windows]
        states = [torch.from_numpy(np.array(self.values[span], np.float32)) for span in spans]
        masks = [torch.from_numpy(self.counted[span].astype(np.float32)) for span in spans]
        return _padded(states), _padded(masks)

    def moments(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean of what counts, and of its squares, float64 [layers, width]."""
        total = np.zeros((2, *self.values.shape[1:]))
        for start in range(0, len(self.values), 4096):
            part = np.asarray(self.values[start : start + 4096], np.float64)[self.counted[start : start + 4096]]
            total += [part.sum(axis=0), np.square(part).sum(axis=0)]
        mean, square = total / max(1, int(self.counted.sum()))
        return mean, square


@dataclass(frozen=True)
class Heard:
    """A partition of a corpus as encoders hear it.

    Attributes:
        recordings: int64 [windows], the recording of each window.
        columns: an encoder each.
    """

    corpus: Corpus
    recordings: NDArray[np.int64]
    columns: tuple[Column, ...] = field(default=())

    def batch(self, windows: Sequence[int] | NDArray[np.integer]) -> list[Layers]:
        """Some windows, an encoder each."""
        return [column.batch(windows) for column in self.columns]


def require_hearable(
    corpora: Sequence[Corpus], encoders: Sequence[LayeredEncoder], speech: SpeechInput, cache: Path, *, means: bool
) -> None:
    """Refuse corpora that cannot be heard, before any work.

    Raises:
        CorpusError: a recording is shorter than an encoder takes, or the states do not fit on the disk.
    """
    rows = [(corpus, row) for corpus in corpora for row in corpus.utterances]
    for corpus, row in rows:
        if row.duration_s < speech.min_length_s:
            raise CorpusError(
                f"{corpus.folder}: {row.name} lasts {row.duration_s:g} s, the encoder takes {speech.min_length_s:g} s "
                "at least: leave it out of utterances.csv"
            )
    overlap = max(1.0, speech.window_s / speech.hop_s)
    heard_s = sum(row.duration_s * (overlap if row.duration_s > speech.window_s else 1.0) for _, row in rows)
    numbers = sum(encoder.layers * encoder.width for encoder in encoders)
    needed = 0.0 if means else heard_s * MOST_STEPS_A_SECOND * numbers * 2
    place = next(folder for folder in (cache, *cache.absolute().parents) if folder.exists())
    if needed > (free := shutil.disk_usage(place).free):
        raise CorpusError(
            f"{cache}: the states of all layers take up to {needed / 1e9:.1f} GB, {free / 1e9:.1f} GB are free; "
            "--cache names another place, and head 'mean' keeps means alone"
        )


def hear(
    encoders: Sequence[LayeredEncoder],
    corpora: Sequence[Corpus],
    speech: SpeechInput,
    cache: Path,
    *,
    means: bool,
    device: Device = "cpu",
    threads: int = 1,
    progress: Callable[[], None] | None = None,
) -> list[Heard]:
    """States of every window of every recording, computed or read from ``cache``.

    Args:
        corpora: each cut to what is to be heard.
        means: keep means over time alone.
        progress: called for every recording and encoder.
    """
    recordings: dict[int, NDArray[np.int64]] = {}
    columns: list[list[Column]] = [[] for _ in corpora]
    for encoder in encoders:
        with tempfile.TemporaryDirectory() as scratch:
            session: Session | None = None
            for place, corpus in enumerate(corpora):
                folder = _folder(cache, encoder, corpus, speech, means=means)
                column = _read(folder, encoder, means=means) if folder.is_dir() else None
                if column is None or not _is_of(encoder, corpus, speech, column, means=means):
                    if session is None:
                        save_graph(encoder.make_graph(), Path(scratch))
                        session = Session(Path(scratch) / "model.onnx", device=device, threads=threads)
                    shutil.rmtree(folder, ignore_errors=True)
                    _write(session, corpus, speech, folder, means=means, progress=progress)
                    column = _read(folder, encoder, means=means)
                elif progress:
                    for _ in corpus.utterances:
                        progress()
                recordings[place] = np.load(folder / "recordings.npy")
                columns[place].append(column)
    return [Heard(corpus, recordings[place], tuple(columns[place])) for place, corpus in enumerate(corpora)]


def _folder(cache: Path, encoder: LayeredEncoder, corpus: Corpus, speech: SpeechInput, *, means: bool) -> Path:
    names = "\n".join(f"{row.name} {row.duration_s}" for row in corpus.utterances)
    settings = f"{encoder.digest} {speech.window_s} {speech.hop_s} {means}"
    key = hashlib.sha256(f"{corpus.folder.resolve()}\n{names}\n{settings}".encode()).hexdigest()[:16]
    return cache / f"{corpus.name}-states-{key}"


def _write(
    session: Session,
    corpus: Corpus,
    speech: SpeechInput,
    folder: Path,
    *,
    means: bool,
    progress: Callable[[], None] | None,
) -> None:
    """Run the graph over a corpus and write the folder, which is there and whole or not there."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".states-") as scratch:
        counted, lengths, recordings = list[NDArray[np.bool_]](), list[int](), list[int]()
        with (Path(scratch) / "values.bin").open("wb") as file:
            for number, row in enumerate(corpus.utterances):
                assert row.audio is not None
                clips = _windows(read_waveform(row.audio, speech.sample_rate_hz), speech)
                for start in range(0, len(clips), BATCH_SIZE):
                    for states, mask in _run(session, clips[start : start + BATCH_SIZE]):
                        counted.append(_keep(file, states, mask, means=means))
                        lengths.append(len(counted[-1]))
                        recordings.append(number)
                if progress:
                    progress()
        np.save(Path(scratch) / "counted.npy", np.concatenate(counted))
        np.save(Path(scratch) / "ends.npy", np.cumsum(lengths))
        np.save(Path(scratch) / "recordings.npy", np.array(recordings))
        Path(scratch).rename(folder)
        Path(scratch).mkdir()  # for what cleans up


def _read(folder: Path, encoder: LayeredEncoder, *, means: bool) -> Column:
    kind = np.float32 if means else np.float16
    counted = np.load(folder / "counted.npy")
    shape = (len(counted), encoder.layers, encoder.width)
    return Column(np.memmap(folder / "values.bin", kind, "r", shape=shape), counted, np.load(folder / "ends.npy"))


def _is_of(encoder: LayeredEncoder, corpus: Corpus, speech: SpeechInput, column: Column, *, means: bool) -> bool:
    """Whether the first window that was kept is what the encoder gives today, and not a former version of it."""
    audio = corpus.utterances[0].audio
    assert audio is not None
    clip = _windows(read_waveform(audio, speech.sample_rate_hz), speech)[0]
    states, mask = (value.numpy() for value in encoder.reference([clip]))
    (wanted, counts), (kept, counted) = _cut(states[0], mask[0]), (one[0].numpy() for one in column.batch([0]))
    if means:
        wanted, counts = _mean(wanted, counts)[None], np.ones(1, np.float32)
    if wanted.shape != kept.shape or not np.array_equal(counts > 0.0, counted > 0.0):
        return False
    return float(np.abs(wanted - kept).max()) <= SAME_STATES * max(1.0, float(np.abs(wanted).max()))


def _windows(waveform: NDArray[np.float32], speech: SpeechInput) -> list[NDArray[np.float32]]:
    """A recording cut as the service does."""
    windows = plan_windows(len(waveform), speech, Limits(), window_s=None, hop_s=None)
    spans = zip(windows.start_samples, windows.end_samples, strict=True)
    return [waveform[start:end] for start, end in spans]


def _run(
    session: Session, clips: Sequence[NDArray[np.float32]]
) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """States [steps, layers, width] and mask [steps] of each clip, up to its last step that counts."""
    waveform, lengths = stack(clips)
    found = session.run({"waveform": waveform, "lengths": lengths}, ("states", "mask"))
    return [_cut(states, mask) for states, mask in zip(found["states"], found["mask"], strict=True)]


def _cut(states: NDArray[np.float32], mask: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """States and mask of one window up to its last step that counts."""
    steps = int(np.flatnonzero(mask).max(initial=0)) + 1
    return states[:steps], mask[:steps]


def _mean(states: NDArray[np.float32], mask: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean of what counts, float32 [layers, width]."""
    mean: NDArray[np.float32] = (states * mask[:, None, None]).sum(axis=0) / max(1.0, float(mask.sum()))
    return mean


def _keep(file: IO[bytes], states: NDArray[np.float32], mask: NDArray[np.float32], *, means: bool) -> NDArray[np.bool_]:
    """Append the states of one window to ``file``; returns which of its steps count."""
    if means:
        file.write(np.ascontiguousarray(_mean(states, mask), "<f4").tobytes())
        return np.ones(1, np.bool_)
    file.write(np.ascontiguousarray(states.clip(-LARGEST_HALF, LARGEST_HALF), "<f2").tobytes())
    return mask > 0.0


def _padded(values: list[Tensor]) -> Tensor:
    return nn.utils.rnn.pad_sequence(values, batch_first=True)
