"""A speech emotion graph on its device: pads windows into a batch, takes the answers apart again.

The graph is told the true length of every row, so padding never changes an answer (contract: 1e-5 on
probabilities). On a CPU a batch is one window at its own length. On a GPU lengths and batches come in a few
sizes only, since cuDNN tunes itself anew for each new shape.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from service.card import SpeechInput
from service.pipeline.results import FloatArray
from service.pipeline.session import CPU, Array, Session
from service.registry import Bundle, BundleError

LENGTH_STEPS_PER_S = 4
"""On a GPU windows are padded to a multiple of 1/4 s: clips of up to 3 s then have 12 lengths."""

WindowAnswer = dict[str, FloatArray]
"""By output: 'probabilities' float32 [classes]; 'arousal', 'valence' float32 [] where there are any."""


class EmotionModel:
    """One speech bundle; a :class:`~service.pipeline.batch.Runner` of windows float32 [samples].

    Args:
        bundle: of the task 'speech-emotion'.
        session: its graph.
        max_batch: windows of one call on a GPU; a CPU takes one.
        on_padding: told the share of each batch that is padding, 0…1.

    Raises:
        BundleError: the graph does not take what a speech model takes.
    """

    def __init__(
        self,
        bundle: Bundle,
        session: Session,
        max_batch: int,
        on_padding: Callable[[float], None] | None = None,
    ) -> None:
        try:
            session.require(("waveform", "lengths"), ("probabilities",))
        except ValueError as error:
            raise BundleError(f"bundle {bundle.card.name}/{bundle.card.version}: {error}") from error
        if bundle.card.speech is None:
            raise BundleError(f"bundle {bundle.card.name}/{bundle.card.version}: its card lacks 'speech'")
        self.bundle = bundle
        self.speech: SpeechInput = bundle.card.speech
        self.session = session
        self._on_padding = on_padding
        self.outputs = tuple(name for name in ("probabilities", "arousal", "valence") if name in session.output_names)
        fixed_shapes = session.provider != CPU
        self.max_batch = max_batch if fixed_shapes else 1
        self._length_step = self.speech.sample_rate_hz // LENGTH_STEPS_PER_S if fixed_shapes else 1

    def key(self, unit: FloatArray) -> int:
        """Padded length in samples: windows of the same share a batch."""
        return -(-len(unit) // self._length_step) * self._length_step

    def run(self, units: Sequence[FloatArray]) -> list[WindowAnswer]:
        """Judge windows of one key.

        Raises:
            FloatingPointError: the graph gave a number that is not finite.
        """
        rows = min(2 ** math.ceil(math.log2(len(units))), self.max_batch)
        waveform = np.zeros((rows, self.key(units[0])), np.float32)
        lengths = np.full(rows, len(units[0]), np.int64)  # rows beyond the units repeat the first one's length
        for row, unit in enumerate(units):
            waveform[row, : len(unit)] = unit
            lengths[row] = len(unit)
        if self._on_padding is not None:
            self._on_padding(1.0 - sum(map(len, units)) / waveform.size)
        outputs = self.session.run({"waveform": waveform, "lengths": lengths}, self.outputs)
        if not all(np.isfinite(values[: len(units)]).all() for values in outputs.values()):
            raise FloatingPointError("the graph gave a number that is not finite")
        return [_row(outputs, row) for row in range(len(units))]

    def warm_up(self) -> None:
        """Run every batch size once, the largest first, so that no request pays for it.

        Raises:
            BundleError: the graph fails, or has another number of classes than the card has labels.
        """
        samples = round(self.speech.window_s * self.speech.sample_rate_hz)
        tone = np.sin(np.arange(samples) * (2 * np.pi * 220 / self.speech.sample_rate_hz)).astype(np.float32)
        card = self.bundle.card
        try:
            for exponent in reversed(range(math.ceil(math.log2(self.max_batch)) + 1)):
                answers = self.run([tone] * min(2**exponent, self.max_batch))
        except Exception as error:  # a graph that loads can still fail in any of its kernels
            cause = str(error).strip().split("\n", 1)[0]
            raise BundleError(f"bundle {card.name}/{card.version}: its graph fails: {cause}") from error
        classes = answers[0]["probabilities"].size
        if classes != len(card.labels):
            raise BundleError(f"bundle {card.name}/{card.version}: {classes} classes, but {len(card.labels)} labels")


def _row(outputs: dict[str, Array], row: int) -> WindowAnswer:
    return {name: np.asarray(values[row], np.float32) for name, values in outputs.items()}
