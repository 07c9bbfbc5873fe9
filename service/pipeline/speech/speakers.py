"""Who speaks when: pieces of voice are grouped by how alike they sound, within one recording.

Voice is cut at its shortest pauses, and into pieces of the card's window. An encoder turns each piece into a direction,
average linkage groups them, and each group is one voice: 'A' speaks first. No voice is known from elsewhere.
"""

import math
from dataclasses import dataclass, replace
from typing import Final, Literal, Self

import numpy as np
from numpy.typing import NDArray

from service.card import SpeechInput
from service.pipeline.results import FloatArray, ModelReference, SpeakerTurns
from service.pipeline.speech.utterances import UtteranceRule

TURN_GAP_S: Final = 0.1
"""Somebody else may begin after so short a pause: people answer one another after 0.2 s (median)."""

LEAST_TURN_S: Final = 0.25
"""A shorter piece of voice says too little of whose it is."""

MOST_GROUPED: Final = 600
"""Pieces that are grouped with one another, 8 minutes of voice: more are drawn evenly, the others join the nearest
group. Grouping 600 takes 0.2 s of a core (measured)."""

LEAST_VOICE_S: Final = 3.0
"""A group with less voice is no speaker, its pieces join the others. Of 2, 3 and 4 s the best on conversations of train
and devel speakers; a given number of speakers is sought among groups with so much voice, too."""

Labels = NDArray[np.int64]
Speakers = int | Literal["auto"]


@dataclass(frozen=True)
class VoicePieces:
    """Pieces of voice of one channel, in their order; columns of one length.

    Attributes:
        starts, stops: int64, first sample and the one behind the last.
        embeddings: float16 [pieces, dimensions], of unit length.
    """

    starts: NDArray[np.int64]
    stops: NDArray[np.int64]
    embeddings: NDArray[np.float16]

    def __len__(self) -> int:
        return len(self.starts)


@dataclass(frozen=True)
class SpeakerRule:
    """Rule by which the speakers of a channel are told apart.

    Attributes:
        asked: number of speakers, or 'auto'.
        threshold: mean cosine of two groups of pieces from which on they are one voice.
        pieces: how voice is cut.
        encoder: turns pieces into directions.
    """

    asked: Speakers
    threshold: float
    pieces: UtteranceRule
    encoder: ModelReference

    @classmethod
    def of(cls, asked: Speakers, threshold: float, speech: SpeechInput, encoder: ModelReference, rate_hz: int) -> Self:
        """The rule of an encoder whose input is ``speech``, for a channel of ``rate_hz``."""
        rule = replace(
            UtteranceRule.of(speech),
            gap_s=TURN_GAP_S,
            least_s=LEAST_TURN_S,
            margin_s=0.0,
            rate_hz=rate_hz,
            window_samples=round(speech.window_s * rate_hz),
            hop_samples=round(speech.hop_s * rate_hz),
            least_samples=math.ceil(speech.min_length_s * rate_hz),
        )
        return cls(asked, threshold, rule, encoder)

    def turns(self, pieces: VoicePieces, offset_s: float, gap_s: float) -> SpeakerTurns:
        """Who speaks when; see :func:`turns_of`."""
        rate_hz = self.pieces.rate_hz
        labels = group_voices(pieces, rate_hz, self.threshold, self.asked)
        return turns_of(pieces, labels, rate_hz, offset_s, gap_s)


def utterance_rule(speech: SpeechInput, speakers: SpeakerRule | None) -> UtteranceRule:
    """How voice is cut for a model that judges it: at shorter pauses where somebody asks who speaks."""
    rule = UtteranceRule.of(speech)
    return rule if speakers is None else replace(rule, gap_s=TURN_GAP_S, least_s=LEAST_TURN_S)


def group_voices(pieces: VoicePieces, rate_hz: int, threshold: float, asked: Speakers) -> Labels:
    """Number of the speaker of each piece, int64 [pieces]; 0 speaks first.

    Args:
        rate_hz: of the pieces' samples.
        threshold: mean cosine from which on two groups are one voice, for 'auto'.
        asked: most speakers, or 'auto'.
    """
    if not len(pieces):
        return np.zeros(0, np.int64)
    embeddings = pieces.embeddings.astype(np.float32)
    drawn = np.linspace(0, len(pieces) - 1, min(len(pieces), MOST_GROUPED)).round().astype(np.int64)
    levels, likeness = average_linkage(embeddings[drawn])
    least_s, voice_s = LEAST_VOICE_S, _own_samples(pieces)[drawn] / rate_hz * (len(pieces) / len(drawn))
    if asked == "auto":
        numbers, sums_s = _voices(levels[np.count_nonzero(likeness >= threshold)], voice_s)
        kept = np.flatnonzero((sums_s >= least_s) | (sums_s == sums_s.max()))
    else:
        for level in levels[::-1]:  # from one group on to finer ones
            numbers, sums_s = _voices(level, voice_s)
            if np.count_nonzero(sums_s >= least_s) >= asked:
                break
        kept = np.argsort(-sums_s, kind="stable")[:asked]
    centres = np.stack([embeddings[drawn[numbers == number]].sum(axis=0) for number in kept.tolist()])
    lengths = np.maximum(np.linalg.norm(centres, axis=1, keepdims=True), 1e-12)
    labels = (embeddings @ (centres / lengths).T).argmax(axis=1)
    _, firsts, order = np.unique(labels, return_index=True, return_inverse=True)
    return np.asarray(np.argsort(np.argsort(firsts))[order], np.int64)


