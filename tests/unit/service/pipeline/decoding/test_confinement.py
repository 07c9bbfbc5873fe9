"""A confined process tries what an attacker would, as root and as 10001, with all layers and with all but seccomp."""

import ctypes
import errno
import json
import os
import platform
import struct
import subprocess
import sys
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from service import problems
from service.pipeline.decoding import seccomp
from service.pipeline.decoding.confinement import Confinement
from service.pipeline.decoding.decode import Decoder
from service.settings import Limits
from tests import media_files as files
from tests.shared_material import ROOT

USERS = [0, 10001] if os.getuid() == 0 else [os.getuid()]
LOOKUP = errno.EACCES
KILLED = "SIGSYS"

LANDLOCK = {errno.EACCES}
LANDLOCK_PROCESSES = {errno.EPERM, errno.ESRCH}
LIMITS = {errno.EMFILE}
NO_PRIVILEGES = {errno.EPERM, errno.EACCES}
NOTHING_ELSE = {0}
ITSELF_ALONE = {0}  # kill(-1) succeeds and reaches nobody

CALLS = {
    # call: what seccomp does, and what the other layers do in its place
    "open": (LOOKUP, LIMITS),
    "open_for_writing": (LOOKUP, LIMITS),
    "open_environment_of_the_parent": (LOOKUP, LIMITS),
    "list_processes": (LOOKUP, LIMITS),
    "unlink": (KILLED, LANDLOCK),
    "truncate": (KILLED, LANDLOCK),
    "rename": (KILLED, LANDLOCK),
    "chmod": (KILLED, NO_PRIVILEGES),
    "mkdir": (KILLED, LANDLOCK),
    "symlink": (KILLED, LANDLOCK),
    "mount": (KILLED, NO_PRIVILEGES),
    "unshare_mounts": (KILLED, NO_PRIVILEGES),
    "unshare_users": (KILLED, NOTHING_ELSE),
    "socket": (KILLED, LIMITS),
    "connect": (KILLED, LANDLOCK),
    "connect_abstract": (KILLED, LANDLOCK_PROCESSES),
    "kill_parent": (KILLED, LANDLOCK_PROCESSES),
    "kill_all": (KILLED, ITSELF_ALONE),
    "tgkill_parent": (KILLED, LANDLOCK_PROCESSES),
    "ptrace": (KILLED, LANDLOCK_PROCESSES),
    "process_vm_readv": (KILLED, LANDLOCK_PROCESSES),
    "pidfd_open": (KILLED, LIMITS),
    "limits_of_the_parent": (KILLED, NO_PRIVILEGES),
    "own_open_files": (KILLED, NO_PRIVILEGES),
    "fork": (KILLED, {errno.EAGAIN}),
    "clone3": (KILLED, {errno.EAGAIN}),
    "execve": (KILLED, LANDLOCK),
    "shmget": (KILLED, NOTHING_ELSE),
    "mmap_executable": (KILLED, NOTHING_ELSE),
    "mprotect_executable": (KILLED, NOTHING_ELSE),
    "memfd_create": (KILLED, LIMITS),
    "bpf": (KILLED, NO_PRIVILEGES),
    "io_uring_setup": (KILLED, LIMITS | NO_PRIVILEGES),
    "userfaultfd": (KILLED, LIMITS | NO_PRIVILEGES),
    "perf_event_open": (KILLED, LIMITS | NO_PRIVILEGES),
    "keyctl": (KILLED, NOTHING_ELSE),
}

OF_ROOT_ALONE = {"chmod", "limits_of_the_parent"}
"""Attempts that a user may make on its own files; a decoder that began as root has another user and owns nothing."""

UNREFUSED = (
    *("open", "open_for_writing", "open_environment_of_the_parent", "list_processes", "unlink", "truncate", "rename"),
    *("chmod", "mkdir", "symlink", "socket", "connect", "connect_abstract", "kill_parent", "tgkill_parent", "fork"),
    *("pidfd_open", "shmget", "mmap_executable", "mprotect_executable", "memfd_create"),
)
"""Calls that succeed where nothing confines: the probes do what their names say."""


@cache
def outcomes(user: int, layers: str, calls: tuple[str, ...] = ()) -> dict[str, str | int]:
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        command = [sys.executable, "-m", "tests.support.confined_probe", str(user), layers, folder, *calls]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, timeout=120)
    found = json.loads(done.stdout)
    assert found.keys() == set(calls or CALLS)
    return found


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("call", CALLS)
def test_a_decoder_is_refused(call, user):
    assert outcomes(user, "all")[call] == CALLS[call][0]


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("call", CALLS)
def test_without_seccomp_the_other_layers_refuse(call, user):
    wanted = NOTHING_ELSE if user and call in OF_ROOT_ALONE else CALLS[call][1]
    assert outcomes(user, "without_seccomp")[call] in wanted


@pytest.mark.parametrize("call", UNREFUSED)
def test_without_any_layer_it_would_succeed(call):
    assert outcomes(os.getuid(), "none", UNREFUSED)[call] == 0


