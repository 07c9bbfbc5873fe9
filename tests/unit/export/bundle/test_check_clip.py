from pathlib import Path

import pytest

from export.__main__ import main
from service.card import read_card, write_card
from service.registry import Registry
from service.settings import Settings
from tests.shared_material import ROOT
from tests.tiny_models import write_speech_bundle, write_voice_bundle


def test_every_model_of_sound_that_is_committed_tells_its_answers_about_the_check_clip() -> None:
    cards = [bundle.card for bundle in Registry.load(Settings(model_dirs=[ROOT / "models"])).bundles]
    of_sound = [card for card in cards if card.speech is not None]
    assert of_sound
    assert [card.name for card in cards if card.check_clip is not None] == [card.name for card in of_sound]


def test_a_card_gets_the_answers_of_its_own_graphs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle, voice = write_speech_bundle(tmp_path, max_length_s=2.0), write_voice_bundle(tmp_path)
    card = read_card(bundle)
    assert card.check_clip is not None
    assert sum(card.check_clip.outputs["model"]["probabilities"]) == pytest.approx(1, abs=1e-5)
    write_card(card.model_copy(update={"check_clip": None}), bundle)
    assert main(["check-clip", str(bundle), str(voice)]) == 0
    assert read_card(bundle) == card
    printed = capsys.readouterr()
    assert printed.out == "tiny/1: probabilities, arousal, valence, embedding, statistics\n"
    assert "tiny-voice/1 takes no sound" in printed.err
    assert main(["check-clip", str(tmp_path)]) == 1
