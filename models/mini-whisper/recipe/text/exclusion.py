"""Finds texts that are, or nearly are, one of a set of texts: what must never be trained on."""

import re
from collections import defaultdict
from collections.abc import Iterable
from itertools import pairwise


def words(text: str) -> list[str]:
    """Lower-case words without punctuation; what word error rates are counted in."""
    return re.sub(r"[^\w' ]", "", text.lower()).split()


def word_edits(a: list[str], b: list[str]) -> int:
    """Levenshtein distance in words."""
    distances = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        diagonal, distances[0] = distances[0], i
        for j, y in enumerate(b, 1):
            diagonal, distances[j] = (
                distances[j],
                min(distances[j] + 1, distances[j - 1] + 1, diagonal + (x != y)),
            )
    return distances[-1]


class NearDuplicates:
    """Texts equal up to case and punctuation, or, from four words on, with at most a quarter of
    the words edited."""

    def __init__(self, texts: Iterable[str]):
        self.texts = [words(text) for text in texts]
        self.exact = {tuple(text) for text in self.texts}
        self.by_pair: dict[tuple[str, str], list[int]] = defaultdict(list)
        for number, text in enumerate(self.texts):
            for pair in set(pairwise(text)):
                self.by_pair[pair].append(number)

    def __contains__(self, text: str) -> bool:
        candidate = words(text)
        if tuple(candidate) in self.exact:
            return True
        allowed = len(candidate) // 4
        if allowed == 0:
            return False
        # with so few edits some two neighbouring words must be in common
        numbers = {n for pair in set(pairwise(candidate)) for n in self.by_pair.get(pair, ())}
        near = (self.texts[n] for n in numbers)
        return any(
            abs(len(text) - len(candidate)) <= allowed and word_edits(text, candidate) <= allowed
            for text in near
        )
