"""Ratings in the layouts of their publishers: miniatures are read to the number, broken ones refused."""

import json

import numpy as np
import pytest

from export.__main__ import main
from export.affect.evaluate import answer_folder
from export.affect.label_layouts import rated_in
from service.pipeline.face.unit_scale import ACTION_UNITS
from tests.shared_material import ROOT

RATE_HZ, FRAMES = 25, 76
HOP_S = 0.1
PRIOR = ROOT / "models/affect-prior/3"


def table(path, frames=FRAMES):
    """A table of a face that begins to smile, a row a frame."""
    path.parent.mkdir(parents=True, exist_ok=True)
    names = ["frame", "timestamp", "confidence", "success", *(f"{unit}_r" for unit in ACTION_UNITS)]
    rows = [",".join(names)]
    for frame in range(frames):
        smile = 3.0 * frame / frames
        units = [f"{smile if unit in ('AU06', 'AU12') else 0.0:.2f}" for unit in ACTION_UNITS]
        rows.append(",".join([str(frame + 1), f"{frame / RATE_HZ:.3f}", "0.98", "1", *units]))
    path.write_text("\n".join(rows) + "\n")


def ratings(frames=FRAMES):
    ramp = np.linspace(-0.4, 0.8, frames)
    return ramp / 2, ramp


def recola(folder):
    arousal, valence = ratings()
    for target, values in (("arousal", arousal), ("valence", valence)):
        path = folder / "RECOLA-Annotation" / "emotional_behaviour" / target / "P16.csv"
        path.parent.mkdir(parents=True)
        rows = [f"{n * 0.04:.2f};{v - 0.1:.3f};{v + 0.1:.3f};{v:.3f}" for n, v in enumerate(values)]
        path.write_text("time;FM1 ;FM2 ;FF1 \n" + "\n".join(rows) + "\n")
    return "P16", folder / "RECOLA-Annotation/emotional_behaviour/arousal/P16.csv"


def affwild(folder):
    arousal, valence = ratings()
    path = folder / "VA_Estimation_Challenge" / "Validation_Set" / "4-30-1920x1080_left.txt"
    path.parent.mkdir(parents=True)
    path.write_text("valence,arousal\n" + "\n".join(f"{v:.3f},{a:.3f}" for a, v in zip(arousal, valence, strict=True)))
    return "4-30-1920x1080_left", path


def afew(folder):
    arousal, valence = ratings()
    path = folder / "012" / "012.json"
    path.parent.mkdir(parents=True)
    frames = {
        f"{n:05}": {"arousal": 10 * a, "valence": 10 * v, "landmarks": []}
        for n, (a, v) in enumerate(zip(arousal, valence, strict=True))
    }
    path.write_text(json.dumps({"actor": "someone", "video_id": "012", "frames": frames}))
    return "012", path


LAYOUTS = {"recola": recola, "affwild": affwild, "afew": afew}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_miniature_is_read_to_the_number(tmp_path, layout):
    name, _ = LAYOUTS[layout](tmp_path)
    table(tmp_path / "features" / f"{name}.csv")
    rated = rated_in(tmp_path)
    assert list(rated) == [name]
    assert rated[name].partition == ("devel" if layout == "affwild" else None)
    found = rated[name].read(tmp_path / "features" / f"{name}.csv", HOP_S)
    grid_s = np.arange(31) * HOP_S
    frames_s = np.arange(FRAMES) / RATE_HZ
    for target, values in zip(("arousal", "valence"), ratings(), strict=True):
        np.testing.assert_allclose(found[target], np.interp(grid_s, frames_s, values), atol=1e-3)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_bundle_is_scored_on_it(tmp_path, capsys, layout):
    name, _ = LAYOUTS[layout](tmp_path)
    table(tmp_path / "features" / f"{name}.csv")
    command = ["evaluate", str(PRIOR), "--corpus", str(tmp_path), "--partition", "all", "--json"]
    assert main(command) == 0
    figures = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    assert figures["targets"]["valence"]["n_steps"] == 31
    assert figures["targets"]["valence"]["ccc"] > 0.3


def test_frames_that_nobody_rated_do_not_count(tmp_path):
    name, path = affwild(tmp_path)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:51], *(["-5,-5"] * (FRAMES - 50))]))
    table(tmp_path / "features" / f"{name}.csv")
    answers = answer_folder(PRIOR, tmp_path, "all")
    assert len(answers["valence"].gold[0]) == len(answers["valence"].predicted[0]) == 20
    assert np.isfinite(answers["valence"].gold[0]).all()


def change(old, new):
    return lambda text: text.replace(old, new, 1)


def without_frame(text):
    document = json.loads(text)
    del document["frames"]["00007"]
    return json.dumps(document)


def fewer_frames(text):
    document = json.loads(text)
    document["frames"] = {name: rated for name, rated in document["frames"].items() if int(name) < 20}
    return json.dumps(document)


BROKEN = [
    ("recola", change("time;", "seconds;"), "time;FM1"),
    ("recola", change("0.04;", "nan;"), "not finite"),
    ("recola", change("0.08;", "0.00;"), "do not increase"),
    ("recola", change("0.12;-", "0.12;-9"), "outside of their scale"),
    ("recola", lambda text: "", "is empty"),
    ("affwild", change("valence,arousal", "arousal,valence"), "is valence,arousal"),
    ("affwild", change("-0.4", "0.9x"), "not a number"),
    ("affwild", change("-0.400,-0.200", "3,3"), "outside of their scale"),
    ("affwild", lambda text: "\n".join(text.splitlines()[:30]), "29 frames are rated"),
    ("affwild", lambda text: "", "is empty"),
    ("afew", change('"frames"', '"pictures"'), "not AFEW-VA's frames"),
    ("afew", lambda text: text[:-20], "not AFEW-VA's frames"),
    ("afew", without_frame, "frames are missing"),
    ("afew", fewer_frames, "20 frames are rated"),
    ("afew", change('"valence": -4.0', '"valence": -40'), "outside of their scale"),
]


@pytest.mark.parametrize(("layout", "broken", "wanted"), BROKEN)
def test_a_broken_file_is_named(tmp_path, layout, broken, wanted):
    name, path = LAYOUTS[layout](tmp_path)
    table(tmp_path / "features" / f"{name}.csv")
    text = path.read_text()
    changed = broken(text)
    assert changed != text
    path.write_text(changed)
    with pytest.raises(ValueError, match=wanted) as caught:
        rated_in(tmp_path)[name].read(tmp_path / "features" / f"{name}.csv", HOP_S)
    assert path.name in str(caught.value)


def test_a_missing_half_and_no_layout_are_said(tmp_path):
    with pytest.raises(ValueError, match="in no layout that is known"):
        rated_in(tmp_path)
    name, path = recola(tmp_path)
    (path.parents[1] / "valence" / path.name).unlink()
    with pytest.raises(ValueError, match="this file is missing"):
        rated_in(tmp_path)[name].read(tmp_path, HOP_S)
