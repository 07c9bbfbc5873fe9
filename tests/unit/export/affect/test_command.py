"""The affect commands' arguments reach their programs."""

import pytest

from export.__main__ import main
from service.card import read_card
from tests.shared_material import SHARED


def test_prior_writes_a_bundle(tmp_path, capsys):
    ratings = SHARED / "affect" / "haines2019.csv"
    if not ratings.exists():
        pytest.skip(f"no table of ratings at {ratings}; set EMOSERVE_SHARED")
    assert main(["affect-prior", "--ratings", str(ratings), "--out", str(tmp_path / "prior")]) == 0
    assert read_card(tmp_path / "prior").name == "affect-prior"
    assert "pearson_correlation" in capsys.readouterr().out


def test_training_runs_from_the_command_line(tmp_path, capsys):
    features, labels = tmp_path / "features", tmp_path / "labels"
    features.mkdir()
    labels.mkdir()
    for number in range(3):
        rows = [";".join(["'x'", f"{t / 10:.1f}", *[str((t * number + c) % 7) for c in range(36)]]) for t in range(120)]
        (features / f"{number}.csv").write_text("\n".join(rows))
        (labels / f"{number}.csv").write_text("\n".join(["time_s,valence", *[f"{t / 10},{t % 7}" for t in range(120)]]))
    command = [
        "train",
        "shallow-fau",
        "--features",
        str(features),
        "--labels",
        str(labels),
        "--out",
        str(tmp_path / "out"),
    ]
    assert main([*command, "--network", "E", "--epochs", "3", "--delay-s", "0", "--name", "mine"]) == 0
    card = read_card(tmp_path / "out" / "bundle" / "mine" / "1")
    assert [entry.role for entry in card.files.values()] == ["valence"]
    assert "concordance_correlation" in capsys.readouterr().out
    assert (tmp_path / "out" / "checkpoint-valence.pt").exists()


def test_unknown_networks_are_refused():
    with pytest.raises(SystemExit):
        main(["train", "shallow-fau", "--features", "a", "--labels", "b", "--out", "c", "--network", "Z"])
