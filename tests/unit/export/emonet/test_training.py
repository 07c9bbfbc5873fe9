import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from export.corpora.features import Pictures, load_pictures
from export.corpora.labels import arousal_matrix, valence_matrix
from export.corpora.tables import Corpus, CorpusError, Utterance, read_corpus
from export.emonet import open_recipe, paper_recipe
from export.emonet.aggregated import aggregated
from export.emonet.augmentation import AugmentationConfig
from export.emonet.batches import MAX_FRAMES, BatchSampler
from export.emonet.network import EmoNet, EmoNetConfig
from export.emonet.open_recipe import OpenRecipe, take_over, train_open
from export.emonet.paper_recipe import LAST_FILE_NAME, PaperRecipe, train_paper
from export.emonet.training_loop import EmoNetTrainer, load_trained
from export.emonet.transfer import Source, started
from export.emonet.waveforms import WaveformCorpus
from export.evaluation.calibration_fit import CalibrationError
from export.training.affect_loss import AffectLoss, LossConfig, class_shares, draw_weights, soft_targets
from export.training.checkpoint import CHECKPOINT_FILE_NAME, LOG_FILE_NAME
from export.training.trainer import LoopConfig, load_calibration
from tests.support.narrow_emonet import narrow_emonet
from tests.support.small_corpus import write_small_corpus

LABELS = ("anger", "boredom", "neutral", "sadness")


@pytest.fixture(scope="module", autouse=True)
def narrow():
    with pytest.MonkeyPatch.context() as patch:
        narrow_emonet(patch)
        yield


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return read_corpus(write_small_corpus(tmp_path_factory.mktemp("corpora") / "small"))


@pytest.fixture
def sampler(corpus):
    return BatchSampler([load_pictures(corpus)], LABELS, 8, AugmentationConfig(), seed=3)


def make_loss() -> AffectLoss:
    share = torch.tensor([0.3, 0.1, 0.3, 0.3])
    planes = torch.from_numpy(arousal_matrix(LABELS)), torch.from_numpy(valence_matrix(LABELS))
    return AffectLoss(LossConfig(), *planes, share)


def test_batches_are_scaled_masked_and_soft(sampler):
    batch = sampler.draw()
    assert batch.pictures.shape == (8, 1, 128, MAX_FRAMES)
    assert float(batch.pictures.min()) >= 0.0
    assert float(batch.pictures.max()) <= 1.0
    torch.testing.assert_close(batch.targets.emotions.sum(dim=1), torch.ones(8))
    assert not batch.targets.allowed[:, 1].any(), "the corpus has no boredom"
    assert not batch.targets.emotions[:, 1].any()
    for picture, frames in zip(batch.pictures, batch.frames.tolist(), strict=True):
        assert not picture[..., frames:].any()


def test_pictures_come_back_from_the_cache(corpus, tmp_path):
    fresh = load_pictures(corpus, tmp_path)
    cached = load_pictures(corpus, tmp_path)
    assert len(list(tmp_path.iterdir())) == 1
    for one, other in zip(fresh.values, cached.values, strict=True):
        np.testing.assert_array_equal(one, other)


def test_listeners_shade_the_targets(tmp_path):
    corpus = read_corpus(write_small_corpus(tmp_path / "small", per_class=1))
    heard = replace(corpus, utterances=(replace(corpus.utterances[0], heard=("sadness",)),))
    targets = soft_targets(heard, LABELS)
    np.testing.assert_allclose(targets, [[0.85, 0.0, 0.0, 0.15]])


def test_the_prior_is_the_share_of_each_class_as_it_is_drawn():
    names = ["anger"] * 9 + ["neutral"] * 4
    clips = tuple(Utterance(str(row), name, "speaker", "train", 1.0, None, None) for row, name in enumerate(names))
    corpora = [Corpus("large", Path(), clips), Corpus("small", Path(), clips[8:10])]
    targets = np.concatenate([soft_targets(corpus, LABELS) for corpus in corpora])
    shares = class_shares(targets, draw_weights(corpora, 0.5), LABELS)
    large, small = (root / (13**0.5 + 2**0.5) for root in (13**0.5, 2**0.5))
    assert shares["anger"] == pytest.approx(large * 3 / 5 + small / 2, abs=1e-4)  # roots of 9 and 4
    assert shares["neutral"] == pytest.approx(large * 2 / 5 + small / 2, abs=1e-4)


