"""Finding, checking and choosing bundles; every wrong bundle is refused by one line that names it."""

import hashlib
import json
import shutil

import pytest

from export.bundle.write import Content, write_bundle
from service.problems import ModelNotFound
from service.registry import BundleError, Registry
from service.settings import Settings
from tests.tiny_models import write_denoiser_bundle, write_embedding_bundle, write_speech_bundle, write_voice_bundle


def load(*folders, **settings) -> Registry:
    return Registry.load(Settings(model_dirs=list(folders), **settings))


def edit_card(bundle, change) -> None:
    card = json.loads((bundle / "card.json").read_text())
    change(card)
    (bundle / "card.json").write_text(json.dumps(card))


def test_finds_bundles_in_several_folders_and_ignores_a_missing_one(tmp_path):
    write_speech_bundle(tmp_path / "a", "first")
    write_speech_bundle(tmp_path / "b", "second")
    (tmp_path / "b" / "notes").mkdir()
    registry = load(tmp_path / "a", tmp_path / "none", tmp_path / "b")
    assert [bundle.card.name for bundle in registry.bundles] == ["first", "second"]
    assert registry.withheld == ()


def test_no_folder_at_all_is_an_empty_registry(tmp_path):
    registry = load(tmp_path / "none")
    assert registry.bundles == ()
    with pytest.raises(ModelNotFound):
        registry.find()


def test_path_and_hash_of_a_bundle(tmp_path):
    folder = write_speech_bundle(tmp_path)
    bundle = load(tmp_path).find("tiny")
    assert bundle.path() == folder / "model.onnx"
    assert bundle.sha256 == hashlib.sha256((folder / "model.onnx").read_bytes()).hexdigest()
    with pytest.raises(KeyError):
        bundle.path("mesh")


def test_hash_of_several_files_is_that_of_the_list_of_hashes(tmp_path):
    card = load_card(write_speech_bundle(tmp_path / "source"))
    contents = {"b.onnx": Content(b"b", "mesh"), "a.onnx": Content(b"a", "detector")}
    write_bundle(tmp_path / "models", contents, lambda files: card.model_copy(update={"files": files}))
    (bundle,) = load(tmp_path / "models").bundles
    lines = f"{hashlib.sha256(b'a').hexdigest()}  a.onnx\n{hashlib.sha256(b'b').hexdigest()}  b.onnx\n"
    assert bundle.sha256 == hashlib.sha256(lines.encode()).hexdigest()
    assert bundle.path("mesh").read_bytes() == b"b"


def load_card(folder):
    from service.card import read_card

    return read_card(folder)


def test_default_is_the_highest_priority_and_its_highest_version(tmp_path):
    write_speech_bundle(tmp_path, "low", priority=1)
    for version in ("9", "10", "2"):
        write_speech_bundle(tmp_path, "high", version, priority=2)
    registry = load(tmp_path)
    assert (registry.find().card.name, registry.find().card.version) == ("high", "10")
    assert registry.find("high", "2").card.version == "2"
    assert registry.find(None, "9").card.version == "9"
    assert [bundle.card.version for bundle in registry.versions("high")] == ["2", "9", "10"]
    assert registry.versions("absent") == ()


def test_setting_names_the_default(tmp_path):
    write_speech_bundle(tmp_path, "low", priority=1)
    write_speech_bundle(tmp_path, "high", priority=2)
    assert load(tmp_path, default_model="low").find().card.name == "low"
    with pytest.raises(BundleError, match="default model 'absent': no such"):
        load(tmp_path, default_model="absent")


@pytest.mark.parametrize(("name", "version"), [("absent", None), ("tiny", "2"), ("tiny-voice", None)])
def test_unknown_model_version_or_task_is_a_problem(tmp_path, name, version):
    write_speech_bundle(tmp_path)
    write_voice_bundle(tmp_path)
    registry = load(tmp_path)
    with pytest.raises(ModelNotFound):
        registry.find(name, version)
    assert registry.find("tiny-voice", task="voice-activity").card.task == "voice-activity"


def test_licence_policy_withholds_and_the_default_is_the_best_of_the_rest(tmp_path):
    write_speech_bundle(tmp_path, "restricted", priority=9, commercial_use=False)
    write_speech_bundle(tmp_path, "free", priority=1)
    assert load(tmp_path).find().card.name == "restricted"
    registry = load(tmp_path, licence_policy="commercial")
    assert registry.find().card.name == "free"
    (withheld,) = registry.withheld
    assert (withheld.name, withheld.version) == ("restricted", "1")
    assert "CC-BY-NC-4.0" in withheld.reason
    with pytest.raises(BundleError, match=r"restricted.*CC-BY-NC-4\.0"):
        load(tmp_path, licence_policy="commercial", default_model="restricted")


