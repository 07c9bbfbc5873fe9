"""The model card: what a bundle says of itself, and the only thing the service knows of a model.

A bundle is a folder ``<name>/<version>/`` with one or more ``.onnx`` files and ``card.json``.
"""

from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

CARD_FILE_NAME = "card.json"

Task = Literal[
    "speech-emotion",  # waveform, lengths -> probabilities, and arousal, valence, embedding where it has them
    "speech-embedding",  # waveform, lengths -> embedding
    "speaker-embedding",  # waveform, lengths -> embedding whose direction tells voices apart
    "denoiser",  # waveform, lengths -> denoised waveform
    "voice-activity",  # frames of waveform with context -> speech probability a frame
    "face",  # detector, mesh and, where there are, blendshapes
    "action-units",  # face features -> 17 action units
    "face-expression",  # picture of a face -> valence and arousal, probabilities or action units
    "affect",  # 37 columns -> arousal or valence
]


NAME: Final = r"^[a-z0-9][a-z0-9._-]{0,63}$"
"""Pattern of the names of bundles."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class Licence(_Frozen):
    """Permitted use of the weights."""

    spdx: str = Field(description="SPDX identifier of the weights' licence")
    commercial_use: bool = Field(description="whether the licence permits commercial use")
    attribution: str = Field("", description="whom to name")


class TrainingData(_Frozen):
    """One data set that the weights saw."""

    name: str
    licence: str
    utterances: int | None = None
    speakers: int | None = None
    reference: str = ""


class Measurement(_Frozen):
    """One figure, with everything needed to read it."""

    metric: str = Field(description="such as 'unweighted_average_recall'")
    value: float
    interval_95: tuple[float, float] | None = Field(None, description="95 % bootstrap interval")
    data: str = Field(description="corpus")
    split: str = Field(description="partition")
    n: int = Field(description="number of utterances or sequences")
    protocol: str = Field(description="what was held out and how the figure came about, in words")
    seen_corpus: bool = Field(True, description="whether other partitions of this corpus were trained on")
    rivals: dict[str, float] = Field(default_factory=dict, description="the same figure of other systems")
    command: str = Field("", description="command of this repository that prints the figure")


class ProfileInput(_Frozen):
    """Profiles that a speech model takes: statistics of other recordings of the same person or line."""

    encoder_sha256: str = Field(pattern="^[0-9a-f]{64}$", description="of the weights that make the statistics")
    dimensions: int = Field(gt=0, description="numbers of a profile's mean, and of its deviation")
    half_weight_clips: float = Field(gt=0, description="clips at which a profile counts half of what it could")


class SpeechInput(_Frozen):
    """Input of a speech model, and the windows that recordings are cut into."""

    sample_rate_hz: int
    window_s: float = Field(gt=0, description="default length of a window; longer recordings are windowed")
    hop_s: float = Field(gt=0, description="default hop between windows")
    min_length_s: float = Field(gt=0, description="a shorter clip is refused")
    max_length_s: float = Field(gt=0, description="longest window that the model takes")
    preset: str = Field(description="name of the front end inside the graph")
    high_pass_hz: float | None = Field(
        default=None,
        gt=0,
        description="corner of the graph's own high-pass, mains hum is stopped too; null without one",
    )
    voice_margin_s: float = Field(
        0.1, ge=0, description="kept before the first and after the last step of voice when a clip is cut to its voice"
    )
    utterance_gap_s: float = Field(0.3, gt=0, description="voice that pauses for less is one utterance")
    utterance_least_s: float = Field(
        0.4, ge=0, description="a shorter utterance is left out where there are longer ones"
    )
    enough_speech_s: float = Field(1.0, gt=0, description="seconds of voice at which a row's confidence is 1")
    cpu_batch: int = Field(
        1, gt=0, description="windows of one length that a CPU runs at once; 1 where that gains nothing"
    )
    profile: ProfileInput | None = Field(None, description="profiles that the model takes; null where it takes none")


class Doubt(_Frozen):
    """Bound from which on a label is plausible, fitted by split-conformal prediction."""

    coverage: float = Field(gt=0, lt=1, description="share of recordings whose right label is to be plausible")
    least_probability: float = Field(ge=0, le=1, description="a label is plausible from this probability on")
    fitted_on: list[str] = Field(description="corpora of the fit, each counting the same")
    mean_size: float = Field(description="mean number of plausible labels there")


class Parity(_Frozen):
    """The export check: largest difference allowed between the trained network and the exported graph."""

    tolerance: float
    largest_difference: float
    against: str


class CheckClip(_Frozen):
    """Answers of the graphs about a sound that anybody can make again: :mod:`service.pipeline.speech.check_clip`."""

    outputs: dict[str, dict[str, list[float]]] = Field(
        description="by role of the graph and by output: 16 of its numbers at even distances, or all where it has fewer"
    )
    tolerance: float = Field(
        gt=0, description="largest difference allowed, as a share of an output's largest number where that is above 1"
    )


class FileEntry(_Frozen):
    """One file of the bundle."""

    role: str = Field("model", description="what the file is for: 'model', or a stage such as 'detector', 'mesh'")
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    size_bytes: int = Field(ge=0)


class Member(_Frozen):
    """One network among those that a bundle's graph holds, such as the backbone below a classifier."""

    network: str = Field(description="name in the list of networks, such as 'squeezenet'")
    weights_sha256: str = Field("", description="digest of the file that its weights came from")
    weights_source: str = Field("", description="publisher's release, or 'file'")
    licence: Licence
    dimensions: int | None = Field(None, description="length of its embedding")