def average_linkage(embeddings: FloatArray) -> tuple[Labels, NDArray[np.float64]]:
    """Join the two groups whose mean cosine is the largest, until one is left (Sokal & Michener 1958).

    Args:
        embeddings: float32 [n, dimensions], of unit length.

    Returns:
        Group of each after so many joins, int64 [n, n], and the mean cosine of each join, float64 [n − 1], which never
        increases.
    """
    sums = embeddings.astype(np.float64)
    count = len(sums)
    members, sizes = np.arange(count), np.ones(count)
    alike = sums @ sums.T
    np.fill_diagonal(alike, -np.inf)
    levels, likeness = [members.copy()], []
    for _ in range(count - 1):
        one, other = sorted(divmod(int(alike.argmax()), count))
        likeness.append(alike[one, other])
        members[members == other] = one
        levels.append(members.copy())
        sums[one] += sums[other]
        sizes[one] += sizes[other]
        row = sums @ sums[one] / (sizes * sizes[one])
        row[~np.isfinite(alike[one])] = -np.inf  # itself, and those that are part of others
        row[other] = -np.inf
        alike[one], alike[:, one] = row, row
        alike[other], alike[:, other] = -np.inf, -np.inf
    return np.stack(levels).astype(np.int64), np.asarray(likeness, np.float64)


def _voices(level: Labels, voice_s: NDArray[np.float64]) -> tuple[Labels, NDArray[np.float64]]:
    """Groups numbered from 0, and seconds of voice of each."""
    _, numbers = np.unique(level, return_inverse=True)
    return np.asarray(numbers, np.int64), np.asarray(np.bincount(numbers, voice_s), np.float64)


def _own_samples(pieces: VoicePieces) -> NDArray[np.int64]:
    """Samples of each piece before the next begins."""
    return np.asarray(np.append(np.minimum(pieces.stops[:-1], pieces.starts[1:]), pieces.stops[-1:]) - pieces.starts)


def turns_of(pieces: VoicePieces, labels: Labels, rate_hz: int, offset_s: float, gap_s: float) -> SpeakerTurns:
    """Turns of the pieces' speakers; where two pieces overlap, the middle divides them.

    Args:
        labels: of the pieces, as of :func:`group_voices`.
        rate_hz: of the pieces' samples.
        offset_s: where in the recording the first sample lies.
        gap_s: one speaker's pauses below that are part of a turn.
    """
    starts, stops = pieces.starts / rate_hz + offset_s, pieces.stops / rate_hz + offset_s
    shared = stops[:-1] > starts[1:]
    middles = (stops[:-1] + starts[1:]) / 2
    starts[1:], stops[:-1] = np.where(shared, middles, starts[1:]), np.where(shared, middles, stops[:-1])
    changes = np.ones(len(pieces), np.bool_)
    changes[1:] = (labels[1:] != labels[:-1]) | (starts[1:] - stops[:-1] >= gap_s)
    firsts = np.flatnonzero(changes)
    lasts = np.append(firsts[1:], len(pieces))[: len(firsts)] - 1
    names = tuple(speaker_name(number) for number in labels[firsts].tolist())
    return SpeakerTurns(starts[firsts], stops[lasts], names)


def speaker_name(number: int) -> str:
    """'A' to 'Z', then 'AA'."""
    head, letter = divmod(number, 26)
    return (speaker_name(head - 1) if head else "") + chr(ord("A") + letter)


def speakers_within(
    turns: SpeakerTurns, start_s: NDArray[np.float64], end_s: NDArray[np.float64]
) -> tuple[str | None, ...]:
    """Who speaks longest in each stretch; None where nobody does."""
    firsts, lasts = np.searchsorted(turns.end_s, start_s, "right"), np.searchsorted(turns.start_s, end_s, "left")
    found: list[str | None] = []
    columns = (one.tolist() for one in (firsts, lasts, start_s, end_s))
    for first, last, begin_s, stop_s in zip(*columns, strict=True):
        shared_s: dict[str, float] = {}
        for row in range(first, last):
            within_s = min(stop_s, float(turns.end_s[row])) - max(begin_s, float(turns.start_s[row]))
            shared_s[turns.speaker[row]] = shared_s.get(turns.speaker[row], 0.0) + within_s
        found.append(max(shared_s, key=lambda name: shared_s[name]) if shared_s else None)
    return tuple(found)