def test_loss_ignores_what_the_corpus_lacks(sampler):
    batch = sampler.draw()
    loss = AffectLoss(LossConfig(open_set=0.0, plane=0.0), torch.eye(4)[:, :2], torch.eye(4)[:, :3], torch.ones(4))
    logits = {"emotion": torch.randn(8, 4), "arousal": torch.zeros(8, 2), "valence": torch.zeros(8, 3)}
    first = loss(logits, batch.targets)
    logits["emotion"][:, 1] += 50.0
    torch.testing.assert_close(loss(logits, batch.targets), first)


def test_training_lowers_the_loss_and_goes_on_where_it_stopped(sampler, tmp_path):
    def trainer(steps: int) -> EmoNetTrainer:
        torch.manual_seed(0)
        network = EmoNet(EmoNetConfig(LABELS, stem_kernel=5, stem_stride=2))
        config = LoopConfig(steps, batch_size=8, report_steps=4, half_precision=False)
        return EmoNetTrainer(network, sampler, make_loss(), config, tmp_path, seed=0)

    losses: list[float] = []
    trainer(8).run(lambda _: {}, lambda _, loss: losses.append(loss))
    assert np.isfinite(losses).all()
    assert min(losses[3:]) < losses[0]
    rows = [json.loads(line) for line in (tmp_path / LOG_FILE_NAME).read_text().splitlines()]
    assert [row["step"] for row in rows] == [4, 8]
    again = trainer(8)
    assert again.resume()
    assert again.step == 8
    assert load_calibration(tmp_path / CHECKPOINT_FILE_NAME) is None
    loaded, preset = load_trained(tmp_path / CHECKPOINT_FILE_NAME)
    assert preset == "open"
    for one, other in zip(loaded.parameters(), again.averaged_network().parameters(), strict=True):
        assert torch.equal(one, other)


def test_open_recipe_starts_from_another_run(corpus, tmp_path):
    first = train_open([corpus], OpenRecipe(2, batch_size=4), tmp_path / "first", lambda *_: None)
    kept = load_calibration(tmp_path / "first" / CHECKPOINT_FILE_NAME)
    assert (kept.kind, kept.fitted_on) == ("temperature", ("small",)), "biases are not fitted unless asked for"
    assert first.config.labels == ("anger", "neutral", "sadness")
    fresh = EmoNet(EmoNetConfig(LABELS, stem_kernel=5, stem_stride=2))
    take_over(fresh, first)
    assert torch.equal(fresh.stem.shared.weight, first.stem.shared.weight)
    assert fresh.heads["any"].emotion.out_features == 4


def test_open_recipe_learns_from_train_alone_and_looks_at_devel_alone(corpus, tmp_path, monkeypatch):
    """Speakers that the figures are measured on are never seen."""
    seen = {}

    def note(use, pictures):
        seen[use] = {row.partition for row in pictures.corpus.utterances}
        assert len(pictures.values) == len(pictures.corpus.utterances)

    class Unmoved(EmoNetTrainer):
        def run(self, evaluate, progress):
            evaluate(self.averaged_network())

        def keep(self, calibration): ...

    def no_sampler(parts, *_, **__):
        note("learnt", parts[0])
        return SimpleNamespace(class_prior=None)

    def silence(corpus, _cache):
        return Pictures(corpus, (np.zeros((128, 4), np.uint8),) * len(corpus.utterances))

    monkeypatch.setattr(open_recipe, "load_pictures", silence)
    monkeypatch.setattr(open_recipe, "EmoNetTrainer", Unmoved)
    monkeypatch.setattr(open_recipe, "BatchSampler", no_sampler)
    monkeypatch.setattr(open_recipe, "corpus_uar", lambda _network, part, _labels: note("watched", part))
    monkeypatch.setattr(open_recipe, "held_out", lambda _network, part, _labels: note("calibrated", part))
    monkeypatch.setattr(open_recipe, "calibrate", lambda *_: None)
    for partitions in (("train",), ("train", "test")):
        train_open([corpus], OpenRecipe(1, partitions=partitions), tmp_path, lambda *_: None)
        assert seen == {"learnt": set(partitions), "watched": {"devel"}, "calibrated": {"devel"}}


