"""The GE2E speaker encoder (Wan 2018) of the package resemblyzer: three LSTM layers that heard thousands of voices.

Its file is a pickle. Nothing of it is executed: the file's hash is checked first, and PyTorch reads weights alone.
"""

import hashlib
import io
import zipfile
from pathlib import Path

import torch
from torch import Tensor, nn

from export.corpora.tables import CorpusError
from export.graph.front_end import FrontEndPreset

WHEEL_MEMBER = "resemblyzer/pretrained.pt"
WEIGHTS_SHA256 = "39373b86598fa3da9fcddee6142382efe09777e8d37dc9c0561f41f0070f134e"
"""Hash of the weights in the wheel of resemblyzer 0.1.4 (Apache-2.0)."""

LAYERS = 3
UNITS = 256
BANDS = 40

PRESET = FrontEndPreset(
    "ge2e",
    16_000,
    400,
    160,
    BANDS,
    0.0,
    8000.0,
    "area",
    "power",
    True,
    48_000,
    "front end of the GE2E encoder of resemblyzer 0.1.4",
)
"""Mel power of 25 ms every 10 ms; recordings are judged in windows of 3.0 s."""

# fmt: off
REFERENCE_SHARES = (
    0.0333, 0.101, 0.147, 0.11, 0.0911, 0.0991, 0.0847, 0.0661, 0.048, 0.0381,
    0.0275, 0.0198, 0.0153, 0.0129, 0.0114, 0.0115, 0.0102, 0.00879, 0.00772, 0.00688,
    0.00625, 0.00557, 0.00499, 0.00411, 0.00365, 0.0035, 0.00305, 0.00263, 0.00218, 0.00206,
    0.00209, 0.00197, 0.00153, 0.00141, 0.00123, 0.000874, 0.000659, 0.000619, 0.000536, 0.000532,
)
# fmt: on
"""Share of each band in the power of speech as the encoder knows it.

Mean over 351 recordings of LibriSpeech (CC BY 4.0) that never went through MP3, behind the 70 Hz filter.
"""


class EncoderFileError(CorpusError):
    """A file that is not the encoder's; the message says what would be."""


def read_encoder(file: Path) -> nn.ModuleList:
    """The LSTM layers of the encoder, each of 256 units; the first takes 40 mel bands.

    Args:
        file: the wheel of resemblyzer 0.1.4, or the file ``pretrained.pt`` in it.

    Raises:
        EncoderFileError: the file is another one.
    """
    state = _state(file)
    layers = encoder_layers()
    for index, layer in enumerate(layers):
        names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
        layer.load_state_dict({name: state[f"lstm.{name[:-1]}{index}"] for name in names})
    return layers


def read_voiceprint_layer(file: Path) -> nn.Linear:
    """The layer behind the last LSTM layer, whose rectified output of unit length is the published embedding.

    Raises:
        EncoderFileError: as of :func:`read_encoder`.
    """
    state = _state(file)
    layer = nn.Linear(UNITS, UNITS)
    layer.load_state_dict({name: state[f"linear.{name}"] for name in ("weight", "bias")})
    return layer


def encoder_layers() -> nn.ModuleList:
    """The layers with random weights."""
    return nn.ModuleList(nn.LSTM(UNITS if index else BANDS, UNITS, batch_first=True) for index in range(LAYERS))


def _state(file: Path) -> dict[str, Tensor]:
    """All weights of a file whose hash is right."""
    content = _content(file)
    found = hashlib.sha256(content).hexdigest()
    if found != WEIGHTS_SHA256:
        raise EncoderFileError(
            f"{file}: sha256 {found} is not that of {WHEEL_MEMBER} in resemblyzer 0.1.4 "
            "(pip download --no-deps resemblyzer==0.1.4 fetches the wheel)"
        )
    state: dict[str, Tensor] = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)["model_state"]
    return state


def _content(file: Path) -> bytes:
    if not file.is_file():
        raise EncoderFileError(f"{file}: no such file (pip download --no-deps resemblyzer==0.1.4 fetches the wheel)")
    if not zipfile.is_zipfile(file):
        return file.read_bytes()
    with zipfile.ZipFile(file) as archive:
        if WHEEL_MEMBER in archive.namelist():
            return archive.read(WHEEL_MEMBER)
    return file.read_bytes()  # PyTorch's own files are ZIP archives too
