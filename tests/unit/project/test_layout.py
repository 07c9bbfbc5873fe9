"""The boundaries of the layout, held by reading every import."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from statistics import median

import pytest

from tests.conftest import SLOW
from tests.shared_material import ROOT

PACKAGES = dict.fromkeys(("service", "emoserve", "export", "research", "benchmarks"), ROOT) | {
    "emoserve_client": ROOT / "client"
}
"""Folder in which each package lies."""
MODULES = sorted(path for name, folder in PACKAGES.items() for path in (folder / name).rglob("*.py"))
MAX_LINES = 400
MAX_MEDIAN_LINES = 150
MAX_DEPTH = 11
"""Longest chain of modules of one package, each of which imports the next when it is loaded."""
LEAST_LINES = 40
"""A shorter module that one other uses belongs into that one."""


@cache
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


@pytest.mark.parametrize(
    "package", ["torch", "torchvision", "timm", "sklearn", "librosa", "export", "research", "emoserve"]
)
def test_the_service_does_not_import_the_offline_half(package):
    assert [str(path) for path in service_modules() if package in packages(path)] == []


@pytest.mark.parametrize(("package", "owner"), [("av", "decoding/sandbox.py"), ("onnxruntime", "device/session.py")])
def test_one_module_owns_each_native_library(package, owner):
    importers = [path.relative_to(ROOT) for path in service_modules() if package in packages(path)]
    assert importers == [Path("service/pipeline") / owner]


def test_the_offline_half_does_not_import_the_python_interface():
    importers = [str(path) for path in MODULES if "emoserve" in packages(path)]
    assert [path for path in importers if "/export/" in path] == []


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


class Graph:
    """Imports among the modules of one package, by full names."""

    def __init__(self, package: str, folder: Path = ROOT) -> None:
        paths = {self._name(path.relative_to(folder)): path for path in (folder / package).rglob("*.py")}
        self.package = package
        self.lines = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in paths.items()}
        self.all_imports: dict[str, set[str]] = {}
        self.imports_at_load: dict[str, set[str]] = {}
        for name, path in paths.items():
            tree = ast.parse(path.read_text(encoding="utf-8"))
            self.all_imports[name] = self._targets(ast.walk(tree), paths) - {name}
            self.imports_at_load[name] = self._targets(self._loaded(tree.body), paths) - {name}

    def loops(self) -> list[list[str]]:
        """Children of one folder that import each other in a circle, whether at load or ever."""
        folders = {name.rpartition(".")[0] for name in self.all_imports} - {""}
        found = []
        for folder in folders | {self.package}:
            edges: dict[str, set[str]] = {}
            for name, targets in self.all_imports.items():
                if name.startswith(f"{folder}."):
                    child = self._child(folder, name)
                    inside = {self._child(folder, one) for one in targets if one.startswith(f"{folder}.")}
                    edges.setdefault(child, set()).update(inside - {child})
            found += [[folder, *sorted(loop)] for loop in circles(edges)]
        return sorted(found)

    def longest_chain(self) -> list[str]:
        """The longest chain of imports at load."""
        known: dict[str, list[str]] = {}

        def chain(name: str) -> list[str]:
            if name not in known:
                known[name] = [name]  # a circle at load would be told by the loops
                known[name] = [name, *max(map(chain, self.imports_at_load[name]), key=len, default=[])]
            return known[name]

        return max(map(chain, sorted(self.imports_at_load)), key=len)

    def small(self) -> list[str]:
        """Modules under :data:`LEAST_LINES` lines that exactly one other imports."""
        users = {name: [one for one, targets in self.all_imports.items() if name in targets] for name in self.lines}
        packages = {name.rpartition(".")[0] for name in self.lines}
        short = [name for name, count in self.lines.items() if count < LEAST_LINES and name not in packages]
        return sorted(name for name in short if len(users[name]) == 1)

    @staticmethod
    def _name(path: Path) -> str:
        return ".".join(path.with_suffix("").parts).removesuffix(".__init__")

    @staticmethod
    def _child(folder: str, name: str) -> str:
        return name[len(folder) + 1 :].partition(".")[0]

    @staticmethod
    def _targets(nodes: Iterable[ast.AST], known: Mapping[str, Path]) -> set[str]:
        named = set()
        for node in nodes:
            if isinstance(node, ast.Import):
                named |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                members = {f"{node.module}.{alias.name}" for alias in node.names}
                named |= members & known.keys()
                if not members <= known.keys():
                    named.add(node.module)
        return named & known.keys()

    @classmethod
    def _loaded(cls, body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
        """Statements that run when a module is loaded."""
        for node in body:
            yield node
            if isinstance(node, ast.If) and "TYPE_CHECKING" not in ast.unparse(node.test):
                yield from cls._loaded([*node.body, *node.orelse])
            elif isinstance(node, ast.Try):
                yield from cls._loaded([*node.body, *node.orelse, *node.finalbody])


@cache
def graph_of(package: str) -> Graph:
    return Graph(package, PACKAGES[package])


def circles(edges: Mapping[str, set[str]]) -> list[set[str]]:
    """Groups of nodes that reach each other."""

    def reached(start: str) -> set[str]:
        found: set[str] = set()
        waiting = [start]
        while waiting:
            new = edges.get(waiting.pop(), set()) - found
            found |= new
            waiting += new
        return found

    reach = {node: reached(node) for node in edges}
    groups = [{one for one in reach[node] if node in reach.get(one, ())} for node in edges if node in reach[node]]
    return [group for number, group in enumerate(groups) if group not in groups[:number]]


def test_the_graph_sees_circles_chains_and_small_modules(tmp_path):
    texts = {
        "__init__": "",
        "a": "from shop.b import one\n" * 50,
        "b": "def f():\n    import shop.c\n",
        "c": "if TYPE_CHECKING:\n    from shop import a\n",
    }
    (tmp_path / "shop").mkdir()
    for name, text in texts.items():
        (tmp_path / "shop" / f"{name}.py").write_text(text, encoding="utf-8")
    graph = Graph("shop", tmp_path)
    assert graph.loops() == [["shop", "a", "b", "c"]]
    assert graph.longest_chain() == ["shop.a", "shop.b"]
    assert graph.small() == ["shop.b", "shop.c"]


@pytest.mark.parametrize("package", PACKAGES)
def test_no_package_imports_in_a_circle(package):
    assert graph_of(package).loops() == []


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_are_not_deep(package):
    chain = graph_of(package).longest_chain()
    assert len(chain) <= MAX_DEPTH, " > ".join(chain)


@pytest.mark.parametrize("package", PACKAGES)
def test_no_small_module_serves_one_other(package):
    assert graph_of(package).small() == []
