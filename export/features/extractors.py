"""Extractors of features: the graph of a bundle, or openSMILE's functionals (A19, C3, D6–D7).

openSMILE is licensed for research; it is an optional extra, and nothing of it is served.
"""

import threading
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from export.failures import UserError
from export.features.origin import Backbone, backbone_of
from service.card import Licence, SpeechInput, read_card
from service.pipeline.device.session import Session

OPENSMILE_LICENCE = Licence(
    spdx="LicenseRef-openSMILE-research",
    commercial_use=False,
    attribution="openSMILE by audEERING GmbH, licensed for research and personal use",
)
FeatureSet = Literal["eGeMAPSv02", "ComParE_2016"]
FEATURE_SETS: tuple[FeatureSet, ...] = ("eGeMAPSv02", "ComParE_2016")

PROBE_S = 0.5


class ExtractorError(UserError):
    """A bundle or program that gives no features; the message is one line."""


class BundleExtractor:
    """The output 'embedding' of a bundle's graph.

    Args:
        bundle: folder with a card.
        device: as for :class:`service.pipeline.device.session.Session`.

    Raises:
        ExtractorError: the graph has no such output, or the card does not speak of speech.
    """

    def __init__(self, bundle: Path, device: Literal["auto", "cpu", "cuda"] = "auto") -> None:
        card = read_card(bundle)
        if card.speech is None:
            raise ExtractorError(f"{bundle}: not a speech model (task '{card.task}')")
        self.speech: SpeechInput = card.speech
        # A recording a thread: every run is on one thread, and all processors are busy all the same.
        self._session = Session(bundle / card.file_with_role("model"), device=device, threads=1)
        if "embedding" not in self._session.output_names:
            raise ExtractorError(f"{bundle}: its graph has no output 'embedding'")
        seconds = min(max(PROBE_S, card.speech.min_length_s), card.speech.max_length_s)
        tone = np.sin(np.arange(round(seconds * card.speech.sample_rate_hz)) * 0.1).astype(np.float32)
        dimensions = self.features(tone).size
        self.backbone: Backbone = backbone_of(card, dimensions)
        self.feature_names: tuple[str, ...] = tuple(f"{self.backbone.network}_{index}" for index in range(dimensions))

    def features(self, clip: NDArray[np.float32]) -> NDArray[np.float32]:
        """float32 [features] of float32 [samples]."""
        inputs: dict[str, NDArray[Any]] = {"waveform": clip[None], "lengths": np.array([len(clip)], dtype=np.int64)}
        return np.asarray(self._session.run(inputs, ("embedding",))["embedding"][0], dtype=np.float32)


class OpenSmileExtractor:
    """openSMILE functionals of whole clips at 16 kHz.

    Raises:
        ModuleNotFoundError: the extra 'opensmile' is not installed.
    """

    def __init__(self, feature_set: FeatureSet) -> None:
        import opensmile  # an optional extra under a research licence

        self._opensmile: Any = opensmile
        self._feature_set = feature_set
        self._own = threading.local()  # its objects are not made for several threads
        self.feature_names: tuple[str, ...] = tuple(self._smile().feature_names)
        self.speech = SpeechInput(
            sample_rate_hz=16_000, window_s=3600, hop_s=3600, min_length_s=0.1, max_length_s=3600, preset=feature_set
        )
        self.backbone = Backbone(
            kind="opensmile",
            network=feature_set,
            preset=f"opensmile {opensmile.__version__}",
            licence=OPENSMILE_LICENCE,
            dimensions=len(self.feature_names),
            sample_rate_hz=16_000,
            max_length_s=3600,
        )

    def features(self, clip: NDArray[np.float32]) -> NDArray[np.float32]:
        """float32 [88 or 6373] of float32 [samples]."""
        values = self._smile().process_signal(clip, self.speech.sample_rate_hz).to_numpy()[0]
        return np.asarray(values, dtype=np.float32)

    def _smile(self) -> Any:  # noqa: ANN401 - openSMILE states no types
        if not hasattr(self._own, "smile"):
            level = self._opensmile.FeatureLevel.Functionals
            sets = self._opensmile.FeatureSet
            self._own.smile = self._opensmile.Smile(sets[self._feature_set], level, num_workers=1)
        return self._own.smile
