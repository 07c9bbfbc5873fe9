"""Download of EmotiEffLib's ONNX files: the licence first, then one file of a pinned commit, hash-checked."""

import hashlib
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from export.published.folder import PublishedError, sha256_of

PREFIX = "emotiefflib:"
"""Beginning of a source on the command line."""

ADDRESS = "https://raw.githubusercontent.com/sb-ai-lab/EmotiEffLib"
COMMIT = "520a051c64cd191521e5934655314e769a319684"
FOLDER = "models/affectnet_emotions/onnx"

SHA256 = {
    "enet_b0_8_best_afew": "7aa2ea31c1311f4f8aa9d3fdb085d418dd4e7a48c4b9ed41df8c044f91d0213f",
    "enet_b0_8_va_mtl": "c43e056ad388d4a8dc911832b8291435b2af537f967e5870ebd731574ec7e812",
    "mbf_va_mtl": "0323ace52ea6dbe9aa4a909d20933f7b8629c3fb41249e338f4316abf2a4828c",
    "mobilevit_va_mtl": "93a2bee1f2e0b04e313c695078e9351c75e8fb4c457af4268a1716cb35601b0c",
}
"""Networks and digests of their files at that commit, as projects that use them record it. A wrong digest here refuses
the file; it lets none pass."""

MAX_BYTES = 64 * 1024 * 1024  # the largest has some 40 MB
TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Downloaded:
    """A file of the publisher's.

    Attributes:
        file: where it lies.
        licence_text: as it was shown.
    """

    file: Path
    licence_text: str


def download(name: str, out: Path, consent: Callable[[str], None]) -> Downloaded:
    """Fetch a network into ``out``; one that is there already, and whole, is not fetched again.

    Args:
        name: of :data:`SHA256`.
        consent: shown the licence before the weights are fetched; raises where the user does not agree.

    Raises:
        PublishedError: there is no such network, the publisher cannot be reached, or the file is another one.
    """
    if name not in SHA256:
        raise PublishedError(f"{PREFIX}{name}: not known; known are {', '.join(SHA256)}")
    licence_text = _read(f"{ADDRESS}/{COMMIT}/LICENSE").decode("utf-8", errors="replace")
    consent(licence_text)
    file = out / "emotiefflib" / COMMIT / f"{name}.onnx"
    if not file.is_file() or sha256_of(file) != SHA256[name]:
        data = _read(f"{ADDRESS}/{COMMIT}/{FOLDER}/{name}.onnx")
        found = hashlib.sha256(data).hexdigest()
        if found != SHA256[name]:
            raise PublishedError(f"{PREFIX}{name}: its sha256 is {found[:12]}…, expected {SHA256[name][:12]}…")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    return Downloaded(file, licence_text)


def _read(address: str) -> bytes:
    try:
        with urllib.request.urlopen(address, timeout=TIMEOUT_S) as answer:
            data: bytes = answer.read(MAX_BYTES + 1)
    except OSError as error:
        raise PublishedError(f"{address} cannot be fetched ({error})") from error
    if len(data) > MAX_BYTES:
        raise PublishedError(f"{address} is larger than {MAX_BYTES >> 20} MiB")
    return data
