"""Fusions: aligned tables, named combinations, and graphs that give what is computed apart."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from export.classifiers.combinations import COMBINATIONS, CombinationError, choose, plain_name
from export.classifiers.examples import TrainingError
from export.classifiers.fusion import Fusion, FusionCard, read_fusion, side_by_side, train_fusion, write_fusion
from export.classifiers.graph import fusion_graph
from export.classifiers.head import HeadError
from export.classifiers.recipe import RECIPES
from service.pipeline.device.session import Session
from tests.unit.export.classifiers.test_linear_classifiers import make_table

RECIPE = replace(RECIPES["ottl"], strengths=(1e-4,))


def reversed_rows(table):
    order = list(reversed(range(len(table))))

    def take(column):
        return tuple(column[place] for place in order)

    return replace(
        table,
        names=take(table.names),
        speakers=take(table.speakers),
        partitions=take(table.partitions),
        labels=take(table.labels),
        values=table.values[order],
    )


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("kind", ["early", "late"])
def test_graph_equals_the_parts_computed_apart(classes, kind):
    tables = [
        make_table(classes, network="a", spread=3),
        make_table(classes, dimensions=4, seed=1, network="b", spread=3),
    ]
    trained = train_fusion(kind, [tables[0], reversed_rows(tables[1])], RECIPE, 1)
    heads = [member.head for member in trained.members]
    session = Session(fusion_graph(heads, kind, [6, 4]).SerializeToString(), device="cpu", threads=1)
    inputs = {"embedding_0": tables[0].values, "embedding_1": tables[1].values}
    answer = session.run(inputs, ("probabilities", "embedding"))
    together = np.concatenate([tables[0].values, tables[1].values], axis=1)
    np.testing.assert_array_equal(answer["embedding"], together)
    if kind == "early":
        expected = heads[0].probabilities(together.astype(np.float64))
    else:
        parts = [head.probabilities(table.values.astype(np.float64)) for head, table in zip(heads, tables, strict=True)]
        expected = (parts[0] + parts[1]) / 2
    np.testing.assert_allclose(answer["probabilities"], expected, atol=1e-6)
    test = next(part for part in trained.answers if part.partition == "test")
    places = [tables[0].names.index(name) for name in test.names]
    np.testing.assert_allclose(test.probabilities, expected[places], atol=1e-6)


def test_rows_that_one_table_lacks_are_left_out_and_named():
    whole, part = make_table(3, network="a"), make_table(3, seed=1, network="b")
    part = part.rows(np.arange(len(part)) != 100)
    for kind in ("early", "late"):
        trained = train_fusion(kind, [whole, part], RECIPE, 1)
        assert trained.dropped == ("c/100.wav",)
        assert sum(len(answers.names) for answers in trained.answers) == 79


def test_tables_of_other_recordings_or_labels_are_refused():
    table = make_table(3)
    other = replace(table, names=tuple(f"d/{row}" for row in range(len(table))))
    with pytest.raises(TrainingError, match="no row in common"):
        train_fusion("late", [table, other], RECIPE, 1)
    relabelled = replace(table, labels=(*table.labels[:-1], "anger"))
    with pytest.raises(TrainingError, match="disagree about the label"):
        train_fusion("early", [table, relabelled], RECIPE, 1)
    with pytest.raises(TrainingError, match="two networks at least"):
        train_fusion("early", [table], RECIPE, 1)


def test_columns_side_by_side_keep_their_origin():
    joined = side_by_side([make_table(2, network="a"), make_table(2, dimensions=4, seed=1, network="b")])
    assert joined.values.shape == (120, 10)
    assert [backbone.network for backbone in joined.origin.backbones] == ["a", "b"]
    twice = side_by_side([make_table(2), make_table(2)])
    assert len(set(twice.feature_names)) == 12


def test_combinations_of_the_paper():
    assert len(COMBINATIONS["all-ten"]) == 10
    assert COMBINATIONS["all-ten+compare"][:10] == COMBINATIONS["all-ten"]
    assert [plain_name(name) for name in ("MobileNet_V2", "SqueezeNet1_1", "ComParE_2016")] == [
        "mobilenetv2",
        "squeezenet",
        "compare2016",
    ]
    tables = [(Path(name), make_table(2, network=name)) for name in ("vgg19", "resnet50", "DenseNet121")]
    chosen = choose("densenet121+vgg19", tables)
    assert [str(file) for file, _ in chosen] == ["DenseNet121", "vgg19"]
    with pytest.raises(CombinationError, match="needs features of compare2016 too"):
        choose("densenet121+vgg19+compare", tables)
    with pytest.raises(CombinationError, match="several tables hold features of vgg19"):
        choose("densenet121+vgg19", [*tables, tables[0]])


def test_a_fusion_comes_back(tmp_path):
    trained = train_fusion("late", [make_table(2, network="a"), make_table(2, seed=1, network="b")], RECIPE, 1)
    heads = tuple(member.head for member in trained.members)
    write_fusion(Fusion(FusionCard(kind="late", heads=["member-0", "member-1"]), heads), tmp_path / "f")
    back = read_fusion(tmp_path / "f")
    assert [head.card.backbones[0].network for head in back.heads] == ["a", "b"]
    with pytest.raises(HeadError, match=r"fusion\.json is missing"):
        read_fusion(tmp_path)
