"""The sweep of EmoNet's tables in miniature: every training runs once, and a second start trains nothing."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from export.emonet import paper_recipe
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
        "--share",
        "1e-4",
        "--sources",
        "both",
        "single",
        "--vgg16",
        "random:1",
    ]
    words += ["--corpus", *corpora]
    assert main(words) == 0
    return folder / "out", words


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


@pytest.mark.parametrize("share", ["0", "1.5"])
def test_shares_that_cannot_be_are_refused(
    study: tuple[Path, list[str]], share: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [share if word == "1e-4" else word for word in study[1]]
    assert main(words) == 1
    assert "--share is above 0" in capsys.readouterr().err
