"""Embeddings of a sound: graphs that give one for each window, which of them answers a request, and the answer.

A bundle of the task 'speech-embedding' is made for it: Deep Spectrum features, the activations of an image network on
a plot of the spectrogram (A7). A speech emotion graph may give an embedding with its probabilities.
"""

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from service.flags import Flag
from service.pipeline.audio_options import EmbeddingOptions
from service.pipeline.device.batch import Batcher
from service.pipeline.device.device_calls import run_units
from service.pipeline.device.session import Session
from service.pipeline.device.task import Work
from service.pipeline.results import AudioEmbedding, ChannelEmbedding
from service.pipeline.speech.listener import ChannelListener, judged_rows
from service.pipeline.speech.model import SpeechModel
from service.pipeline.speech.sound import Sound
from service.pipeline.speech.windows import window_rule
from service.problems import AnswerTooLarge, ModelNotFound
from service.registry import SPEECH_EMBEDDING, Bundle
from service.settings import Limits

EMBEDDING = "embedding"


class EmbeddingModel(SpeechModel):
    """A bundle whose graph has the output 'embedding' float32 [batch, dimensions].

    Attributes:
        dimensions: length of an embedding.

    Raises:
        BundleError: as of :class:`SpeechModel`; also where the graph leaves the length of an embedding open.
    """

    REQUIRED = (EMBEDDING,)

    def __init__(
        self, bundle: Bundle, session: Session, max_batch: int, on_padding: Callable[[float], None] | None = None
    ) -> None:
        super().__init__(bundle, session, max_batch, on_padding)
        shape = next(tensor.shape for tensor in session.signature.outputs if tensor.name == EMBEDDING)
        if len(shape) != 2 or shape[1] < 1:
            raise self.error("its output 'embedding' is not of the shape [batch, a fixed number]")
        self.dimensions = shape[1]


class SpeakerModel(EmbeddingModel):
    """A bundle of the task 'speaker-embedding', whose embeddings point in directions that tell voices apart.

    Attributes:
        threshold: the card's setting: mean cosine of two groups of clips from which on they are one voice.

    Raises:
        BundleError: as of :class:`EmbeddingModel`; also where the card has no threshold.
    """

    def __init__(
        self, bundle: Bundle, session: Session, max_batch: int, on_padding: Callable[[float], None] | None = None
    ) -> None:
        super().__init__(bundle, session, max_batch, on_padding)
        try:
            self.threshold = bundle.card.number("threshold")
        except (KeyError, TypeError) as error:
            raise self.error("its card lacks the setting 'threshold'") from error


def choose_embedding(
    models: Mapping[tuple[str, str], EmbeddingModel],
    default_emotion: Bundle | None,
    name: str | None,
    version: str | None,
    withheld: str | None = None,
) -> EmbeddingModel:
    """The model for a request.

    Args:
        models: by name and version, the highest version of a name last.
        default_emotion: what judges emotion where a request names no model, or None.
        name: None takes the bundle of the task 'speech-embedding' with the highest priority; without any, the
            default emotion model if it gives an embedding, else the one of the highest priority that does.
        version: None takes the highest.
        withheld: what the licence policy has to say on a model of that name, for the error.

    Raises:
        ModelNotFound: there is none, or it gives no embedding.
    """

    def rank(model: EmbeddingModel) -> tuple[bool, bool, int]:
        card = model.bundle.card
        is_default = default_emotion is not None and default_emotion.card.name == card.name
        return card.task == SPEECH_EMBEDDING, is_default, card.priority

    if name is None and models:
        name = max(models.values(), key=rank).bundle.card.name
    matches = [model for (own, number), model in models.items() if own == name and version in (None, number)]
    if not matches:
        raise ModelNotFound(withheld or "There is no such model or version, or it gives no embedding.")
    return matches[-1]


def embed_sound(
    sound: Sound, model: EmbeddingModel, options: EmbeddingOptions, limits: Limits, device: Batcher, work: Work
) -> AudioEmbedding:
    """Embed every window of every channel.

    An embedding is defined for any sound, so nobody looks for speech. Only of a window that is digital
    silence (or a constant) there is nothing to tell: its row is NaN, flagged 'silent' where all of the
    channel is, else 'silent_windows'.

    Args:
        sound: at the model's rate.
        model: what embeds.
        options: the request's parameters.
        limits: of windows and of numbers in the answer.
        device: runs the model.
        work: the request.

    Raises:
        Unprocessable, MediaTooShort: as :meth:`WindowRule.plan`.
        AnswerTooLarge: more numbers than the limit.
        Problem: as :meth:`Batcher.run`.
    """
    rule = window_rule(model.speech, limits, options.window_s, options.hop_s)
    windows = rule.plan(len(sound.channels[0].samples), limits)
    tables = len(sound.channels) + (options.channel == "each")  # whose answer holds the mean, too
    _check_size(len(windows) * model.dimensions * tables, limits)
    heard = [
        ChannelListener(rule, windows.rate_hz, voice=None).take(channel.samples, None, last=True)
        for channel in sound.channels
    ]
    clips = [clip for one in heard for clip in one.clips]
    answers = iter(run_units(device, model, clips, work, lambda finished: work.report(finished / len(clips))))
    with work.stage("post"):
        channels = []
        for channel, one in zip(sound.channels, heard, strict=True):
            rows = np.full((len(windows), model.dimensions), np.nan, np.float32)
            for row in judged_rows(one.shares):
                rows[row] = next(answers)[EMBEDDING]
            flags = (*sound.flags, *_remarks(sound, len(windows) - len(one.clips), len(windows)))
            channels.append(ChannelEmbedding(channel.name, rows, flags))
    offset_s = options.start_s or 0.0
    return AudioEmbedding(
        media=sound.media,
        model=model.reference,
        dimensions=model.dimensions,
        start_s=windows.start_s + offset_s,
        end_s=windows.end_s + offset_s,
        channels=tuple(channels),
        denoiser=sound.denoiser,
        stages_s=work.stages_s,
    )


def _check_size(values: int, limits: Limits) -> None:
    if values > limits.max_embedding_values:
        raise AnswerTooLarge(
            f"That makes {values} numbers, the limit is {limits.max_embedding_values}: choose a longer hop.",
            pointer="/hop_s",
        )


def _remarks(sound: Sound, silent: int, windows: int) -> Iterator[Flag]:
    """Flags of a channel of which so many windows are silent."""
    if sound.denoiser is not None:
        yield Flag.DENOISED
    if silent:
        yield Flag.SILENT if silent == windows else Flag.SILENT_WINDOWS
