"""Recordings as pandas frames by file, start and end: the calls that users of opensmile and audinterface know."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, Unpack, cast

from service.local.sources import FileError, media_below
from service.problems import Unprocessable

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from emoserve.analyzer import Analyzer, Recording
    from emoserve.parameters import AudioParameters
    from emoserve.records import AudioEmotion

Level = Literal["recording", "window", "segment", "embedding"]

LEVELS: Final = ("recording", "window", "segment", "embedding")
_OWN: Final = ("start_s", "end_s", "timeline", "segments")
_TIMES: Final = ["start_s", "end_s"]


class Process:
    """Emotion or features of voices as frames: each call of opensmile's ``Smile`` and audinterface's ``Process``.

    Frames have the index ``file, start, end``, text and two timedeltas, and a row a recording or part of one, or a row
    a window or utterance in it. Starts and ends are positions in the file. Needs pandas.

    Args:
        analyzer: runs the models.
        level: kind of the rows: 'recording', 'window', 'segment' (utterances), or 'embedding', which has a window's
            features instead of its emotion.
        parameters: as those of :meth:`emoserve.Analyzer.audio`, or with 'embedding' of
            :meth:`emoserve.Analyzer.embedding`; starts and ends are arguments of each call.

    Raises:
        ValueError: there is no such level, or a parameter is set by level or call.
    """

    def __init__(self, analyzer: Analyzer, level: Level = "recording", **parameters: Unpack[AudioParameters]) -> None:
        if level not in LEVELS:
            raise ValueError(f"level is one of {', '.join(LEVELS)}.")
        if taken := [name for name in _OWN if name in parameters]:
            raise ValueError(f"{', '.join(taken)}: rows follow level, starts and ends are arguments of the calls.")
        self._analyzer = analyzer
        self._level = level
        self._parameters = parameters

    def process_file(self, file: str | os.PathLike[str], *, start: object = None, end: object = None) -> pd.DataFrame:
        """Judge a file, or the part from ``start`` to ``end``: seconds, or what pandas takes for a timedelta.

        Raises:
            EmoserveError: the file cannot be read or judged, or a parameter cannot be used.
        """
        return self._indexed(self._rows(file, None, start, end), os.fspath(file))

    def process_files(
        self,
        files: Iterable[str | os.PathLike[str]],
        *,
        starts: Sequence[object] | None = None,
        ends: Sequence[object] | None = None,
    ) -> pd.DataFrame:
        """Judge files one after the other, each from its start to its end where these are given; errors likewise."""
        names = list(files)
        return self._joined(
            self.process_file(file, start=start, end=end)
            for file, start, end in zip(names, starts or [None] * len(names), ends or [None] * len(names), strict=True)
        )

    def process_folder(
        self, root: str | os.PathLike[str], *, filetype: str = "wav", include_root: bool = True
    ) -> pd.DataFrame:
        """Judge all files below a folder that end in ``filetype``, in alphabetical order.

        Without ``include_root`` the index names files from ``root`` on. Errors as :meth:`process_file`.

        Raises:
            NotADirectoryError: there is no such folder.
        """

        def failed(name: str, reason: str) -> None:
            raise FileError(f"{name}: {reason}")

        if not Path(root).is_dir():
            raise NotADirectoryError(f"there is no folder {os.fspath(root)!r}")
        suffixes = frozenset({f".{filetype.lower().lstrip('.')}"})
        found = [source.relative for source in media_below(Path(root), failed, suffixes)]
        parts = (self._rows(Path(root, name), None, None, None) for name in found)
        names = (os.fspath(Path(root, name) if include_root else name) for name in found)
        return self._joined(self._indexed(rows, name) for rows, name in zip(parts, names, strict=True))

    def process_index(self, index: pd.Index, *, root: str | os.PathLike[str] | None = None) -> pd.DataFrame:
        """Judge what an index of audformat names: files, or the levels ``file, start, end``.

        An end of NaT is the file's. Files are below ``root`` where it is given. Errors as :meth:`process_file`.
        """
        import pandas as pd

        entries = index.to_frame(index=False)
        missing = pd.Series([None] * len(entries), dtype="object")
        starts, ends = (entries.get(name, missing) for name in ("start", "end"))
        names = entries["file"] if "file" in entries else entries.iloc[:, 0]
        return self._joined(
            self._indexed(self._rows(Path(root or "", file), None, start, end), str(file))
            for file, start, end in zip(names, starts, ends, strict=True)
        )

    def process_signal(
        self,
        signal: NDArray[np.floating[Any]],
        sampling_rate: int,
        *,
        file: str | None = None,
        start: object = None,
        end: object = None,
    ) -> pd.DataFrame:
        """Judge samples: float [samples] or [channels, samples], full scale ±1. Errors as :meth:`process_file`.

        The index has ``file`` only where it is given.
        """
        return self._indexed(self._rows(signal, sampling_rate, start, end), file)

    def _rows(self, recording: Recording, rate_hz: int | None, start: object, end: object) -> pd.DataFrame:
        """Rows with ``start_s`` and ``end_s``."""
        import pandas as pd

        bounds = {"start_s": _seconds(start, "start"), "end_s": _seconds(end, "end")}
        asked: Mapping[str, Any] = {**self._parameters, **bounds}
        if self._level == "embedding":
            return self._analyzer.embedding(recording, rate_hz, **asked).to_frame()
        answer = self._analyzer.audio(recording, rate_hz, **asked, segments=self._level == "segment")
        if self._level != "recording":
            return answer.to_frame()
        stop_s = answer.media.duration_s
        first_s, last_s = bounds["start_s"] or 0.0, bounds["end_s"]
        times_s = {"start_s": first_s, "end_s": stop_s if last_s is None else min(last_s, stop_s)}
        return pd.DataFrame([times_s | _whole(answer)])

    def _indexed(self, rows: pd.DataFrame, file: str | None) -> pd.DataFrame:
        import pandas as pd

        start, end = (pd.to_timedelta(rows[name], unit="s") for name in _TIMES)
        levels: dict[str, object] = {} if file is None else {"file": [file] * len(rows)}
        index = pd.MultiIndex.from_arrays([*levels.values(), start, end], names=[*levels, "start", "end"])
        values = rows.drop(columns=_TIMES)
        if "channel" in values and self._parameters.get("channel") != "each":
            values = values.drop(columns="channel")
        return values.set_index(index)

    def _joined(self, frames: Iterator[pd.DataFrame]) -> pd.DataFrame:
        import pandas as pd

        every = list(frames)
        if every:
            return pd.concat(every)
        empty = pd.to_timedelta([])
        return pd.DataFrame(index=pd.MultiIndex.from_arrays([[], empty, empty], names=["file", "start", "end"]))


def _whole(answer: AudioEmotion) -> dict[str, object]:
    """Cells of a whole recording."""
    shares = answer.by_label or dict.fromkeys(answer.labels)
    dominance = {"dominance": answer.dominance} if "dominance" in answer.model_fields_set else {}
    numbers = {**shares, "arousal": answer.arousal, "valence": answer.valence, **dominance}
    unknown = float("nan")
    return {
        "emotion": answer.emotion,
        **{name: unknown if value is None else value for name, value in numbers.items()},
        "plausible": None if answer.plausible is None else " ".join(answer.plausible),
        "flags": " ".join(answer.flags) or None,
    }


def _seconds(moment: object, name: str) -> float | None:
    """Seconds of a position; None of None and NaT."""
    import pandas as pd

    if moment is None or moment is pd.NaT:
        return None
    if isinstance(moment, int | float):
        return float(moment)
    try:
        return float(pd.Timedelta(cast("Any", moment)).total_seconds())
    except ValueError as error:
        raise Unprocessable(f"{name}: seconds, or what pandas takes for a timedelta.", pointer=f"/{name}_s") from error
