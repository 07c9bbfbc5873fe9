"""What the HTTP side needs of the models and of what runs them; anything of this shape will do."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from service.card import Card
from service.pipeline.device.task import Work
from service.pipeline.results import AudioEmotion, AudioOptions
from service.pipeline.speech.embedding_results import AudioEmbedding, EmbeddingOptions
from service.pipeline.speech.live import LiveEmotion, LiveOptions
from service.pipeline.speech.window_watch import OnWindow
from service.pipeline.video.live import LiveVideo, LiveVideoOptions
from service.pipeline.video.row_watch import OnRows
from service.pipeline.video.video_results import TableOptions, VideoAffect, VideoOptions


class ModelBundle(Protocol):
    """A model that is loaded."""

    @property
    def card(self) -> Card:
        """What the model says of itself."""

    @property
    def folder(self) -> Path:
        """Where its files lie."""

    @property
    def sha256(self) -> str:
        """Hash of the bundle, hexadecimal."""


class WithheldModel(Protocol):
    """A model that was found and is not served."""

    @property
    def name(self) -> str:
        """Name on its card."""

    @property
    def version(self) -> str:
        """Version on its card."""

    @property
    def reason(self) -> str:
        """Why, such as its licence; one sentence."""


class ModelRegistry(Protocol):
    """All models that were found. Versions of one name are ordered oldest first."""

    @property
    def bundles(self) -> Sequence[ModelBundle]:
        """Those that are served."""

    @property
    def withheld(self) -> Sequence[WithheldModel]:
        """Those that are not."""


class MediaDecoder(Protocol):
    """The pool of decoder processes."""

    def worker_pids(self) -> list[int]:
        """Processes that could decode a recording now; none means not ready."""

    def close(self) -> None:
        """End the processes."""


class MediaAdmission(Protocol):
    """Seconds of media in the system."""

    @property
    def held_s(self) -> float:
        """Seconds of media in the system now."""

    def check(self) -> None:
        """Refuse early, before a body is read, what could not be admitted anyway.

        Raises:
            CapacityExceeded, Draining
        """


class GraphTensor(Protocol):
    """One input or output of a graph."""

    @property
    def name(self) -> str:
        """As in the graph."""

    @property
    def datatype(self) -> str:
        """Such as 'FP32'."""

    @property
    def shape(self) -> tuple[int, ...]:
        """−1 stands for any size."""


class GraphSignature(Protocol):
    """What a graph takes and gives."""

    @property
    def inputs(self) -> Sequence[GraphTensor]:
        """All of them."""

    @property
    def outputs(self) -> Sequence[GraphTensor]:
        """All of them."""


class StreamAdmission(MediaAdmission, Protocol):
    """The same for work that lasts."""

    def hold(self, seconds: float) -> AbstractContextManager[object]:
        """Hold ``seconds`` of the capacity for the length of a ``with`` block.

        Raises:
            CapacityExceeded, RateLimited, Draining
        """


class AudioPipeline(Protocol):
    """Recording in, emotion or embeddings out; blocking and thread-safe."""

    @property
    def provider(self) -> str:
        """What runs the models, such as 'CUDAExecutionProvider'."""

    @property
    def admission(self) -> StreamAdmission:
        """What is in the system."""

    @property
    def waiting_windows(self) -> int:
        """Windows that wait for the device."""

    def stalled(self) -> bool:
        """Whether the device has stopped answering."""

    def gpu_memory_bytes(self) -> float:
        """GPU memory in use; 0 on a CPU, NaN where it cannot be known."""

    def analyse(
        self,
        data: memoryview,
        options: AudioOptions,
        work: Work,
        *,
        on_window: OnWindow | None = None,
    ) -> AudioEmotion:
        """Judge a recording; ``on_window`` is told each window as soon as it is judged.

        Raises:
            Problem: it cannot be judged.
        """

    def embed(self, data: memoryview, options: EmbeddingOptions, work: Work) -> AudioEmbedding:
        """Embed the windows of a recording; otherwise as :meth:`analyse`.

        Raises:
            Problem: it cannot be done.
        """

    def live(self, options: LiveOptions) -> LiveEmotion:
        """What judges one stream of sound as it arrives.

        Raises:
            Problem: it cannot be judged.
        """

    def signature(self, name: str, version: str) -> GraphSignature | None:
        """What a model's graph takes and gives; None where the model is not one graph of this pipeline."""

    def close(self) -> None:
        """Give threads and device memory back."""


class AffectPipeline(Protocol):
    """Video or table of action units in, arousal and valence out; blocking and thread-safe."""

    @property
    def has_faces(self) -> bool:
        """Whether videos can be judged; tables need no face model."""

    def warm_up(self) -> None:
        """Run every model once."""

    def analyse(
        self,
        data: bytes | memoryview,
        options: VideoOptions,
        work: Work,
        *,
        on_rows: OnRows | None = None,
    ) -> VideoAffect:
        """Judge a video.

        Args:
            data: the upload.
            options: the request's parameters.
            work: the request's deadline, cancellation and progress.
            on_rows: told rows before the end, in other threads.

        Raises:
            Problem: it cannot be judged.
        """

    def live(self, options: LiveVideoOptions) -> LiveVideo:
        """What judges one stream of frames as it arrives.

        Raises:
            Problem: it cannot be judged.
        """

    def analyse_table(self, data: bytes | memoryview, options: TableOptions, work: Work) -> VideoAffect:
        """The same for a table of action units.

        Raises:
            Problem: it cannot be judged.
        """

    def close(self) -> None:
        """Give threads and device memory back."""
