"""Loading every speech graph of the registry, side by side: readiness waits for them."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from service.pipeline.emotion_model import EmotionModel
from service.pipeline.session import CPU, Device, GraphError, Provider, Session
from service.pipeline.speech import VoiceActivity
from service.registry import SPEECH_EMOTION, Bundle, BundleError, Registry
from service.settings import Settings

Models = dict[tuple[str, str], EmotionModel]


def load_models(
    settings: Settings,
    registry: Registry,
    provider: Provider,
    on_padding: Callable[[float], None] | None = None,
) -> tuple[Models, VoiceActivity | None]:
    """Load all speech models on ``provider`` and the preferred voice activity model on the CPU.

    Voice activity stays on the CPU: its graph is a chain of small steps that a GPU cannot do side by side.

    Returns:
        The speech models by name and version, and the voice activity model or None.

    Raises:
        BundleError: a graph cannot be loaded or is of another kind than its card says.
    """
    device: Device = "cpu" if provider == CPU else "cuda"
    speech = registry.of_task(SPEECH_EMOTION)
    voices = registry.of_task("voice-activity")
    voice = registry.find(task="voice-activity") if voices else None
    with ThreadPoolExecutor(max_workers=min(settings.threads, 8)) as pool:
        pending = [pool.submit(_open, bundle, device) for bundle in speech]
        voice_activity = VoiceActivity(voice, _open(voice, "cpu")) if voice is not None else None
        sessions = [future.result() for future in pending]
    models = (
        EmotionModel(bundle, session, settings.max_batch, on_padding)
        for bundle, session in zip(speech, sessions, strict=True)
    )
    return {(model.bundle.card.name, model.bundle.card.version): model for model in models}, voice_activity


def _open(bundle: Bundle, device: Device) -> Session:
    """One graph on one thread: calls run side by side instead, see :mod:`service.pipeline.batch`."""
    try:
        return Session(bundle.path(), device=device, threads=1)
    except KeyError as error:
        raise BundleError(f"bundle {bundle.card.name}/{bundle.card.version}: no file has the role {error}") from error
    except GraphError as error:
        raise BundleError(f"bundle {bundle.card.name}/{bundle.card.version}: {error}") from error
