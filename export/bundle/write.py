"""Writing a bundle so that it is either there and whole, or not there."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from service.card import Card, FileEntry, read_card, write_card


@dataclass(frozen=True)
class Content:
    """One file to be: its bytes, or the file to copy, and what it is for."""

    source: bytes | Path
    role: str = "model"


def write_bundle(out: Path, contents: Mapping[str, Content], make_card: Callable[[dict[str, FileEntry]], Card]) -> Path:
    """Write ``<out>/<name>/<version>/`` with all files and ``card.json``; a former bundle there is replaced.

    Args:
        out: folder of bundles, made where it is missing.
        contents: by file name.
        make_card: makes the card from the entries of the files, which hold their hashes and sizes.

    Returns:
        The bundle's folder.
    """
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out, prefix=".bundle-") as scratch:
        draft = Path(scratch) / "draft"
        draft.mkdir()
        entries = {name: _write_file(draft / name, content) for name, content in contents.items()}
        card = make_card(entries)
        write_card(card, draft)
        return _put_in_place(draft, out / card.name / card.version, Path(scratch))


def copy_bundle(bundle: Path, out: Path) -> Path:
    """Put the folder of a bundle under ``out``, as :func:`write_bundle` writes one; returns the new folder."""
    card = read_card(bundle)
    contents = {name: Content(bundle / name, entry.role) for name, entry in card.files.items()}
    return write_bundle(out, contents, lambda _: card)


def _write_file(path: Path, content: Content) -> FileEntry:
    data = content.source if isinstance(content.source, bytes) else content.source.read_bytes()
    path.write_bytes(data)
    return FileEntry(role=content.role, sha256=hashlib.sha256(data).hexdigest(), size_bytes=len(data))


def _put_in_place(draft: Path, folder: Path, scratch: Path) -> Path:
    """Rename within one file system, so a reader never finds half a bundle."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    if folder.exists():
        shutil.move(folder, scratch / "former")
    draft.rename(folder)
    return folder