def truncate(bundle):
    data = (bundle / "model.onnx").read_bytes()
    (bundle / "model.onnx").write_bytes(data[:-1])


def flip_a_bit(bundle):
    data = bytearray((bundle / "model.onnx").read_bytes())
    data[len(data) // 2] ^= 1
    (bundle / "model.onnx").write_bytes(bytes(data))


def rename_file(name):
    def change(card):
        card["files"] = {name: card["files"]["model.onnx"]}

    return lambda bundle: edit_card(bundle, change)


def with_card(**values):
    return lambda bundle: edit_card(bundle, lambda card: card.update(values))


def speech_of(**values):
    return lambda bundle: edit_card(bundle, lambda card: card["speech"].update(values))


WRONG = {
    "truncated file": (truncate, "model.onnx has .* bytes"),
    "corrupted file": (flip_a_bit, "the sha256 of model.onnx is"),
    "missing file": (lambda bundle: (bundle / "model.onnx").unlink(), "model.onnx cannot be read"),
    "undeclared graph": (lambda bundle: (bundle / "x.onnx").write_bytes(b""), "does not list x.onnx"),
    "hidden graph": (lambda bundle: write_deep(bundle / "deep" / "x.onnx"), "does not list x.onnx"),
    "missing card": (lambda bundle: (bundle / "card.json").unlink(), "card.json cannot be read"),
    "card that is no JSON": (lambda bundle: (bundle / "card.json").write_text("{"), "card.json is not valid"),
    "card that is no text": (lambda bundle: (bundle / "card.json").write_bytes(b"\xff"), "card.json is not"),
    "unknown field": (with_card(surprise=1), "not valid at surprise"),
    "other name": (with_card(name="other"), "its card says other/1"),
    "other version": (with_card(version="2"), "its card says tiny/2"),
    "wrong task": (with_card(task="telepathy"), "not valid at task"),
    "double label": (with_card(labels=["anger", "anger"]), "a label appears twice"),
    "no speech input": (with_card(speech=None), "needs 'speech'"),
    "window too long": (speech_of(window_s=99.0), "window_s is not between"),
    "file outside": (rename_file("../model.onnx"), "is not plain"),
    "no files": (with_card(files={}), "not valid at files"),
}


def write_deep(path):
    path.parent.mkdir()
    path.write_bytes(b"")


@pytest.mark.parametrize("case", WRONG)
def test_wrong_bundle_is_refused_by_one_line(tmp_path, case):
    damage, cause = WRONG[case]
    damage(write_speech_bundle(tmp_path))
    with pytest.raises(BundleError, match=cause) as caught:
        load(tmp_path)
    assert "tiny/1" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_copy_counts_once_and_another_of_its_name_and_version_is_refused(tmp_path):
    folder = write_speech_bundle(tmp_path / "a")
    shutil.copytree(folder.parent, tmp_path / "b" / "tiny")
    assert [bundle.folder for bundle in load(tmp_path / "a", tmp_path / "b").bundles] == [folder]
    write_speech_bundle(tmp_path / "b", labels=("a", "b", "c"))
    with pytest.raises(BundleError, match="holds another one of the same name and version"):
        load(tmp_path / "a", tmp_path / "b")


def test_rewriting_a_bundle_leaves_no_rest(tmp_path):
    write_speech_bundle(tmp_path, labels=("a", "b"))
    write_speech_bundle(tmp_path, labels=("a", "b", "c"))
    assert [path.name for path in tmp_path.iterdir()] == ["tiny"]
    assert load(tmp_path).find().card.labels == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("write", "name"), [(write_embedding_bundle, "speech embedding model"), (write_denoiser_bundle, "denoiser")]
)
def test_every_model_of_the_waveform_says_how_recordings_are_cut(tmp_path, write, name):
    bundle = write(tmp_path)
    assert load(tmp_path).bundles[0].card.labels == []
    edit_card(bundle, lambda card: card["speech"].update(window_s=20.0))
    with pytest.raises(BundleError, match="window_s is not between"):
        load(tmp_path)
    edit_card(bundle, lambda card: card.pop("speech"))
    with pytest.raises(BundleError, match=f"a {name}'s card needs 'speech'") as caught:
        load(tmp_path)
    assert "\n" not in str(caught.value)
