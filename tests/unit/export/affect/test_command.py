"""The affect commands' arguments reach their programs."""

import argparse

import pytest

from export.affect.command import add_train_arguments, configure_prior
from service.card import read_card
from tests.shared_material import SHARED


def parser():
    commands = argparse.ArgumentParser()
    subparsers = commands.add_subparsers()
    configure_prior(subparsers.add_parser("affect-prior"))
    add_train_arguments(subparsers.add_parser("shallow-fau"))
    return commands


def test_prior_writes_a_bundle(tmp_path, capsys):
    ratings = SHARED / "affect" / "haines2019.csv"
    if not ratings.exists():
        pytest.skip(f"no table of ratings at {ratings}; set EMOSERVE_SHARED")
    arguments = parser().parse_args(["affect-prior", "--ratings", str(ratings), "--out", str(tmp_path / "prior")])
    assert arguments.run(arguments) == 0
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
        "shallow-fau",
        "--features",
        str(features),
        "--labels",
        str(labels),
        "--out",
        str(tmp_path / "out"),
    ]
    arguments = parser().parse_args([*command, "--network", "E", "--epochs", "3", "--delay-s", "0", "--name", "mine"])
    assert arguments.run(arguments) == 0
    card = read_card(tmp_path / "out" / "bundle" / "mine" / "1")
    assert [entry.role for entry in card.files.values()] == ["valence"]
    assert "concordance_correlation" in capsys.readouterr().out
    assert (tmp_path / "out" / "checkpoint-valence.pt").exists()


def test_unknown_networks_are_refused():
    with pytest.raises(SystemExit):
        parser().parse_args(["shallow-fau", "--features", "a", "--labels", "b", "--out", "c", "--network", "Z"])