def test_a_decoder_tells_its_layers_and_has_them():
    decoder = Decoder(Limits(), 1, is_strict=True)
    decoder.start()
    try:
        assert decoder.confinement.missing == ()
        status = Path(f"/proc/{decoder.worker_pids()[0]}/status").read_text()
        found = {line.split(":")[0]: line.split()[1:] for line in status.splitlines()}
        assert found["Seccomp"] == ["2"]
        assert found["NoNewPrivs"] == ["1"]
        for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
            assert found[name] == ["0" * 16]
        assert "0" not in found["Uid"] + found["Gid"]
        assert os.getuid() != 0 or found["Groups"] == []
    finally:
        decoder.close()


def test_strict_does_not_start_with_less(monkeypatch):
    decoder = Decoder(Limits(), 1, is_strict=True)
    less = classmethod(lambda *_: Confinement(seccomp=True, landlock=0, unprivileged=True))
    monkeypatch.setattr(Confinement, "from_message", less)
    with pytest.raises(problems.DecoderUnavailable, match=r"EMOSERVE_SANDBOX is strict.* landlock"):
        decoder.start()
    assert decoder.worker_pids() == []


def test_auto_starts_with_less_and_tells(monkeypatch):
    decoder = Decoder(Limits(), 1)
    less = classmethod(lambda *_: Confinement(seccomp=False, landlock=0, unprivileged=True))
    monkeypatch.setattr(Confinement, "from_message", less)
    decoder.start()
    try:
        assert decoder.confinement.missing == ("seccomp", "landlock")
        assert decoder.audio(files.wav(files.tone(0.5)), target_rate_hz=16_000).samples.shape == (1, 8000)
    finally:
        decoder.close()


@pytest.mark.parametrize("message", [{}, {"confinement": None}, {"confinement": 7}])
def test_a_process_that_tells_nothing_is_not_taken(message):
    with pytest.raises(ValueError, match="confinement"):
        Confinement.from_message(message)


@pytest.mark.parametrize(("machine", "architecture"), seccomp.ARCHITECTURES.items())
def test_numbers_are_those_of_libseccomp(machine, architecture):
    try:
        library = ctypes.CDLL("libseccomp.so.2")
    except OSError:
        pytest.skip("needs libseccomp")
    for name, number in architecture.numbers.items():
        found = library.seccomp_syscall_resolve_name_arch(ctypes.c_uint32(architecture.audit_number), name.encode())
        assert found == number, (machine, name)


def verdict(code: bytes, number: int, architecture: int, arguments: tuple[int, ...] = ()) -> int:
    """Run a filter as the kernel does."""
    data = struct.pack("<iIQ6Q", number, architecture, 0, *arguments, *[0] * (6 - len(arguments)))
    instructions = list(struct.iter_unpack("=HBBI", code))
    at = word = 0
    while True:
        operation, if_equal, otherwise, operand = instructions[at]
        at += 1
        if operation == 0x20:
            (word,) = struct.unpack_from("<I", data, operand)
        elif operation == 0x54:
            word &= operand
        elif operation == 0x15:
            at += if_equal if word == operand else otherwise
        else:
            assert operation == 0x06
            return operand


@pytest.mark.parametrize("machine", seccomp.ARCHITECTURES)
def test_the_filter_allows_its_list_alone(machine):
    architecture = seccomp.ARCHITECTURES[machine]
    code = seccomp.program(architecture, 4242)
    allowed = {
        number
        for number in [*range(1024), 0x4000_0000 + 1, -1]
        if verdict(code, number, architecture.audit_number, (4242, 0)) == 0x7FFF_0000
    }
    of_any_arguments = {architecture.numbers[name] for name in seccomp.ALWAYS if name in architecture.numbers}
    by_name = {architecture.numbers[name] for name in ("mmap", "mprotect", "futex", "tgkill")}
    assert allowed == of_any_arguments | by_name
    for other in (0x4000_0003, 0x4000_0028):  # 32-bit programs of both processors
        assert verdict(code, architecture.numbers["close"], other) == 0x8000_0000


@pytest.mark.parametrize(
    ("name", "arguments", "is_allowed"),
    [
        ("prlimit64", (0, 0), True),  # RLIMIT_CPU of its own
        ("prlimit64", (0, 7), False),
        ("prlimit64", (1, 0), False),
        ("tgkill", (4242, 4243, 6), True),
        ("tgkill", (1, 1, 9), False),
        ("futex", (0, 128), True),
        ("futex", (0, 1 | 128 | 256), True),
        ("futex", (0, 3 | 128), False),  # FUTEX_REQUEUE
        ("mmap", (0, 4096, 3, 34), True),
        ("mmap", (0, 4096, 7, 34), False),
        ("mprotect", (0, 4096, 5), False),
        ("sched_getaffinity", (0, 8), True),
        ("sched_getaffinity", (1, 8), False),
    ],
)
def test_arguments_decide(name, arguments, is_allowed):
    for architecture in seccomp.ARCHITECTURES.values():
        code = seccomp.program(architecture, 4242)
        found = verdict(code, architecture.numbers[name], architecture.audit_number, arguments)
        assert found == (0x7FFF_0000 if is_allowed else 0x8000_0000)


def test_another_processor_has_no_filter(monkeypatch):
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    assert seccomp.install(ctypes.CDLL(None)) is False
