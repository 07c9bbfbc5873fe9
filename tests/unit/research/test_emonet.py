"""The sweep of EmoNet's tables in miniature: every training runs once, and a second start trains nothing."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from export.emonet import paper_recipe
from research import run_emonet
from research.__main__ import main
from tests.support.narrow_emonet import narrow_emonet, narrow_vgg16
from tests.support.small_corpus import write_small_corpus


@pytest.fixture(scope="module", autouse=True)
def narrow() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        narrow_emonet(patch)
        narrow_vgg16(patch)
        yield


@pytest.fixture(scope="module")
def study(narrow: None, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    folder = tmp_path_factory.mktemp("emonet")
    corpora = [str(write_small_corpus(folder / name, per_class=2)) for name in ("one", "two")]
    words = [
        "emonet",
        "--out",
        str(folder / "out"),
        "--budget",
        "0.01%",
        "--sources",
        "both",
        "single",
        "--vgg16",
        "random:1",
    ]
    words += ["--corpus", *corpora]
    _stopped_in_its_third_training(words)
    whole = folder / "out/trainings"
    first = {file: file.stat().st_mtime_ns for file in whole.glob("*/checkpoint.pt")}
    assert len(first) == 2
    assert main(words) == 0
    assert {file: file.stat().st_mtime_ns for file in first} == first  # what was whole is not trained again
    return folder / "out", words


def _stopped_in_its_third_training(words: list[str]) -> None:
    """Start the sweep and stop it as Ctrl-C does; what two trainings gave lies in their folders."""
    train, begun = run_emonet.train_paper, list[object]()

    def train_two(*arguments: Any, **options: Any) -> None:
        begun.append(arguments)
        if len(begun) == 3:
            raise KeyboardInterrupt
        train(*arguments, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_emonet, "train_paper", train_two)
        assert main(words) == 130


def test_the_table_has_every_system_on_every_corpus(study: tuple[Path, list[str]]) -> None:
    rows = json.loads((study[0] / "emonet.json").read_text())["rows"]
    systems = ["ResNet, best epoch", "ResNet, last epoch", "VGG16, best epoch", "both, adapters"]
    assert [(row["corpus"], row["system"]) for row in rows] == [
        *(("one", system) for system in [*systems, "single two, adapters"]),
        *(("two", system) for system in [*systems, "single one, adapters"]),
    ]
    first, *_, last = rows
    assert first["p against the ResNet (McNemar)"] is None
    assert 0 <= last["p against the ResNet (McNemar)"] <= 1
    assert first["chance %"] == pytest.approx(100 / 3)
    assert {row["n"] for row in rows} == {6}
    assert {row["share of the schedule"] for row in rows} == {1e-4}
    assert first["paper, EMO-DB test / mean of 26 corpora"] == "59.2 / 45.43"
    assert rows[3]["paper, EMO-DB test / mean of 26 corpora"] == "61.1 / 43.47"
    assert (study[0] / "confusions/one-both, adapters.png").read_bytes().startswith(b"\x89PNG")


def test_a_second_start_trains_nothing(study: tuple[Path, list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    out, words = study
    before = (out / "emonet.md").read_text()

    def never(*_: object) -> float:
        raise AssertionError("it trains again")

    monkeypatch.setattr(paper_recipe._Run, "_one_step", never)
    assert main(words) == 0
    assert (out / "emonet.md").read_text() == before


@pytest.mark.parametrize("option", ["--budget", "--share"])
@pytest.mark.parametrize("budget", ["0", "0%", "1.5", "150%", "much", "nan"])
def test_budgets_that_cannot_be_are_refused(option: str, budget: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["emonet", "--corpus", "nowhere", "--out", "nowhere", option, budget])
    assert stop.value.code == 2
    assert f"'{budget}' is no share of the schedule: above 0 and at most 100%" in capsys.readouterr().err
