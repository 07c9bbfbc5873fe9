import json
from pathlib import Path

import pytest

from service.__main__ import main
from tests.support.fakes import FakeEngine


def test_bundles_for_a_fhir_server(engine: FakeEngine, folder: Path, tmp_path: Path) -> None:
    flags = ["--subject", "Patient/17", "--bundle", "transaction", "--fhir-version", "5.0", "--summary-only"]
    flags += ["--identifier", "urn:example:visits|17", "--effective", "2026-03-01T12:00:00Z"]
    for out in ("one", "two"):
        command = ["analyze", str(folder / "good.wav"), "--format", "fhir", "--output", str(tmp_path / out), *flags]
        assert main(command) == 0
    one, two = (json.loads((tmp_path / out / "good.json").read_text()) for out in ("one", "two"))
    observed = [[entry["resource"] for entry in bundle["entry"]] for bundle in (one, two)]
    assert one["type"] == "transaction"
    assert observed[0][0]["subject"] == {"reference": "Patient/17"}
    assert [each["identifier"] for each in observed[0]] == [each["identifier"] for each in observed[1]]
    assert "valueSampledData" not in json.dumps(one)


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        (["--format", "fhir", "--subject", "17"], "subject must be"),
        (["--format", "fhir", "--bundle", "batch"], "--bundle"),
        (["--format", "fhir", "--segments"], "cannot carry segments"),
        (["--format", "fhir", "--include", "boxes"], "cannot carry boxes"),
        (["--format", "fhir", "--effective", "2026", "{folder}/x.wav"], "--effective is about one recording"),
        (["--json", "--summary-only"], "--summary-only needs --format fhir"),
        (["--json", "--fhir-version", "5.0"], "--fhir-version needs --format fhir"),
    ],
)
def test_flags_of_fhir_that_cannot_be_used(
    engine: FakeEngine, folder: Path, capsys: pytest.CaptureFixture[str], flags: list[str], reason: str
) -> None:
    named = [flag.format(folder=folder) for flag in flags]
    assert main(["analyze", "--output", str(folder / "out"), *named, str(folder / "good.wav")]) == 2
    assert reason in capsys.readouterr().err
    assert engine.pipeline.options == []
