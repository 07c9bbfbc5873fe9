"""Loading every speech graph of the registry, side by side: readiness waits for them."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from service.card import Task
from service.pipeline.device.session import CPU, Device, GraphError, Provider, Session, Signature
from service.pipeline.speech.denoise import Denoiser
from service.pipeline.speech.embedding import EMBEDDING, EmbeddingModel, SpeakerModel
from service.pipeline.speech.model import EmotionModel, SpeechModel
from service.pipeline.speech.voice_activity import VoiceActivity
from service.registry import (
    DENOISER,
    SPEAKER_EMBEDDING,
    SPEECH_EMBEDDING,
    SPEECH_EMOTION,
    Bundle,
    BundleError,
    Registry,
)
from service.settings import Settings

Key = tuple[str, str]
"""Name and version of a bundle."""

Models = dict[Key, EmotionModel]
Model = TypeVar("Model", bound=SpeechModel)


@dataclass(frozen=True)
class SpeechModels:
    """Models that were loaded.

    Attributes:
        emotion: every speech emotion model.
        embedding: every model whose graph gives an embedding. One that judges emotion too shares its session.
        voice: the preferred voice activity model, or None.
        denoiser: the preferred denoiser, or None.
        speakers: the preferred encoder of voices, or None.
        signatures: of each graph.
    """

    emotion: Models
    embedding: dict[Key, EmbeddingModel]
    voice: VoiceActivity | None
    denoiser: Denoiser | None
    speakers: SpeakerModel | None
    signatures: dict[Key, Signature]

    def graph(self, key: Key) -> SpeechModel | None:
        """The model of a bundle whose graph takes the waveform; None of what is not loaded or takes something else."""
        found = self.emotion.get(key) or self.embedding.get(key)
        others = (one for one in (self.denoiser, self.speakers) if one is not None and _key(one.bundle) == key)
        return found or next(others, None)

    def warm_up(self) -> None:
        """Run every model once. Raises BundleError if a graph fails, or gives what its card does not say."""
        only_embedding = (model for key, model in self.embedding.items() if key not in self.emotion)
        for model in (*self.emotion.values(), *only_embedding):
            model.warm_up()
        if self.voice is not None:
            self.voice.warm_up()
        for other in (self.denoiser, self.speakers):
            if other is not None:
                other.warm_up()


def load_models(
    settings: Settings, registry: Registry, provider: Provider, on_padding: Callable[[float], None] | None = None
) -> SpeechModels:
    """Load all speech models and the preferred denoiser on ``provider``, voice activity on the CPU.

    Voice activity stays on the CPU: its graph is a chain of small steps that a GPU cannot do side by side.

    Raises:
        BundleError: a graph cannot be loaded or is of another kind than its card says.
    """
    device: Device = "cpu" if provider == CPU else "cuda"
    emotion, embedding = list(registry.of_task(SPEECH_EMOTION)), list(registry.of_task(SPEECH_EMBEDDING))
    denoisers, voices = _preferred(registry, DENOISER), _preferred(registry, "voice-activity")
    speakers = _preferred(registry, SPEAKER_EMBEDDING)
    on_device = [*emotion, *embedding, *denoisers, *speakers]
    with ThreadPoolExecutor(max_workers=min(settings.threads, 8)) as pool:
        pending = {_key(bundle): pool.submit(_open, bundle, device) for bundle in on_device}
        pending |= {_key(bundle): pool.submit(_open, bundle, "cpu") for bundle in voices}
        further = {
            (_key(bundle), domain): pool.submit(_open, bundle, device, bundle.card.graph_role(domain))
            for bundle in emotion
            for domain in [*bundle.card.domains][1:]
        }
        sessions = {key: future.result() for key, future in pending.items()}
        of_domains = {key: future.result() for key, future in further.items()}

    def loaded(kind: type[Model], bundles: Iterable[Bundle]) -> dict[Key, Model]:
        models = (kind(bundle, sessions[_key(bundle)], settings.max_batch, on_padding) for bundle in bundles)
        return {_key(model.bundle): model for model in models}

    def emotion_model(bundle: Bundle) -> EmotionModel:
        names = list(bundle.card.domains)

        def model(session: Session, domain: str | None, others: dict[str, EmotionModel] | None = None) -> EmotionModel:
            return EmotionModel(bundle, session, settings.max_batch, on_padding, domain, others)

        others = {name: model(of_domains[_key(bundle), name], name) for name in names[1:]}
        return model(sessions[_key(bundle)], names[0] if names else None, others)

    embedding = [  # in the registry's order, so that of one name the highest version stays last
        bundle
        for bundle in registry.bundles
        if bundle in embedding or (bundle in emotion and EMBEDDING in sessions[_key(bundle)].output_names)
    ]
    voice = [VoiceActivity(bundle, sessions[_key(bundle)]) for bundle in voices]
    return SpeechModels(
        emotion={_key(bundle): emotion_model(bundle) for bundle in emotion},
        embedding=loaded(EmbeddingModel, embedding),
        voice=next(iter(voice), None),
        denoiser=next(iter(loaded(Denoiser, denoisers).values()), None),
        speakers=next(iter(loaded(SpeakerModel, speakers).values()), None),
        signatures={key: session.signature for key, session in sessions.items()},
    )


def _preferred(registry: Registry, task: Task) -> list[Bundle]:
    """The one bundle of a task of which only one is used; empty where there is none."""
    return [registry.find(task=task)] if registry.of_task(task) else []


def _key(bundle: Bundle) -> Key:
    return bundle.card.name, bundle.card.version


def _open(bundle: Bundle, device: Device, role: str = "model") -> Session:
    """One graph on one thread: calls run side by side instead, see :mod:`service.pipeline.device.batch`."""
    try:
        return Session(bundle.path(role), device=device, threads=1)
    except KeyError as error:
        raise BundleError(f"bundle {bundle.card.name}/{bundle.card.version}: no file has the role {error}") from error
    except GraphError as error:
        raise BundleError(f"bundle {bundle.card.name}/{bundle.card.version}: {error}") from error
