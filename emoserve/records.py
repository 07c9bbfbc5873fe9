"""Answers as records: the members are those of the service's JSON, and tables are those of its CSV."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Generic, Self, TypeVar, cast, get_args

import numpy as np
import orjson
from pydantic import BaseModel, PrivateAttr

from service.local.answers import Answer, csv_table, json_document, picture
from service.pipeline import results
from service.pipeline.audio_options import AudioOptions
from service.pipeline.results import FloatArray
from service.pipeline.video import video_results
from service.pipeline.video.video_results import INCLUDES
from service.problems import EmoserveError, Unprocessable
from service.render.channels import has_channel_list
from service.render.embedding import audio_embedding_json, mean_rows
from service.render.plot_style import LEAST_WIDTH_MM, MOST_WIDTH_MM, PRINT_WIDTH_MM, PlotForm, PlotKind
from service.render.video_json import video_affect_json
from service.schemas.audio import AudioEmotionAnswer
from service.schemas.embedding import AudioEmbeddingAnswer
from service.schemas.video import VideoAffectAnswer

if TYPE_CHECKING:
    import pandas as pd

Result = TypeVar("Result")


class _Record(BaseModel, Generic[Result]):
    """An answer that remembers the arrays it was made from."""

    _result: Result | None = PrivateAttr(None)

    @classmethod
    def _of(cls, result: Result, document: dict[str, object]) -> Self:
        """The record of ``document``, which is the JSON of ``result``."""
        record = cls.model_validate_json(orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY))
        record._result = result
        return record

    def to_dict(self) -> dict[str, object]:
        """The members of the service's JSON, as dict, list, str, float, int and None."""
        return self.model_dump(mode="json", exclude_unset=True)

    def _known(self) -> Result:
        if self._result is None:
            raise EmoserveError("This record was not made by an Analyzer: it has no table.")
        return self._result


class _Drawn(_Record[Result]):
    """An answer that can be drawn."""

    def plot(
        self,
        kind: PlotKind = "svg",
        *,
        width_mm: float = PRINT_WIDTH_MM,
        title: str | None = None,
        dark: bool = False,
    ) -> bytes:
        """A picture of the answer as the service draws it, with the parts that were asked for.

        Args:
            kind: 'png', 1320 pixels wide, 'svg' or 'pdf'.
            width_mm: width of SVG and PDF in print, 165…841.
            title: first line; a general one if None.
            dark: light ink on dark paper.

        Raises:
            Unprocessable: another kind or width.
        """
        if kind not in get_args(PlotKind):
            raise Unprocessable(f"kind must be one of {', '.join(get_args(PlotKind))}.", pointer="/kind")
        if not LEAST_WIDTH_MM <= width_mm <= MOST_WIDTH_MM:
            raise Unprocessable(
                f"width_mm must be between {LEAST_WIDTH_MM:g} and {MOST_WIDTH_MM:g}.", pointer="/width_mm"
            )
        has = self.model_fields_set
        shown = AudioOptions(segments="segments" in has, voice_activity="voice_activity" in has)
        answer = cast("Answer", self._known())
        form, parts = PlotForm(kind, width_mm), has & set(INCLUDES)
        return picture(answer, form, title=title, dark=dark, audio=shown, include=frozenset(parts))


class AudioEmotion(_Drawn[results.AudioEmotion], AudioEmotionAnswer):
    """Emotion in a recording."""

    @classmethod
    def of(cls, result: results.AudioEmotion, options: AudioOptions) -> Self:
        """The record of a pipeline's answer, with the windows, utterances and voice activity that were asked for."""
        return cls._of(result, json_document(result, audio=options, include=frozenset()))

    def to_frame(self) -> pd.DataFrame:
        """One row an utterance where ``segments`` was asked for, else a window; columns as in the service's CSV.

        Needs pandas.

        Raises:
            ImportError: pandas is not installed.
        """
        return _frame(self._known(), segments="segments" in self.model_fields_set)


class VideoAffect(_Drawn[video_results.VideoAffect], VideoAffectAnswer):
    """Arousal and valence of a face over time."""

    @classmethod
    def of(cls, result: video_results.VideoAffect, include: frozenset[str]) -> Self:
        """The record of a pipeline's answer, with the parts of ``include``."""
        return cls._of(result, video_affect_json(result, uuid.uuid4().hex, include))

    def to_frame(self) -> pd.DataFrame:
        """One row a step, ten a second; columns as in the service's CSV. Needs pandas.

        Raises:
            ImportError: pandas is not installed.
        """
        return _frame(self._known())


class AudioEmbedding(_Record[results.AudioEmbedding], AudioEmbeddingAnswer):
    """Features of a recording, one row a window."""

    @classmethod
    def of(cls, result: results.AudioEmbedding) -> Self:
        """The record of a pipeline's answer."""
        return cls._of(result, audio_embedding_json(result, uuid.uuid4().hex))

    def to_array(self) -> FloatArray:
        """``embedding`` as float32 [windows, dimensions]; a window without one is a row of NaN."""
        return mean_rows(self._known())

    def to_frame(self) -> pd.DataFrame:
        """One row a window of each channel; columns as in the service's CSV. Needs pandas.

        Raises:
            ImportError: pandas is not installed.
        """
        import pandas as pd

        result = self._known()
        names = [f"e{index}" for index in range(result.dimensions)]
        parts = []
        for channel in result.channels:
            part = pd.DataFrame(channel.rows, columns=names)
            part.insert(0, "start_s", np.round(result.start_s, 3))
            part.insert(1, "end_s", np.round(result.end_s, 3))
            if has_channel_list(result):
                part.insert(0, "channel", channel.channel)
            parts.append(part)
        return pd.concat(parts, ignore_index=True)


def _frame(result: results.AudioEmotion | video_results.VideoAffect, *, segments: bool = False) -> pd.DataFrame:
    import pandas as pd

    header, rows = csv_table(result, segments=segments)
    frame = pd.DataFrame(rows, columns=[str(name) for name in header])
    texts = ("channel", "emotion", "plausible", "audio_emotion", "speaker", "flags")
    return frame.astype({name: "float64" for name in frame.columns if name not in texts})
