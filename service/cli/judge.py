"""The choice of a pipeline and its options for each file."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from pydantic import ValidationError

from service.cli.answers import Answer
from service.cli.sources import TABLE_SUFFIXES, VIDEO_SUFFIXES, Source
from service.cli.terminal import UsageError
from service.pipeline.device.task import Work
from service.pipeline.results import AudioOptions
from service.pipeline.video.video_results import INCLUDES, TableOptions, VideoOptions
from service.pipeline.video_setup import require_affect, require_faces
from service.problems import NoVideoStream, Unprocessable

if TYPE_CHECKING:
    from service.cli.engine import LocalEngine

MODES = ("auto", "audio", "video", "table")


def add_face_flags(parser: argparse.ArgumentParser) -> None:
    """Flags of what is judged by the face."""
    parser.add_argument(
        "--mode",
        choices=MODES,
        default="auto",
        help="'auto' judges the face where a file has pictures and faces are prepared, else the voice; "
        "'table' takes tables of action units",
    )
    group = parser.add_argument_group("faces", "for --mode video and table")
    group.add_argument("--include", metavar="PARTS", default="", help=f"of {','.join(INCLUDES)}, separated by commas")
    group.add_argument("--neutral", metavar="HOW", default="median", help="resting face: median, none or START:END")
    group.add_argument("--face", metavar="WHICH", default="largest", help="'largest' or the number of a face")
    group.add_argument("--fps", type=float, metavar="HZ", help="frames per second in place of a table's time stamps")
    group.add_argument("--affect-model", metavar="NAME", help="affect model; see 'emoserve models'")
    group.add_argument("--affect-version", metavar="VERSION", help="its version; without, the highest")


class Judge:
    """Judges one file after the other.

    Args:
        arguments: of the command.

    Attributes:
        include: parts of a face's answer that were asked for.

    Raises:
        UsageError: flags that cannot be used.
    """

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._arguments = arguments
        self._video, self._table = _face_options(arguments)
        self.include = self._table.include if arguments.mode == "table" else self._video.include

    def judge(self, engine: LocalEngine, source: Source, work: Work) -> Answer:
        """The answer for one file.

        Raises:
            Problem: it cannot be judged.
            FileError: it cannot be read.
        """
        mode = self._arguments.mode
        if mode == "table":
            return require_affect(engine.affect).analyse_table(source.read(), self._table, work)
        if mode == "video":
            return require_faces(engine.affect).analyse(source.read(), self._video, work)
        data = source.read()
        prepared = engine.affect is not None and engine.affect.has_faces
        if mode == "auto" and prepared and source.relative.suffix.lower() in VIDEO_SUFFIXES:
            try:
                return require_faces(engine.affect).analyse(data, self._video, work)
            except NoVideoStream:
                pass  # a container for pictures that holds sound alone
        return engine.speech.analyse(data, self._audio(), work)

    def _audio(self) -> AudioOptions:
        arguments = self._arguments
        return AudioOptions(
            model=arguments.model,
            version=arguments.model_version,
            channel=arguments.channel,
            start_s=arguments.start_s,
            end_s=arguments.end_s,
            timeline=arguments.timeline or arguments.form == "csv" or bool(arguments.plot),
            window_s=arguments.window_s,
            hop_s=arguments.hop_s,
            denoise=arguments.denoise,
        )


def suffixes_of(mode: str) -> frozenset[str] | None:
    """Endings of the files that are taken from a folder; None stands for all media."""
    return {"video": VIDEO_SUFFIXES, "table": TABLE_SUFFIXES}.get(mode)


def _face_options(arguments: argparse.Namespace) -> tuple[VideoOptions, TableOptions]:
    """The same checks as those of the query parameters."""
    from service.api.video_parameters import TableQuery, VideoQuery

    common = {
        "include": arguments.include,
        "face": arguments.face,
        "model": arguments.affect_model,
        "version": arguments.affect_version,
    }
    try:
        table = TableQuery(fps=arguments.fps, **common)
        voice = (
            {"audio_model": arguments.model, "audio_version": arguments.model_version}
            if "audio" in {part.strip() for part in arguments.include.split(",")}
            else {}
        )
        video = VideoQuery(neutral=arguments.neutral, channel=arguments.channel, **common, **voice)
        return video.options(), table.options() if arguments.mode == "table" else TableOptions()
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(f"--{first['loc'][0]}: {first['msg']}") from error
    except Unprocessable as problem:
        raise UsageError(problem.detail) from problem
