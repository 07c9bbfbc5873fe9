import csv
import json
from types import MappingProxyType

import numpy as np
import pytest
from scipy.stats import pearsonr

from export.__main__ import main
from export.bundle.measurements import corpus_measurements
from export.corpora.tables import Corpus, CorpusError, Utterance, read_corpus
from export.evaluation.bundle import CorpusAnswers
from export.evaluation.ratings import describe_ratings, rating_figures
from export.evaluation.report import report
from service.card import read_card
from tests.support.small_corpus import write_small_corpus
from tests.tiny_models import write_speech_bundle


def corpus_of(tmp_path, rated, speakers):
    rows = [
        Utterance(str(row), "anger", speaker, "test", 1.0, None, None, ratings=MappingProxyType(ratings))
        for row, (ratings, speaker) in enumerate(zip(rated, speakers, strict=True))
    ]
    return Corpus("rated", tmp_path, tuple(rows))


def answers_of(arousal, **more):
    rows = len(arousal)
    return CorpusAnswers(
        ("anger", "calm"), np.tile(np.float32([0.8, 0.2]), (rows, 1)), np.float32(arousal), None, **more
    )


@pytest.fixture
def drawn(tmp_path):
    """40 ratings of 8 speakers, and answers that follow them."""
    random = np.random.default_rng(0)
    gold = random.uniform(-1, 1, 40)
    speakers = [f"s{row // 5}" for row in range(40)]
    return corpus_of(tmp_path, [{"arousal": value} for value in gold], speakers), gold, random.normal(0.6 * gold, 0.2)


def test_figures_are_those_of_the_definitions(drawn):
    corpus, gold, predicted = drawn
    (figures,) = rating_figures(answers_of(predicted), corpus).values()
    predicted = np.float32(predicted).astype(float)
    assert (figures.n, figures.speakers) == (40, 8)
    assert figures.pearson.value == pytest.approx(pearsonr(gold, predicted).statistic)
    assert figures.rmse.value == pytest.approx(np.sqrt(np.mean((gold - predicted) ** 2)))
    spread = gold.var(ddof=1) + predicted.var(ddof=1) + (gold.mean() - predicted.mean()) ** 2
    assert figures.concordance.value == pytest.approx(2 * np.cov(gold, predicted, ddof=0)[0, 1] / spread)
    for figure in (figures.pearson, figures.rmse, figures.concordance):
        low, high = figure.interval_95
        assert low < figure.value < high


def test_the_bootstrap_draws_speakers_and_not_utterances(tmp_path):
    """Utterances of one speaker that are alike tell no more than one: the interval must not shrink with copies."""
    random = np.random.default_rng(3)
    gold, noise = random.uniform(-1, 1, 6), random.normal(0, 0.4, 6)
    widths = []
    for copies in (1, 20):
        rated = [{"arousal": value} for value in gold for _ in range(copies)]
        speakers = [str(speaker) for speaker in range(6) for _ in range(copies)]
        answers = answers_of(np.repeat(gold + noise, copies))
        low, high = rating_figures(answers, corpus_of(tmp_path, rated, speakers))["arousal"].rmse.interval_95
        widths.append(high - low)
    assert widths[1] == pytest.approx(widths[0], rel=0.01)


def test_unrated_utterances_and_missing_outputs_are_left_out(tmp_path):
    rated = [{"arousal": 0.5, "valence": 0.1}, {"arousal": -0.5, "valence": 0.2}, {}, {"dominance": 0.3}]
    corpus = corpus_of(tmp_path, rated, "aaaa")
    figures = rating_figures(answers_of([0.4, -0.4, 0.9, 0.0], dominance=np.zeros(4, np.float32)), corpus)
    assert {name: one.n for name, one in figures.items()} == {
        "arousal": 2
    }  # no valence is answered, one dominance rated
    assert figures["arousal"].concordance.interval_95 is None  # one speaker
    assert "CCC 0." in describe_ratings(figures)[0]


