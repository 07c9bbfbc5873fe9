"""Tables of features come back as they were written, in every format."""

import numpy as np
import pytest

from export.features.files import read_table, write_table
from export.features.origin import Backbone, Origin, OriginError, origin_file
from export.features.table import FeatureTable, FeatureTableError
from service.card import Licence, TrainingData

NASTY = (
    "plain",
    "it's",
    'a "quoted" one',
    "comma, semicolon; tab\tend",
    "back\\slash",
    "%percent",
    "żółć 語 😀",
    "a\nb",
    "?",
)


def make_table(rows: int = len(NASTY), dimensions: int = 5) -> FeatureTable:
    random = np.random.default_rng(3)
    values = (random.normal(0, 1, (rows, dimensions)) * 10.0 ** random.integers(-30, 30, (rows, dimensions))).astype(
        np.float32
    )
    backbone = Backbone(kind="graph", network="net", licence=Licence(spdx="MIT", commercial_use=True), dimensions=5)
    return FeatureTable(
        names=tuple(f"corpus/{text}.wav" for text in NASTY[:rows]),
        speakers=NASTY[:rows],
        partitions=("train",) * (rows - 1) + ("",),
        labels=(*NASTY[: rows - 1], ""),
        start_s=np.arange(rows) * 0.1,
        end_s=np.arange(rows) * 0.1 + 1 / 3,
        values=values,
        feature_names=("net_0", "F0 [Hz]-amean", "it's", "ä,b", "mfcc(1)"),
        origin=Origin(
            backbones=[backbone], data=[TrainingData(name="corpus", licence="CC0-1.0")], left_out=["x: 0.1 s"]
        ),
    )


@pytest.mark.parametrize("suffix", ["csv", "arff", "parquet"])
def test_everything_comes_back(tmp_path, suffix):
    table = make_table()
    write_table(table, tmp_path / f"my features.{suffix}")
    back = read_table(tmp_path / f"my features.{suffix}")
    np.testing.assert_array_equal(back.values, table.values)
    np.testing.assert_array_equal(back.start_s, table.start_s)
    np.testing.assert_array_equal(back.end_s, table.end_s)
    assert (back.names, back.speakers, back.partitions) == (table.names, table.speakers, table.partitions)
    assert (back.labels, back.feature_names, back.origin) == (table.labels, table.feature_names, table.origin)


def test_arff_is_what_scipy_reads_too(tmp_path):
    """SciPy's reader knows no string attributes, so these are cut out first."""
    from scipy.io import arff

    table = make_table(4).rows(np.array([True, True, True, False]))
    write_table(table, tmp_path / "t.arff")
    text = (tmp_path / "t.arff").read_text(encoding="utf-8")
    assert "@attribute label {" in text
    header, data = text.split("@data\n")
    header = "\n".join(line for line in header.splitlines() if " string" not in line and " label " not in line)
    numbers = "\n".join(",".join(line.split(",")[4:]) for line in data.splitlines())
    (tmp_path / "numbers.arff").write_text(f"{header}\n@data\n{numbers}\n", encoding="utf-8")
    rows, attributes = arff.loadarff(tmp_path / "numbers.arff")
    assert len(attributes.names()) == 7
    np.testing.assert_allclose([list(row)[2:] for row in rows], table.values, rtol=1e-6)


def test_a_table_of_another_program_needs_a_name_and_features_only(tmp_path):
    (tmp_path / "t.arff").write_text(
        "% a comment\n@RELATION x\n@ATTRIBUTE 'name' STRING\n@attribute \"f 1\" REAL\n@attribute g numeric\n"
        "@attribute label {a,b}\n@DATA\n'x.wav', 1.5, 2, ?\n\"y.wav\",2e-3,3,b\n"
    )
    table = read_table(tmp_path / "t.arff")
    assert table.names == ("x.wav", "y.wav")
    assert table.labels == ("", "b")
    assert table.feature_names == ("f 1", "g")
    np.testing.assert_allclose(table.values, [[1.5, 2], [0.002, 3]])
    assert table.origin.backbones[0].kind == "unknown"


@pytest.mark.parametrize(
    ("name", "text", "cause"),
    [
        ("t.csv", "name,a,b\nx,1\n", "row 1 has 2 fields, not 3"),
        ("t.csv", "name,a\nx,one\n", "could not convert"),
        ("t.csv", "file,a\n1,1\n", "no column 'name'"),
        ("t.csv", "name,a,a\nx,1,2\n", "name of another"),
        ("t.csv", "name,label\nx,y\n", "no features"),
        ("t.csv", "name,a,start_s\nx,1,soon\n", "a time is not a number"),
        ("t.arff", "@relation x\n", "no line '@data'"),
        ("t.arff", "@attribute name string\n@attribute a numeric\n@data\n{0 x}\n", "sparse"),
        ("t.parquet", "name,a\nx,1\n", "not a Parquet file"),
        ("t.xlsx", "", "not as '.xlsx'"),
    ],
)
def test_damaged_tables_are_refused_by_name(tmp_path, name, text, cause):
    (tmp_path / name).write_text(text)
    with pytest.raises(FeatureTableError, match=cause) as failure:
        read_table(tmp_path / name)
    assert name in str(failure.value)


def test_an_origin_of_another_table_is_refused(tmp_path):
    write_table(make_table(), tmp_path / "t.csv")
    origin_file(tmp_path / "t.csv").write_text(
        make_table().origin.model_dump_json().replace('"dimensions":5', '"dimensions":6')
    )
    with pytest.raises(OriginError, match="speaks of 6 features, the table has 5"):
        read_table(tmp_path / "t.csv")
