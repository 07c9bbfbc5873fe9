"""The encoder that tells voices apart: its projection, and its command."""

import csv

import numpy as np
import pytest
import soundfile

from export.__main__ import main
from export.evaluation.voice import synthetic_voice
from export.speech_representations import encoder
from export.speech_representations.network import POOLED
from export.speech_representations.speakers import DIRECTIONS, fit_projection
from service.card import read_card
from tests.unit.export.speech_representations.test_commands import write_wheel


def test_the_projection_keeps_what_differs_between_speakers():
    rng = np.random.default_rng(0)
    voices = rng.standard_normal((6, POOLED))
    mood = rng.standard_normal(POOLED)  # moves every voice the same way, further than voices differ
    numbers = np.repeat(np.arange(6), 20)
    clips = voices[numbers] + 4 * rng.standard_normal((120, 1)) * mood + 0.1 * rng.standard_normal((120, POOLED))
    projection, offset = fit_projection(clips.astype(np.float32), [f"voice {number}" for number in numbers])
    assert (projection.shape, offset.shape) == ((POOLED, DIRECTIONS), (DIRECTIONS,))

    def same_minus_other(rows: np.ndarray) -> float:
        unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        alike, same = unit @ unit.T, numbers[:, None] == numbers
        return float(alike[same].min() - alike[~same].max())

    assert same_minus_other(clips - clips.mean(axis=0)) < 0
    assert same_minus_other(clips @ projection + offset) > 0.3


def test_the_command_fits_writes_and_verifies(tmp_path, monkeypatch, capsys):
    wheel, digest = write_wheel(tmp_path, gain=4.0)  # five clips that hardly differ would magnify rounding
    monkeypatch.setattr(encoder, "WEIGHTS_SHA256", digest)
    corpus = tmp_path / "voices"
    corpus.mkdir()
    rows = [("file", "speaker", "partition", "duration_s")]
    for number in range(6):
        soundfile.write(corpus / f"{number}.wav", synthetic_voice(3.5, 16_000, number), 16_000)
        rows.append((f"{number}.wav", f"speaker {number % 3}", "test" if number == 5 else "train", "3.5"))
    with (corpus / "utterances.csv").open("w", newline="") as lines:
        csv.writer(lines).writerows(rows)
    models = tmp_path / "models"
    words = ["export", "ge2e-speakers", "--encoder", wheel, "--corpus", corpus, "--out", models]
    assert main(list(map(str, words))) == 1
    assert "--licence" in capsys.readouterr().err
    assert main(list(map(str, [*words, "--licence", "CC0-1.0", "--threshold", 0.4]))) == 0
    card = read_card(models / "ge2e-speakers/1")
    assert (card.task, card.number("threshold"), card.licence.spdx) == ("speaker-embedding", 0.4, "Apache-2.0")
    assert card.training_data[1].utterances == 5
    assert main(["verify", str(models / "ge2e-speakers/1")]) == 0
    assert "ok" in capsys.readouterr().out


@pytest.mark.parametrize("missing", ["speaker", "partition"])
def test_a_table_without_speakers_is_refused(tmp_path, capsys, missing):
    names = [name for name in ("file", "speaker", "partition", "duration_s") if name != missing]
    (tmp_path / "utterances.csv").write_text(",".join(names) + "\n" + ",".join("1" for _ in names) + "\n")
    words = ["export", "ge2e-speakers", "--encoder", "no.whl", "--corpus", str(tmp_path)]
    assert main(words) == 1
    assert f"lacks the columns ['{missing}']" in capsys.readouterr().err
