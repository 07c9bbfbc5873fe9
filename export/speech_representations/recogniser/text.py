"""Characters of a recogniser: its alphabet, the answer without a language model, and the character error rate."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from export.corpora.tables import CorpusError

BLANK = "_"


def alphabet_of(texts: Sequence[str]) -> str:
    """The blank and every character of the texts, in order."""
    return BLANK + "".join(sorted(set("".join(texts)) - {BLANK}))


def encode(text: str, alphabet: str) -> list[int]:
    """Places of the characters in the alphabet. Raises CorpusError if a character is not in it."""
    unknown = sorted(set(text) - set(alphabet[1:]))
    if unknown:
        raise CorpusError(f"the transcript '{text[:40]}' has characters that the alphabet lacks: {' '.join(unknown)}")
    return [alphabet.index(character) for character in text]


def greedy(places: Sequence[int], alphabet: str) -> str:
    """The text of the most probable character of each step: repetitions count once, blanks not at all."""
    kept = [place for place, before in zip(places, [-1, *places], strict=False) if place != before and place]
    return "".join(alphabet[place] for place in kept)


def edits(wanted: str, found: str) -> int:
    """Fewest insertions, deletions and substitutions that make one text of the other (Levenshtein 1966)."""
    row = np.arange(len(found) + 1)
    letters = np.array(list(found))
    for place, letter in enumerate(wanted, 1):
        below = np.concatenate([[place], np.minimum(row[1:] + 1, row[:-1] + (letters != letter))])
        # An insertion costs one a step to the right: the least of what lies to the left, less its distance.
        steps = np.arange(len(below))
        row = np.minimum.accumulate(below - steps) + steps
    return int(row[-1])


def character_error_rate(wanted: Sequence[str], found: Sequence[str]) -> float:
    """Edits of all texts over the characters of those wanted."""
    return sum(edits(*pair) for pair in zip(wanted, found, strict=True)) / sum(map(len, wanted))


def commonest_character_rate(texts: Sequence[str]) -> float:
    """Least error rate of an answer that holds the most frequent character alone, as often as each text is long."""
    commonest, _ = Counter("".join(texts)).most_common(1)[0]
    return character_error_rate(texts, [commonest * len(text) for text in texts])
