"""The documents keep up with the code."""

from __future__ import annotations

import re

import pytest

from service.card import read_card
from service.settings import KeyLimits, Limits, Settings
from tests.shared_material import ROOT

SETTINGS = (ROOT / "docs/settings.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")


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


def test_links_of_the_readme_lead_somewhere():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        if not target.startswith("http"):
            assert (ROOT / target).exists(), target


@pytest.mark.parametrize("model", ["emonet-open", "emonet-research"])
def test_figures_of_the_readme_are_those_of_the_cards(model):
    for entry in read_card(ROOT / "models" / model / "1").measurements:
        if entry.metric == "unweighted_average_recall":
            low, high = entry.interval_95
            assert f"{100 * entry.value:.1f} ({100 * low:.1f}–{100 * high:.1f})" in README, entry.data
