"""Distortions of dB pictures: what rooms, microphones, codecs, throats and tempo do to a mel spectrogram.

CREMA-D comes as features only, so everything happens in the picture. All functions work on a whole batch.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class AugmentationConfig:
    """How often and how strongly; probabilities are per clip.

    Attributes:
        tempo: time axis stretched by a factor of up to 1 ± tempo (B10 has 0.15).
        throat_bands: picture shifted by up to so many mel bands, as a longer or shorter vocal tract and pitch do.
        noise: probability of additive stationary noise, ``noise_floor_db`` its level below the clip's maximum.
        band_limit: probability of a low-pass, as narrow-band codecs have.
        colour_db: largest deviation of a smooth microphone response.
        time_masks, band_masks: SpecAugment's numbers of masks, of up to ``mask_frames`` and ``mask_bands`` (Park 2019).
        mixup: strength α of mixup's beta distribution (Zhang 2018), 0 for none.
    """

    tempo: float = 0.12
    throat_bands: float = 3.0
    noise: float = 0.2
    noise_floor_db: tuple[float, float] = (-65.0, -35.0)
    band_limit: float = 0.1
    colour_db: float = 6.0
    time_masks: int = 2
    mask_frames: int = 16
    band_masks: int = 2
    mask_bands: int = 12
    mixup: float = 0.2


def warp(pictures: Tensor, frames: Tensor, out_frames: int, config: AugmentationConfig) -> tuple[Tensor, Tensor]:
    """Stretch time and shift bands of each clip by its own random amounts.

    Args:
        pictures: float32 [batch, bands, frames] in dB.
        frames: int64 [batch].
        out_frames: width of the result; longer clips are cut.

    Returns:
        pictures float32 [batch, bands, out_frames] and the new frame counts.
    """
    batch, bands, width = pictures.shape
    tempo = 1.0 + (torch.rand(batch) * 2 - 1) * config.tempo
    shift = (torch.rand(batch) * 2 - 1) * config.throat_bands
    columns = torch.arange(out_frames)[None] * tempo[:, None]
    rows = torch.arange(bands)[None] + shift[:, None]
    x = (columns * 2 / (width - 1) - 1)[:, None, :].expand(-1, bands, -1)
    y = (rows * 2 / (bands - 1) - 1)[:, :, None].expand(-1, -1, out_frames)
    grid = torch.stack([x, y], dim=-1)
    warped = functional.grid_sample(pictures[:, None], grid, padding_mode="border", align_corners=True)[:, 0]
    return warped, torch.clamp(((frames - 1) / tempo).long() + 1, 1, out_frames)


def colour(pictures: Tensor, config: AugmentationConfig) -> Tensor:
    """Add a smooth random frequency response of up to ± ``colour_db``."""
    batch, bands, _ = pictures.shape
    knots = (torch.rand(batch, 1, 6) * 2 - 1) * config.colour_db * torch.rand(batch, 1, 1)
    return pictures + functional.interpolate(knots, bands, mode="linear", align_corners=True)[:, 0, :, None]


def add_noise(pictures: Tensor, config: AugmentationConfig) -> Tensor:
    """Add stationary coloured noise of a random level to some clips, as powers."""
    batch, bands, width = pictures.shape
    low, high = config.noise_floor_db
    level = low + torch.rand(batch, 1, 1) * (high - low)
    tilt = torch.linspace(0.5, -0.5, bands)[None, :, None] * (torch.rand(batch, 1, 1) * 50.0 - 10.0)
    ripple = torch.randn(batch, bands, width) * 2.5  # spread of a mel band's noise power in dB
    noisy = torch.logaddexp(pictures * LOG_PER_DB, (level + tilt + ripple) * LOG_PER_DB) / LOG_PER_DB
    return torch.where(torch.rand(batch, 1, 1) < config.noise, noisy, pictures)


LOG_PER_DB = 0.23025850929940458  # ln(10) / 10


def limit_band(pictures: Tensor, config: AugmentationConfig) -> Tensor:
    """Take the upper bands away from some clips."""
    batch, bands, _ = pictures.shape
    # Band 88 of 128 is about 3.4 kHz, telephone speech.
    cut = torch.randint(int(bands * 0.68), bands, (batch, 1, 1))
    hit = (torch.rand(batch, 1, 1) < config.band_limit) & (torch.arange(bands)[None, :, None] >= cut)
    return torch.where(hit, pictures - 60.0, pictures)


def mask(scaled: Tensor, frames: Tensor, config: AugmentationConfig) -> Tensor:
    """Blank random spans of time and bands of pictures that are scaled to 0 … 1."""
    batch, bands, width = scaled.shape
    blank = torch.zeros(batch, bands, width, dtype=torch.bool)
    for _ in range(config.time_masks):
        length = (torch.rand(batch) * torch.clamp(frames * 0.2, max=config.mask_frames)).long()[:, None]
        start = (torch.rand(batch) * (frames - length[:, 0]).clamp(min=1)).long()[:, None]
        steps = torch.arange(width)[None]
        blank |= ((steps >= start) & (steps < start + length))[:, None, :]
    for _ in range(config.band_masks):
        length = torch.randint(0, config.mask_bands + 1, (batch, 1))
        start = (torch.rand(batch, 1) * (bands - length)).long()
        rows = torch.arange(bands)[None]
        blank |= ((rows >= start) & (rows < start + length))[:, :, None]
    mean = scaled.mean(dim=(1, 2), keepdim=True)
    return torch.where(blank, mean, scaled)
