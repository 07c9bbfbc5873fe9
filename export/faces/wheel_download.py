"""Fetching one wheel from the package index with whatever installer there is, without installing it."""

import importlib.util
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

TIMEOUT_S = 300.0
# The files inside are the same for every platform; naming one makes the command work on all of them.
PLATFORM = "manylinux_2_28_x86_64"
PYTHON_VERSION = "3.11"


def installers() -> list[list[str]]:
    """Commands on this machine that act as pip: the interpreter's own, uv's, the one on the path."""
    found: list[list[str]] = []
    if importlib.util.find_spec("pip") is not None:
        found.append([sys.executable, "-m", "pip"])
    if uv := shutil.which("uv"):
        found.append([uv, "tool", "run", "pip"])
    if pip := shutil.which("pip"):
        found.append([pip])
    return found


def download_wheel(requirement: str) -> bytes:
    """The wheel of ``requirement`` (``name==version``), dependencies left out.

    Raises:
        OSError: there is no installer, or none of them could fetch it.
    """
    commands = installers()
    if not commands:
        raise OSError("neither pip nor uv is installed")
    reason = ""
    for command in commands:
        with tempfile.TemporaryDirectory() as folder:
            reason = _download(command, requirement, folder)
            wheels = sorted(Path(folder).glob("*.whl"))
            if wheels:
                return wheels[0].read_bytes()
    raise OSError(reason)


def _download(installer: list[str], requirement: str, folder: str) -> str:
    """Run ``pip download`` into ``folder``; returns the last line it complained with."""
    arguments = [
        "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:",
        f"--platform={PLATFORM}", f"--python-version={PYTHON_VERSION}", f"--dest={folder}", requirement,
    ]  # fmt: skip
    try:
        ended = subprocess.run([*installer, *arguments], capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        return f"no answer from the package index within {TIMEOUT_S:.0f} s"
    lines = [line for line in ended.stderr.splitlines() if line.strip()]
    return lines[-1] if lines else f"pip ended with status {ended.returncode}"
