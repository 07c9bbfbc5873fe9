"""Choice of the speech model that answers a request which names none: the default, or for some the canary."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Final, TypeVar

from service.problems import Malformed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from service.pipeline.audio_options import AudioOptions
    from service.pipeline.speech.live import LiveOptions
    from service.registry import Registry
    from service.settings import Settings

CANARY_HEADER: Final = "X-Emoserve-Canary"
"""Header of a request by which the canary answers it, 'always', or does not, 'never'."""

Options = TypeVar("Options", "AudioOptions", "LiveOptions")


def with_canary(
    options: Options, settings: Settings, registry: Registry, headers: Mapping[str, str], draw: str
) -> Options:
    """The options, with name and version of the canary where it is to answer.

    Args:
        options: what was asked for; the canary takes no part where it is bound to a model.
        headers: of the request.
        draw: decides with the setting ``canary_share``: the same text always in the same way.

    Raises:
        Malformed: the header is neither 'always' nor 'never'.
    """
    wish = headers.get(CANARY_HEADER)
    if wish not in (None, "always", "never"):
        raise Malformed(f"{CANARY_HEADER} takes 'always' or 'never'.")
    if settings.canary is None or wish == "never" or is_bound(options):
        return options
    if wish is None and not is_drawn(draw, settings.canary_share):
        return options
    return named(options, registry, settings.canary)


def named(options: Options, registry: Registry, model: str | None = None) -> Options:
    """The options with name and version of ``model``, or else of the model that they mean now.

    Raises:
        ModelNotFound: there is none.
    """
    name, _, version = (model or "").partition(":")
    card = registry.find(name or options.model, version or options.version).card
    return replace(options, model=card.name, version=card.version)


def is_bound(options: AudioOptions | LiveOptions) -> bool:
    """Whether options name a model, or something that another model need not have: a domain, labels, a profile."""
    of_one_model = (options.model, options.version, options.domain, options.window_s, options.voice)
    return (
        any(value is not None for value in of_one_model)
        or options.profile in ("self", "document")
        or ":" in (options.prior or "")
    )


def is_drawn(draw: str, share: float) -> bool:
    """Whether a text is among a share of all texts, 0…1: those with the least hashes."""
    return int.from_bytes(hashlib.sha256(draw.encode()).digest()[:8]) < share * 2**64
