"""Query parameters, their bounds, and the report of a bad one."""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Annotated, Any

from fastapi import Request
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from service.api.openapi.documentation import PROFILE
from service.http.multipart import Documents
from service.http.problem_response import no_such, pointer_to
from service.pipeline.audio_options import AudioOptions, ChannelChoice, EmbeddingOptions, ProfileChoice
from service.pipeline.options import (
    MAX_PRIOR_CHARACTERS,
    PRIOR,
    SPEAKERS,
    check_hop,
    check_range,
    read_prior,
    read_speakers,
)
from service.problems import ProfileInvalid, Unprocessable
from service.schemas.profile import read_voice_profile
from service.settings import Limits

MAX_ERRORS = 16

TRACK = (
    "Number of the sound track, from 0; left out: the one marked default unless it is silent, "
    "else the first that is not."
)


def checked_by(read: Callable[[str], object]) -> AfterValidator:
    """Have pydantic report a refusal of ``read`` beside those of other parameters."""

    def check(text: str) -> str:
        try:
            read(text)
        except Unprocessable as problem:
            raise ValueError(problem.detail) from None
        return text

    return AfterValidator(check)


class ParameterErrors(Unprocessable):
    """One or more parameters that cannot be used, each with its pointer."""

    def __init__(self, errors: list[dict[str, str]]) -> None:
        super().__init__(f"{errors[0]['pointer']}: {errors[0]['detail']}", pointer=errors[0]["pointer"])
        self.errors = errors


class RecordingQuery(BaseModel):
    """Parameters of every call about the sound of a recording."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=())

    model: str | None = Field(
        None,
        max_length=64,
        description="Name of the model; left out: the service's default.",
    )
    version: str | None = Field(None, max_length=32, description="Version of the model; left out: the newest.")
    window_s: float | None = Field(
        None, gt=0, le=3600, allow_inf_nan=False, description="Length of a window, in seconds."
    )
    hop_s: float | None = Field(
        None,
        gt=0,
        le=3600,
        allow_inf_nan=False,
        description="Time between the starts of successive windows, in seconds.",
    )
    channel: ChannelChoice = Field(
        "mix", description="Channels to judge: the mean of all, one of a stereo pair, or each on its own."
    )
    track: int | None = Field(None, ge=0, le=999, description=TRACK)
    start_s: float | None = Field(
        None,
        ge=0,
        allow_inf_nan=False,
        description="Start of the stretch to analyse, seconds from the beginning of the recording.",
    )
    end_s: float | None = Field(
        None,
        gt=0,
        allow_inf_nan=False,
        description="End of the stretch to analyse, seconds from the beginning of the recording.",
    )
    denoise: bool = Field(False, description="Remove noise first. Needs a denoiser among the models.")

    def check(self, limits: Limits) -> None:
        """Check the parameters beside one another.

        Raises:
            Unprocessable: one is out of bounds, or two contradict each other.
        """
        check_hop(self.hop_s, limits.min_hop_s)
        check_range(self.start_s, self.end_s)


class AudioQuery(RecordingQuery):
    """Query parameters of ``POST /v1/audio/emotion``."""

    timeline: bool = Field(False, description="Answer with a value for every window of the recording.")
    segments: bool = Field(
        False, description="Answer with a value for every utterance; CSV then has these rows instead of windows."
    )
    voice_activity: bool = Field(False, description="Answer with the probability of speech, step by step.")
    min_speech: float | None = Field(
        None,
        ge=0,
        le=1,
        description="Share of a window that must be speech for it to be judged; left out: the service's setting.",
    )
    profile: ProfileChoice | None = Field(
        None,
        description="What the voice is compared with: `none`; `self`, what was heard of the recording before; or "
        "`document`, the part `profile` of the body, from `POST /v1/profiles`. Left out: the part where there is one.",
    )
    prior: Annotated[str, checked_by(read_prior)] | None = Field(
        None,
        max_length=MAX_PRIOR_CHARACTERS,
        description="How likely each class is before anything is heard: `card`, as the model learnt it; `uniform`; or "
        "`LABEL:P,…`, where labels that are left out share the rest of 1 and 0 excludes a class. Left out: `card`.",
        examples=["neutral:0.7"],
        json_schema_extra={"pattern": f"^(?:{PRIOR.pattern})$"},
    )
    domain: str | None = Field(
        None,
        max_length=64,
        description="Kind of recording, of a model that has parts for several; left out: the first on its card.",
    )
    speakers: Annotated[str, checked_by(read_speakers)] | None = Field(
        None,
        description="Who speaks when, and an answer for each voice: `off`; `auto`; or how many people speak, 1 to 20. "
        "Voices are compared within this recording alone. Not with `channel=each`. Left out: `off`.",
        examples=["auto"],
        json_schema_extra={"pattern": f"^(?:{SPEAKERS.pattern})$"},
    )

    def options(self, limits: Limits) -> AudioOptions:
        """Check the parameters beside one another and hand them on.

        Raises:
            Unprocessable: one is out of bounds, or two contradict each other.
        """
        self.check(limits)
        return AudioOptions(**self.model_dump(include=set(AudioQuery.model_fields)))


class EmbeddingQuery(RecordingQuery):
    """Query parameters of ``POST /v1/audio/embedding``."""

    def options(self, limits: Limits) -> EmbeddingOptions:
        """Check the parameters beside one another and hand them on.

        Raises:
            Unprocessable: one is out of bounds, or two contradict each other.
        """
        self.check(limits)
        return EmbeddingOptions(**self.model_dump())


def with_profile(options: AudioOptions, documents: Documents) -> AudioOptions:
    """The options with the profile that came in the body.

    Raises:
        ProfileInvalid: it cannot be read, or is missing.
        Unprocessable: it came beside ``profile=self``.
    """
    content = documents[PROFILE]
    if options.profile == "document" and not content:
        raise ProfileInvalid("There is no profile: send it as the part 'profile' beside 'file'.", pointer="/profile")
    if not content or options.profile == "none":
        return options
    if options.profile == "self":
        raise Unprocessable("There is a part 'profile' beside profile=self: leave one out.", pointer="/profile")
    return replace(options, profile="document", voice=read_voice_profile(content))


def refuse_repeated_parameters(request: Request) -> None:
    """Dependency of every route with parameters: each may be given once.

    Raises:
        ParameterErrors: one is given more than once.
    """
    counts = Counter(name for name, _ in request.query_params.multi_items())
    errors = [{"pointer": pointer_to(name), "detail": "Given more than once."} for name, n in counts.items() if n > 1]
    if errors:
        raise ParameterErrors(errors[:MAX_ERRORS])


def parameter_errors(errors: Sequence[Any], known: Collection[str] = ()) -> ParameterErrors:
    """The problem for what pydantic found, without the values that it quotes.

    Args:
        known: names of the route's parameters, of which one may be meant.
    """
    return ParameterErrors([_told(error, known) for error in errors[:MAX_ERRORS]])


def _told(error: Any, known: Collection[str]) -> dict[str, str]:  # noqa: ANN401 - pydantic's
    path = error["loc"][1:]
    is_unknown = known and error.get("type") == "extra_forbidden"
    return {
        "pointer": pointer_to(*path),
        "detail": no_such("parameter", path[-1], known) if is_unknown else str(error["msg"]),
    }


def parameter_names(route: object) -> list[str]:
    """Names of the query parameters of a route; none where it has no model of them."""
    parameters = getattr(getattr(route, "dependant", None), "query_params", [])
    models = [parameter.field_info.annotation for parameter in parameters]
    return [name for model in models for name in getattr(model, "model_fields", ())]
