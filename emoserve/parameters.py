"""Parameters of the analyses: names, values and defaults are those of the service's query parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal, TypedDict, TypeVar

from service.pipeline.audio_options import ChannelChoice
from service.problems import Unprocessable

if TYPE_CHECKING:
    from pydantic import BaseModel


class EmbeddingParameters(TypedDict, total=False):
    """Parameters of :meth:`emoserve.Analyzer.embedding`; times are seconds."""

    model: str | None
    version: str | None
    channel: ChannelChoice
    track: int | None
    start_s: float | None
    end_s: float | None
    window_s: float | None
    hop_s: float | None
    denoise: bool


class AudioParameters(EmbeddingParameters, total=False):
    """Parameters of :meth:`emoserve.Analyzer.audio`; times are seconds.

    ``profile`` is 'none', 'self', or a document of :meth:`emoserve.Analyzer.profile`; ``prior`` is 'card', 'uniform'
    or 'LABEL:P,…'; ``domain`` is a kind of recording that the model's card names; ``speakers`` is 'off', 'auto', or how
    many people speak.
    """

    profile: Literal["none", "self"] | Mapping[str, object] | None
    timeline: bool
    segments: bool
    voice_activity: bool
    min_speech: float | None
    prior: str | None
    domain: str | None
    speakers: str | int | None


class ProfileParameters(TypedDict, total=False):
    """Parameters of :meth:`emoserve.Analyzer.profile`: ``model`` and ``version`` of a voice, ``neutral`` of a face."""

    model: str | None
    version: str | None
    neutral: str | None


class TableParameters(TypedDict, total=False):
    """Parameters of :meth:`emoserve.Analyzer.table`; ``fps`` in hertz."""

    include: str | Sequence[str]
    face: str
    fps: float | None
    model: str | None
    version: str | None


class VideoParameters(TypedDict, total=False):
    """Parameters of :meth:`emoserve.Analyzer.video`.

    ``neutral`` is 'median', 'none', 'START:END' in seconds, or a document of :meth:`emoserve.Analyzer.profile`.
    """

    include: str | Sequence[str]
    neutral: str | Mapping[str, object]
    face: str
    channel: ChannelChoice
    track: int | None
    picture_track: int | None
    model: str | None
    version: str | None
    audio_model: str | None
    audio_version: str | None
    expression_model: str | None
    expression_version: str | None


Query = TypeVar("Query", bound="BaseModel")


def checked(query: type[Query], parameters: Mapping[str, object]) -> Query:
    """The parameters as the service would read them from an address.

    Args:
        query: the model of the service's query parameters.
        parameters: by name; ``include`` may be a list.

    Raises:
        Unprocessable: one is unknown or has a value that cannot be used; ``pointer`` names it.
    """
    from pydantic import ValidationError

    given = dict(parameters)
    if isinstance(speakers := given.get("speakers"), int):
        given["speakers"] = str(speakers)
    if isinstance(include := given.get("include"), Sequence) and not isinstance(include, str):
        given["include"] = ",".join(map(str, include))
    try:
        return query.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        raise Unprocessable(f"{name}: {first['msg']}", pointer=f"/{name}") from error
