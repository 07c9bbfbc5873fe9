"""The catalogue names every system of the checklist, and commands that are there."""

import re

import pytest

import research.__main__
from export.__main__ import COMMANDS, main
from export.catalogue import CATALOGUE
from export.classifiers.recipe import RECIPES
from export.deep_spectrum.networks.specification import EXTRACTORS
from export.deep_spectrum.picture.presets import PLOT_PRESETS
from export.features.extractors import FEATURE_SETS

NEEDED = {
    "A": {*range(4, 11), *range(11, 18), 19, *range(20, 25)},
    "B": {1, 2, 3, 4, 5, 6, *range(8, 21)},
    "C": {3, 4, 7, 8, *range(9, 17), *range(19, 23)},
    "D": {*range(1, 5), *range(6, 9), 12, *range(13, 17)},
    "E": set(range(7, 22)),
    "F": {1, 2, 4, 9, 10, 11, 12, 13, 14, 15, 16},
    "G": {1, 5, 6, 7, 8},
}
"""Items that are systems or parts of them; the others are data, figures and remarks."""


def items_of(text: str) -> dict[str, set[int]]:
    """Letters to numbers: 'A4–A7, F1' is A 4, 5, 6, 7 and F 1."""
    found: dict[str, set[int]] = {}
    for letter, first, last in re.findall(r"([A-G])(\d+)(?:–[A-G](\d+))?", text):
        found.setdefault(letter, set()).update(range(int(first), int(last or first) + 1))
    return found


@pytest.mark.parametrize("letter", NEEDED)
def test_every_item_that_is_a_system_is_named(letter: str) -> None:
    named: set[int] = set()
    for entry in CATALOGUE:
        assert items_of(entry.items), entry.name
        named |= items_of(entry.items).get(letter, set())
    assert NEEDED[letter] - named == set()


def test_every_preset_extractor_recipe_and_rival_is_named() -> None:
    commands = " ".join(entry.command for entry in CATALOGUE)
    for word in (*(f"--preset {name}" for name in PLOT_PRESETS), *(f"export {name} " for name in EXTRACTORS)):
        assert word in commands
    for word in (*(f"--recipe {name}" for name in RECIPES), *FEATURE_SETS, "bag-of-audio-words", "train denoiser"):
        assert word in commands
    for word in (
        "fusion --kind early",
        "fusion --kind late",
        *(f"python -m research {name}" for name in ("networks", "fusion")),
    ):
        assert word in commands


PROGRAMS = {"emoserve-export": main, "python -m research": research.__main__.main}


@pytest.mark.parametrize("command", sorted({" ".join(entry.command.split()[:4]) for entry in CATALOGUE}))
def test_every_command_is_there(command: str, capsys: pytest.CaptureFixture) -> None:
    program = next(name for name in PROGRAMS if command.startswith(name))
    length = 1 if program == "python -m research" else 2
    words = command.removeprefix(program).replace("NETWORK", "squeezenet").split()[:length]
    assert program == "python -m research" or words[0] in COMMANDS
    words = [word.rstrip(",") for word in words if not word.startswith("-")]
    with pytest.raises(SystemExit) as stop:
        PROGRAMS[program]([*words, "--help"])
    assert stop.value.code == 0
    assert "usage:" in capsys.readouterr().out
