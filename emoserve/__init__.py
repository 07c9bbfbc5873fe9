"""Emoserve in Python, without a server: ``emoserve.Analyzer().audio("talk.wav")``."""

from __future__ import annotations

from service import __version__

__all__ = ["__version__"]
