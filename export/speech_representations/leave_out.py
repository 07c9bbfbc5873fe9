"""Accuracy on corpora and on speakers that a training left out: each is judged by a network that never heard it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from export.evaluation.metrics import Interval, bootstrap_uar, unweighted_average_recall
from export.speech_representations.embedded import Embedded, choice
from export.speech_representations.network import VoiceEncoder
from export.speech_representations.profile_study import DRAWS, Mix, draw_profiles
from export.speech_representations.recipe import Material, VoiceRecipe, origin, silent, train_voice

VISITS: Final[tuple[tuple[int, Mix], ...]] = ((5, "mostly neutral"), (20, "mostly neutral"), (50, "any"))
"""Clips and moods of the speaker's profiles that recordings are judged with, beside none."""

SPEAKER_FOLDS: Final = 5

Left = Literal["corpus", "speakers"]


@dataclass(frozen=True)
class LeaveOutRow:
    """Figures of one corpus.

    Attributes:
        labels: classes that the corpus shares with the network.
        alone: unweighted average recall without a profile.
        visits: mean recall over draws with the profiles of :data:`VISITS`, in their order.
    """

    corpus: str
    recordings: int
    labels: tuple[str, ...]
    alone: Interval
    visits: tuple[float, ...]


def leave_out(
    encoder: VoiceEncoder, heard: Sequence[Embedded], chosen: Sequence[Embedded], left: Left, recipe: VoiceRecipe
) -> Iterator[LeaveOutRow]:
    """Judge each of the chosen corpora by networks that were trained without it, or without its speakers.

    The partitions train of the other corpora are trained on. Where speakers are left out, five networks hear the
    corpus's other speakers as well.

    Args:
        heard: whole corpora, distorted versions included.
        chosen: those of them that are judged.
    """
    for judged in chosen:
        names = np.random.default_rng(recipe.seed).permutation(np.unique(judged.speakers))
        folds = [names] if left == "corpus" else np.array_split(names, min(SPEAKER_FOLDS, len(names)))
        answers = [_answers(encoder, heard, judged, np.isin(judged.speakers, fold), recipe) for fold in folds]
        labels = answers[0].labels
        truth, alone, *visits = (np.concatenate(rows) for rows in zip(*(part.rows for part in answers), strict=True))
        recalls = [unweighted_average_recall(truth, answer) for answer in visits]
        yield LeaveOutRow(
            judged.corpus.name,
            len(truth),
            tuple(labels[index] for index in np.unique(truth)),
            bootstrap_uar(truth, alone),
            tuple(float(value) for value in np.reshape(recalls, (len(VISITS), DRAWS)).mean(axis=1)),
        )


@dataclass(frozen=True)
class _Answers:
    """Classes of some recordings: the truth, without a profile, and with each draw of each of :data:`VISITS`."""

    labels: tuple[str, ...]
    rows: tuple[NDArray[np.int64], ...]


def _answers(
    encoder: VoiceEncoder, heard: Sequence[Embedded], judged: Embedded, is_left: NDArray[np.bool_], recipe: VoiceRecipe
) -> _Answers:
    """Train on other corpora and on what is not left out of ``judged``, and judge what is."""
    others = [part for part in heard if origin(part.corpus.name) != origin(judged.corpus.name)]
    training = [part.partition("train") for part in others]
    if not is_left.all():
        training.append(judged.where(~is_left))
    material = Material(training, [part.partition("devel") for part in others])
    with TemporaryDirectory() as folder:
        network = train_voice(encoder, material, recipe, Path(folder), silent)
    labels = network.config.labels
    part = judged.where(is_left & np.isin(judged.emotions, labels))
    rows = [np.array([labels.index(name) for name in part.emotions.tolist()]), choice(network, part)]
    for clips, mix in VISITS:
        random = np.random.default_rng(recipe.seed)
        draws = (draw_profiles(part, "speaker", clips, mix, random) for _ in range(DRAWS))
        rows += [choice(network, part, profiles) for profiles in draws]
    return _Answers(labels, tuple(rows))
