"""The model bundles that this process serves: found, checked and chosen by name, version and task.

A bundle is ``<model dir>/<name>/<version>/`` with ``card.json`` and the files that the card lists. Whatever
is wrong with one stops the start with a single line: a service that half loads would answer with the wrong
weights.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from service.card import CARD_FILE_NAME, Card, Task, read_card
from service.problems import EmoserveError, ModelNotFound

if TYPE_CHECKING:
    from service.settings import Settings

SPEECH_EMOTION: Task = "speech-emotion"
SPEECH_EMBEDDING: Task = "speech-embedding"
SPEAKER_EMBEDDING: Task = "speaker-embedding"
DENOISER: Task = "denoiser"


class BundleError(EmoserveError):
    """A bundle that must not be served; the message is one line that names it and the cause."""


@dataclass(frozen=True)
class Bundle:
    """A checked bundle: its card and where its files lie."""

    card: Card
    folder: Path

    def path(self, role: str = "model") -> Path:
        """The file for ``role``. Raises KeyError if the bundle has none."""
        return self.folder / self.card.file_with_role(role)

    @cached_property
    def sha256(self) -> str:
        """Hex digest that stands for the weights.

        Of a bundle of one file its digest; of several the digest over ``<digest>  <name>`` lines in the
        order of the names, which ``sha256sum *.onnx | sha256sum`` prints too.
        """
        if len(self.card.files) == 1:
            return next(iter(self.card.files.values())).sha256
        lines = (f"{entry.sha256}  {name}\n" for name, entry in sorted(self.card.files.items()))
        return hashlib.sha256("".join(lines).encode()).hexdigest()


@dataclass(frozen=True)
class Withheld:
    """A sound bundle that the licence policy keeps from being served."""

    name: str
    version: str
    reason: str


@dataclass(frozen=True)
class Registry:
    """All bundles of this process.

    Attributes:
        bundles: in the order of name and version.
        withheld: what the licence policy forbids.
        default_model: name or ``name:version`` of the speech model that answers where a request names none: the pinned
            one, or ``settings.default_model``.
    """

    bundles: tuple[Bundle, ...]
    withheld: tuple[Withheld, ...] = ()
    default_model: str | None = None

    @classmethod
    def load(cls, settings: Settings, *, pin: bool = True) -> Registry:
        """Find and check every bundle below ``settings.model_dirs``; a folder that is missing is passed over.

        Args:
            settings: where bundles are, which may be loaded, and the default.
            pin: whether a pinned model goes before ``settings.default_model``.

        Raises:
            BundleError: a bundle is wrong, or the default model, the canary or the shadow is not among those found.
        """
        found = [_checked(folder) for root in settings.model_dirs for folder in _bundle_folders(root)]
        found = _without_copies(found)
        found.sort(key=lambda bundle: (bundle.card.name, _version_order(bundle.card.version)))
        commercial = settings.licence_policy == "commercial"
        withheld = [bundle for bundle in found if commercial and not bundle.card.licence.commercial_use]
        registry = cls(
            bundles=tuple(bundle for bundle in found if bundle not in withheld),
            withheld=tuple(_withheld(bundle.card) for bundle in withheld),
            default_model=(pinned_model(settings) if pin else None) or settings.default_model,
        )
        registry._check_names({"canary": settings.canary, "shadow model": settings.shadow})
        return registry

    def find(self, name: str | None = None, version: str | None = None, task: Task = SPEECH_EMOTION) -> Bundle:
        """Choose a bundle.

        Args:
            name: None takes the default speech model, or the highest ``priority`` of the task.
            version: None takes the highest: numbers in versions are compared as numbers.
            task: what the model must do.

        Raises:
            ModelNotFound: there is no such model, version or task, or the licence policy withholds it; the detail
                names the licence then, and what is loaded for the task otherwise.
        """
        candidates = self.of_task(task)
        if name is None and task == SPEECH_EMOTION and self.default_model:
            name, _, pinned = self.default_model.partition(":")
            version = version or pinned or None
        if name is None and candidates:
            name = max(candidates, key=lambda bundle: bundle.card.priority).card.name
        matches = [
            bundle for bundle in candidates if bundle.card.name == name and version in (None, bundle.card.version)
        ]
        if not matches:
            raise ModelNotFound(self.why_withheld(name, version) or _loaded(task, candidates))
        return matches[-1]

    def why_withheld(self, name: str | None, version: str | None = None) -> str | None:
        """One sentence on what the licence policy keeps from being served under that name, or None."""
        for entry in self.withheld:
            if entry.name == name and version in (None, entry.version):
                return f"The model '{entry.name}' is not served: {entry.reason}."
        return None

    def versions(self, name: str) -> tuple[Bundle, ...]:
        """All versions of the model ``name``, the highest last; empty where there is no such model."""
        return tuple(bundle for bundle in self.bundles if bundle.card.name == name)

    def of_task(self, task: Task) -> tuple[Bundle, ...]:
        """All bundles for ``task``, in the order of name and version."""
        return tuple(bundle for bundle in self.bundles if bundle.card.task == task)

    def _check_names(self, others: dict[str, str | None]) -> None:
        """Look up the default model, and others by what they are to be."""
        for role, text in {"default model": self.default_model, **others}.items():
            if text is None:
                continue
            name, _, version = text.partition(":")
            try:
                self.find(name, version or None)
            except ModelNotFound as error:
                reasons = [entry.reason for entry in self.withheld if entry.name == name]
                cause = reasons[0] if reasons else "no such speech model was found"
                raise BundleError(f"{role} '{text}': {cause}") from error


def pin_file(settings: Settings) -> Path:
    """File that holds the pinned default model."""
    return settings.state_dir / "default_model"


def pinned_model(settings: Settings) -> str | None:
    """The default model that ``emoserve models pin`` has set, as ``name`` or ``name:version``; None without a pin."""
    try:
        return pin_file(settings).read_text("utf-8").strip() or None
    except FileNotFoundError:
        return None


def _bundle_folders(root: Path) -> Iterator[Path]:
    """Every ``<name>/<version>`` below ``root`` with a card or a graph; hidden folders are passed over."""
    for folder in sorted(root.glob("*/*")):
        hidden = folder.name.startswith(".") or folder.parent.name.startswith(".")
        if not hidden and folder.is_dir() and ((folder / CARD_FILE_NAME).exists() or any(folder.glob("*.onnx"))):
            yield folder


def _checked(folder: Path) -> Bundle:
    try:
        card = read_card(folder)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the document"
        raise _wrong(folder, f"{CARD_FILE_NAME} is not valid at {place}: {first['msg']}") from error
    except OSError as error:
        raise _wrong(folder, f"{CARD_FILE_NAME} cannot be read: {error.strerror}") from error
    if (card.name, card.version) != (folder.parent.name, folder.name):
        raise _wrong(folder, f"its card says {card.name}/{card.version}")
    _check_speech(card, folder)
    for name in card.files:
        _check_file(card, folder, name)
    undeclared = sorted(path.name for path in folder.rglob("*.onnx") if path.name not in card.files)
    if undeclared:
        raise _wrong(folder, f"its card does not list {undeclared[0]}")
    return Bundle(card, folder)


def _check_speech(card: Card, folder: Path) -> None:
    """Check the card of a model that takes the waveform."""
    names = {
        SPEECH_EMOTION: "speech model",
        SPEECH_EMBEDDING: "speech embedding model",
        SPEAKER_EMBEDDING: "speaker embedding model",
        DENOISER: "denoiser",
    }
    name = names.get(card.task)
    if name is None:
        return
    if card.speech is None:
        raise _wrong(folder, f"a {name}'s card needs 'speech'")
    if not card.speech.min_length_s <= card.speech.window_s <= card.speech.max_length_s:
        raise _wrong(folder, "window_s is not between min_length_s and max_length_s")
    if card.task == DENOISER and card.speech.hop_s > card.speech.window_s:
        raise _wrong(folder, "a denoiser's hop_s is longer than its window_s, which leaves gaps")
    if len(set(card.labels)) != len(card.labels):
        raise _wrong(folder, "a label appears twice")


def _check_file(card: Card, folder: Path, name: str) -> None:
    if name in ("", ".", "..") or "/" in name or "\\" in name:
        raise _wrong(folder, f"the file name '{name}' is not plain")
    entry, path = card.files[name], folder / name
    try:
        size_bytes = path.stat().st_size
        if size_bytes != entry.size_bytes:
            raise _wrong(folder, f"{name} has {size_bytes} bytes, its card says {entry.size_bytes}")
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise _wrong(folder, f"{name} cannot be read: {error.strerror}") from error
    if digest != entry.sha256:
        raise _wrong(folder, f"the sha256 of {name} is {digest[:12]}…, its card says {entry.sha256[:12]}…")


def _without_copies(bundles: Iterable[Bundle]) -> list[Bundle]:
    """The first of equal bundles: an image and a folder mounted into it may both hold what was prepared.

    Raises:
        BundleError: two have the same name and version, and other content.
    """
    seen: dict[tuple[str, str], Bundle] = {}
    for bundle in bundles:
        other = seen.setdefault((bundle.card.name, bundle.card.version), bundle)
        if other.card != bundle.card:
            raise _wrong(bundle.folder, f"{other.folder} holds another one of the same name and version")
    return list(seen.values())


def _loaded(task: Task, bundles: Sequence[Bundle]) -> str:
    """One sentence on what is there for a task."""
    if not bundles:
        return f"No model of the task '{task}' is loaded."
    return f"Models of the task '{task}': {', '.join(f'{one.card.name} {one.card.version}' for one in bundles)}."


def _withheld(card: Card) -> Withheld:
    reason = f"the licence {card.licence.spdx} forbids commercial use and the licence policy is 'commercial'"
    return Withheld(card.name, card.version, reason)


def _wrong(folder: Path, cause: str) -> BundleError:
    return BundleError(
        f"bundle {folder.parent.name}/{folder.name} in {folder.parent.parent}: {cause}".replace("\n", " ")
    )


def _version_order(version: str) -> tuple[tuple[int, int, str], ...]:
    """Sort key under which '10' is above '9' and '1.10' above '1.9'."""
    parts = re.findall(r"\d+|[A-Za-z]+", version)
    return tuple((1, int(part), "") if part.isdigit() else (0, 0, part) for part in parts)
