"""Characters, transcripts, and the training by its command."""

import csv
import json
from collections import Counter
from itertools import groupby, product

import numpy as np
import pytest
import soundfile
import torch

from emoserve import Analyzer
from export.__main__ import main
from export.corpora.tables import CorpusError
from export.evaluation.voice import synthetic_voice
from export.speech_representations.recogniser.beam import beam_search
from export.speech_representations.recogniser.network import Recogniser, RecogniserConfig
from export.speech_representations.recogniser.spectrogram import magnitude
from export.speech_representations.recogniser.text import (
    alphabet_of,
    character_error_rate,
    commonest_character_rate,
    edits,
    encode,
    greedy,
)
from export.speech_representations.recogniser.training import Readings, RecogniserTrainer, augmented, error_rate
from export.speech_representations.recogniser.transcripts import Spoken, read_transcripts
from export.training.trainer import LoopConfig
from service.card import read_card
from tests.unit.export.speech_representations.test_commands import write_wheel

TONES_HZ = {"A": 500.0, "B": 1500.0, "C": 3500.0}


def spelt(text: str, seed: int) -> np.ndarray:
    """A tone of 0.2 s for each character in noise, float32 at 16 kHz."""
    random = np.random.default_rng(seed)
    time_s = np.arange(3200) / 16_000
    tones = [np.sin(2 * np.pi * TONES_HZ[letter] * time_s) * np.hanning(3200) for letter in text]
    return (0.3 * np.concatenate(tones) + random.normal(0.0, 0.01, 3200 * len(text))).astype(np.float32)


def write_spoken(folder, rows):
    folder.mkdir(parents=True)
    with (folder / "utterances.csv").open("w", newline="") as table:
        writer = csv.DictWriter(table, ["file", "speaker", "partition", "duration_s", "transcript"])
        writer.writeheader()
        for number, (partition, text) in enumerate(rows):
            soundfile.write(folder / f"{number}.wav", spelt(text, number), 16_000)
            row = {"file": f"{number}.wav", "speaker": partition, "partition": partition}
            writer.writerow(row | {"duration_s": 0.2 * len(text), "transcript": text.lower()})
    return folder


def test_error_rates() -> None:
    def slow(wanted: str, found: str) -> int:
        if not wanted or not found:
            return len(wanted) + len(found)
        same = slow(wanted[1:], found[1:]) + (wanted[0] != found[0])
        return min(same, slow(wanted[1:], found) + 1, slow(wanted, found[1:]) + 1)

    random = np.random.default_rng(0)
    for _ in range(40):
        pair = ["".join(random.choice(list("ABC"), random.integers(0, 6))) for _ in range(2)]
        assert edits(*pair) == slow(*pair)
    assert character_error_rate(["ABCD", "AB"], ["ABD", "AB"]) == pytest.approx(1 / 6)
    assert commonest_character_rate(["AAB", "CA"]) == pytest.approx(2 / 5)


def test_alphabet_and_greedy_answer() -> None:
    alphabet = alphabet_of(["IT'S", "A BEE"])
    assert alphabet == "_ 'ABEIST"
    steps = encode("BEE", alphabet)
    assert greedy([0, steps[0], steps[0], 0, steps[1], 0, steps[2], steps[2]], alphabet) == "BEE"
    with pytest.raises(CorpusError, match="lacks: Q Z"):
        encode("ZQ", alphabet)


@pytest.mark.parametrize(("steps", "characters"), [(1, 3), (4, 3), (5, 2), (5, 4)])
def test_a_wide_beam_finds_the_most_probable_text(steps, characters) -> None:
    """All alignments are added up, text by text (CTC); a wide beam loses none of them."""
    random, unlike = np.random.default_rng(steps * 10 + characters), 0
    for _ in range(20):
        odds = random.dirichlet([0.7] * characters, steps)
        texts = Counter()
        for path in product(range(characters), repeat=steps):
            kept = tuple(place for place, _ in groupby(path) if place)
            texts[kept] += np.prod(odds[np.arange(steps), path])
        ((wanted, probability),) = texts.most_common(1)
        found, score = beam_search(np.log(odds), characters**steps)
        assert found == wanted
        assert score == pytest.approx(np.log(probability))
        narrow, less = beam_search(np.log(odds), 1)
        assert less <= np.log(texts[narrow]) + 1e-9
        unlike += wanted != tuple(place for place, _ in groupby(odds.argmax(axis=1)) if place)
    assert unlike or steps == 1, "greedy decoding is another rule"


def test_transcripts(tmp_path) -> None:
    rows = [("train", "AB"), ("test", "C" * 80), ("test", "")]
    with pytest.raises(CorpusError, match=r"no utterances\.csv"):
        read_transcripts(tmp_path)
    (found,) = read_transcripts(write_spoken(tmp_path / "one", rows[:2]))  # the other lasts more than 15 s
    assert (found.text, found.partition, found.duration_s) == ("AB", "train", 0.4)
    table = tmp_path / "one/utterances.csv"
    written = table.read_text()
    for content, words in (
        (written.replace("speaker", "voice"), "lacks the columns speaker"),
        ("".join(written.splitlines(keepends=True)[:1]), "lacks the columns"),
        (written.replace("ab", ""), "no recording has a transcript"),
        (written + "0.wav,train,devel,0.4,ab\n", "more than one partition"),
    ):
        table.write_text(content)
        with pytest.raises(CorpusError, match=words):
            read_transcripts(tmp_path / "one")


