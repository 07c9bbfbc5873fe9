"""The choice of a pipeline and its options for each file."""

from dataclasses import dataclass, field
from typing import Final, Literal

from service.local.answers import Answer
from service.local.engine import LocalEngine
from service.local.sources import TABLE_SUFFIXES, VIDEO_SUFFIXES, Source
from service.pipeline.audio_options import AudioOptions
from service.pipeline.device.task import Work
from service.pipeline.video.video_results import TableOptions, VideoOptions
from service.pipeline.video_setup import require_affect, require_faces
from service.problems import NoVideoStream

Mode = Literal["auto", "audio", "video", "table"]
MODES: Final[tuple[Mode, ...]] = ("auto", "audio", "video", "table")


@dataclass(frozen=True)
class Choices:
    """The request for each file: kind and parameters.

    Attributes:
        mode: 'auto' judges the face where a file has pictures and faces are prepared, else the voice; 'table' takes
            tables of action units.
        audio, video, table: options of each pipeline.
    """

    mode: Mode = "auto"
    audio: AudioOptions = field(default_factory=AudioOptions)
    video: VideoOptions = field(default_factory=VideoOptions)
    table: TableOptions = field(default_factory=TableOptions)

    @property
    def include(self) -> frozenset[str]:
        """Parts of a face's answer that were asked for."""
        return self.table.include if self.mode == "table" else self.video.include

    @property
    def suffixes(self) -> frozenset[str] | None:
        """Endings of the files that are taken from a folder; None stands for all media."""
        return {"video": VIDEO_SUFFIXES, "table": TABLE_SUFFIXES}.get(self.mode)


def judge(engine: LocalEngine, source: Source, choices: Choices, work: Work) -> Answer:
    """Judge one file.

    Raises:
        Problem: the file cannot be judged.
        FileError: the file cannot be read.
    """
    if choices.mode == "table":
        return require_affect(engine.affect).analyse_table(source.read(), choices.table, work)
    if choices.mode == "video":
        return require_faces(engine.affect).analyse(source.read(), choices.video, work)
    data = source.read()
    prepared = engine.affect is not None and engine.affect.has_faces
    if choices.mode == "auto" and prepared and source.relative.suffix.lower() in VIDEO_SUFFIXES:
        try:
            return require_faces(engine.affect).analyse(data, choices.video, work)
        except NoVideoStream:
            pass  # a container for pictures that holds sound alone
    return engine.speech.analyse(data, choices.audio, work)
