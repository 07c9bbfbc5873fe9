"""A graph that takes the waveform, on its device: pads windows into a batch, takes the answers apart again.

The graph is told the true length of every row, so padding never changes an answer (1e-5 on
probabilities). On a CPU windows are run at their own length, those of one length together where the card says so: a
recurrent graph reads its weights once for all of them. On a GPU lengths and batches come in a few
sizes only, since cuDNN tunes itself anew for each new shape.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import ClassVar

import numpy as np

from service.card import SpeechInput
from service.pipeline.device.session import CPU, Array, Session
from service.pipeline.results import DoubtBound, FloatArray, ModelReference
from service.pipeline.speech.check_clip import GPU_ALLOWANCE, check_clip, largest_difference, told_numbers
from service.pipeline.speech.profile import ProfiledClip
from service.problems import Unprocessable
from service.registry import Bundle, BundleError

LENGTH_STEPS_PER_S = 4
"""On a GPU windows are padded to a multiple of 1/4 s: clips of up to 3 s then have 12 lengths."""

STATISTICS = "statistics"
"""Output of graphs that take a profile: what a profile is made of."""

WindowAnswer = dict[str, FloatArray]
"""By output, the row of one window: such as 'probabilities' float32 [classes] or 'arousal' float32 []."""


class SpeechModel:
    """One bundle's graph; a :class:`~service.pipeline.device.batch.BatchRunner` of windows float32 [samples].

    Args:
        bundle: of a task whose graph takes the waveform; its card has 'speech'.
        session: its graph.
        max_batch: windows of one call on a GPU; on a CPU the card's ``cpu_batch``.
        on_padding: told the share of each batch that is padding, 0…1.

    Attributes:
        outputs: names of the outputs that are computed.

    Raises:
        BundleError: the graph does not take what a speech model takes, or lacks an output.
    """

    REQUIRED: ClassVar[tuple[str, ...]] = ()
    """Outputs that the graph must have."""

    OPTIONAL: ClassVar[tuple[str, ...]] = ()
    """Outputs that are computed too where the graph has them."""

    def __init__(
        self,
        bundle: Bundle,
        session: Session,
        max_batch: int,
        on_padding: Callable[[float], None] | None = None,
    ) -> None:
        self.bundle = bundle
        self.session = session
        try:
            session.require(("waveform", "lengths"), self.REQUIRED)
        except ValueError as error:
            raise self.error(str(error)) from error
        if bundle.card.speech is None:
            raise self.error("its card lacks 'speech'")
        self.speech: SpeechInput = bundle.card.speech
        takes_profile = {"profile", "profile_weight"} <= set(session.optional_input_names)
        if self.speech.profile is not None and not (takes_profile and STATISTICS in session.output_names):
            raise self.error("its card names profiles, its graph takes none")
        self._on_padding = on_padding
        known = (*self.REQUIRED, *self.OPTIONAL)
        self.outputs = tuple(name for name in known if name in session.output_names)
        fixed_shapes = session.provider != CPU
        self._has_fixed_shapes = fixed_shapes
        self.max_batch = max_batch if fixed_shapes else self.speech.cpu_batch
        self._length_step = self.speech.sample_rate_hz // LENGTH_STEPS_PER_S if fixed_shapes else 1

    @property
    def reference(self) -> ModelReference:
        """Name, version and provider of the weights, for answers."""
        return ModelReference.of(self.bundle, self.session.provider)

    @cached_property
    def whole(self) -> OutputsRunner:
        """The model with every output of its graph."""
        return OutputsRunner(self, self.session.output_names)

    @property
    def window_samples(self) -> int:
        """Length of the card's window."""
        return round(self.speech.window_s * self.speech.sample_rate_hz)

    def key(self, unit: FloatArray) -> int:
        """Padded length in samples: windows of the same share a batch."""
        return -(-len(unit) // self._length_step) * self._length_step

    def run(self, units: Sequence[FloatArray]) -> list[WindowAnswer]:
        """Run windows of one key. Raises FloatingPointError if the graph gave a number that is not finite."""
        return self.run_with({}, units, self.outputs)

    def run_with(
        self, more: Mapping[str, Sequence[Array]], units: Sequence[FloatArray], wanted: Sequence[str]
    ) -> list[WindowAnswer]:
        """Run windows of one key for the outputs ``wanted``; ``more`` has a value for each window of further inputs."""
        rows = min(2 ** math.ceil(math.log2(len(units))), self.max_batch) if self._has_fixed_shapes else len(units)
        waveform = np.zeros((rows, self.key(units[0])), np.float32)
        lengths = np.full(rows, len(units[0]), np.int64)  # rows beyond the units repeat the first one's length
        for row, unit in enumerate(units):
            waveform[row, : len(unit)] = unit
            lengths[row] = len(unit)
        if self._on_padding is not None:
            self._on_padding(1.0 - sum(map(len, units)) / waveform.size)
        padding = rows - len(units)
        columns = {name: np.stack([*values, *[values[0]] * padding]) for name, values in more.items()}
        outputs = self.session.run({"waveform": waveform, "lengths": lengths, **columns}, wanted)
        if not all(np.isfinite(values[: len(units)]).all() for values in outputs.values()):
            raise FloatingPointError("the graph gave a number that is not finite")
        return [_row(outputs, row) for row in range(len(units))]

    def warm_up(self) -> None:
        """Run every batch size once, the largest first, so that no request pays for it.

        Raises:
            BundleError: the graph fails, or gives what the card does not say, about the check clip too.
        """
        angle = np.arange(self.window_samples) * (2 * np.pi * 220 / self.speech.sample_rate_hz)
        tone = np.sin(angle).astype(np.float32)
        try:
            for exponent in reversed(range(math.ceil(math.log2(self.max_batch)) + 1)):
                answers = self.run([tone] * min(2**exponent, self.max_batch))
        except Exception as error:  # a graph that loads can still fail in any of its kernels
            cause = str(error).strip().split("\n", 1)[0]
            raise self.error(f"its graph fails: {cause}") from error
        self.check(answers[0])
        self._check_clip()

    def answers_about_clip(self) -> dict[str, list[float]]:
        """Every output about the check clip, as cards keep it. Raises as :meth:`run`."""
        clip = check_clip(self.speech.sample_rate_hz, self.speech.max_length_s)
        (answer,) = self.run_with({}, [clip], self.session.output_names)
        return {name: told_numbers(values) for name, values in answer.items()}

    @property
    def role(self) -> str:
        """Role of the graph's file in its bundle."""
        return "model"

    def _check_clip(self) -> None:
        told = self.bundle.card.check_clip
        if told is None:
            return
        allowed = told.tolerance * (1.0 if self.session.provider == CPU else GPU_ALLOWANCE)
        difference, output = largest_difference(told.outputs.get(self.role, {}), self.answers_about_clip())
        if difference > allowed:
            cause = f"the '{output}' of its check clip differs from its card's by {difference:.2g}"
            raise self.error(f"{cause}, where {allowed:g} is allowed")

    def check(self, answer: WindowAnswer) -> None:
        """Compare the answer for a tone of :attr:`window_samples` with the card.

        Raises:
            BundleError: they do not fit.
        """

    def error(self, cause: str) -> BundleError:
        """The error of a faulty bundle: one line that names the bundle and the cause."""
        return BundleError(f"bundle {self.bundle.card.name}/{self.bundle.card.version}: {cause}")


class OutputsRunner:
    """A model as a :class:`~service.pipeline.device.batch.BatchRunner` that gives chosen outputs of its graph.

    Args:
        model: whose graph runs.
        outputs: their names.
    """

    def __init__(self, model: SpeechModel, outputs: Sequence[str]) -> None:
        self._model = model
        self._outputs = outputs
        self.max_batch = model.max_batch

    def key(self, unit: FloatArray) -> int:
        """Padded length in samples, as :meth:`SpeechModel.key` gives it."""
        return self._model.key(unit)

    def run(self, units: Sequence[FloatArray]) -> list[WindowAnswer]:
        """Run clips of one key; raises as the model."""
        return self._model.run_with({}, units, self._outputs)


class EmotionModel(SpeechModel):
    """A bundle of the task 'speech-emotion': 'probabilities' [classes], and dimensions [] where there are.

    These are 'arousal', 'valence' and 'dominance'. A model that has no classes has the first two.

    Args:
        bundle, session, max_batch, on_padding: see :class:`SpeechModel`.
        domain: kind of recording that the graph is for, where the bundle has several.
        others: models of the other domains.
    """

    REQUIRED = ("probabilities",)
    OPTIONAL = ("arousal", "valence", "dominance")

    def __init__(
        self,
        bundle: Bundle,
        session: Session,
        max_batch: int,
        on_padding: Callable[[float], None] | None = None,
        domain: str | None = None,
        others: Mapping[str, EmotionModel] | None = None,
    ) -> None:
        super().__init__(bundle, session, max_batch, on_padding)
        self.domain = domain
        self._others = others or {}

    def of_domain(self, name: str | None) -> EmotionModel:
        """The model of a domain; None stands for the first.

        Raises:
            Unprocessable: there is no such domain, with the pointer '/domain'.
        """
        if name in (None, self.domain):
            return self
        if name not in self._others:
            known = ", ".join(self.bundle.card.domains)
            raise Unprocessable(
                f"This model has no such domain. It has: {known}." if known else "This model has no domains.",
                pointer="/domain",
            )
        return self._others[name]

    def warm_up(self) -> None:
        """See :meth:`SpeechModel.warm_up`: the graphs of all domains."""
        super().warm_up()
        for other in self._others.values():
            other.warm_up()

    @property
    def role(self) -> str:
        """See :attr:`SpeechModel.role`."""
        return self.bundle.card.graph_role(self.domain)

    @cached_property
    def profiled(self) -> ProfiledRunner:
        """The model over clips with their profiles."""
        return ProfiledRunner(self)

    @cached_property
    def measured(self) -> OutputsRunner:
        """The model that gives clips' statistics alone."""
        return OutputsRunner(self, (STATISTICS,))

    @property
    def doubt(self) -> DoubtBound | None:
        """The bound of plausible labels; None where the card tells nothing of its doubt."""
        told = self.bundle.card.doubt
        return None if told is None else DoubtBound(told.coverage, told.least_probability)

    def check(self, answer: WindowAnswer) -> None:
        """See :meth:`SpeechModel.check`: as many classes as labels, and something to answer."""
        classes, labels = answer["probabilities"].size, len(self.bundle.card.labels)
        if classes != labels:
            raise self.error(f"{classes} classes, but {labels} labels")
        if not classes and not {"arousal", "valence"} <= set(self.outputs):
            raise self.error("no classes, and no arousal and valence either")


class ProfiledRunner:
    """A model as a :class:`~service.pipeline.device.batch.BatchRunner` of clips with their profiles."""

    def __init__(self, model: EmotionModel) -> None:
        self._model = model
        self.max_batch = model.max_batch

    def key(self, unit: ProfiledClip) -> int:
        """Padded length in samples, as :meth:`SpeechModel.key` gives it."""
        return self._model.key(unit.samples)

    def run(self, units: Sequence[ProfiledClip]) -> list[WindowAnswer]:
        """Run clips of one key; raises as the model."""
        more: dict[str, Sequence[Array]] = {
            "profile": [unit.statistics for unit in units],
            "profile_weight": [np.asarray(unit.weight, np.float32) for unit in units],
        }
        return self._model.run_with(more, [unit.samples for unit in units], self._model.outputs)


def _row(outputs: dict[str, Array], row: int) -> WindowAnswer:
    return {name: np.asarray(values[row], np.float32) for name, values in outputs.items()}
