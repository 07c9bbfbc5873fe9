"""Writing a bundle so that it is either there and whole, or not there."""

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from service.card import CARD_FILE_NAME, Card, FileEntry, read_card, write_card

TENSORS_ROLE = "tensors"
"""Role of a file that holds tensors of the graph beside it, for graphs that are too large for one ONNX file."""

MAX_GRAPH_BYTES = 2_000_000_000
"""Most bytes of tensors in one ONNX file: it is one protocol buffer, which holds 2 GiB."""


@dataclass(frozen=True)
class Content:
    """One file to be: its bytes, or the file to copy, and what it is for."""

    source: bytes | Path
    role: str = "model"


CardMaker = Callable[[dict[str, FileEntry]], Card]
"""Makes the card from the entries of the files, which hold their hashes and sizes."""


def write_bundle(out: Path, contents: Mapping[str, Content], make_card: CardMaker) -> Path:
    """Write ``<out>/<name>/<version>/`` with all files and ``card.json``; a former bundle there is replaced.

    The card tells what graphs of sound answer about the check clip.

    Args:
        out: folder of bundles, made where it is missing.
        contents: the files by name.
        make_card: such as :func:`export.bundle.card.build_card` with its first two arguments given.

    Returns:
        The bundle's folder.

    Raises:
        OSError: ``out`` cannot be written.
    """
    with _draft(out, contents, make_card) as (draft, card):
        return _put_in_place(draft, out / card.name / card.version)


def write_folder(folder: Path, contents: Mapping[str, Content], make_card: CardMaker) -> Card:
    """Write a bundle as ``folder`` itself, whatever its name and version; returns the card."""
    with _draft(folder.parent, contents, make_card) as (draft, card):
        _put_in_place(draft, folder)
        return card


def copy_bundle(bundle: Path, out: Path) -> Path:
    """Put the folder of a bundle under ``out``, as :func:`write_bundle` writes one; returns the new folder."""
    card = read_card(bundle)
    contents = {name: Content(bundle / name, entry.role) for name, entry in card.files.items()}
    return write_bundle(out, contents, lambda _: card)


@contextmanager
def _draft(place: Path, contents: Mapping[str, Content], make_card: CardMaker) -> Iterator[tuple[Path, Card]]:
    """A whole bundle in a hidden folder in ``place``, which the service passes over."""
    place.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place, prefix=".bundle-") as scratch:
        draft = Path(scratch) / "draft"
        draft.mkdir()
        card = make_card({name: _write_file(draft / name, content) for name, content in contents.items()})
        if card.speech is not None and card.check_clip is None:
            from export.bundle.check_clip import with_check_clip  # ONNX Runtime is behind it

            card = with_check_clip(card, draft)
        write_card(card, draft)
        yield draft, card


def _write_file(path: Path, content: Content) -> FileEntry:
    data = content.source if isinstance(content.source, bytes) else content.source.read_bytes()
    path.write_bytes(data)
    return FileEntry(role=content.role, sha256=hashlib.sha256(data).hexdigest(), size_bytes=len(data))


def _put_in_place(draft: Path, folder: Path) -> Path:
    """Rename within one file system, so a reader never finds half a bundle.

    Raises:
        FileExistsError: there is a folder that holds something other than a bundle.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    if folder.exists() and not (folder / CARD_FILE_NAME).is_file() and any(folder.iterdir()):
        raise FileExistsError(f"{folder} holds something other than a bundle: name the folder of the bundle itself")
    if folder.exists():
        shutil.move(folder, draft.with_name("former"))
    draft.rename(folder)
    return folder
