"""Folders that are used where no setting names others: those of a checkout, or those of an installed package."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from service.card import CARD_FILE_NAME

PACKAGE: Final = Path(__file__).resolve().parent
ROOT: Final = PACKAGE.parent


def is_checkout(root: Path = ROOT) -> bool:
    """Whether the package lies in a source tree with its models, such as a clone of the repository."""
    return (root / "pyproject.toml").is_file() and (root / "models").is_dir()


def shipped_models(root: Path = ROOT) -> Path:
    """Folder of the bundles that come with the project: of the source tree, or inside the installed package."""
    return root / "models" if is_checkout(root) else root / PACKAGE.name / "models"


def prepared_models(root: Path = ROOT) -> Path:
    """Folder of the bundles that are made on this machine: of the source tree, or of the user."""
    return root / "var/models" if is_checkout(root) else _of_user("XDG_DATA_HOME", ".local/share") / "models"


def state_folder(root: Path = ROOT) -> Path:
    """Folder of the jobs' database: below the working folder for a source tree, else the user's."""
    return Path("var/state") if is_checkout(root) else _of_user("XDG_STATE_HOME", ".local/state")


def process_file(state: Path, port: int) -> Path:
    """File that the service on ``port`` holds locked while it runs, with the number of its process."""
    return state / f"serve-{port}.pid"


def newest_bundle(name: str, folders: Iterable[Path]) -> Path | None:
    """The last version of the bundle ``name`` in the last of ``folders`` that has one, unchecked.

    Hidden versions are drafts.
    """
    cards = [card for folder in folders for card in sorted(folder.glob(f"{name}/[!.]*/{CARD_FILE_NAME}"))]
    return cards[-1].parent if cards else None


def _of_user(variable: str, usual: str) -> Path:
    """Folder of this program by the XDG Base Directory Specification, which ignores relative paths."""
    named = Path(os.environ.get(variable, ""))
    return (named if named.is_absolute() else Path(os.path.expanduser("~"), usual)) / "emoserve"
