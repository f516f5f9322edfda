"""Sentences of everyday English from the grammar in `everyday.txt`."""

import random
import re
from collections.abc import Callable
from functools import cache

from . import grammar, lexicon

INFLECTIONS: dict[str, Callable[[str], str]] = {
    "past": grammar.past,
    "done": grammar.participle,
    "ing": grammar.gerund,
    "s": grammar.third_person,
}
INNERMOST_CHOICE = re.compile(r"\(([^()]*)\)")
REFERENCE = re.compile(r"\{(\w+)(?::(\w+))?\}")
MAX_DEPTH = 12
REPAIRS = [
    (r"\s+", " "),
    (r" ([,.?])", r"\1"),
    (r"\b(we|they|you|us|people|kids|children|parents) was\b", r"\1 were"),
    (r"\b([Aa]) (?=[aeiou])(?!one\b|uni|use|eur)", r"\1n "),
]


@cache
def rules() -> dict[str, list[str]]:
    """Rule name -> its alternatives."""
    alternatives: dict[str, list[str]] = {}
    current: list[str] = []
    for line in (lexicon.HERE / "everyday.txt").read_text(encoding="utf8").splitlines():
        if line.startswith("["):
            current = alternatives.setdefault(line.strip("[]"), [])
        elif line and not line.startswith("#"):
            current += split_outside_parentheses(line)
    return alternatives


def split_outside_parentheses(line: str) -> list[str]:
    """`a|(b|c)|d` -> `a`, `(b|c)`, `d`."""
    parts, depth, start = [], 0, 0
    for at, character in enumerate(line):
        depth += {"(": 1, ")": -1}.get(character, 0)
        if character == "|" and depth == 0:
            parts.append(line[start:at])
            start = at + 1
    return [part for part in [*parts, line[start:]] if part]


class Everyday:
    """A stream of everyday sentences."""

    def __init__(self, seed: int):
        self.random = random.Random(seed)

    def choose_in_place(self, text: str) -> str:
        while match := INNERMOST_CHOICE.search(text):
            chosen = self.random.choice(match.group(1).split("|"))
            text = text[: match.start()] + chosen + text[match.end() :]
        return text

    def expand(self, rule: str, depth: int = 0) -> str:
        if depth > MAX_DEPTH:
            raise RecursionError(rule)
        text = self.choose_in_place(self.random.choice(rules()[rule]))

        def expansion(match: re.Match[str]) -> str:
            phrase = self.expand(match.group(1), depth + 1)
            if match.group(2):
                verb, _, rest = phrase.partition(" ")
                phrase = f"{INFLECTIONS[match.group(2)](verb)} {rest}".strip()
            return phrase

        return REFERENCE.sub(expansion, text)

    def sentence(self) -> str:
        while True:
            try:
                text = self.expand("sentence").strip()
            except RecursionError:
                continue
            for pattern, replacement in REPAIRS:
                text = re.sub(pattern, replacement, text)
            return re.sub(r"(^|[.?] )([a-z])", lambda m: m.group(1) + m.group(2).upper(), text)