def test_paper_recipe_learns_from_train_and_chooses_on_devel(corpus, tmp_path, monkeypatch):
    class Seen(Exception):
        pass

    def run(_network, _recipe, training, devel, _out):
        raise Seen(
            *({row.partition for part in parts for row in part.corpus.utterances} for parts in (training, devel))
        )

    monkeypatch.setattr(paper_recipe, "_Run", run)
    for partitions in (("train",), ("train", "test")):
        with pytest.raises(Seen) as caught:
            train_paper([corpus], PaperRecipe(partitions=partitions), tmp_path, lambda *_: None)
        assert caught.value.args == (set(partitions), {"devel"})


def test_biases_for_an_emotion_that_devel_lacks_are_refused_before_training(corpus, tmp_path):
    kept = tuple(row for row in corpus.utterances if (row.partition, row.emotion) != ("devel", "neutral"))
    recipe = OpenRecipe(2, batch_size=4, calibration="biases")
    with pytest.raises(CalibrationError, match="neutral"):
        train_open([replace(corpus, utterances=kept)], recipe, tmp_path / "run", lambda *_: None)
    assert not (tmp_path / "run").exists()


@pytest.fixture(scope="module")
def checkpoint(corpus, tmp_path_factory):
    """A network to transfer from."""
    folder = tmp_path_factory.mktemp("source")
    train_paper([corpus], PaperRecipe(stage_steps=1), folder, lambda *_: None)
    return folder / CHECKPOINT_FILE_NAME


def weights(network: EmoNet, domain: str) -> dict[str, torch.Tensor]:
    """One weight of each kind of part."""
    block = network.blocks[2].first
    return {
        "shared": block.shared.weight,
        "adapter": block.adapters[domain].weight,
        "norm": block.norms[domain].weight,
        "mean": block.norms[domain].running_mean,
        "head": network.heads[domain].emotion.weight,
    }


@pytest.mark.parametrize(
    ("mode", "name", "begins_with", "learns"),
    [
        ("full", "other", {"shared", "adapter", "norm", "mean"}, {"shared", "adapter", "norm", "mean", "head"}),
        ("head", "other", {"shared", "adapter", "norm", "mean"}, {"head"}),
        ("adapters", "other", {"shared"}, {"adapter", "norm", "mean", "head"}),
        ("adapters", "small", {"shared", "adapter", "norm", "mean", "head"}, {"adapter", "norm", "mean", "head"}),
    ],
)
def test_transfer_takes_over_and_tunes_what_its_mode_says(
    corpus, checkpoint, tmp_path, mode, name, begins_with, learns
):
    """C22, and the second phase of C21, which goes on with a corpus that the source knows."""
    source = Source.read(checkpoint)
    original = EmoNet(source.config)
    original.load_state_dict(source.state)
    torch.manual_seed(5)
    start = started(replace(source.config, domains=(name,)), source, mode, None)
    before, known = weights(start, name), weights(original, "small")
    assert {part for part, value in before.items() if torch.equal(value, known[part])} == begins_with
    before = {part: value.clone() for part, value in before.items()}
    recipe = PaperRecipe(mode=mode, stage_steps=1, start=checkpoint, seed=5)
    tuned = train_paper([replace(corpus, name=name)], recipe, tmp_path, lambda *_: None)
    assert {part for part, value in weights(tuned, name).items() if not torch.equal(value, before[part])} == learns


def test_a_new_domain_names_where_it_starts_from(corpus, tmp_path):
    network = EmoNet(EmoNetConfig(LABELS, domains=("a", "b"), plane=False, same_ends=True))
    state = {"config": network.config.to_json(), "preset": "paper", "network": network.state_dict()}
    file = tmp_path / "source.pt"
    torch.save(state, file)
    source, config = Source.read(file), replace(network.config, domains=("new",))
    with pytest.raises(CorpusError, match="--start-domain"):
        started(config, source, "head", None)
    with pytest.raises(CorpusError, match="no domain 'c'; it has a, b"):
        started(config, source, "head", "c")
    found = started(config, source, "head", "b")
    assert torch.equal(found.stem.adapters["new"].weight, network.stem.adapters["b"].weight)
    with pytest.raises(CorpusError, match="behind front end 'paper'"):
        train_paper([corpus], PaperRecipe("code", "head", start=file), tmp_path / "run", lambda *_: None)
    torch.save({"average": {}}, file)
    with pytest.raises(CorpusError, match="no checkpoint of recipe 'paper'"):
        Source.read(file)


