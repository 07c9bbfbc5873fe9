"""Conversations of known turns, the error rate, and the command in miniature."""

import csv
import json

import numpy as np
import pytest
import soundfile

from export.corpora.tables import read_corpus
from export.evaluation.voice import synthetic_voice
from research.__main__ import main
from research.conversations import conversation, diarisation_errors
from tests.shared_material import ROOT

REFERENCE = [(0.0, 4.0, "x"), (4.0, 8.0, "y"), (7.0, 10.0, "x")]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpora") / "voices"
    folder.mkdir()
    rows = [("file", "speaker", "partition", "duration_s")]
    for number in range(4):
        samples = np.concatenate([np.zeros(8000), synthetic_voice(2.0, 16_000, number % 2), np.zeros(8000)])
        soundfile.write(folder / f"{number}.wav", samples, 16_000)
        rows.append((f"{number}.wav", f"speaker {number % 2}", "test", "3.0"))
    with (folder / "utterances.csv").open("w", newline="") as lines:
        csv.writer(lines).writerows(rows)
    return folder


@pytest.mark.parametrize(
    ("told", "missed", "false", "confused"),
    [
        ([(0.0, 4.0, "B"), (4.0, 8.0, "A"), (7.0, 10.0, "B")], 0.0, 0.0, 0.0),  # names mean nothing
        ([(0.0, 4.0, "A"), (4.0, 8.0, "B"), (8.0, 10.0, "A")], 1.0, 0.0, 0.0),
        ([(0.0, 8.0, "A"), (7.0, 10.0, "A")], 1.0, 0.0, 3.0),
        ([(0.0, 4.0, "A"), (4.0, 8.0, "B"), (7.0, 12.0, "A")], 0.0, 2.0, 0.0),
        ([(0.0, 4.0, "A"), (4.0, 8.0, "B"), (7.0, 10.0, "C")], 0.0, 0.0, 3.0),
    ],
)
def test_errors_are_counted_in_seconds(told, missed, false, confused):
    errors = diarisation_errors(REFERENCE, told, collar_s=0.0)
    found = (errors.speech_s, errors.missed_s, errors.false_alarm_s, errors.confused_s)
    assert found == pytest.approx((11.0, missed, false, confused), abs=0.05)
    assert errors.rate == pytest.approx((missed + false + confused) / 11.0, abs=0.01)


def test_nothing_is_scored_around_an_edge():
    late = [(begin + 0.2, end + 0.2, name) for begin, end, name in REFERENCE]
    assert diarisation_errors(REFERENCE, late).rate == 0.0
    assert diarisation_errors(REFERENCE, late, collar_s=0.0).rate == pytest.approx(1 / 11)


def test_a_conversation_has_the_turns_that_are_heard(corpus):
    voices = read_corpus(corpus, with_emotions=False)
    plain, again, noisy = (
        conversation(voices, ["speaker 0", "speaker 1"], 20.0, 0.3, snr_db, 7) for snr_db in (None, None, 10.0)
    )
    np.testing.assert_array_equal(plain.samples, again.samples)
    assert plain.turns == again.turns == noisy.turns
    assert {name for _, _, name in plain.turns} == {"speaker 0", "speaker 1"}
    heard = np.zeros(len(plain.samples), np.bool_)
    for begin_s, end_s, _ in plain.turns:
        heard[round(begin_s * 16_000) : round(end_s * 16_000)] = True
    assert np.square(plain.samples[~heard]).sum() < 1e-3 * np.square(plain.samples).sum()
    noise = noisy.samples - plain.samples
    assert 10 * np.log10(plain.samples.var() / noise.var()) == pytest.approx(10.0, abs=0.2)


def test_the_command_writes_a_table(corpus, tmp_path):
    words = ["diarisation", "--corpus", corpus, "--conversations", 1, "--length-s", 8, "--out", tmp_path]
    assert main(list(map(str, [*words, "--models", ROOT / "models", ROOT / "var/models"]))) == 0
    rows = json.loads((tmp_path / "diarisation.json").read_text())["rows"]
    assert len(rows) == 5
    rates = [row["DER auto %"] for row in rows]
    assert rates == sorted(rates, reverse=True)
    assert main(list(map(str, [*words, "--speakers", 3]))) == 1
