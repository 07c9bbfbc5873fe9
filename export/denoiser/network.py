"""The LSTM denoiser (D12): 100 mel bands in, three LSTM layers with tanh layers between them, a mask of 100 bands out.

What D12 leaves open is chosen here: a tight frame of 512 samples (32 ms) with a hop of 256 and a square-root Hann
window on both sides, whose overlap-add gives the signal back exactly; Slaney's mel scale, whose lowest triangles are
wider than HTK's and fit this resolution better; logarithmic bands of the recording at unit power, so that the answer
does not depend on the level; tanh layers between the LSTM layers only. All layers run forwards in time: no frame
depends on later ones, but the level of the whole recording enters every frame.
"""

import json
from dataclasses import asdict, dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from export.graph.mel_bank import area_normalised_bank

BAND_FLOOR = 1e-6
"""Added to a band's power before the logarithm; white noise of the recording's power has 1 in each band."""

LEVEL_FLOOR = 1e-10
"""Least mean square that a recording is scaled by: 100 dB below full scale."""


@dataclass(frozen=True)
class DenoiserConfig:
    """Sizes; the defaults are D12's where D12 has one."""

    sample_rate_hz: int = 16_000
    fft_samples: int = 512
    hop_samples: int = 256
    bands: int = 100
    recurrent_units: int = 256
    feed_forward_units: int = 64
    recurrent_layers: int = 3

    def __post_init__(self) -> None:
        """Refuse a hop for which overlap-add does not give the signal back."""
        if 2 * self.hop_samples != self.fft_samples:
            raise ValueError("hop_samples must be half of fft_samples")

    @property
    def bins(self) -> int:
        """Number of frequency bins."""
        return self.fft_samples // 2 + 1

    def window(self) -> NDArray[np.float64]:
        """Square root of the periodic Hann window, float64 [fft_samples]."""
        return np.sin(np.pi * np.arange(self.fft_samples) / self.fft_samples)

    def analysis_kernels(self) -> NDArray[np.float32]:
        """Windowed cosines, then negative sines: float32 [2·bins, 1, fft_samples]."""
        return (self._waves() * self.window())[:, None, :].astype(np.float32)

    def synthesis_kernels(self) -> NDArray[np.float32]:
        """The inverse transform with the window, for a transposed convolution: float32 [2·bins, 1, fft_samples]."""
        share = np.full(self.bins, 2.0 / self.fft_samples)
        share[[0, -1]] = 1.0 / self.fft_samples
        return (self._waves() * np.tile(share, 2)[:, None] * self.window())[:, None, :].astype(np.float32)

    def band_matrix(self) -> NDArray[np.float32]:
        """Spectral power to mean power of each band, float32 [bands, bins]; white noise of power 1 gives 1."""
        bank = self._bank()
        scale = bank.sum(axis=1, keepdims=True) * np.square(self.window()).sum()
        return (bank / scale).astype(np.float32)

    def mask_matrix(self) -> NDArray[np.float32]:
        """Mask of bands to mask of bins, float32 [bins, bands]; each row sums to 1."""
        weights = self._bank().T
        # The outermost bins lie on the edges of the outermost triangles and have no weight of their own.
        weights[0, 0] = weights[-1, -1] = 1.0
        return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)

    def to_text(self) -> str:
        """The configuration as JSON text, for a card or a checkpoint."""
        return json.dumps(asdict(self))

    @classmethod
    def from_text(cls, text: str) -> "DenoiserConfig":
        """Inverse of :meth:`to_text`."""
        return cls(**json.loads(text))

    def _waves(self) -> NDArray[np.float64]:
        angle = 2.0 * np.pi * np.outer(np.arange(self.bins), np.arange(self.fft_samples)) / self.fft_samples
        return np.concatenate([np.cos(angle), -np.sin(angle)])

    def _bank(self) -> NDArray[np.float64]:
        nyquist_hz = self.sample_rate_hz / 2
        bank = area_normalised_bank(self.sample_rate_hz, self.fft_samples, self.bands, 0.0, nyquist_hz)
        return bank.astype(np.float64)