def test_the_baseline_has_no_adapters_and_keeps_its_last_epoch(corpus, tmp_path):
    network = train_paper([corpus], PaperRecipe(stage_steps=1, adapters=False), tmp_path, lambda *_: None)
    assert not network.stem.adapters
    best, last = (load_trained(tmp_path / name) for name in (CHECKPOINT_FILE_NAME, LAST_FILE_NAME))
    assert best[1] == last[1] == "paper"
    assert best[0].config == last[0].config
    for one, other in zip(last[0].parameters(), network.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_stage_ends_without_a_gain_and_not_before(corpus, tmp_path, monkeypatch):
    figures = iter([0.3, 0.4, 0.4, 0.2, 0.5, 0.1, 0.1, 0.5, 0.5])
    monkeypatch.setattr(paper_recipe._Run, "_uar", lambda *_: next(figures))
    monkeypatch.setattr(paper_recipe._Run, "_one_step", lambda *_: 1.0)
    steps: list[int] = []
    train_paper(
        [corpus], PaperRecipe(stage_steps=None, patience_epochs=2), tmp_path, lambda step, _: steps.append(step)
    )
    assert steps == list(range(1, 10)), "an epoch of the small corpus is one step"
    rows = [json.loads(line) for line in (tmp_path / LOG_FILE_NAME).read_text().splitlines()]
    assert [row["rate"] for row in rows] == [0.1] * 4 + [0.01] * 3 + [0.001] * 2


def test_an_epoch_hears_every_recording_once(corpus):
    clips = WaveformCorpus(corpus, corpus.labels, 16_000, seed=1)
    count = len(clips)
    clips._clips = [np.full(400, number, np.int16) for number in range(count)]
    heard: list[int] = []
    while len(heard) < count:
        waveform, _, truth = clips.draw(5, 80_000)
        drawn = torch.round(waveform[:, 0] * 32767).int().tolist()
        assert len(drawn) > 1
        assert truth.tolist() == clips.truth[drawn].tolist()
        heard += drawn
    assert sorted(heard) == list(range(count))


def test_corpora_are_put_together_by_levels(corpus):
    """Each corpus and partition keeps as many of every level as of its rarest (C25)."""
    rows = tuple(row for row in corpus.utterances if (row.partition, row.emotion) != ("train", "sadness"))
    less = replace(corpus, utterances=rows)
    found = aggregated([corpus, less], "valence", seed=1)
    assert (found.name, found.labels) == ("valence", ("negative", "neutral"))
    for partition in ("train", "devel", "test"):
        counts = Counter(row.emotion for row in found.partition(partition).utterances)
        neutral = sum(row.emotion == "neutral" for row in corpus.partition(partition).utterances)
        assert counts == {"neutral": 2 * neutral, "negative": 2 * neutral}
    high = aggregated([less], "arousal", seed=1).partition("train").utterances
    assert Counter(row.emotion for row in high) == {"high": len(high) // 2, "low": len(high) // 2}
    assert 0 < len(high) < len(less.partition("train").utterances) + 1
    unknown = replace(corpus, utterances=(replace(corpus.utterances[0], emotion="nostalgia"),))
    with pytest.raises(CorpusError, match="'nostalgia' has no place"):
        aggregated([unknown], "arousal", seed=1)


def test_paper_recipe_goes_on_where_it_stopped(corpus, tmp_path, monkeypatch):
    monkeypatch.setattr(paper_recipe, "EVALUATE_STEPS", 1)
    steps: list[int] = []

    def stop_at_two(step: int, loss: float) -> None:
        steps.append(step)
        if step == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_paper([corpus], PaperRecipe(stage_steps=1), tmp_path, stop_at_two)
    train_paper([corpus], PaperRecipe(stage_steps=1), tmp_path, lambda step, loss: steps.append(step))
    assert steps == [1, 2, 2, 3], "the step whose checkpoint was not written yet is done again"


def test_transfer_without_a_start_is_refused(corpus, tmp_path):
    with pytest.raises(CorpusError, match="--start"):
        train_paper([corpus], PaperRecipe(mode="head"), tmp_path, lambda *_: None)


@pytest.mark.parametrize(
    ("table", "cause"),
    [
        (None, "no utterances.csv"),
        ("file,emotion\n", "no utterances"),
        ("file,emotion\na.wav,anger\n", "lacks the columns"),
        ("file,emotion,speaker,partition,duration_s\na.wav,anger,1,train,1.0\n", "missing"),
    ],
)
def test_bad_corpora_are_refused_with_the_cause(tmp_path, table, cause):
    if table is not None:
        (tmp_path / "utterances.csv").write_text(table)
    with pytest.raises(CorpusError, match=cause):
        read_corpus(tmp_path)
