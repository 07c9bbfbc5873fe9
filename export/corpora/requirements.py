"""Checks of corpora before a network is trained on them."""

from collections.abc import Sequence

from export.corpora.labels import PLANE
from export.corpora.tables import Corpus, CorpusError


def require_trainable(corpora: Sequence[Corpus], partitions: Sequence[str]) -> None:
    """Refuse corpora that a training cannot learn from or cannot choose on.

    Raises:
        CorpusError: recordings to train on or of the partition devel are missing, or there are fewer than two classes.
    """
    for corpus in corpora:
        for wanted in (tuple(partitions), ("devel",)):
            if not corpus.partition(*wanted).utterances:
                raise CorpusError(f"{corpus.folder}: no recordings of the partition {' or '.join(wanted)}")
        if len(corpus.labels) < 2:
            raise CorpusError(f"{corpus.folder}: a training needs two classes, and there is {corpus.labels[0]} alone")


def require_audio(corpora: Sequence[Corpus]) -> None:
    """Refuse corpora that come as features alone.

    Raises:
        CorpusError: one does.
    """
    for corpus in corpora:
        if not corpus.has_audio:
            raise CorpusError(f"{corpus.folder}: comes without audio; 'emoserve-export resynthesise' makes some")


def require_mapped(corpora: Sequence[Corpus]) -> None:
    """Refuse emotions whose arousal and valence nobody says (C26).

    Raises:
        CorpusError: an emotion has no place in the plane.
    """
    for corpus in corpora:
        if unknown := sorted(set(corpus.labels) - PLANE.keys()):
            raise CorpusError(f"{corpus.folder}: '{unknown[0]}' has no place in the plane of arousal and valence (C26)")
