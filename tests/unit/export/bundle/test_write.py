from pathlib import Path

import pytest

from export.bundle.write import Content, write_folder
from service.card import read_card
from tests.tiny_models import write_speech_bundle


def test_only_a_bundle_is_replaced(tmp_path: Path) -> None:
    bundle = write_speech_bundle(tmp_path / "models")
    card = read_card(bundle)
    contents = {name: Content(bundle / name, entry.role) for name, entry in card.files.items()}
    with pytest.raises(FileExistsError, match="something other than a bundle"):
        write_folder(tmp_path / "models", contents, lambda _: card)
    assert read_card(bundle) == card
    (tmp_path / "empty").mkdir()
    for folder in (bundle, tmp_path / "empty", tmp_path / "new"):
        assert write_folder(folder, contents, lambda _: card) == card
        assert read_card(folder) == card
