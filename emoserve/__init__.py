"""Emoserve in Python, without a server: ``emoserve.Analyzer().audio("talk.wav")``.

Answers are records with the names of the service's JSON; errors are :class:`EmoserveError` and the classes of
:mod:`emoserve.errors`. Importing this package loads no model and no large library: an :class:`Analyzer` does.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from service import __version__
from service import problems as errors
from service.problems import EmoserveError

if TYPE_CHECKING:
    from emoserve.analyzer import Analyzer, FileAnswer
    from emoserve.process import Process
    from emoserve.records import AudioEmbedding, AudioEmotion, VideoAffect

__all__ = [
    "Analyzer",
    "AudioEmbedding",
    "AudioEmotion",
    "EmoserveError",
    "FileAnswer",
    "Process",
    "VideoAffect",
    "__version__",
    "errors",
]

_HOMES = {
    "Analyzer": "emoserve.analyzer",
    "FileAnswer": "emoserve.analyzer",
    "Process": "emoserve.process",
    "AudioEmbedding": "emoserve.records",
    "AudioEmotion": "emoserve.records",
    "VideoAffect": "emoserve.records",
}


def __getattr__(name: str) -> object:
    """Load what is asked for first."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
