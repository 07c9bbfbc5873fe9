"""The processors that this process may use: those it may run on, within the quota of its control group.

A container with a quota of one processor still sees all of the host's. A library that starts a thread for each of them
makes them wait for one another.
"""

import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

_ROOT = Path("/sys/fs/cgroup")
_OWN = Path("/proc/self/cgroup")

LIBRARY_VARIABLES: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""Variables by which numerical libraries choose their threads; they read them as they are loaded."""


def usable_cpus(root: Path = _ROOT, own: Path = _OWN) -> int:
    """Number of processors, at least 1: a quota of 1.5 counts as 2.

    Args:
        root: where control groups are mounted.
        own: file that names the process's groups.
    """
    quotas = [math.ceil(quota) for quota in _quotas(root, own)]
    return max(1, min([len(os.sched_getaffinity(0)), *quotas]))


def limit_libraries() -> None:
    """Have numerical libraries that are loaded later use no more threads, unless the environment says how many."""
    for name in LIBRARY_VARIABLES:
        os.environ.setdefault(name, str(usable_cpus()))


def _quotas(root: Path, own: Path) -> Iterator[float]:
    """The quota of each group that the process is in, in processors."""
    for line in _text(own).splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            yield from _each(root, path, _version_2)
        elif "cpu" in controllers.split(","):
            yield from _each(root / controllers, path, _version_1)
            yield from _each(root / "cpu", path, _version_1)


def _each(root: Path, path: str, read: Callable[[Path], float | None]) -> Iterator[float]:
    """Quotas from the mount's root to the group itself; in a container the path may be the host's."""
    folder = root
    for part in ("", *Path(path.lstrip("/")).parts):
        folder = folder / part
        quota = read(folder)
        if quota is not None:
            yield quota


def _version_2(folder: Path) -> float | None:
    quota, _, period = _text(folder / "cpu.max").partition(" ")
    return int(quota) / int(period) if quota.isdigit() else None


def _version_1(folder: Path) -> float | None:
    quota, period = _text(folder / "cpu.cfs_quota_us").strip(), _text(folder / "cpu.cfs_period_us").strip()
    return int(quota) / int(period) if quota.isdigit() and period.isdigit() else None


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


limit_libraries()
