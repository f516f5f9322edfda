"""Speaks a set of conversations with its truth.

    python -m recipe.make_test_set test --out test
    python -m recipe.make_test_set development --out /tmp/development

The test set is frozen: the committed files are the set, this script says how they came about.
"""

import argparse
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np

from . import conversations, speakers
from .conversations import Spoken
from .speech import alignment, mel
from .speech.espeak import Espeak
from .test_set import reserved_sentences
from .text import exclusion
from .text.everyday import Everyday

SEEDS = {"test": 20261122, "development": 4711}
VARIANTS = {"test": speakers.TEST_VARIANTS, "development": speakers.DEVELOPMENT_VARIANTS}
LENGTHS = [60, 75, 90, 60, 75, 90, 105, 120]  # seconds of the recordings of one number of speakers
ALONE = [60, 60, 60]  # of those with one speaker
SILENT = 1e-3  # samples below this are silence at the edges of a sentence


def texts(which: str) -> Callable[[], str]:
    """Everyday sentences without end; the test set has none that is near one of the other's."""
    taken = reserved_sentences()
    if which == "test":
        others = Everyday(SEEDS["development"])
        taken += [others.sentence() for _ in range(6000)]
    excluded = exclusion.NearDuplicates(taken)
    source = Everyday(SEEDS[which])

    def sentence() -> str:
        while (text := source.sentence()) in excluded or len(text.split()) < 3:
            pass
        return text

    return sentence


def words_of(utterance: alignment.Utterance) -> list[tuple[str, float, float]]:
    """Words between spaces with their times."""
    rows, position = [], 0
    for word in utterance.text.split():
        first = utterance.text.index(word, position)
        position = first + len(word)
        spans = [span for span in utterance.word_spans if first <= span[0] < position]
        rows.append((word, spans[0][1], spans[-1][2]))
    return rows


def say(espeak: Espeak, text: str, speaker: speakers.Speaker) -> Spoken:
    """A sentence of a speaker, warped, without the silence at its edges, at the usual level."""
    utterance = alignment.speak(espeak, text, speaker.voice)
    assert utterance is not None, text
    rate = round(mel.SAMPLE_RATE * speaker.warp / 100) * 100
    samples = mel.resample(utterance.samples, rate)
    loud = np.flatnonzero(np.abs(samples) > SILENT)
    first, last = loud[0], loud[-1] + 1
    samples = samples[first:last]
    samples = samples * (conversations.LEVEL / np.sqrt(np.mean(samples**2)))
    length, shift, scale = len(samples) / mel.SAMPLE_RATE, first / mel.SAMPLE_RATE, mel.SAMPLE_RATE
    words = []
    for word, start, end in words_of(utterance):
        moved = [min(length, max(0.0, time * scale / rate - shift)) for time in (start, end)]
        words.append((word, *moved))
    return Spoken(text, samples.astype(np.float32), words)


def record(which: str, name: str, count: int, seconds: float, sentence, espeak) -> tuple:
    """One conversation, from a seed of its own."""
    rng = random.Random(f"{SEEDS[which]} {name}")
    voices = speakers.draw_together(rng, VARIANTS[which], count)

    def sentences(speaker: int) -> Spoken:
        return say(espeak, sentence(), voices[speaker])

    conversation = conversations.mix(rng, sentences, count, seconds)
    conversation.speakers = [voice.describe() for voice in voices]
    return conversation


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("set", choices=SEEDS)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    which, out = arguments.set, arguments.out
    out.mkdir(parents=True, exist_ok=True)
    espeak, sentence, entries = Espeak(), texts(which), []
    plan = [(1, seconds) for seconds in ALONE]
    plan += [(count, seconds) for count in (2, 3, 4) for seconds in LENGTHS]
    numbers = dict.fromkeys((1, 2, 3, 4), 0)
    for count, seconds in plan:
        name = f"speakers-{count}-{numbers[count]}"
        numbers[count] += 1
        conversation = record(which, name, count, seconds, sentence, espeak)
        entries.append(conversations.write(out, name, conversation))
        print(name, f"{len(conversation.turns)} turns", flush=True)
    head = {
        "set": which,
        "made_by": "recipe/make_test_set.py",
        "synthesiser": f"espeak-ng {espeak.version}",
        "seed": SEEDS[which],
    }
    conversations.write_manifest(out, head, entries)


if __name__ == "__main__":
    main()
