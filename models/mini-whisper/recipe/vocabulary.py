"""Whisper's multilingual vocabulary, cut down to what a small model can learn.

Byte-pair merges stop at rank `RANKS_USED`: whisper.cpp only joins the bytes of the tokens it gets,
so it does not notice. The rows of the full vocabulary that training never uses share one class.
"""

import base64
import math
import os
import re
from functools import cache
from pathlib import Path

import torch

RANKS_USED = 2000
FULL_SIZE = 51865
FIRST_SPECIAL = 50257
SPECIALS = FULL_SIZE - FIRST_SPECIAL
END_OF_TEXT = 50257
START_OF_TRANSCRIPT = 50258
LANGUAGES = {"en": 50259, "es": 50262}
TRANSCRIBE = 50359
PREVIOUS_TEXT = 50361
NO_SPEECH = 50362
NO_TIMESTAMPS = 50363
FIRST_TIMESTAMP = 50364
TIMESTAMPS_PER_SECOND = 50
WINDOW_SECONDS = 30
# whisper.cpp's tokenizer expression: clitics, words and numbers with their leading space, the rest
PIECES = re.compile(r"'s|'t|'re|'ve|'m|'ll|'d| ?[^\W\d_]+| ?\d+| ?[^\s\w]+|\s+(?!\S)|\s+")


def assets() -> Path:
    """The `whisper/assets` folder of the unpacked openai-whisper source package."""
    folder = os.environ.get("WHISPER_ASSETS")
    if not folder:
        raise SystemExit("set WHISPER_ASSETS to whisper/assets of the openai-whisper package")
    return Path(folder)


@cache
def token_ranks() -> dict[bytes, int]:
    """Every token of the multilingual vocabulary with its merge rank, which is its id."""
    lines = (assets() / "multilingual.tiktoken").read_text().splitlines()
    pairs = (line.split() for line in lines if line.strip())
    return {base64.b64decode(token): int(rank) for token, rank in pairs}


@cache
def token_bytes() -> dict[int, bytes]:
    """The bytes of every token id."""
    return {rank: token for token, rank in token_ranks().items()}


@cache
def merge(word: str) -> tuple[int, ...]:
    """Byte-pair encoding of one word, with merges below `RANKS_USED` only."""
    ranks = token_ranks()
    parts = [bytes([byte]) for byte in word.encode()]
    while len(parts) > 1:
        candidates = [
            (rank, at)
            for at in range(len(parts) - 1)
            if (rank := ranks.get(parts[at] + parts[at + 1])) is not None and rank < RANKS_USED
        ]
        if not candidates:
            break
        at = min(candidates)[1]
        parts[at : at + 2] = [parts[at] + parts[at + 1]]
    return tuple(ranks[part] for part in parts)


def encode_with_offsets(text: str) -> list[tuple[int, int]]:
    """(token id, character offset of its word) for every token of the text."""
    pairs = []
    for match in PIECES.finditer(text):
        word = match.group()
        offset = match.start() + (1 if word[0] == " " else 0)
        pairs += [(token, offset) for token in merge(word)]
    return pairs


def decode(ids: list[int]) -> str:
    """Text of the ids; special tokens are left out."""
    inverse = token_bytes()
    return b"".join(inverse[i] for i in ids if i < END_OF_TEXT).decode("utf8", "replace")


# Classes: the compact output layer. 0..RANKS_USED-1 are tokens, then the special tokens in order,
# then one class for all the tokens that training never uses.
CLASSES = RANKS_USED + SPECIALS + 1
UNUSED = CLASSES - 1


def to_class(token: int) -> int:
    """Class of a token id."""
    if token < RANKS_USED:
        return token
    return RANKS_USED + token - FIRST_SPECIAL if token >= FIRST_SPECIAL else UNUSED


def to_token(klass: int) -> int:
    """Token id of a class other than `UNUSED`."""
    return klass if klass < RANKS_USED else klass - RANKS_USED + FIRST_SPECIAL


def timestamp_class(seconds: float) -> int:
    """Class of the timestamp nearest to a time within the window."""
    step = round(seconds * TIMESTAMPS_PER_SECOND)
    return to_class(FIRST_TIMESTAMP + min(WINDOW_SECONDS * TIMESTAMPS_PER_SECOND, max(0, step)))


def class_bias() -> torch.Tensor:
    """Log of how many rows a class stands for: the compact softmax then equals the full one."""
    bias = torch.zeros(CLASSES)
    bias[UNUSED] = math.log(FULL_SIZE - RANKS_USED - SPECIALS)
    return bias
