"""A plot of the spectrogram in one word: a preset, with whatever of its parameters was chosen otherwise.

``ottl-2020`` is the preset; ``ottl-2020(colour_map=magma,bands=64)`` is the preset with two parameters changed. Cards,
tables of features and heads carry this text, so that whoever reads them can draw the same plot again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from export.deep_spectrum.picture.presets import PlotPreset

Value = int | float | str

PARAMETERS: dict[str, type[int] | type[float] | type[str]] = {
    "fft_samples": int,
    "hop_samples": int,
    "representation": str,
    "bands": int,
    "mel_formula": str,
    "low_hz": float,
    "high_hz": float,
    "magnitude": str,
    "colour_map": str,
    "axis": str,
    "resize": str,
    "window_s": float,
    "hop_s": float,
}
"""Parameters that can be chosen, and how each is read."""

TEXT = re.compile(r"(?P<name>[^()]+)(?:\((?P<changes>[^()]+)\))?")


def plot_text(name: str, changes: Mapping[str, Value]) -> str:
    """The text of a plot; parameters stand in the order of :data:`PARAMETERS`."""
    said = [f"{key}={_plain(changes[key])}" for key in PARAMETERS if key in changes]
    return f"{name}({','.join(said)})" if said else name


def plot_preset(text: str) -> PlotPreset:
    """The plot that a text of :func:`plot_text` stands for.

    Raises:
        ValueError: there is no such preset or parameter, a value cannot be read, or the parameters contradict each
            other; the message is one line.
    """
    from export.deep_spectrum.picture.presets import PLOT_PRESETS

    found = TEXT.fullmatch(text)
    name = found["name"] if found else text
    if found is None or name not in PLOT_PRESETS:
        raise ValueError(f"there is no plot preset '{name}': choose one of {', '.join(PLOT_PRESETS)}")
    if not found["changes"]:
        return PLOT_PRESETS[name]
    changes = dict(_read(part) for part in found["changes"].split(","))
    return replace(PLOT_PRESETS[name], name=text, **completed(changes))  # type: ignore[arg-type]


def completed(changes: Mapping[str, Value]) -> dict[str, Value]:
    """``changes`` with what follows from them where it is not said: half a window as hop (A6), bands for mel only."""
    result = dict(changes)
    if "fft_samples" in changes:
        result.setdefault("hop_samples", int(changes["fft_samples"]) // 2)
    if changes.get("representation", "mel") != "mel":
        result.setdefault("bands", 0)
    if changes.get("representation") == "chroma":
        result.setdefault("axis", "linear")
    return result


def _plain(value: Value) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _read(part: str) -> tuple[str, Value]:
    key, separator, value = part.partition("=")
    if not separator or key not in PARAMETERS:
        raise ValueError(f"a plot has no parameter '{key}': choose one of {', '.join(PARAMETERS)}")
    try:
        return key, PARAMETERS[key](value)
    except ValueError as error:
        kind = "a whole number" if PARAMETERS[key] is int else "a number"
        raise ValueError(f"'{value}' is not {kind}, which a plot's {key} must be") from error