class Denoiser(nn.Module):
    """The network. ``band_mean`` and ``band_scale`` standardise the bands; see :meth:`fit_bands`."""

    analysis: Tensor
    synthesis: Tensor
    band_matrix: Tensor
    mask_matrix: Tensor
    band_mean: Tensor
    band_scale: Tensor

    def __init__(self, config: DenoiserConfig) -> None:
        super().__init__()
        self.config = config
        inputs = [config.bands] + [config.feed_forward_units] * (config.recurrent_layers - 1)
        self.recurrent = nn.ModuleList(nn.LSTM(width, config.recurrent_units, batch_first=True) for width in inputs)
        self.feed_forward = nn.ModuleList(
            nn.Linear(config.recurrent_units, config.feed_forward_units) for _ in inputs[1:]
        )
        self.mask_layer = nn.Linear(config.recurrent_units, config.bands)
        self.register_buffer("band_mean", torch.zeros(config.bands))
        self.register_buffer("band_scale", torch.ones(config.bands))
        for name, values in (
            ("analysis", config.analysis_kernels()),
            ("synthesis", config.synthesis_kernels()),
            ("band_matrix", config.band_matrix()),
            ("mask_matrix", config.mask_matrix()),
        ):
            self.register_buffer(name, torch.from_numpy(values), persistent=False)

    def forward(self, waveform: Tensor, lengths: Tensor) -> Tensor:
        """Denoise.

        Args:
            waveform: float32 [batch, samples]; what lies beyond a clip's length is ignored.
            lengths: int64 [batch], in samples.

        Returns:
            float32 [batch, samples], zero beyond each clip's length.
        """
        inside = torch.arange(waveform.shape[1])[None, :] < lengths[:, None]
        clips = waveform * inside
        level = clips.square().sum(dim=1) / lengths.clamp(min=1)
        spectrum = self.transform(clips)
        mask = self.mask(self.bands(spectrum, level))
        return self.invert(spectrum * mask.repeat(1, 2, 1), waveform.shape[1]) * inside

    def transform(self, clips: Tensor) -> Tensor:
        """Spectrum of clips [batch, samples]: real parts, then imaginary ones, float32 [batch, 2·bins, frames]."""
        hop = self.config.hop_samples
        padded = functional.pad(clips, (hop, hop + (-clips.shape[1]) % hop))
        return functional.conv1d(padded[:, None], self.analysis, stride=hop)

    def invert(self, spectrum: Tensor, samples: int) -> Tensor:
        """Overlap-add, float32 [batch, samples]: the inverse of :meth:`transform`."""
        hop = self.config.hop_samples
        signal = functional.conv_transpose1d(spectrum, self.synthesis, stride=hop)[:, 0]
        return signal[:, hop : hop + samples]

    def bands(self, spectrum: Tensor, level: Tensor) -> Tensor:
        """Logarithmic band powers before they are standardised, float32 [batch, frames, bands].

        Args:
            spectrum: of :meth:`transform`.
            level: mean square of each clip, float32 [batch].
        """
        real, imaginary = spectrum.chunk(2, dim=1)
        power = torch.matmul(self.band_matrix, real.square() + imaginary.square())
        relative = power / level.clamp(min=LEVEL_FLOOR)[:, None, None]
        return torch.log(relative + BAND_FLOOR).transpose(1, 2)

    def mask(self, bands: Tensor) -> Tensor:
        """Factors 0 … 1 for each bin, float32 [batch, bins, frames], from :meth:`bands`."""
        x = (bands - self.band_mean) * self.band_scale
        for layer, recurrent in enumerate(self.recurrent):
            x, _ = recurrent(x)
            if layer < len(self.feed_forward):
                x = torch.tanh(self.feed_forward[layer](x))
        factors = torch.sigmoid(self.mask_layer(x)).float()
        return torch.matmul(self.mask_matrix, factors.transpose(1, 2))

    def fit_bands(self, bands: Tensor) -> None:
        """Take mean and spread of each band from examples, float32 [batch, frames, bands]."""
        rows = bands.reshape(-1, bands.shape[-1])
        self.band_mean.copy_(rows.mean(dim=0))
        self.band_scale.copy_(1.0 / rows.std(dim=0).clamp(min=1e-3))
