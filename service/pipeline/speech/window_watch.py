"""Tells the windows of a recording in their order, each as soon as it is judged."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from service.pipeline.media.channels import NamedChannel
from service.pipeline.results import FloatArray, JudgedWindow
from service.pipeline.speech.model import WindowAnswer
from service.pipeline.speech.postprocess import LEAST_SPEECH_SHARE
from service.pipeline.speech.windows import Windows

OnWindow = Callable[[JudgedWindow, Sequence[str]], None]
"""Told one window and the model's labels."""


class WindowWatch:
    """The windows of all channels, one channel after the other.

    Args:
        tell: told each window once.
        labels: of the model.
        channels: in their order.
        weights: of each channel float32 [windows], share of speech; windows with too little are not judged.
        windows: where they lie.
        offset_s: where in the recording the first sample lies.
        has_voice: whether the weights are the voice activity's, and so told as ``speech``.
    """

    def __init__(
        self,
        tell: OnWindow,
        labels: Sequence[str],
        channels: Sequence[NamedChannel],
        weights: Sequence[FloatArray],
        windows: Windows,
        *,
        offset_s: float,
        has_voice: bool,
    ) -> None:
        self._tell = tell
        self._labels = labels
        self._rows = [
            (channel.name, index, float(share))
            for channel, shares in zip(channels, weights, strict=True)
            for index, share in enumerate(shares)
        ]
        self._start_s = windows.start_s + offset_s
        self._end_s = windows.end_s + offset_s
        self._has_voice = has_voice
        self._told = 0
        self._used = 0

    def __call__(self, answers: Sequence[WindowAnswer | None]) -> None:
        """Tell what is known up to the first window that is not judged yet.

        Args:
            answers: of the windows with enough speech, in order.
        """
        while self._told < len(self._rows):
            channel, index, share = self._rows[self._told]
            is_judged = share >= LEAST_SPEECH_SHARE
            answer = answers[self._used] if is_judged else {}
            if answer is None:
                return
            self._used += is_judged
            self._told += 1
            self._tell(self._window(channel, index, share, answer), self._labels)

    def _window(self, channel: str, index: int, share: float, answer: WindowAnswer) -> JudgedWindow:
        return JudgedWindow(
            channel=channel,
            index=index,
            start_s=float(self._start_s[index]),
            end_s=float(self._end_s[index]),
            probabilities=answer.get("probabilities"),
            arousal=float(answer["arousal"]) if "arousal" in answer else None,
            valence=float(answer["valence"]) if "valence" in answer else None,
            speech=share if self._has_voice else None,
        )
