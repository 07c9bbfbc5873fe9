"""Recordings that are not part of the project: tests find them here, or skip without them."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("EMOSERVE_SHARED", ROOT.parent / "shared"))


def corpus_folder(name: str) -> Path:
    """Folder of a corpus, or a loud skip."""
    folder = SHARED / "corpora" / name
    if not folder.is_dir():
        pytest.skip(f"corpus {name} is not at {folder} (set EMOSERVE_SHARED)")
    return folder


def shared_file(relative: str) -> Path:
    """A file of the test material, or a loud skip."""
    path = SHARED / relative
    if not path.is_file():
        pytest.skip(f"{relative} is not at {path} (set EMOSERVE_SHARED)")
    return path
