"""The documents keep up with the code."""

import re
import shlex

import pytest

import export.cli.export  # noqa: F401  PyTorch takes seconds to import: not within the time that a test has
from emoserve.__main__ import build_parser
from export.__main__ import parse as parse_export
from service.card import read_card
from service.settings import KeyLimits, Limits, Settings
from tests.support.documents import DOCUMENTS, ROOT, blocks, program_calls

SETTINGS = (ROOT / "docs/settings.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
ACCURACY = (ROOT / "docs/accuracy.md").read_text(encoding="utf-8")
LONGEST_README = 90
"""Lines: one page."""


@pytest.mark.parametrize("name", [name for name in Settings.model_fields if name != "limits"])
def test_every_setting_is_documented(name):
    assert f"`EMOSERVE_{name.upper()}`" in SETTINGS


@pytest.mark.parametrize("name", Limits.model_fields)
def test_every_limit_is_documented(name):
    assert f"`EMOSERVE_LIMITS__{name.upper()}`" in SETTINGS


@pytest.mark.parametrize("name", KeyLimits.model_fields)
def test_every_limit_of_a_key_is_documented(name):
    assert f"| `{name}` |" in SETTINGS


def test_documented_settings_exist():
    known = {f"EMOSERVE_{name.upper()}" for name in Settings.model_fields}
    known |= {f"EMOSERVE_LIMITS__{name.upper()}" for name in Limits.model_fields}
    tests_only = {"EMOSERVE_SHARED"}
    assert set(re.findall(r"\bEMOSERVE_[A-Z_]+\b", SETTINGS + README)) - tests_only <= known


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path):
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8")):
        if not target.startswith("http"):
            file, _, heading = target.partition("#")
            linked = (path.parent / file).resolve() if file else path
            assert linked.exists(), target
            assert linked.is_relative_to(ROOT), target
            assert not heading or heading in anchors(linked), target


def anchors(path):
    """Anchors of the headings of a document, as renderers commonly make them."""
    headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


def test_the_readme_is_one_page_that_leads_on():
    linked = set(re.findall(r"\]\(([^)#]+)", README))
    assert {"docs/index.md", "docs/quickstart.md", "client/README.md", "CONTRIBUTING.md", "LICENSE"} <= linked
    assert len(README.splitlines()) <= LONGEST_README


def test_the_readme_states_the_limits_of_use():
    assert "The EU AI Act (Regulation 2024/1689, article 5(1)(f)) prohibits emotion recognition at work" in README
    assert "not a diagnosis, not a lie detector" in README


def test_the_index_leads_to_every_document():
    linked = set(re.findall(r"\]\(([^)#]+)", (ROOT / "docs/index.md").read_text(encoding="utf-8")))
    assert {path.name for path in (ROOT / "docs").glob("*.md")} - linked == {"index.md"}


@pytest.mark.parametrize("call", program_calls(), ids=str)
def test_documented_commands_are_understood(call, capsys):
    parse = parse_export if call.program == "emoserve-export" else build_parser().parse_args
    try:
        parse(shlex.split(call.arguments))
    except SystemExit:
        told = capsys.readouterr().err
        is_only_shortened = not call.is_whole and "arguments are required" in told
        assert is_only_shortened, told


@pytest.mark.parametrize("block", blocks("python"), ids=str)
def test_python_in_documents_is_part_of_an_example_that_is_run(block):
    """The examples are run by tests/contract/test_examples.py, and two documents by tests of their own."""
    examples = [path.read_text(encoding="utf-8") for path in (ROOT / "docs/examples").glob("*.py")]
    run_whole = {ROOT / "client/README.md", ROOT / "docs/python.md"}
    assert block.path in run_whole or any(block.text in example for example in examples)


@pytest.mark.parametrize("model", ["ge2e-open/3", "ge2e-research/2", "emonet-open/2", "emonet-research/2"])
def test_figures_of_the_documents_are_those_of_the_cards(model):
    for entry in read_card(ROOT / "models" / model).measurements:
        if entry.metric == "unweighted_average_recall":
            low, high = entry.interval_95
            assert f"{100 * entry.value:.1f} ({100 * low:.1f}–{100 * high:.1f})" in ACCURACY, entry.data


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_named_in_documents_exist(path):
    """Those with a folder, such as ``service/card.py``; the changelog also names what is gone."""
    named = re.findall(
        r"`((?:service|emoserve|export|research|tests|benchmarks|deploy|docs)/[\w./-]+)`", path.read_text("utf-8")
    )
    missing = {name for name in named if not (ROOT / name).exists()}
    assert path.name == "CHANGELOG.md" or missing == set()
