"""Statements about licence, third parties and authors agree with one another."""

import hashlib
import json
import re
import tomllib
from datetime import date

import pytest
import yaml

from tests.support.documents import ROOT

APACHE_2_0_SHA256 = "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"
"""The licence's text as https://www.apache.org/licenses/LICENSE-2.0.txt has it."""

NOTICE = (ROOT / "NOTICE").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CARDS = sorted((*ROOT.glob("models/*/*/card.json"), *ROOT.glob("models/heads/*/head.json")))


@pytest.mark.parametrize("name", ["LICENSE", "client/LICENSE"])
def test_the_licence_is_apache_2_0(name):
    assert hashlib.sha256((ROOT / name).read_bytes()).hexdigest() == APACHE_2_0_SHA256


def test_the_package_states_it():
    assert PROJECT["license"] == "Apache-2.0"
    assert all((ROOT / name).is_file() for name in PROJECT["license-files"])


@pytest.mark.parametrize("path", CARDS, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_notice_names_every_model_with_its_licence(path):
    card = json.loads(path.read_text(encoding="utf-8"))
    folder = path.parent if path.name == "head.json" else path.parent.parent
    line = re.search(rf"^.*{re.escape(str(folder.relative_to(ROOT)))}\b.*$", NOTICE, re.MULTILINE)
    assert line is not None
    assert re.search(rf"\b{re.escape(card['licence']['spdx'])}(?![\w-])", line[0])
    for source in card["training_data"]:
        if doi := re.search(r"doi:\S+|arXiv:\S+", source["reference"]):
            assert doi[0] in NOTICE, source["name"]


def test_the_citation_file_is_well_formed():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()
    assert (citation["version"], citation["license"]) == (PROJECT["version"], PROJECT["license"])
    date.fromisoformat(citation["date-released"])
    for reference in citation["references"]:
        assert {"type", "title", "authors"} <= reference.keys()
        assert all({"family-names", "given-names"} <= author.keys() for author in reference["authors"])


def test_the_changelog_has_the_version_and_what_comes_next():
    headings = re.findall(r"^## \[([^\]]+)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert headings[0] == "Unreleased"
    assert PROJECT["version"] in headings


def test_hooks_come_from_the_environment():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    assert {repository["repo"] for repository in hooks["repos"]} == {"local"}
    assert all(hook["entry"].startswith(".venv/bin/") for hook in hooks["repos"][0]["hooks"])