def test_a_constant_answer_has_no_correlation(tmp_path):
    corpus = corpus_of(tmp_path, [{"arousal": value} for value in (0.1, 0.4, -0.3)], "abc")
    (figures,) = rating_figures(answers_of([0.5, 0.5, 0.5]), corpus).values()
    assert (figures.pearson.value, figures.pearson.interval_95) == (None, None)
    assert figures.concordance.value == 0.0
    assert "Pearson not defined" in describe_ratings({"arousal": figures})[0]


def test_the_card_tells_ratings_from_levels_by_the_emotions_place(drawn, tmp_path):
    corpus, _, predicted = drawn
    figures, _ = report(answers_of(predicted), corpus, "test")
    entries = {one.metric: one for one in corpus_measurements(figures, False, {}, tmp_path / "models/tiny/1")}
    assert "2 levels by the emotion's place" in entries["arousal_unweighted_average_recall"].protocol
    rated = entries["arousal_concordance"]
    assert (
        rated.protocol == "corpus never trained on, ratings by listeners in −1 … 1 of 40 utterances, 8 speakers drawn"
    )
    assert rated.interval_95[0] < rated.value < rated.interval_95[1]
    assert {"arousal_pearson", "arousal_rmse"} <= entries.keys()


def with_columns(folder, **columns):
    """Add columns to the table of a corpus: by name, texts in turn."""
    with (folder / "utterances.csv").open(newline="", encoding="utf-8") as table:
        rows = list(csv.DictReader(table))
    for place, row in enumerate(rows):
        row |= {name: texts[place % len(texts)] for name, texts in columns.items()}
    with (folder / "utterances.csv").open("w", newline="", encoding="utf-8") as table:
        writer = csv.DictWriter(table, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = write_small_corpus(tmp_path_factory.mktemp("rated") / "small", 2)
    speakers = ["one", "two", "three"]
    ratings = {"arousal": ["0.5", "-0.25", ""], "valence": ["-1", "1"], "dominance": ["0"]}
    return with_columns(folder, speaker=speakers, **ratings)


def test_ratings_are_read_from_the_table(folder, tmp_path):
    first, _, third, *_ = read_corpus(folder).utterances
    assert first.ratings == {"arousal": 0.5, "valence": -1.0, "dominance": 0.0}
    assert third.ratings == {"valence": -1.0, "dominance": 0.0}
    for text in ("1.2", "high", "nan"):
        broken = with_columns(write_small_corpus(tmp_path / text, 1), arousal=[text])
        with pytest.raises(CorpusError, match=f"arousal '{text}' is no number of −1 … 1"):
            read_corpus(broken)


def test_a_model_of_dimensions_is_scored_on_ratings(folder, tmp_path, capsys):
    bundle = write_speech_bundle(tmp_path, "plane", labels=(), max_length_s=10.0)
    words = ["evaluate", str(bundle), "--corpus", str(folder), "--partition", "test"]
    assert main([*words, "--json"]) == 0
    line = json.loads(capsys.readouterr().out)
    assert (line["corpus"], line["partition"], line["n"]) == ("small", "test", 6)
    assert {name: (one["n"], one["speakers"]) for name, one in line["ratings"].items()} == {
        "arousal": (4, 2),
        "valence": (6, 3),
        "dominance": (6, 3),
    }
    assert main([*words, "--against", str(bundle)]) == 0
    told = capsys.readouterr().out
    assert told.count("valence beside listeners' ratings of 6 utterances, 3 speakers: CCC ") == 2
    assert main([*words, "--plot", str(tmp_path)]) == 1
    assert "--prior and --plot are for classes" in capsys.readouterr().err
    assert read_card(bundle).labels == []


def test_a_model_of_classes_tells_both(folder, tmp_path, capsys):
    bundle = write_speech_bundle(tmp_path, "both", labels=("anger", "neutral"), max_length_s=10.0)
    assert main(["evaluate", str(bundle), "--corpus", str(folder), "--partition", "test"]) == 0
    told = capsys.readouterr().out
    assert "by the emotion's place" in told
    assert "valence beside listeners' ratings of 6 utterances" in told
