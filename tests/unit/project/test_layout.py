"""The boundaries of the layout, held by reading every import."""

from __future__ import annotations

import ast
from pathlib import Path
from statistics import median

import pytest

from tests.conftest import SLOW
from tests.shared_material import ROOT

MODULES = sorted(path for folder in ("service", "export") for path in (ROOT / folder).rglob("*.py"))
MAX_LINES = 400
MAX_MEDIAN_LINES = 150


def imports(path: Path) -> set[str]:
    """Full names of all modules that a file imports, at its top or anywhere inside."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


def packages(path: Path) -> set[str]:
    return {name.split(".")[0] for name in imports(path)}


def service_modules(*parts: str) -> list[Path]:
    folder = ROOT.joinpath("service", *parts)
    return [path for path in MODULES if path.is_relative_to(folder)]


def test_the_rules_have_something_to_hold():
    assert len(MODULES) > 50
    assert "av" in packages(ROOT / "service/pipeline/decoding/sandbox.py")
    assert "onnxruntime" in packages(ROOT / "service/pipeline/device/session.py")
    assert "fastapi" in packages(ROOT / "service/app.py")


@pytest.mark.parametrize("package", ["torch", "torchvision", "timm", "sklearn", "librosa", "export"])
def test_the_service_does_not_import_the_offline_half(package):
    assert [str(path) for path in service_modules() if package in packages(path)] == []


@pytest.mark.parametrize(("package", "owner"), [("av", "decoding/sandbox.py"), ("onnxruntime", "device/session.py")])
def test_one_module_owns_each_native_library(package, owner):
    importers = [path.relative_to(ROOT) for path in service_modules() if package in packages(path)]
    assert importers == [Path("service/pipeline") / owner]


def test_onnx_runtime_is_imported_only_where_it_is_told_to_keep_silent():
    programs = [path for path in MODULES if "tests" not in path.relative_to(ROOT).parts]
    importers = [path.relative_to(ROOT) for path in programs if "onnxruntime" in packages(path)]
    assert importers == [Path("service/pipeline/device/session.py")]


def test_the_pipeline_knows_nothing_of_http():
    web = {"fastapi", "starlette", "uvicorn"}
    assert [str(path) for path in service_modules("pipeline") if packages(path) & web] == []


def test_the_routers_know_nothing_of_arrays():
    assert [str(path) for path in service_modules("api") if "numpy" in packages(path)] == []


def test_modules_are_short():
    lines = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES}
    assert {str(path): count for path, count in lines.items() if count > MAX_LINES} == {}
    assert median(count for count in lines.values() if count) <= MAX_MEDIAN_LINES


def test_what_is_called_slow_is_there():
    assert [place for place in SLOW if not (ROOT / "tests" / place).exists()] == []


def test_every_module_says_what_it_is():
    silent = [str(path) for path in MODULES if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))]
    assert silent == []
