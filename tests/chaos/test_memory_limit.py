"""The service lives within the memory that compose and Kubernetes give it, whatever recordings come at once."""

import math
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import psutil
import pytest
import yaml

from benchmarks.memory import resident_mebibytes
from service.settings import Limits, Settings
from tests import media_files as files
from tests.chaos.test_cramped import serving_program
from tests.shared_material import ROOT
from tests.support.patience import wait_until
from tests.tiny_models import write_voice_bundle

MIB = 1024 * 1024
IDLE_MIB = 300
"""Service and decoders without work: 247 MiB (``make bench ONLY=worst-memory``)."""

DECODER_MIB = 160
"""Most that a decoder adds; ``test_bounded_sound.py`` holds it."""

SENDERS = ("127.0.0.1", "127.0.0.2")
TIMEOUT_S = 600.0
LOOK_S = 0.05
"""Between two looks at the memory, each of which has the kernel walk all pages of the service."""

MONO, WIDE = files.flac_of_one_value(3300, 16_000, 1), files.flac_of_one_value(1700, 16_000, 8)
ROUNDS = (
    ([(MONO, {}), (MONO, {"denoise": "true"}), (MONO, {}), (MONO, {"denoise": "true"})], {200, 503, 504}),
    ([(WIDE, {"channel": "each"})], {200, 503, 504}),
    ([(files.wav(files.tone(2.0)), {})], {200}),
)
"""The worst recordings that are accepted, as each sender sends them at once, and then a short one; statuses each."""

MEMORY_FOLDERS = ("/sys/fs/cgroup/memory", "/sys/fs/cgroup")
LIMIT_FILES = ("memory.limit_in_bytes", "memory.max")
KILLS_FILES = ("memory.oom_control", "memory.events")


def compose_service() -> dict:
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["emoserve"]


def pod_limits(name: str) -> dict:
    documents = yaml.safe_load_all((ROOT / "deploy/kubernetes" / name).read_text())
    (deployment,) = (one for one in documents if one["kind"] == "Deployment")
    return deployment["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]


def needed_mib(decode_workers: int) -> float:
    """Both budgets used up, and every decoder at work: three for each worker, and one for the job that runs."""
    settings = Settings()
    budgets = (Limits().max_decoded_bytes + settings.upload_memory_bytes) / MIB
    return IDLE_MIB + budgets + DECODER_MIB * (3 * decode_workers + settings.job_workers)


def test_compose_gives_what_the_worst_case_needs() -> None:
    service = compose_service()
    workers = service["environment"]["EMOSERVE_DECODE_WORKERS"]
    assert needed_mib(int(workers.removeprefix("${EMOSERVE_DECODE_WORKERS:-").removesuffix("}"))) <= 4096
    assert service["mem_limit"] == "4g"


@pytest.mark.parametrize("name", ["base/emoserve.yaml", "overlays/gpu/deployment.yaml"])
def test_kubernetes_gives_what_the_worst_case_needs(name: str) -> None:
    limits = pod_limits(name)
    assert needed_mib(math.ceil(float(limits["cpu"]))) <= 1024 * int(limits["memory"].removesuffix("Gi"))


@contextmanager
def memory_group(limit_bytes: int) -> Iterator[Path | None]:
    """A control group with that limit; None where none can be made."""
    for parent, name in zip(MEMORY_FOLDERS, LIMIT_FILES, strict=True):
        group = Path(parent, f"emoserve-test-{os.getpid()}")
        with suppress(OSError):
            group.mkdir()
            try:
                (group / name).write_text(str(limit_bytes))
            except OSError:
                group.rmdir()
                continue
            try:
                yield group
            finally:
                wait_until(lambda: not (group / "cgroup.procs").read_text())  # noqa: B023 - within this round
                group.rmdir()
            return
    yield None


def kills(group: Path) -> int:
    """Processes of the group that the kernel killed for want of memory."""
    (text,) = [(group / name).read_text() for name in KILLS_FILES if (group / name).exists()]
    return int(dict(line.split() for line in text.splitlines())["oom_kill"])


@pytest.mark.timeout(900)
def test_the_worst_recordings_at_once_leave_the_service_alive(tmp_path: Path) -> None:
    write_voice_bundle(tmp_path)
    limit_bytes = 4 * 1024 * MIB
    folders = f'["{ROOT / "models"}", "{tmp_path}"]'
    with (
        memory_group(limit_bytes) as group,
        serving_program(
            tmp_path,
            None if group is None else lambda: (group / "cgroup.procs").write_text(str(os.getpid())),
            model_dirs=folders,
            decode_workers="2",
            jobs="false",
            capacity_s="100000",
        ) as (process, url),
    ):
        assert group is None or str(process.pid) in (group / "cgroup.procs").read_text().split()

        def post(sender: str, body: bytes, parameters: dict[str, str]) -> int:
            with httpx.Client(transport=httpx.HTTPTransport(local_address=sender), timeout=TIMEOUT_S) as client:
                return client.post(f"{url}/v1/audio/emotion", content=body, params=parameters).status_code

        peaks_mib = []
        for worst, statuses in ROUNDS:
            with ThreadPoolExecutor(len(SENDERS) * len(worst)) as pool:
                answers = [pool.submit(post, sender, *one) for sender in SENDERS for one in worst]
                while wait(answers, LOOK_S).not_done:
                    peaks_mib.append(resident_mebibytes(process.pid))
            assert {answer.result() for answer in answers} <= statuses
            assert process.poll() is None
        assert max(peaks_mib) < limit_bytes / MIB
        assert group is None or kills(group) == 0
        assert httpx.get(f"{url}/v2/health/ready").status_code == 200
        assert psutil.Process(process.pid).children()
