"""The waveform front ends of the EmoNet networks: what turns samples into a picture of mel bands over time.

The short-time Fourier transform is a convolution with fixed cosine and sine kernels, because ONNX Runtime has no
CUDA kernel for its STFT operator. Training, evaluation and the exported graph share the numbers of this file.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from export.graph.mel_bank import area_normalised_bank, peak_normalised_bank

POWER_RANGE_DB = 80.0
"""Range below the clip's maximum that preset 'open' keeps (front end of the CREMA-D features)."""


@dataclass(frozen=True)
class FrontEndPreset:
    """Parameters of one front end.

    Attributes:
        scaling: 'relative' is dB below the clip's maximum, cut at 80 dB, scaled from the clip's minimum … maximum
            to 0 … 1, where a clip below ``full_length_samples`` counts as padded with silence; 'log' is ln(mel + 1e-6);
            'power' leaves the mel power as it is.
        centred: frame k is centred on sample k·hop (zeros outside); else it starts there and must fit.
        full_length_samples: clips of that length or more have a minimum of their own ('relative' only).
    """

    name: str
    sample_rate_hz: int
    fft_samples: int
    hop_samples: int
    bands: int
    low_hz: float
    high_hz: float
    bank: Literal["area", "peak"]
    scaling: Literal["relative", "log", "power"]
    centred: bool
    full_length_samples: int
    source: str

    def frames(self, samples: int) -> int:
        """Number of frames of a clip of ``samples`` samples."""
        if self.centred:
            return 1 + samples // self.hop_samples
        return max(0, 1 + (samples - self.fft_samples) // self.hop_samples)

    def mel_bank(self) -> NDArray[np.float32]:
        """The filter bank, float32 [bands, fft_samples // 2 + 1]."""
        make = area_normalised_bank if self.bank == "area" else peak_normalised_bank
        return make(self.sample_rate_hz, self.fft_samples, self.bands, self.low_hz, self.high_hz)

    def fourier_kernels(self) -> NDArray[np.float32]:
        """Hann-windowed cosines, then sines: float32 [2·(fft_samples // 2 + 1), 1, fft_samples]."""
        n = np.arange(self.fft_samples)
        window = 0.5 - 0.5 * np.cos(2.0 * np.pi * n / self.fft_samples)
        angle = 2.0 * np.pi * np.outer(np.arange(self.fft_samples // 2 + 1), n) / self.fft_samples
        kernels = np.concatenate([np.cos(angle) * window, -np.sin(angle) * window])
        return kernels[:, None, :].astype(np.float32)


PRESETS = {
    "open": FrontEndPreset(
        "open",
        16_000,
        1024,
        256,
        128,
        0.0,
        8000.0,
        "area",
        "relative",
        True,
        48_000,
        "front end of the CREMA-D log-mel features",
    ),
    "paper": FrontEndPreset(
        "paper", 16_000, 512, 256, 64, 20.0, 8000.0, "peak", "log", False, 80_000, "C7, F4: EmoNet as printed"
    ),
    "code": FrontEndPreset(
        "code", 16_000, 1024, 512, 128, 20.0, 8000.0, "peak", "log", False, 80_000, "C8, F4: EmoNet as released"
    ),
}


class FrontEnd(nn.Module):
    """Waveform to mel picture, clip by clip: nothing of a clip depends on the others in the batch (F5)."""

    kernels: Tensor
    bank: Tensor

    def __init__(self, preset: FrontEndPreset) -> None:
        super().__init__()
        self.preset = preset
        self.register_buffer("kernels", torch.from_numpy(preset.fourier_kernels()), persistent=False)
        self.register_buffer("bank", torch.from_numpy(preset.mel_bank()), persistent=False)

    def forward(self, waveform: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the picture.

        Args:
            waveform: float32 [batch, samples]; what lies beyond a clip's length is ignored.
            lengths: int64 [batch], in samples.

        Returns:
            pictures float32 [batch, bands, frames], zero beyond each clip, and frame counts int64 [batch].
        """
        power = self.mel_power(waveform, lengths)
        frames = self._frame_counts(lengths)
        mask = torch.arange(power.shape[-1], device=power.device)[None, :] < frames[:, None]
        if self.preset.scaling == "log":
            return torch.log(power + 1e-6) * mask[:, None, :], frames
        if self.preset.scaling == "power":
            return power * mask[:, None, :], frames
        decibels = 10.0 * torch.log10(torch.clamp(power, min=1e-30))
        return scale_relative(decibels, mask, lengths < self.preset.full_length_samples), frames

    def mel_power(self, waveform: Tensor, lengths: Tensor) -> Tensor:
        """Mel power spectrogram, float32 [batch, bands, frames]."""
        samples = torch.arange(waveform.shape[1], device=waveform.device)[None, :] < lengths[:, None]
        signal = (waveform * samples)[:, None, :]
        if self.preset.centred:
            half = self.preset.fft_samples // 2
            signal = functional.pad(signal, (half, half))
        spectrum = functional.conv1d(signal, self.kernels, stride=self.preset.hop_samples)
        real, imaginary = spectrum.chunk(2, dim=1)
        return torch.matmul(self.bank, real.square() + imaginary.square())

    def _frame_counts(self, lengths: Tensor) -> Tensor:
        if self.preset.centred:
            return 1 + lengths // self.preset.hop_samples
        return torch.clamp(1 + (lengths - self.preset.fft_samples) // self.preset.hop_samples, min=0)


def scale_relative(decibels: Tensor, mask: Tensor, padded: Tensor) -> Tensor:
    """Scale dB to 0 … 1 within each clip, as preset 'open' does.

    Args:
        decibels: float32 [batch, bands, frames], any reference.
        mask: bool [batch, frames], true within the clip.
        padded: bool [batch], true where the clip counts as padded with silence, so that its minimum is the floor.

    Returns:
        float32 [batch, bands, frames], zero outside the mask; a constant clip is all ones.
    """
    inside = mask[:, None, :]
    maximum = torch.where(inside, decibels, -torch.inf).amax(dim=(1, 2), keepdim=True)
    relative = torch.clamp(decibels - maximum, min=-POWER_RANGE_DB)
    minimum = torch.where(inside, relative, 0.0).amin(dim=(1, 2), keepdim=True)
    minimum = torch.where(padded[:, None, None], -POWER_RANGE_DB, minimum)
    # A constant picture has minimum 0; the division must not make NaN of it.
    return torch.where(inside, 1.0 - relative / torch.clamp(minimum, max=-1e-3), 0.0)