def test_augmentation_keeps_what_a_text_needs() -> None:
    random, value = np.random.default_rng(0), np.ones((161, 100), np.float16)
    found = [augmented(random, value, 95) for _ in range(50)]
    shapes, levels = [row.shape[1] for row in found], [row.mean() for row in found]
    assert min(shapes) >= 95
    assert max(shapes) <= 118
    assert max(shapes) > 105
    assert 10 ** (-3 / 20) <= min(levels) < 0.9
    assert 1.5 < max(levels) <= 10 ** (6 / 20)


def readings(count: int) -> Readings:
    random = np.random.default_rng(1)
    texts = ["".join(random.choice(list("ABC"), random.integers(2, 6))) for _ in range(count)]
    spoken, values = [], []
    for number, text in enumerate(texts):
        clip = torch.from_numpy(spelt(text, number))[None]
        found, _ = magnitude(clip, torch.tensor([clip.shape[1]]))
        values.append(found[0].half().numpy())
        spoken.append(Spoken(None, text, "one", "train", 0.2 * len(text)))
    return Readings(spoken, values)


def trainer_of(folder, steps: int, heard: Readings) -> RecogniserTrainer:
    torch.manual_seed(0)
    own = Recogniser(RecogniserConfig("_ABC", 4, 32, 2))
    loop = LoopConfig(steps, 8, 1e-2, average_decay=0.9, report_steps=steps)
    return RecogniserTrainer(own, heard, loop, folder, seed=0)


def test_it_learns_to_spell(tmp_path) -> None:
    trainer = trainer_of(tmp_path, 100, readings(48))
    trainer.run(None, lambda _step, _loss: None)
    other = readings(60)
    unheard = Readings(other.spoken[48:], other.magnitudes[48:])
    assert error_rate(trainer.averaged_network(), unheard) < 0.1


def test_a_run_that_is_stopped_goes_on_as_if_it_had_not(tmp_path) -> None:
    heard, ends = readings(16), []
    for name, stops in (("whole", [4]), ("parts", [2, 4])):
        for stop in stops:
            trainer = trainer_of(tmp_path / name, 4, heard)
            trainer.resume()
            while trainer.step < stop:
                trainer._one_step()
            trainer._save()
        ends.append(trainer.averaged_network().state_dict())
    assert all(torch.equal(ends[0][name], value) for name, value in ends[1].items())


def test_commands_train_export_verify_and_serve(tmp_path, monkeypatch, capsys) -> None:
    rows = [(part, text) for part in ("train", "devel", "test") for text in ("ABC", "CAB", "BACA")]
    corpus = write_spoken(tmp_path / "spelt", rows)
    words = ["train", "recogniser", "--corpus", corpus, "--out", tmp_path / "run", "--cache", tmp_path / "cache"]
    words += ["--preset", "tiny", "--epochs", "2", "--batch-size", "2"]
    assert main(list(map(str, words))) == 0
    told = capsys.readouterr().out
    assert "of 1 speakers not heard" in told
    assert "most frequent character alone: 0.600" in told
    log = [json.loads(line) for line in (tmp_path / "run/training.jsonl").read_text().splitlines()]
    assert [row["step"] for row in log] == [2, 4]
    assert "devel_error_rate" in log[0]
    assert main(list(map(str, [*words, "--beams", "4", "--device", "cpu"]))) == 0  # nothing is left to do
    assert "(beam search of 4 prefixes)" in capsys.readouterr().out
    assert len((tmp_path / "run/training.jsonl").read_text().splitlines()) == 2
    models = tmp_path / "models"
    export = ["export", "recogniser", "--weights", tmp_path / "run", "--licence", "CC-BY-4.0", "--out", models]
    assert main(list(map(str, [*export, "--layers", "1", "3"]))) == 0
    for layers in (["0"], ["6"], ["2", "2"]):
        assert main(list(map(str, [*export, "--layers", *layers]))) == 1
    wheel, digest = write_wheel(tmp_path)
    monkeypatch.setattr("export.speech_representations.encoder.WEIGHTS_SHA256", digest)
    assert main(["export", "ge2e-encoder", "--encoder", str(wheel), "--out", str(models)]) == 0
    assert main(["verify", str(models / "recogniser/1"), str(models / "ge2e-encoder/1")]) == 0
    assert read_card(models / "recogniser/1").members[0].dimensions == 320
    voice = synthetic_voice(1.2, 16_000, 0)
    soundfile.write(tmp_path / "voice.wav", voice, 16_000)
    for name, numbers in (("recogniser", 320), ("ge2e-encoder", 1536)):
        with Analyzer(model_dirs=[models], device="cpu") as analyzer:
            assert analyzer.embedding(tmp_path / "voice.wav", model=name).dimensions == numbers
