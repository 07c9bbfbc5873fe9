"""The systems of Lakomkin et al.: what they hear, whom they never hear, and the table by its command."""

import json

import numpy as np
import pytest
import torch

from export.evaluation.voice import synthetic_voice
from export.speech_representations.recogniser.network import Recogniser, RecogniserConfig
from research import reused_speech, run_lakomkin
from research.__main__ import main
from research.reused_speech import SYSTEMS, EmotionNetwork, Heard, StudyRecipe, System, folds_of, judge, sequences_of
from research.speech_frames import own_frames
from tests.support.small_corpus import write_small_corpus
from tests.unit.export.speech_representations.test_commands import write_wheel


def heard(speakers: int = 4, per_class: int = 3) -> Heard:
    """Sequences of three numbers, the first of which tells the class and the second the speaker."""
    random = np.random.default_rng(0)
    rows = [(speaker, target) for speaker in range(speakers) for target in (0, 1) for _ in range(per_class)]
    values = [
        random.normal([2.0 * target - 1.0, speaker, 0.0], 0.3, (random.integers(4, 9), 3)) for speaker, target in rows
    ]
    frames = [torch.from_numpy(value.astype(np.float32)) for value in values]
    return Heard([frames], np.array([target for _, target in rows]), [f"s{speaker}" for speaker, _ in rows])


def test_every_speaker_is_left_out_alone_up_to_twelve() -> None:
    assert len(set(folds_of([f"{n:02}" for n in range(12)] * 2))) == 12
    many = [f"{n:02}" for n in range(13)] * 2
    folds = folds_of(many)
    assert len(set(folds)) == 10
    assert len({(name, fold) for name, fold in zip(many, folds, strict=True)}) == 13


def test_systems_are_as_wide_as_stated() -> None:
    def learnt(system: System) -> int:
        network = EmotionNetwork(system, 1024, 4, 0.25)
        return sum(value.numel() for value in network.parameters())

    sizes = {system.name: learnt(system) for system in SYSTEMS}
    assert sizes["MP-2"] == 4 * 1024 + 4
    assert sizes["Baseline 64"] / sizes["MP-2"] == pytest.approx(28, abs=3)  # B15: about 30 times fewer
    assert sizes["Progressive-1"] == sizes["Baseline 96"] + 4 * 1024


@pytest.mark.parametrize("system", [System("MP", layer=1), System("RNN", layer=1, rnn_units=6)])
def test_a_class_is_learnt_and_carries_over_to_other_speakers(system) -> None:
    whole = heard()
    part = Heard(sequences_of(system, [], [row.numpy() for row in whole.sequences[0]]), whole.targets, whole.speakers)
    probabilities = judge(system, part, 2, StudyRecipe(rate=0.02, batch_size=6, epochs=20, softmax_epochs=60), seed=0)
    assert np.allclose(probabilities.sum(axis=1), 1.0)
    assert (probabilities.argmax(axis=1) == whole.targets).mean() > 0.9


def test_a_network_hears_nothing_of_its_fold(monkeypatch) -> None:
    seen, train = [], reused_speech._train

    def spy(system, part, classes, parts, recipe, seed):
        seen.append([{part.speakers[row] for row in rows} for rows in parts])
        return train(system, part, classes, parts, recipe, seed)

    monkeypatch.setattr(reused_speech, "_train", spy)
    judge(System("MP", layer=1), heard(), 2, StudyRecipe(softmax_epochs=1), seed=0)
    assert seen[0] == [{"s2", "s3"}, {"s1"}]
    assert seen[3] == [{"s1", "s2"}, {"s0"}]
    with pytest.raises(ValueError, match="three speakers"):
        judge(System("MP", layer=1), heard(2), 2, StudyRecipe(), seed=0)


def test_padding_changes_no_representation() -> None:
    torch.manual_seed(0)
    network = EmotionNetwork(System("RNN", layer=1, rnn_units=5), 3, 2, 0.25).eval()
    part = heard()
    with torch.inference_mode():
        together = network(part.batch(np.arange(6)))
        alone = torch.cat([network(part.batch(np.array([row]))) for row in range(6)])
    assert torch.allclose(together, alone, atol=1e-6)


def test_own_features_are_normalised_and_hold_the_pitch() -> None:
    values = own_frames(synthetic_voice(1.0, 16_000, 0))
    assert values.shape == (101, 27)
    assert np.abs(values.mean(axis=0)).max() < 1e-3
    time_s = np.arange(16_000) / 16_000
    rising = np.sin(2 * np.pi * (150 * time_s + 75 * time_s**2)).astype(np.float32)
    assert np.corrcoef(own_frames(rising)[10:-10, 26], np.arange(81))[0, 1] > 0.99


def test_the_command_writes_the_table_and_repeats_nothing(tmp_path, monkeypatch, capsys) -> None:
    corpus = write_small_corpus(tmp_path / "small", 2)
    torch.manual_seed(0)
    network = Recogniser(RecogniserConfig("_AB", 2, 6, 3))
    average = {f"module.{name}": value for name, value in network.state_dict().items()}
    (tmp_path / "recogniser").mkdir()
    state = {"config": {"recogniser": network.config.to_text()}, "average": average}
    torch.save(state, tmp_path / "recogniser/checkpoint.pt")
    wheel, digest = write_wheel(tmp_path)
    monkeypatch.setattr("export.speech_representations.encoder.WEIGHTS_SHA256", digest)

    def study(*more: str) -> int:
        words = ["lakomkin", "--corpus", corpus, "--out", tmp_path / "out", "--cache", tmp_path / "cache"]
        words += ["--recogniser", tmp_path / "recogniser", "--encoder", wheel, "--epochs", 1, "--softmax-epochs", 9]
        return main(list(map(str, [*words, *more])))

    assert study("--systems", "Baseline 96", "MP-2", "--runs", "2") == 0
    assert "layer 3: unit" in capsys.readouterr().out
    rows = json.loads((tmp_path / "out/lakomkin-small.json").read_text())["rows"]
    wanted = [("Most frequent class", "none"), ("Random", "none"), ("Baseline 96", "own features")]
    assert [(row["system"], row["layers of"]) for row in rows] == [*wanted, ("MP-2", "recogniser"), ("MP-2", "ge2e")]
    assert rows[0]["accuracy"] == rows[0]["UAR"] == "0.333"
    assert [row["runs"] for row in rows] == [1, 1, 2, 2, 2]
    assert 0 <= rows[3]["p against Baseline 96 (McNemar, Holm)"] <= 1
    assert (tmp_path / "out/confusions/small-mp-2-ge2e.md").is_file()
    assert (tmp_path / "out/tsne-small-recogniser.png").stat().st_size > 10_000
    monkeypatch.setattr(run_lakomkin, "judge", None)  # what calls it fails
    assert study("--systems", "MP-2", "--runs", "2") == 0
    assert json.loads((tmp_path / "out/lakomkin-small.json").read_text())["rows"] == rows


def test_what_cannot_be_studied_is_told_in_one_line(tmp_path, capsys) -> None:
    corpus = write_small_corpus(tmp_path / "small", 1)
    words = ["lakomkin", "--corpus", str(corpus), "--out", str(tmp_path / "out"), "--cache", str(tmp_path / "cache")]
    for more, told in (
        (["--systems", "MP-9"], "no system MP-9"),
        (["--runs", "0"], "1 at least"),
        (["--recogniser", str(tmp_path)], "no such checkpoint"),
    ):
        assert main([*words, *more]) == 1
        assert told in capsys.readouterr().err
