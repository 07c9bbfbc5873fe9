"""Whether faces can be judged at all, and what to run where they can't."""

from __future__ import annotations

from typing import TYPE_CHECKING

from service.problems import Unavailable

if TYPE_CHECKING:
    from service.pipeline.decoding.decode import Decoder
    from service.pipeline.device.task import Observe
    from service.pipeline.speech_pipeline import SpeechPipeline
    from service.pipeline.video_pipeline import VideoPipeline
    from service.registry import Registry
    from service.settings import Settings


class FacesNotPrepared(Unavailable):
    """A face bundle is missing; the code is that of :class:`Unavailable`."""

    def __init__(self) -> None:
        super().__init__("Videos cannot be judged yet: run `emoserve setup` on the server and start it again.")


class AffectNotPrepared(Unavailable):
    """There is no affect bundle; the code is that of :class:`Unavailable`."""

    def __init__(self) -> None:
        super().__init__(
            "There is no affect model: put a bundle such as models/affect-prior into the server's model folders, "
            "run `emoserve setup` for videos, and start it again."
        )


def require_affect(affect: VideoPipeline | None) -> VideoPipeline:
    """``affect``, for tables of action units. Raises AffectNotPrepared if there is none."""
    if affect is None:
        raise AffectNotPrepared
    return affect


def require_faces(affect: VideoPipeline | None) -> VideoPipeline:
    """``affect``, for videos.

    Raises:
        AffectNotPrepared: there is none.
        FacesNotPrepared: it has no face model.
    """
    if not require_affect(affect).has_faces:
        raise FacesNotPrepared
    return require_affect(affect)


def load_affect(
    settings: Settings, registry: Registry, decoder: Decoder, speech: SpeechPipeline, observe: Observe | None = None
) -> VideoPipeline | None:
    """Load and warm up what judges faces, beside the speech pipeline and within the same capacity.

    Returns:
        None where there is no affect bundle: the speech half works without.

    Raises:
        BundleError, DeviceError: a bundle is there and cannot be used.
    """
    if not registry.of_task("affect"):
        return None
    from service.pipeline.video_pipeline import VideoPipeline

    affect = VideoPipeline(settings, registry, decoder, speech, observe)
    try:
        affect.warm_up()
    except BaseException:
        affect.close()
        raise
    return affect
