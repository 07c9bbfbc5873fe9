"""Flags: one list, and everybody who shows them says the same."""

import ast
import re
from pathlib import Path

from fastapi.testclient import TestClient

from service.app import create_app
from service.flags import FACTS, Flag
from tests.shared_material import ROOT
from tests.support.fakes import fake_services
from tests.support.live_server import small_settings


def test_every_flag_has_its_meaning():
    assert set(FACTS) == set(Flag)
    for facts in FACTS.values():
        assert facts.description.endswith(".")
        assert facts.description[0].isupper()
        assert 2 <= len(facts.title.split()) <= 4


def test_the_service_answers_with_the_list():
    settings = small_settings()
    client = TestClient(create_app(settings, fake_services(settings)), base_url="http://localhost")
    answer = client.get("/v1/flags").json()["flags"]
    assert [entry["flag"] for entry in answer] == list(FACTS)
    assert answer[list(FACTS).index(Flag.FACE_LOST)] == {
        "flag": "face_lost",
        "about": "rows",
        "title": "Face lost",
        "description": "The face was out of sight for a while; nothing is claimed for that time.",
        "since": "0.1.0",
    }


def test_the_document_shows_the_same_table():
    text = (ROOT / "docs/http.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([a-z_: ]+)` \| (recording|rows|answer) \| (.*) \|$", text, re.MULTILINE)
    assert rows == [(str(flag), facts.about, facts.description) for flag, facts in FACTS.items()]


def constants(path: Path) -> set[str]:
    """Texts of a module that are no docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    documents = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    texts = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in documents)
    return {node.value for node in texts if isinstance(node.value, str)}


def test_the_code_names_flags_by_the_enumeration_alone_and_emits_each():
    emitted: set[str] = set()
    bare = {}
    for path in sorted((ROOT / "service").rglob("*.py")):
        if path.name == "flags.py":
            continue
        inside = path.relative_to(ROOT / "service")
        if inside.parts[0] in ("pipeline", "jobs"):
            emitted |= set(re.findall(r"\bFlag\.([A-Z_]+)", path.read_text(encoding="utf-8")))
        bare[str(inside)] = constants(path) & {str(flag) for flag in Flag}
    assert emitted == set(Flag.__members__)
    assert {path: names for path, names in bare.items() if names} == {
        "pipeline/speech/denoise.py": {"denoised"},  # an output of the graph
        "schemas/audio.py": {"face_lost"},  # examples of the documents
        "api/openapi/video.py": {"face_lost"},
    }
