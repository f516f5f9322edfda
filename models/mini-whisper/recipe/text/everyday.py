"""Sentences of everyday English from the grammars in `everyday.txt` and `particulars.txt`."""

import random
import re
from collections import defaultdict
from collections.abc import Callable
from functools import cache

from . import grammar, lexicon

GRAMMARS = ("everyday.txt", "particulars.txt")
INFLECTIONS: dict[str, Callable[[str], str]] = {
    "past": grammar.past,
    "done": grammar.participle,
    "ing": grammar.gerund,
    "s": grammar.third_person,
}
INNERMOST_CHOICE = re.compile(r"\(([^()]*)\)")
REFERENCE = re.compile(r"\{(\w+)(?::(\w+))?\}")
MAX_DEPTH = 12
# What a speaker comes back to: in one passage these rules give few different things
TOPICS, FEW = ("name", "full_name", "city", "place_town", "relative", "object", "paper"), 2
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
    texts = [(lexicon.HERE / name).read_text(encoding="utf8") for name in GRAMMARS]
    for line in "\n".join(texts).splitlines():
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
    """A stream of sentences: everyday ones, or of names, places and numbers in words
    (`particulars`)."""

    def __init__(self, seed: int, start: str = "sentence"):
        self.random = random.Random(seed)
        self.start = start
        self.passage: dict[str, list[str]] = defaultdict(list)

    def new_passage(self) -> None:
        """The sentences from here on have other topics."""
        self.passage.clear()

    def choose_in_place(self, text: str) -> str:
        while match := INNERMOST_CHOICE.search(text):
            chosen = self.random.choice(match.group(1).split("|"))
            text = text[: match.start()] + chosen + text[match.end() :]
        return text

    def expand(self, rule: str, depth: int = 0) -> str:
        if depth > MAX_DEPTH:
            raise RecursionError(rule)
        topics = self.passage[rule]
        if len(topics) >= FEW and self.random.random() < 0.8:
            return self.random.choice(topics)
        text = self.choose_in_place(self.random.choice(rules()[rule]))

        def expansion(match: re.Match[str]) -> str:
            phrase = self.expand(match.group(1), depth + 1)
            if match.group(2):
                verb, _, rest = phrase.partition(" ")
                phrase = f"{INFLECTIONS[match.group(2)](verb)} {rest}".strip()
            return phrase

        text = REFERENCE.sub(expansion, text)
        if rule in TOPICS and len(topics) < FEW:
            topics.append(text)
        return text

    def sentence(self) -> str:
        while True:
            try:
                text = self.expand(self.start).strip()
            except RecursionError:
                continue
            for pattern, replacement in REPAIRS:
                text = re.sub(pattern, replacement, text)
            return re.sub(r"(^|[.?] )([a-z])", lambda m: m.group(1) + m.group(2).upper(), text)
