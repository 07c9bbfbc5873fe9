"""The whole way of a table of action units, which needs no face networks."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from service.pipeline.face.unit_scale import ACTION_UNITS
from service.pipeline.video.video_results import TableOptions, VideoOptions
from service.problems import FeaturesInvalid, ModelNotFound, TimestampsInvalid
from service.render.csv import video_affect_csv
from service.render.video_json import video_affect_json
from service.render.video_words import facts_of
from tests import media_files as files
from tests.shared_material import ROOT
from tests.support.pictures import affect_png
from tests.support.work import patient
from tests.unit.service.pipeline.test_video_pipeline import EVERYTHING, build, closing, media


@pytest.fixture(scope="module")
def blind(tmp_path_factory):
    """Without face models."""
    yield from closing(build(tmp_path_factory.mktemp("nothing")))


def table(frames=60, lost=range(0), step_s=0.04):
    names = ["frame", "face_id", "timestamp", "confidence", "success", *(f"{unit}_r" for unit in ACTION_UNITS)]
    rows = [", ".join(names)]
    for frame in range(frames):
        seen = frame not in lost
        units = ["2.5" if unit == "AU12" and seen else "0" for unit in ACTION_UNITS]
        row = [str(frame + 1), "0", f"{frame * step_s:.3f}", "0.98" if seen else "0", "1" if seen else "0", *units]
        rows.append(", ".join(row))
    return "\n".join(rows).encode()


def test_a_table_gives_the_same_kind_of_answer_without_face_models(blind):
    assert not blind.has_faces
    answer = blind.analyse_table(table(), TableOptions(include=EVERYTHING), patient())
    assert len(answer.time_s) == 24
    assert (answer.media.container, answer.media.codec) == ("csv", "action-units")
    assert answer.media.frame_rate_hz == pytest.approx(25)
    assert answer.action_units[:, ACTION_UNITS.index("AU12")] == pytest.approx(2.5)
    assert answer.valence[12] > 0
    assert answer.attribution.valence.sum() == pytest.approx(answer.summary["valence"].mean, abs=1e-5)
    assert set(answer.models) == {"affect"}
    assert answer.flags == ("no_audio", "trained: prior")
    assert answer.speech is None


@pytest.fixture(scope="module")
def of_valence(tmp_path_factory):
    """With a model of valence alone beside the prior."""
    folder = tmp_path_factory.mktemp("bundles") / "valence-alone" / "1"
    shutil.copytree(ROOT / "models" / "affect-prior" / "3", folder)
    (folder / "arousal.onnx").unlink()
    card = json.loads((folder / "card.json").read_text())
    del card["files"]["arousal.onnx"]
    (folder / "card.json").write_text(json.dumps(card | {"name": "valence-alone", "version": "1"}))
    yield from closing(build(folder.parents[1]))


def test_a_model_of_one_target_answers_that(of_valence, blind):
    data, options = table(), TableOptions(include=EVERYTHING)
    answer = of_valence.analyse_table(data, replace(options, model="valence-alone"), patient())
    both = blind.analyse_table(data, options, patient())
    np.testing.assert_array_equal(answer.valence, both.valence)
    assert np.isnan(answer.arousal).all()
    assert list(answer.summary) == ["valence"]
    assert answer.flags == ("no_audio", "no_attribution", "one_target", "trained: prior")
    assert facts_of(answer)[-1] == facts_of(both)[-1] == "face known in 100 % of the time"
    document = video_affect_json(answer, "id", EVERYTHING)
    assert set(document["timeline"]["arousal"]) == {None}
    assert (document["timeline"]["arousal_uncertainty"], document["summary"]["arousal"]) == (None, None)
    assert affect_png(answer, EVERYTHING) != affect_png(both, EVERYTHING)
    assert video_affect_csv(answer).count("\r\n") == len(answer.time_s) + 1


def test_a_face_that_a_table_loses_is_null(blind):
    answer = blind.analyse_table(table(100, range(30, 80)), TableOptions(), patient())
    known = np.isfinite(answer.valence)
    assert known[:8].all()
    assert not known[18:25].any()
    assert "face_lost" in answer.flags


def test_time_stamps_of_no_camera_need_fps(blind):
    data = media("OpenFace_Test.csv")
    with pytest.raises(TimestampsInvalid):
        blind.analyse_table(data, TableOptions(), patient())
    answer = blind.analyse_table(data, TableOptions(fps=30), patient())
    assert answer.media.duration_s == pytest.approx(3.3)
    assert np.isfinite(answer.arousal).all()


def test_a_face_that_the_table_lacks_is_refused(blind):
    with pytest.raises(FeaturesInvalid):
        blind.analyse_table(table(), TableOptions(face="7"), patient())
    with pytest.raises(ModelNotFound):
        blind.analyse(files.video(files.greys(3)), VideoOptions(), patient())
