"""The spectrogram plots of the Deep Spectrum systems, as parameters: what is computed and how it is drawn."""

from dataclasses import dataclass
from typing import Literal

from export.deep_spectrum.picture.colour_maps import colour_table
from export.graph.mel_bank import MelScale

CHROMA_BANDS = 12
"""Pitch classes of a chroma plot."""


class PlotPresetError(ValueError):
    """The parameters of a plot contradict each other or name something unknown; the message is one line."""


@dataclass(frozen=True)
class PlotPreset:
    """Parameters of one kind of plot.

    Attributes:
        representation: 'mel' bands, 'linear' bins of the Fourier transform, or 'chroma' (12 pitch classes, each frame
            scaled to maximum 1, no dB, tuning 0).
        bands: mel bands; 0 for the other two, whose number is given.
        high_hz: upper edge of the mel bank; None is half the sample rate.
        magnitude: whether the mel bank sums 'power' or 'amplitude'.
        axis: 'symlog' is librosa's mel axis (linear to 1 kHz, then octaves of equal height, F2); with 'linear' all
            rows of the spectrogram have the same height.
        drawn_by: 'specshow' is librosa's (centred frames padded with zeros, floor at 1e-10 as librosa's amin);
            'specgram' is matplotlib's (frames that fit, no floor, digital silence left white, one-sided density).
        render_pixels: edge of the picture that is drawn, before it is resized to the network's input.
        resize: Pillow's filter from there to the network's input (F16).
        trim_zeros: leave out zero samples at both ends (D2).
        sample_rate_hz: rate that the plot is made for unless the caller names another.
        window_s: default window, None is the whole clip (A7, F9).
        hop_s: default hop of the windows, None with the whole clip.
        source: where the parameters come from.
    """

    name: str
    fft_samples: int
    hop_samples: int
    colour_map: str
    source: str
    representation: Literal["mel", "linear", "chroma"] = "mel"
    bands: int = 0
    mel_formula: MelScale = "slaney"
    low_hz: float = 0.0
    high_hz: float | None = None
    magnitude: Literal["power", "amplitude"] = "power"
    axis: Literal["symlog", "linear"] = "symlog"
    drawn_by: Literal["specshow", "specgram"] = "specshow"
    render_pixels: int = 227
    resize: Literal["bicubic", "nearest"] = "bicubic"
    trim_zeros: bool = False
    sample_rate_hz: int = 16_000
    window_s: float | None = None
    hop_s: float | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be drawn.

        Raises:
            PlotPresetError: two parameters contradict each other, or one is out of range.
            UnknownColourMap: matplotlib has no colour map of that name.
        """
        colour_table(self.colour_map)
        for wrong, why in self._contradictions():
            if wrong:
                raise PlotPresetError(f"plot '{self.name}': {why}")

    def rows(self) -> int:
        """Rows of the spectrogram before it is drawn."""
        if self.representation == "linear":
            return self.fft_samples // 2 + 1
        return self.bands if self.representation == "mel" else CHROMA_BANDS

    def top_hz(self, sample_rate_hz: int) -> float:
        """Upper edge of the mel bank at a sample rate."""
        return sample_rate_hz / 2 if self.high_hz is None else self.high_hz

    def _contradictions(self) -> list[tuple[bool, str]]:
        top_hz = self.top_hz(self.sample_rate_hz)
        return [
            *(
                (value not in known, f"unknown {field} '{value}', there are {', '.join(known)}")
                for field, value, known in (
                    ("representation", self.representation, ("mel", "linear", "chroma")),
                    ("mel formula", self.mel_formula, ("slaney", "htk")),
                    ("magnitude", self.magnitude, ("power", "amplitude")),
                    ("axis", self.axis, ("symlog", "linear")),
                    ("drawing", self.drawn_by, ("specshow", "specgram")),
                    ("resizing", self.resize, ("bicubic", "nearest")),
                )
            ),
            (self.fft_samples < 4 or self.fft_samples % 2 == 1, "fft_samples must be even and at least 4"),
            (self.hop_samples < 1, "hop_samples must be at least 1"),
            (self.sample_rate_hz < 1, "sample_rate_hz must be at least 1"),
            (self.render_pixels < 1, "render_pixels must be at least 1"),
            ((self.representation == "mel") != (self.bands > 0), "bands belong to 'mel' and are needed there"),
            (not 0 <= self.low_hz < top_hz, f"low_hz must be in 0…{top_hz:g} Hz"),
            (self.representation == "chroma" and self.axis == "symlog", "a chroma plot has a linear axis"),
            (
                self.drawn_by == "specgram" and (self.representation, self.axis) != ("linear", "linear"),
                "specgram draws linear bins on a linear axis only",
            ),
            ((self.window_s is None) != (self.hop_s is None), "window_s and hop_s come together"),
        ]


PLOT_PRESETS = {
    preset.name: preset
    for preset in (
        PlotPreset(
            "ottl-2020",
            fft_samples=2048,
            hop_samples=1024,
            bands=128,
            colour_map="viridis",
            source="A4–A7, F1: Slaney mel as the toolkit's; 2048 as printed, its automatic size at 44.1 and 48 kHz",
        ),
        PlotPreset(
            "emonet-2021",
            fft_samples=512,
            hop_samples=256,
            bands=128,
            colour_map="magma",
            source="C1, C4, F9: whole clip at 16 kHz; the toolkit's FFT size at that rate (A6)",
        ),
        PlotPreset(
            "cummins-2017",
            fft_samples=256,
            hop_samples=128,
            representation="linear",
            axis="linear",
            drawn_by="specgram",
            colour_map="viridis",
            resize="nearest",
            trim_zeros=True,
            source="D1–D3, F16",
        ),
        PlotPreset(
            "avec-2019",
            fft_samples=512,
            hop_samples=256,
            bands=128,
            colour_map="viridis",
            window_s=4.0,
            hop_s=1.0,
            source="the toolkit's mel plot at 16 kHz (A6, F1, F2) in windows of 4 s",
        ),
    )
}
"""The plots of the reproduced systems by name."""
