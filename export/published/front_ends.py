"""Front ends of publishers' programs: samples to what the network takes, as parts of a graph; padding changes nothing.

Every front end takes waveform float32 [batch, samples] and lengths int64 [batch].
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

NORMALISER = 1e-7
"""Added to variances by transformers' feature extractors."""

LAYER_NORM = 1e-5
"""Added to variances by PyTorch's layer norm, with which SpeechBrain and FunASR normalise a clip."""

PRE_EMPHASIS = 0.97
INTEGER_SCALE = 2.0**15
"""Kaldi takes samples as 16-bit integers."""


class Normalised(nn.Module):
    """Each clip with mean 0 and variance 1, or as it is: the front end of wav2vec 2.0 and its relatives.

    Args:
        normalises: whether it does.
        added: to the variance.
    """

    def __init__(self, *, normalises: bool, added: float = NORMALISER) -> None:
        super().__init__()
        self._normalises, self._added = normalises, added

    def forward(self, waveform: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Samples float32 [batch, samples], zero beyond each clip, and the lengths."""
        inside = within(waveform.shape[1], lengths)
        if not self._normalises:
            return waveform * inside, lengths
        count = lengths[:, None].to(waveform.dtype)
        deviation = (waveform - (waveform * inside).sum(1, keepdim=True) / count) * inside
        variance = deviation.square().sum(1, keepdim=True) / count
        return deviation / torch.sqrt(variance + self._added), lengths


class LogMel(nn.Module):
    """Whisper's picture of 30 s: log mel power, at most 80 dB below its maximum; shorter clips end in silence.

    Args:
        bank: float [bins, bands].
        fft_samples, hop_samples: of the spectrogram.
        samples: of a picture.
    """

    kernels: Tensor
    bank: Tensor

    def __init__(self, bank: NDArray[np.float64], fft_samples: int, hop_samples: int, samples: int) -> None:
        super().__init__()
        window = 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(fft_samples) / fft_samples)
        kernels = _fourier(np.diag(window), fft_samples)[:, None].astype(np.float32)
        self.register_buffer("kernels", torch.from_numpy(kernels))
        self.register_buffer("bank", torch.from_numpy(bank.T.astype(np.float32)))
        self._half, self._hop, self._samples = fft_samples // 2, hop_samples, samples

    def forward(self, waveform: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Picture float32 [batch, bands, frames] and the frames that count: all of them."""
        silence = waveform.new_zeros(waveform.shape[0], self._samples)
        signal = torch.cat([waveform * within(waveform.shape[1], lengths), silence], dim=1)[:, None, : self._samples]
        spectrum = functional.conv1d(
            functional.pad(signal, (self._half, self._half), mode="reflect"), self.kernels, stride=self._hop
        )
        real, imaginary = spectrum[:, :, :-1].chunk(2, dim=1)
        power = torch.matmul(self.bank, real.square() + imaginary.square())
        decades = torch.log10(torch.clamp(power, min=1e-10))
        decades = torch.maximum(decades, decades.amax(dim=(1, 2), keepdim=True) - 8.0)
        return (decades + 4.0) / 4.0, torch.full_like(lengths, self._samples // self._hop)


class FilterBank(nn.Module):
    """Kaldi's log mel energies, each band with mean 0 and variance 1, two frames a step: w2v-BERT's front end.

    All of it is in double precision: bands far below the loudest count as much as that one, and the network's first
    norm sets a frame of digital silence, whose bands are nearly alike, to variance 1 with whatever rounding it has.

    Args:
        bank: float64 [bins, bands].
        window: float64 [samples of a frame].
        fft_samples, hop_samples: of the spectrogram.
        floor: least energy.
    """

    kernels: Tensor
    bank: Tensor

    def __init__(
        self,
        bank: NDArray[np.float64],
        window: NDArray[np.float64],
        fft_samples: int,
        hop_samples: int,
        floor: float,
    ) -> None:
        super().__init__()
        n = len(window)
        # Taking the mean out, pre-emphasis and window are linear, so that one matrix does all of it.
        centred = np.eye(n) - 1.0 / n
        emphasised = np.eye(n) - PRE_EMPHASIS * np.eye(n, k=-1)
        emphasised[0, 0] = 1.0 - PRE_EMPHASIS
        kernels = _fourier(INTEGER_SCALE * np.diag(window) @ emphasised @ centred, fft_samples)
        self.register_buffer("kernels", torch.from_numpy(np.ascontiguousarray(kernels.T)))
        self.register_buffer("bank", torch.from_numpy(np.asarray(bank, np.float64)))
        self._frame, self._hop, self._floor = n, hop_samples, floor

    def forward(self, waveform: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Features float32 [batch, steps, 2 · bands], zero beyond each clip, and its steps int64 [batch]."""
        signal = (waveform * within(waveform.shape[1], lengths)).double()
        starts = torch.arange(0, signal.shape[1] - self._frame + 1, self._hop)
        frames = signal[:, starts[:, None] + torch.arange(self._frame)[None, :]]
        real, imaginary = torch.matmul(frames, self.kernels).chunk(2, dim=2)
        energy = torch.matmul(real.square() + imaginary.square(), self.bank)
        level = torch.log(torch.clamp(energy, min=self._floor))
        counts = torch.div(lengths - self._frame, self._hop, rounding_mode="floor") + 1
        inside, count = within(level.shape[1], counts)[:, :, None], counts[:, None, None].double()
        deviation = (level - (level * inside).sum(1, keepdim=True) / count) * inside
        variance = deviation.square().sum(1, keepdim=True) / (count - 1.0)
        scaled = (deviation / torch.sqrt(variance + NORMALISER)).float()
        # Of an odd last frame nothing is kept, as the publisher's mask has it.
        even, odd = scaled[:, 0::2], scaled[:, 1::2]
        return torch.cat([even[:, : odd.shape[1]], odd], dim=2), torch.div(counts, 2, rounding_mode="floor")


def within(steps: int, counts: Tensor) -> Tensor:
    """1 inside each clip and 0 beyond, float32 [batch, steps]."""
    return (torch.arange(steps)[None, :] < counts[:, None]).float()


def _fourier(before: NDArray[np.float64], fft_samples: int) -> NDArray[np.float64]:
    """Fourier transform of ``before @ frame`` as a matrix [2 · bins, samples]: cosines, then sines."""
    n = np.arange(before.shape[0])
    angle = 2.0 * np.pi * np.outer(np.arange(fft_samples // 2 + 1), n) / fft_samples
    return np.concatenate([np.cos(angle), np.sin(angle)]) @ before
