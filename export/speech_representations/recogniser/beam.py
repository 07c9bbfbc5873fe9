"""Prefix beam search: the most probable text of a recogniser's scores, of all ways to align it (Hannun 2014).

Greedy decoding takes the most probable way alone. No language model is heard.
"""

from __future__ import annotations

import heapq
import math
from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

NEVER = -math.inf

Prefix = tuple[int, ...]


def beam_search(scores: NDArray[np.floating], width: int) -> tuple[Prefix, float]:
    """Places of a text's characters in the alphabet, and the logarithm of its probability as far as it was followed.

    Args:
        scores: logarithms of probabilities, [steps, characters]; the first character is the blank.
        width: prefixes that are followed from step to step.
    """
    # Of each prefix: the ways that end in a blank, and those that end in its last character.
    followed: dict[Prefix, tuple[float, float]] = {(): (0.0, NEVER)}
    for blank, *characters in scores.tolist():
        found: defaultdict[Prefix, list[float]] = defaultdict(lambda: [NEVER, NEVER])
        for prefix, (in_blank, in_character) in followed.items():
            either = _sum(in_blank, in_character)
            found[prefix][0] = _sum(found[prefix][0], either + blank)
            for place, score in enumerate(characters, 1):
                ways, is_again = either, bool(prefix) and place == prefix[-1]
                if is_again:  # repeated at once it is the same character, behind a blank another
                    found[prefix][1] = _sum(found[prefix][1], in_character + score)
                    ways = in_blank
                longer = found[*prefix, place]
                longer[1] = _sum(longer[1], ways + score)
        best = heapq.nlargest(width, found.items(), key=lambda item: _sum(*item[1]))
        followed = {prefix: (ends[0], ends[1]) for prefix, ends in best}
    prefix, ends = max(followed.items(), key=lambda item: _sum(*item[1]))
    return prefix, _sum(*ends)


def _sum(first: float, second: float) -> float:
    """Logarithm of the sum of two probabilities given by theirs."""
    high, low = (first, second) if first > second else (second, first)
    return high if low == NEVER else high + math.log1p(math.exp(low - high))
