"""Processors within the quota of the control group, over trees of files as kernels make them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from service.cpus import LIBRARY_VARIABLES, usable_cpus
from tests.shared_material import ROOT


@pytest.fixture(autouse=True)
def many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(64)))


def tree(root: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    return root


CASES: dict[str, tuple[str, dict[str, str], int]] = {
    "no groups": ("", {}, 64),
    "version 2, no quota": ("0::/\n", {"cpu.max": "max 100000\n"}, 64),
    "version 2, one processor": ("0::/\n", {"cpu.max": "100000 100000\n"}, 1),
    "version 2, one and a half": ("0::/\n", {"cpu.max": "150000 100000\n"}, 2),
    "version 2, a tenth": ("0::/\n", {"cpu.max": "10000 100000\n"}, 1),
    "version 2, a parent's quota": ("0::/a/b\n", {"a/cpu.max": "200000 100000\n", "a/b/cpu.max": "max 100000\n"}, 2),
    "version 2, the host's path": ("0::/docker/123\n", {"cpu.max": "300000 100000\n"}, 3),
    "version 1": (
        "4:memory:/x\n3:cpu,cpuacct:/x\n",
        {"cpu/x/cpu.cfs_quota_us": "400000\n", "cpu/x/cpu.cfs_period_us": "100000\n"},
        4,
    ),
    "version 1 under its long name": (
        "3:cpu,cpuacct:/\n",
        {"cpu,cpuacct/cpu.cfs_quota_us": "100000", "cpu,cpuacct/cpu.cfs_period_us": "50000"},
        2,
    ),
    "version 1, no quota": ("3:cpu:/\n", {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 64),
}


@pytest.mark.parametrize("case", CASES)
def test_the_quota_of_the_group_bounds_the_processors(case: str, tmp_path: Path) -> None:
    groups, files, expected = CASES[case]
    own = tmp_path / "self"
    own.write_text(groups)
    assert usable_cpus(tree(tmp_path / "cgroup", files), own) == expected


def test_the_affinity_bounds_it_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0, 1})
    own = tmp_path / "self"
    own.write_text("0::/\n")
    assert usable_cpus(tree(tmp_path / "cgroup", {"cpu.max": "800000 100000\n"}), own) == 2


def test_libraries_are_bounded_before_they_are_loaded() -> None:
    program = f"import service.__main__, os; print(*[os.environ[name] for name in {LIBRARY_VARIABLES!r}])"
    bare = {name: value for name, value in os.environ.items() if name not in LIBRARY_VARIABLES}
    told = subprocess.check_output([sys.executable, "-c", program], cwd=ROOT, env=bare, text=True).split()
    assert len(set(told)) == 1
    assert int(told[0]) >= 1
    kept = subprocess.check_output(
        [sys.executable, "-c", program], cwd=ROOT, env=bare | {"OMP_NUM_THREADS": "7"}, text=True
    )
    assert kept.split()[0] == "7"
