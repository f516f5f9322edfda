"""How far word times from whisper.cpp are from the truth, for every way to get them.

    python -m recipe.evaluation.word_times model.bin --clips heldout

Ways: token timestamps (t0 of a word's first token, t1 of its last), and t_dtw (dynamic time
warping) over sets of alignment heads. A head that follows the token going into the decoder gives
where a token starts; one that follows the token coming out gives where the next one starts. Segment
times, which the model states itself, bound the first and last word. For each way: the median error
(the constant to subtract), and absolute errors as they are and less that constant.
"""

import argparse
import difflib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .. import test_set
from ..text.exclusion import words
from .whisper_cpp import Segment, Settings, Token, Whisper


@dataclass
class Word:
    """A word as heard, with times in seconds."""

    text: str
    start: float
    end: float


Times = Callable[[Segment, int, int], tuple[float, float]]


def token_timestamps(segment: Segment, first: int, last: int) -> tuple[float, float]:
    """t0 of the first token, t1 of the last."""
    return segment.tokens[first].start, segment.tokens[last].end


def token_going_in(segment: Segment, first: int, last: int) -> tuple[float, float]:
    """A token's t_dtw is its start, so a word ends where the token after it starts."""
    tokens = segment.tokens
    start = segment.start if first == 0 else tokens[first].dtw
    return start, segment.end if last + 1 == len(tokens) else tokens[last + 1].dtw


def token_coming_out(segment: Segment, first: int, last: int) -> tuple[float, float]:
    """A token's t_dtw is its end, so a word starts where the token before it ends."""
    tokens = segment.tokens
    start = segment.start if first == 0 else tokens[first - 1].dtw
    return start, tokens[last].dtw


WAYS: list[tuple[str, list[tuple[int, int]], Times]] = [
    ("token timestamps", [], token_timestamps),
    ("t_dtw, head 0 of layer 0", [(0, 0)], token_going_in),
    ("t_dtw, head 0 of layer 1", [(1, 0)], token_coming_out),
    ("t_dtw, head 0 of layer 2", [(2, 0)], token_coming_out),
    ("t_dtw, head 0 of layers 1, 2", [(1, 0), (2, 0)], token_coming_out),
]


def is_spoken(token: Token) -> bool:
    """Punctuation is not."""
    return bool(words(token.text.decode("utf8", "replace")))


def words_of(segment: Segment, times: Times) -> list[Word]:
    """Tokens joined into words at their leading spaces; a word ends before its punctuation."""
    groups: list[list[int]] = []
    for number, token in enumerate(segment.tokens):
        if token.text.startswith(b" ") or not groups:
            groups.append([])
        groups[-1].append(number)
    heard = []
    for group in groups:
        spoken = [number for number in group if is_spoken(segment.tokens[number])]
        if spoken:
            text = b"".join(segment.tokens[number].text for number in spoken)
            start, end = times(segment, spoken[0], spoken[-1])
            heard.append(Word(text.decode("utf8", "replace"), start, end))
    return heard


def matches(clip: test_set.TestClip, heard: list[Word]) -> list[tuple[float, float]]:
    """Start and end errors of the words heard right."""
    said = [" ".join(words(word)) for word, _, _ in clip.words]
    got = [" ".join(words(word.text)) for word in heard]
    errors = []
    for block in difflib.SequenceMatcher(None, said, got).get_matching_blocks():
        for i in range(block.size):
            _, start, end = clip.words[block.a + i]
            word = heard[block.b + i]
            errors.append((word.start - start, word.end - end))
    return errors


def report(name: str, errors: np.ndarray) -> None:
    bias = np.median(errors)
    columns = [
        f"{np.median(e):.3f} / {np.percentile(e, 90):.3f}"
        for e in (np.abs(errors), np.abs(errors - bias))
    ]
    print(f"{name:38s} {bias:+.3f}   {columns[0]}   {columns[1]}   {len(errors)} words")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--clips", type=Path, required=True, help="folder with a manifest")
    parser.add_argument("--audio-context", type=int, default=0)
    parser.add_argument("--every", type=int, default=1, help="use every n-th clip")
    arguments = parser.parse_args()
    clips = test_set.read(arguments.clips)[:: arguments.every]
    print(f"{'seconds':38s} bias     |error| median / 90 %, the same less the bias")
    for name, heads, times in WAYS:
        settings = Settings(
            alignment_heads=heads,
            token_timestamps=True,
            audio_context=arguments.audio_context,
        )
        whisper = Whisper(arguments.model, settings)
        errors = []
        for clip in clips:
            segments = whisper.transcribe(clip.samples())
            heard = [word for segment in segments for word in words_of(segment, times)]
            errors += matches(clip, heard)
        values = np.array(errors)
        report(f"{name}: start", values[:, 0])
        report(f"{name}: end", values[:, 1])


if __name__ == "__main__":
    main()