class Card(_Frozen):
    """``card.json``."""

    schema_version: Literal[1] = 1
    name: str = Field(pattern=NAME)
    version: str = Field(pattern=r"^[0-9A-Za-z][0-9A-Za-z._-]{0,31}$")
    task: Task
    title: str
    description: str
    labels: list[str] = Field(default_factory=list, description="classes, in the order of the graph's output")
    domains: dict[str, list[str]] = Field(
        default_factory=dict,
        description="kinds of recording that the model has parts and a graph of their own for, with the classes that "
        "each can answer; the first is the default; empty where one graph serves all",
    )
    speech: SpeechInput | None = None
    class_prior: dict[str, Annotated[float, Field(gt=0, lt=1)]] | None = Field(
        None, description="how likely the model takes each label to be before it hears anything; null: all the same"
    )
    doubt: Doubt | None = Field(None, description="plausible labels; null where nothing was fitted")
    settings: dict[str, float | int | str | bool | list[float] | list[int] | list[str]] = Field(
        default_factory=dict, description="constants that the task's pipeline needs, such as thresholds"
    )
    licence: Licence
    members: list[Member] = Field(default_factory=list, description="networks inside the graph")
    training_data: list[TrainingData] = Field(default_factory=list)
    measurements: list[Measurement] = Field(default_factory=list)
    intended_use: str
    known_limits: list[str]
    exporter: dict[str, str] = Field(description="program and versions that made the files")
    parity: Parity | None = None
    check_clip: CheckClip | None = Field(
        None, description="answers about a known sound, which a service must give too; null of models without sound"
    )
    priority: int = Field(0, description="the highest of its task is the default model")
    files: dict[str, FileEntry] = Field(min_length=1)

    @model_validator(mode="after")
    def _check_prior(self) -> Self:
        if self.class_prior is not None and set(self.class_prior) != set(self.labels):
            raise ValueError("class_prior must name every label once")
        return self

    def file_with_role(self, role: str) -> str:
        """Name of the bundle's file for ``role``. Raises KeyError if the bundle has none."""
        for name, entry in self.files.items():
            if entry.role == role:
                return name
        raise KeyError(role)

    def graph_role(self, domain: str | None = None) -> str:
        """Role of the graph for a domain, or of the only or first one.

        Raises:
            KeyError: the model has no such domain.
        """
        if domain is None or domain == next(iter(self.domains), None):
            return "model"
        if domain not in self.domains:
            raise KeyError(domain)
        return f"model:{domain}"

    def number(self, name: str) -> float:
        """One numeric setting.

        Raises:
            KeyError: the card has no such setting.
            TypeError: the setting is no number.
        """
        value = self.settings[name]
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise TypeError(f"the setting {name} is not a number")
        return float(value)

    def pair(self, name: str) -> tuple[int, int]:
        """A setting of two whole numbers, such as the indices of two points. Raises as :meth:`number`."""
        value = self.settings[name]
        if not isinstance(value, list) or len(value) != 2:
            raise TypeError(f"the setting {name} is not a pair")
        return int(value[0]), int(value[1])

    def numbers(self, name: str, count: int) -> list[float]:
        """A setting of ``count`` numbers, such as one of each action unit. Raises as :meth:`number`."""
        value = self.settings[name]
        if not isinstance(value, list) or len(value) != count or any(isinstance(number, str) for number in value):
            raise TypeError(f"the setting {name} is not a list of {count} numbers")
        return [float(number) for number in value]


def read_card(bundle: Path) -> Card:
    """Read and validate ``bundle/card.json``.

    Raises:
        OSError: there is no such file.
        pydantic.ValidationError: the card is not valid.
    """
    return Card.model_validate_json((bundle / CARD_FILE_NAME).read_bytes())


def write_card(card: Card, bundle: Path) -> None:
    """Write ``card`` into the folder ``bundle``."""
    bundle.mkdir(parents=True, exist_ok=True)
    (bundle / CARD_FILE_NAME).write_text(card.model_dump_json(indent=1, exclude_none=True) + "\n", encoding="utf-8")
