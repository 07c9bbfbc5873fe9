"""Corpora put together by levels of arousal or valence: sources to transfer from (C24–C26)."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from export.corpora.labels import PLANE
from export.corpora.requirements import require_mapped
from export.corpora.tables import Corpus, Utterance

TARGETS = {"emotion": (), "arousal": ("arousal",), "valence": ("valence",), "both": ("arousal", "valence")}
"""Domains of a source by its target; where there are none, each corpus is a domain of its own."""

_AXES = ("arousal", "valence")


def aggregated(corpora: Sequence[Corpus], axis: str, seed: int) -> Corpus:
    """All corpora as one whose emotions are levels of ``axis``.

    In each corpus and partition every level keeps as many utterances as the rarest of those that occur (C25), drawn at
    random.

    Raises:
        CorpusError: an emotion has no place in the plane (C26).
    """
    random, place = np.random.default_rng(seed), _AXES.index(axis)
    kept: list[Utterance] = []
    require_mapped(corpora)
    for corpus in corpora:
        rows: dict[str, dict[str, list[Utterance]]] = defaultdict(lambda: defaultdict(list))
        for utterance in corpus.utterances:
            level = PLANE[utterance.emotion][place]
            rows[utterance.partition][level].append(replace(utterance, emotion=level))
        for levels in rows.values():
            count = min(map(len, levels.values()))
            for one in levels.values():
                kept += [one[number] for number in sorted(random.choice(len(one), count, replace=False))]
    return Corpus(axis, corpora[0].folder, tuple(kept))
