"""One check for each parameter of a request, shared by HTTP, streams, jobs and the command line."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal

from service.card import SpeechInput
from service.problems import Unprocessable

_SHARE: Final = r"(0(?:\.[0-9]{1,6})?|1(?:\.0{1,6})?)"

NUMBERED_FACE: Final = re.compile(r"largest|[0-9]{1,6}")
"""Form of ``face`` where there are no pictures."""

EVERY_FACE: Final = "all"
"""Value of ``face`` that asks for every face."""

FACE: Final = re.compile(rf"{NUMBERED_FACE.pattern}|{EVERY_FACE}|at:{_SHARE},{_SHARE}")
"""Form of ``face``."""


_PRIOR_ENTRY: Final = r"[^:,]{1,64}:[0-9]{1,9}(?:\.[0-9]{1,9})?"

PRIOR: Final = re.compile(rf"card|uniform|{_PRIOR_ENTRY}(?:,{_PRIOR_ENTRY})*")
"""Form of ``prior``."""

MAX_PRIOR_CHARACTERS: Final = 512
"""Length of ``prior``: ten labels with their probabilities take 200."""

SPEAKERS: Final = re.compile(r"off|auto|[1-9]|1[0-9]|20")
"""Form of ``speakers``: up to 20 people."""

UNIFORM: Final = "uniform"
"""Value of ``prior`` by which every class is as likely."""


def check_range(start_s: float | None, end_s: float | None) -> None:
    """Refuse a stretch of the recording that cannot be; None stands for its beginning or end.

    Raises:
        Unprocessable: with the pointer '/start_s' or '/end_s'.
    """
    begin_s = 0.0 if start_s is None else start_s
    if not 0 <= begin_s < math.inf:  # false for NaN too
        raise Unprocessable("start_s must be a time in seconds, 0 or later.", pointer="/start_s")
    if end_s is not None and not begin_s < end_s < math.inf:
        raise Unprocessable("end_s must be a time in seconds after start_s.", pointer="/end_s")


def check_hop(hop_s: float | None, least_s: float) -> None:
    """Refuse a hop below ``least_s``, the service's limit; None stands for the card's.

    Raises:
        Unprocessable: with the pointer '/hop_s'.
    """
    if hop_s is not None and not least_s <= hop_s < math.inf:
        raise Unprocessable(f"hop_s must be at least {least_s:g}.", pointer="/hop_s")


def check_window(window_s: float | None, speech: SpeechInput) -> None:
    """Refuse a window that a model does not take; None stands for the card's.

    Raises:
        Unprocessable: with the pointer '/window_s'.
    """
    if window_s is not None and not speech.min_length_s <= window_s <= speech.max_length_s:
        raise Unprocessable(
            f"window_s must be between {speech.min_length_s:g} and {speech.max_length_s:g}.", pointer="/window_s"
        )


def read_prior(text: str | None) -> Mapping[str, float] | Literal["uniform"] | None:
    """Read 'card', which None stands for, 'uniform', or the probabilities of some labels as 'LABEL:P,…'.

    Returns:
        Probabilities by label, as they are written; None for the card's.

    Raises:
        Unprocessable: with the pointer '/prior'.
    """
    if text is None or text == "card":
        return None
    if text == UNIFORM:
        return "uniform"
    if len(text) > MAX_PRIOR_CHARACTERS or not PRIOR.fullmatch(text):
        raise Unprocessable(
            "prior must be 'card', 'uniform', or LABEL:P,… with decimal numbers from 0.", pointer="/prior"
        )
    pairs = [entry.split(":") for entry in text.split(",")]
    asked = {label: float(number) for label, number in pairs}
    if len(asked) < len(pairs):
        raise Unprocessable("prior names a label twice.", pointer="/prior")
    return asked


def read_speakers(text: str | None) -> int | Literal["auto"] | None:
    """Read 'off', which None stands for, 'auto', or the number of people who speak.

    Returns:
        The number, or 'auto'; None where nobody asks.

    Raises:
        Unprocessable: with the pointer '/speakers'.
    """
    if text is None or text == "off":
        return None
    if not SPEAKERS.fullmatch(text):
        raise Unprocessable("speakers must be 'off', 'auto', or a number from 1 to 20.", pointer="/speakers")
    return "auto" if text == "auto" else int(text)


def read_face(text: str) -> str:
    """Read 'largest', 'all', the number of a face, which comes without leading zeros, or 'at:X,Y'.

    Raises:
        Unprocessable: with the pointer '/face'.
    """
    if not FACE.fullmatch(text):
        raise Unprocessable(
            "face must be 'largest', 'all', a number from 0, or at:X,Y in shares of the picture, 0 to 1.",
            pointer="/face",
        )
    return str(int(text)) if text.isdecimal() else text


def read_numbered_face(text: str) -> str:
    """Read 'largest' or the number of a face, for what has no pictures.

    Raises:
        Unprocessable: with the pointer '/face'.
    """
    if not NUMBERED_FACE.fullmatch(text):
        raise Unprocessable("face must be 'largest' or a number from 0.", pointer="/face")
    return read_face(text)


def place_of(face: str) -> tuple[float, float] | None:
    """The place of 'at:X,Y', in shares of the picture from its top left; None for any other choice of a face."""
    if not face.startswith("at:"):
        return None
    x, y = face.removeprefix("at:").split(",")
    return float(x), float(y)


def read_include(names: Iterable[str], permitted: Sequence[str]) -> frozenset[str]:
    """Read the further parts of an answer; empty names are passed over.

    Raises:
        Unprocessable: one that is not ``permitted``, with the pointer '/include'.
    """
    parts = frozenset(part for name in names if (part := name.strip()))
    if not parts <= set(permitted):
        raise Unprocessable(f"include takes: {', '.join(permitted)}.", pointer="/include")
    return parts
