"""Flags: one list, and everybody who shows them says the same."""

from __future__ import annotations

import re

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
    client = TestClient(create_app(settings, fake_services(settings)))
    answer = client.get("/v1/flags").json()["flags"]
    assert [entry["flag"] for entry in answer] == list(FACTS)
    assert answer[list(FACTS).index(Flag.FACE_LOST)] == {
        "flag": "face_lost",
        "about": "rows",
        "title": "Face lost",
        "description": "The face was out of sight for a while; nothing is claimed for that time.",
        "since": "0.1.0",
    }


def test_the_page_shows_the_same_sentences():
    script = (ROOT / "service/api/pages/page/words.js").read_text(encoding="utf-8")
    table = script[script.index("const FLAGS") : script.index("};", script.index("const FLAGS"))]
    shown = dict(re.findall(r'^  "?([a-z_: ]+?)"?: "(.*)",$', table, re.MULTILINE))
    assert shown == {str(flag): facts.description for flag, facts in FACTS.items()}


def test_the_document_shows_the_same_table():
    text = (ROOT / "docs/http.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([a-z_: ]+)` \| (recording|rows|answer) \| (.*) \|$", text, re.MULTILINE)
    assert rows == [(str(flag), facts.about, facts.description) for flag, facts in FACTS.items()]
