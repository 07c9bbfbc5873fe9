"""Graphs that take the waveform, run on tensors as they come: no decoding, no windows, no voice activity."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from service.pipeline.device.batch import Batcher
from service.pipeline.device.device_calls import run_units
from service.pipeline.device.session import ANY_SIZE
from service.pipeline.device.task import Work
from service.pipeline.results import FloatArray
from service.pipeline.speech.model import SpeechModel
from service.problems import AnswerTooLarge, TensorInvalid
from service.settings import Limits

WAVEFORM, LENGTHS = "waveform", "lengths"

Array = NDArray[Any]

_DIMENSIONS: Final = {WAVEFORM: (1, 2), LENGTHS: (1,)}


def clips_of(inputs: Mapping[str, Array], model: SpeechModel, limits: Limits) -> list[FloatArray]:
    """The clips that the inputs of a request hold, float32 [samples] each.

    Args:
        inputs: 'waveform' float32 [samples] or [batch, samples], and 'lengths' int64 [batch] where clips are shorter.
        model: what is to run them.
        limits: of sample values.

    Raises:
        TensorInvalid: they are not what the model takes.
    """
    kinds = {tensor.name: tensor.datatype for tensor in model.session.signature.inputs}
    for number, (name, values) in enumerate(inputs.items()):
        if name not in kinds:
            raise TensorInvalid(f"This model takes the inputs {', '.join(kinds)}.", pointer=f"/inputs/{number}/name")
        if values.dtype != (np.float32 if kinds[name] == "FP32" else np.int64):
            raise TensorInvalid(f"{name} is {kinds[name]}.", pointer=f"/inputs/{number}/datatype")
        if values.ndim not in _DIMENSIONS[name]:
            shapes = "[samples] or [batch, samples]" if name == WAVEFORM else "[batch]"
            raise TensorInvalid(f"{name} has the shape {shapes}.", pointer=f"/inputs/{number}/shape")
    if WAVEFORM not in inputs:
        raise TensorInvalid(f"The input {WAVEFORM} is missing.", pointer="/inputs")
    waveform = np.atleast_2d(inputs[WAVEFORM])
    batch, samples = waveform.shape
    lengths = inputs.get(LENGTHS, np.full(batch, samples, np.int64))
    if len(lengths) != batch:
        raise TensorInvalid(f"{LENGTHS} has one number for each of the {batch} rows of {WAVEFORM}.", pointer="/inputs")
    speech = model.speech
    least, most = (max(1, round(one * speech.sample_rate_hz)) for one in (speech.min_length_s, speech.max_length_s))
    if lengths.min() < least or lengths.max() > min(most, samples):
        detail = f"A row of {WAVEFORM} has {least} to {most} samples at {speech.sample_rate_hz} Hz"
        raise TensorInvalid(f"{detail}, and {LENGTHS} no more than the row.", pointer="/inputs")
    clips = [row[:length] for row, length in zip(waveform, lengths.tolist(), strict=True)]
    if not all(np.isfinite(clip).all() and np.abs(clip).max() <= limits.max_sample_magnitude for clip in clips):
        detail = f"{WAVEFORM} has a sample that is no number, or above {limits.max_sample_magnitude:g}"
        raise TensorInvalid(f"{detail}: ±1 is full scale.", pointer="/inputs")
    return clips


def run_clips(
    model: SpeechModel, clips: Sequence[FloatArray], wanted: Sequence[str], limits: Limits, device: Batcher, work: Work
) -> dict[str, FloatArray]:
    """Run clips through a graph; the outputs ``wanted`` by name, or all where none is: float32 [batch, …].

    An output that is as long as its clip is filled up with zeros to the longest clip.

    Raises:
        TensorInvalid: the graph has no such output.
        AnswerTooLarge: they would hold more numbers than the limit.
        Problem: as :meth:`Batcher.run`.
    """
    shapes = {tensor.name: tensor.shape for tensor in model.session.signature.outputs}
    for number, name in enumerate(wanted):
        if name not in shapes:
            raise TensorInvalid(f"This model has the outputs {', '.join(shapes)}.", pointer=f"/outputs/{number}/name")
    names, longest = wanted or tuple(shapes), max(map(len, clips))
    sizes = (np.prod([longest if size == ANY_SIZE else size for size in shapes[name][1:]]) for name in names)
    if len(clips) * sum(map(int, sizes)) > limits.max_embedding_values:
        raise AnswerTooLarge(f"An answer may hold {limits.max_embedding_values} numbers.")
    answers = run_units(device, model.whole, clips, work)
    return {name: _stacked([answer[name] for answer in answers], clips, longest, shapes[name]) for name in names}


def _stacked(rows: Sequence[FloatArray], clips: Sequence[FloatArray], longest: int, shape: Sequence[int]) -> FloatArray:
    """Rows of a batch under one another; those along the clip's samples end with it, and zeros follow."""
    if len(shape) < 2 or shape[1] != ANY_SIZE:
        return np.stack(rows)
    table = np.zeros((len(rows), longest), np.float32)
    for number, (row, clip) in enumerate(zip(rows, clips, strict=True)):
        table[number, : len(clip)] = row[: len(clip)]
    return table
