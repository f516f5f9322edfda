"""One spoken sentence with times: for every token of its text, and a phoneme for every 20 ms."""

from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Protocol

import numpy as np

from .. import vocabulary
from . import mel
from .espeak import Speech, Voice

PHONEME_FRAMES_PER_SECOND = 50
PAUSE = "_"
TAIL = 0.06  # seconds kept after the last phoneme


@dataclass
class Utterance:
    """A sentence as spoken. Times are seconds from its first sample."""

    text: str
    voice: Voice
    samples: np.ndarray  # 16 kHz
    speech_end: float
    tokens: list[int]
    token_spans: list[tuple[float, float]]
    word_spans: list[tuple[int, float, float]]  # text offset, start, end
    phonemes: list[str]  # one for every 20 ms

    @property
    def seconds(self) -> float:
        return len(self.samples) / mel.SAMPLE_RATE


class Synthesiser(Protocol):
    """What speaks: espeak-ng, or flite."""

    def say(self, text: str, voice: Voice) -> Speech: ...


def is_pause(phoneme: str) -> bool:
    return phoneme.startswith(PAUSE)


def last_sound(speech: Speech) -> int:
    """The sample at which the final pause starts."""
    end = len(speech.samples)
    for sample, phoneme in reversed(speech.phonemes):
        if not is_pause(phoneme):
            break
        end = sample
    return end


def word_starts(speech: Speech, offsets: list[int]) -> dict[int, float]:
    """Text offset of a word -> start time, for the words that have an event of their own."""
    starts: dict[int, float] = {}
    previous = -1
    for offset, sample in speech.words:
        if offset in offsets and offset > previous:
            starts[offset] = sample / speech.sample_rate
            previous = offset
    starts.setdefault(offsets[0], 0.0)
    return starts


def share_out(start: float, end: float, weights: list[int]) -> list[tuple[float, float]]:
    """Consecutive spans between start and end, in proportion to the weights."""
    edges = start + (end - start) * np.cumsum([0, *weights]) / sum(weights)
    return list(pairwise(edges.tolist()))


def spans_of_words(
    speech: Speech, offsets: list[int], text_length: int, end: float
) -> dict[int, tuple[float, float]]:
    """Offset of every word -> its span. Words without an event share that of the word before."""
    starts = word_starts(speech, offsets)
    known = [offset for offset in offsets if offset in starts]
    spans = {}
    for offset, following in pairwise([*known, None]):
        start = starts[offset]
        stop = end if following is None else starts[following]
        for sample, phoneme in speech.phonemes:  # a pause before the next word ends this one
            time = sample / speech.sample_rate
            if start + 0.04 < time < stop and is_pause(phoneme):
                stop = time
                break
        limit = text_length if following is None else following
        group = [other for other in offsets if offset <= other < limit]
        lengths = [b - a for a, b in pairwise([*group, limit])]
        spans.update(zip(group, share_out(start, stop, lengths), strict=True))
    return spans


def phoneme_frames(speech: Speech, length: int) -> list[str]:
    """The phoneme sounding in every 20 ms of `length` samples."""
    rate = speech.sample_rate
    frames = [PAUSE] * ((int(length / rate * mel.FRAMES_PER_SECOND) + 3) // 2)
    for (sample, phoneme), (stop, _) in pairwise([*speech.phonemes, (length, PAUSE)]):
        first = round(sample / rate * PHONEME_FRAMES_PER_SECOND)
        last = max(first + 1, round(stop / rate * PHONEME_FRAMES_PER_SECOND))
        name = PAUSE if is_pause(phoneme) else phoneme
        frames[first:last] = [name] * (min(last, len(frames)) - first)
    return frames


def speak(synthesiser: Synthesiser, text: str, voice: Voice) -> Utterance | None:
    """Speaks and aligns a sentence; None when the synthesiser has nothing to say."""
    speech = synthesiser.say(text, voice)
    if not speech.phonemes:
        return None
    rate = speech.sample_rate
    end = last_sound(speech)
    length = min(len(speech.samples), end + int(TAIL * rate))
    # Whisper's words carry their leading space, so offsets count from a space before the text
    tokens = [(token, offset - 1) for token, offset in vocabulary.encode_with_offsets(" " + text)]
    offsets = sorted({offset for _, offset in tokens})
    spans = spans_of_words(speech, offsets, len(text), end / rate)
    token_spans: list[tuple[float, float]] = []
    for offset, group in groupby(tokens, key=lambda pair: pair[1]):
        pieces = [vocabulary.token_bytes()[token] for token, _ in group]
        token_spans += share_out(*spans[offset], [max(1, len(p.strip())) for p in pieces])
    return Utterance(
        text=text,
        voice=voice,
        samples=mel.resample(speech.samples[:length], rate),
        speech_end=end / rate,
        tokens=[token for token, _ in tokens],
        token_spans=token_spans,
        word_spans=[(offset, *spans[offset]) for offset in offsets],
        phonemes=phoneme_frames(speech, length),
    )
