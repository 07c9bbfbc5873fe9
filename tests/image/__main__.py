"""``make image-test``: build an image without any registry of images, and try it as an orchestrator runs it.

The base is a minimal Debian made by debootstrap in place of ``python:…-slim-bookworm``, which has the same release and
Python 3.11; everything above it is what the Dockerfile says. The image runs read-only as user 10001, with memory for
/tmp and the folder of jobs, in a mount namespace of its own. Needs root, buildah and debootstrap.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import pytest

from benchmarks.server import address_of
from tests.media_files import video, wav
from tests.shared_material import ROOT

PROGRAMS = ("buildah", "debootstrap")
CERTIFICATES = "/etc/ssl/certs"
USER = 10001
LONGEST_S = 300.0
MEBIBYTE = 2**20

os.environ |= {"STORAGE_DRIVER": "vfs", "BUILDAH_ISOLATION": "chroot"}


def output(*words: str | Path) -> str:
    """Standard output of a program; its messages go to standard error."""
    return subprocess.run(list(map(str, words)), cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def make_bases() -> None:
    """The two images that the Dockerfile begins with, unless they are there."""
    versions = dict(re.findall(r"^ARG (PYTHON|UV)_VERSION=(\S+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE))
    python = f"docker.io/library/python:{versions['PYTHON']}-slim-bookworm"
    if not known(python):
        with tempfile.TemporaryDirectory() as folder:
            output(
                "debootstrap", "--variant=minbase", "--include=ca-certificates,python3,python3-venv", "bookworm", folder
            )
            Path(folder, "usr/bin/python").symlink_to("python3")
            commit(python, Path(folder), "/")
    uv = f"ghcr.io/astral-sh/uv:{versions['UV']}"
    if not known(uv):
        commit(uv, ROOT / ".venv/bin/uv", "/uv")


def known(image: str) -> bool:
    """Whether there is such an image."""
    return (
        subprocess.run(["buildah", "inspect", "--type", "image", image], capture_output=True, check=False).returncode
        == 0
    )


def commit(image: str, source: Path, target: str) -> None:
    """An image of nothing but ``source``."""
    container = output("buildah", "from", "scratch")
    output("buildah", "copy", "-q", container, source, target)
    path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    output("buildah", "config", "--env", path, "--env", f"SSL_CERT_FILE={CERTIFICATES}/ca-certificates.crt", container)
    output("buildah", "commit", "-q", "--format", "docker", container, image)
    output("buildah", "rm", container)


@contextmanager
def mounted(image: str) -> Iterator[tuple[Path, dict[str, str]]]:
    """The files of an image, and its environment."""
    container = output("buildah", "from", "--pull-never", image)
    try:
        told = json.loads(output("buildah", "inspect", "--type", "image", image))
        environment = dict(entry.split("=", 1) for entry in told["Docker"]["config"]["Env"])
        yield Path(output("buildah", "mount", container)), environment
    finally:
        output("buildah", "rm", container)


@contextmanager
def running(root: Path, environment: dict[str, str]) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The image's own command, read-only, as user 10001; yields process and address."""
    prepare = f"""
        set -e
        mount --bind {root} {root}
        mount -t proc proc {root}/proc
        mount --bind /dev {root}/dev
        mount -o remount,ro,bind {root}
        mount -t tmpfs -o mode=1777 tmpfs {root}/tmp
        mount -t tmpfs -o mode=700,uid={USER},gid={USER} tmpfs {root}/var/lib/emoserve
        exec chroot --userspec={USER}:{USER} --groups= {root} \\
            /usr/bin/env -i "$@" sh -c 'cd /app && exec python -m service serve'
    """
    settings = environment | {"EMOSERVE_PORT": "0", "EMOSERVE_HOST": "127.0.0.1"}
    process = subprocess.Popen(
        ["unshare", "--mount", "bash", "-c", prepare, "bash", *(f"{name}={value}" for name, value in settings.items())],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process, address_of(process)
    finally:
        process.kill()
        process.wait()


def try_service(process: subprocess.Popen[str], address: str) -> None:
    """Health, a voice, a face, a job, and a stop.

    Raises:
        AssertionError: one of them is not as it should be.
    """
    owner = Path(f"/proc/{process.pid}").stat().st_uid
    files = Path(f"/proc/{process.pid}/root/app")
    with pytest.raises(OSError, match="Read-only file system"):
        (files / "written").touch()
    assert owner == USER, f"the service runs as user {owner}"
    with httpx.Client(base_url=address, timeout=LONGEST_S) as http:
        assert http.get("/v2/health/live").status_code == 200
        ready = http.get("/v2/health/ready")
        assert ready.status_code == 200, ready.text
        sound = wav(0.1 * np.sin(np.arange(3 * 16_000) / 20))
        voice = http.post("/v1/audio/emotion", content=sound, headers={"Content-Type": "audio/wav"})
        assert voice.status_code == 200, voice.text
        pictures = [np.full((64, 64, 3), 90, np.uint8)] * 25
        face = http.post("/v1/video/affect", content=video(pictures), headers={"Content-Type": "video/mp4"})
        assert face.status_code == 200, face.text
        assert "no_face" in face.json()["flags"]
        job = http.post("/v1/jobs/audio-emotion", content=sound, headers={"Content-Type": "audio/wav"})
        began_s = time.monotonic()
        while job.status_code == 503 and time.monotonic() - began_s < LONGEST_S:
            time.sleep(1)
            job = http.post("/v1/jobs/audio-emotion", content=sound, headers={"Content-Type": "audio/wav"})
        assert job.status_code == 202, job.text
        while (state := http.get(job.headers["location"]).json()["state"]) in ("queued", "running"):
            assert time.monotonic() - began_s < LONGEST_S, state
            time.sleep(0.2)
        assert state == "succeeded", state
    process.send_signal(signal.SIGTERM)
    assert process.wait(LONGEST_S) == 0


def main() -> int:
    """Build and try; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.image", description=__doc__.splitlines()[0])
    parser.add_argument("--target", choices=["cpu", "cuda"], default="cpu", help="stage of the Dockerfile")
    target = parser.parse_args().target
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if missing or os.geteuid() != 0:
        sys.stderr.write(
            f"image-test needs root and {', '.join(PROGRAMS)}: apt-get install --no-install-recommends …\n"
        )
        return 2
    make_bases()
    image = f"localhost/emoserve:{target}"
    words = ["--pull-never", "--format", "docker", "--layers", "--volume", f"{CERTIFICATES}:{CERTIFICATES}:ro"]
    subprocess.run(["buildah", "bud", "-q", *words, "--target", target, "--tag", image, "."], cwd=ROOT, check=True)
    with mounted(image) as (root, environment):
        size = sum(path.lstat().st_size for path in root.rglob("*") if path.is_file() and not path.is_symlink())
        if target == "cpu":
            with running(root, environment) as (process, address):
                try_service(process, address)
        sys.stdout.write(f"{image}: {size / MEBIBYTE:.0f} MiB, {'tried' if target == 'cpu' else 'built, not run'}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
