"""A published model as its publisher's tools write it to a folder, read and checked before any work is done.

Nothing of the folder is executed: weights are read as safetensors, or as a pickle of tensors alone.
"""

from __future__ import annotations

import hashlib
import json
import pickle
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from export.failures import UserError

if TYPE_CHECKING:
    from torch import Tensor

CONFIG, FRONT_END = "config.json", "preprocessor_config.json"
SAFETENSORS, PICKLE = "model.safetensors", "pytorch_model.bin"
LICENCE_FILES = ("LICENSE", "LICENSE.txt", "LICENSE.md", "LICENCE", "LICENCE.txt", "LICENCE.md")

PUBLISHED = "published"
"""Setting of a bundle's card that tells what was imported."""

COPIES = 5
"""Times that weights lie in memory at most while a graph is made and compared (peak of wav2vec 2.0 base: 4.4)."""

RATES_HZ = (8_000, 16_000)
"""Sample rates that speech encoders are published for and that the voice detector knows."""


class PublishedError(UserError):
    """A published model that cannot be imported; the message is one line that says why."""


@dataclass(frozen=True)
class PublishedFolder:
    """The files of one published model.

    Attributes:
        path: where they lie.
    """

    path: Path

    @cached_property
    def config(self) -> dict[str, Any]:
        """``config.json``: the network.

        Raises:
            PublishedError: there is none, or it is no JSON object.
        """
        return self._document(CONFIG, "what network the weights are of")

    @cached_property
    def front_end(self) -> dict[str, Any]:
        """``preprocessor_config.json``: what is done to samples before they reach the network.

        Raises:
            PublishedError: there is none, or it is no JSON object.
        """
        return self._document(FRONT_END, "the sample rate and normalisation")

    @property
    def sample_rate_hz(self) -> int:
        """The rate that the model hears.

        Raises:
            PublishedError: none that speech encoders have.
        """
        rate_hz = self.front_end.get("sampling_rate")
        if rate_hz not in RATES_HZ:
            known = " or ".join(f"{rate:,}" for rate in RATES_HZ)
            raise PublishedError(f"{self.path / FRONT_END}: sampling_rate is {rate_hz}, not {known} Hz")
        return int(rate_hz)

    @cached_property
    def labels(self) -> list[str]:
        """The publisher's names of the outputs, in their order.

        Raises:
            PublishedError: the config names none, or leaves numbers out.
        """
        named = self.config.get("id2label")
        names = {int(key): str(name) for key, name in named.items()} if isinstance(named, dict) else {}
        if sorted(names) != list(range(len(names))) or len(names) < 2:
            raise PublishedError(f"{self.path / CONFIG}: 'id2label' does not name the outputs from 0 on")
        return [names[number] for number in range(len(names))]

    @cached_property
    def weights(self) -> Path:
        """The file of weights.

        Raises:
            PublishedError: there is none of one piece.
        """
        for name in (SAFETENSORS, PICKLE):
            if (self.path / name).is_file():
                return self.path / name
        split = sorted(path.name for path in self.path.glob("*.index.json"))
        more = f"; {split[0]} tells of several files, which are not read" if split else ""
        raise PublishedError(f"{self.path}: neither {SAFETENSORS} nor {PICKLE}{more}")

    @cached_property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of every tensor of weights, without reading the tensors of safetensors.

        Raises:
            PublishedError: the file is broken, or holds something other than tensors.
        """
        if self.weights.name == SAFETENSORS:
            return _safetensors_shapes(self.weights)
        return {name: tuple(value.shape) for name, value in pickled_tensors(self.weights, device="meta").items()}

    @cached_property
    def sha256_of_weights(self) -> str:
        """Hex digest of the file of weights."""
        return sha256_of(self.weights)

    def _document(self, name: str, what: str) -> dict[str, Any]:
        file = self.path / name
        if not file.is_file():
            raise PublishedError(f"{self.path}: no {name}, which says {what}")
        try:
            found = json.loads(file.read_text(encoding="utf-8"))
        except ValueError as error:
            raise PublishedError(f"{file}: not JSON ({error})") from error
        if not isinstance(found, dict):
            raise PublishedError(f"{file}: not a JSON object")
        return found


def refuse_large(file: Path, size_bytes: int) -> None:
    """Refuse weights that do not fit into memory.

    Raises:
        PublishedError: they do not.
    """
    needed_bytes, free_bytes = COPIES * size_bytes, available_memory_bytes()
    if needed_bytes > free_bytes:
        raise PublishedError(
            f"{file}: the import takes about {needed_bytes / 1e9:.1f} GB of memory, {free_bytes / 1e9:.1f} GB are free"
        )


def pickled_tensors(file: Path, wrappers: Sequence[str] = (), device: str = "cpu") -> dict[str, Tensor]:
    """Tensors of a pickle by name; what could run code is refused.

    Args:
        file: as :func:`torch.save` writes it.
        wrappers: keys under which the tensors may lie, one inside the other; what is no tensor there is left out.
        device: 'meta' reads names and shapes alone.

    Raises:
        PublishedError: the file is not there, does not fit into memory, is broken, or holds more than tensors.
    """
    import torch  # slow to import

    if not file.is_file():
        raise PublishedError(f"{file.parent}: no {file.name}, which holds weights")
    refuse_large(file, file.stat().st_size)
    try:
        state = torch.load(file, map_location=device, weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        why = str(error).strip().split("\n", 1)[0][:120]
        raise PublishedError(f"{file}: not a file of tensors alone ({why})") from error
    for key in wrappers:
        state = state[key] if isinstance(state, dict) and key in state else state
    tensors = {name: value for name, value in state.items() if isinstance(value, torch.Tensor)} if state else {}
    if not tensors or not (wrappers or len(tensors) == len(state)):
        raise PublishedError(f"{file}: not a file of tensors alone")
    return tensors


def check_shapes(file: Path, wanted: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> None:
    """Refuse tensors of ``file`` that are missing or have another shape than is wanted.

    Raises:
        PublishedError: there is one.
    """
    odd = [name for name, value in wanted.items() if name not in found or found[name].shape != value.shape]
    if odd:
        told = f"is {list(found[odd[0]].shape)}" if odd[0] in found else "is missing"
        raise PublishedError(
            f"{file}: of another network; {len(odd)} tensors do not fit: {odd[0]} {told}, wanted is "
            f"{list(wanted[odd[0]].shape)}"
        )


def read_yaml(file: Path, loader: type[yaml.SafeLoader] = yaml.SafeLoader) -> dict[str, Any]:
    """Members of a YAML file, read as data alone.

    Raises:
        PublishedError: it is not there, or holds something else.
    """
    try:
        found = yaml.load(file.read_text(encoding="utf-8"), loader)
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise PublishedError(f"{file}: not YAML ({str(error).splitlines()[0]})") from error
    if not isinstance(found, dict):
        raise PublishedError(f"{file}: not a mapping of names")
    return found


def sha256_of(*files: Path) -> str:
    """Hex digest of a file, or of several in their order."""
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def files_sha256(folder: Path) -> dict[str, str]:
    """Hex digest of every file at the top of a folder, by name."""
    return {path.name: sha256_of(path) for path in sorted(folder.iterdir()) if path.is_file()}


def licence_text(folder: Path) -> str:
    """The licence as the publisher put it beside the weights; empty where there is none."""
    for name in LICENCE_FILES:
        if (folder / name).is_file():
            return (folder / name).read_text(encoding="utf-8", errors="replace")
    return ""


def _safetensors_shapes(file: Path) -> dict[str, tuple[int, ...]]:
    """Read the header of a safetensors file: its length as 8 bytes, JSON, then the tensors (format 0.x, docs)."""
    size = file.stat().st_size
    with file.open("rb") as stream:
        try:
            (length,) = struct.unpack("<Q", stream.read(8))
            if length > size - 8:
                raise ValueError("the header is longer than the file")
            header = json.loads(stream.read(length))
            entries = {name: entry for name, entry in header.items() if name != "__metadata__"}
            end = 8 + length + max(entry["data_offsets"][1] for entry in entries.values())
            shapes = {name: tuple(map(int, entry["shape"])) for name, entry in entries.items()}
        except (struct.error, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
            raise PublishedError(f"{file}: not a safetensors file, or a broken one ({error})") from error
    if end != size:
        raise PublishedError(f"{file}: {size} bytes, its header tells of {end}: the file is broken")
    return shapes


def available_memory_bytes() -> float:
    """Memory that this process may still take: of the machine, and of the control group where it has a limit."""
    meminfo = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
    free = float(meminfo["MemAvailable"].split()[0]) * 1024
    group = Path("/sys/fs/cgroup")
    try:
        return min(free, int((group / "memory.max").read_text()) - int((group / "memory.current").read_text()))
    except (OSError, ValueError):  # no control group, or 'max'
        return free
