"""What the HTTP side needs of the models and of what runs them; anything of this shape will do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from service.card import Card
from service.pipeline.results import AudioEmotion, AudioOptions


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

    @property
    def alive(self) -> bool:
        """Whether a recording could be decoded now."""

    def close(self) -> None:
        """End the processes."""


class AudioPipeline(Protocol):
    """Recording in, emotion out; blocking and thread-safe."""

    @property
    def provider(self) -> str:
        """What runs the models, such as 'CUDAExecutionProvider'; empty when nothing can."""

    def analyse(self, data: memoryview, options: AudioOptions) -> AudioEmotion:
        """Judge a recording.

        Raises:
            Problem: it cannot be.
        """

    def close(self) -> None:
        """Give threads and device memory back."""
