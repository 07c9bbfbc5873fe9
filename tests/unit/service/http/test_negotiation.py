"""``Accept``: quality, specificity, order, and what is malformed."""

import pytest

from service.http.negotiation import CSV, JSON, PNG, choose_fhir_version, choose_media_type
from service.problems import NotAcceptable

OFFERED = (JSON, CSV, PNG)


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        (None, JSON),
        ("", JSON),
        ("*/*", JSON),
        ("application/*", JSON),
        ("text/csv", CSV),
        ("TEXT/CSV", CSV),
        ("text/*", CSV),
        ("image/*", PNG),
        ("image/png;q=0.9, text/csv;q=0.8", PNG),
        ("application/json;q=0.1, text/csv", CSV),
        ("application/json;q=0, */*", CSV),
        ("text/csv, */*", CSV),
        ("text/html, application/xhtml+xml, application/xml;q=0.9, */*;q=0.8", JSON),
        ("application/json; charset=utf-8", JSON),
        ("nonsense, text/csv;q=2, image/png", PNG),
        (" text/csv ; q=0.5 , image/png ; q=0.4 ", CSV),
        ("text/html," * 63 + "text/csv", CSV),
    ],
)
def test_chosen(accept: str | None, chosen: str) -> None:
    assert choose_media_type(accept, OFFERED) == chosen


@pytest.mark.parametrize(
    "accept",
    [
        *("application/xml", "text/html", "application/json;q=0", "*/*;q=0", "*/json", "nonsense", "text/csv;q=x"),
        "text/html," * 64 + "text/csv",  # more than anybody needs is not read
    ],
)
def test_refused(accept: str) -> None:
    with pytest.raises(NotAcceptable):
        choose_media_type(accept, OFFERED)


@pytest.mark.parametrize(
    ("accept", "version"),
    [
        ("application/fhir+json", "4.0"),
        ("application/*", "4.0"),
        ("application/fhir+json; fhirVersion=5.0", "5.0"),
        ('text/csv;q=0.1, Application/FHIR+json ; FhirVersion = "4.3"; q=0.7', "4.3"),
        ("text/csv; fhirVersion=5.0, application/fhir+json", "4.0"),
    ],
)
def test_fhir_versions(accept: str, version: str) -> None:
    assert choose_fhir_version(accept) == version


def test_an_unknown_fhir_version_is_refused() -> None:
    with pytest.raises(NotAcceptable, match=r"4\.0, 4\.3, 5\.0"):
        choose_fhir_version("application/fhir+json; fhirVersion=3.0")
