"""Speaks a set of test sentences: one FLAC for each, and a manifest with the truth.

    python -m recipe.make_test_set heldout --out heldout
    python -m recipe.make_test_set development --out /tmp/development

The held-out set is frozen: the committed files are the set, this script says how they came about.
"""

import argparse
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

import numpy as np
import soundfile

from . import test_set
from .speech import alignment, voices
from .speech.espeak import Espeak, Voice
from .speech.mel import SAMPLE_RATE
from .text import exclusion, lexicon
from .text.templates import Templates

LEAD, TAIL = 0.3, 0.4  # seconds of silence around a sentence
# The first weights (November 2026) were trained on shards 0 to 5 of the templates alone, of at most
# this many sentences each.
FIRST_TRAINING_SEEDS, FIRST_TRAINING_SENTENCES = range(5000, 5006), 12500
SEEN_VOICES = [
    "en-us",
    "en-us+f2",
    "en+m3",
    "en-gb-x-rp+Annie",
    "en-gb-scotland+m1",
    "en-us-nyc+steph",
    "en-029+linda",
    "en-gb-x-gbclan+john",
]


@dataclass
class Plan:
    """What a set is made of; word counts are of template sentences, for each kind of voice."""

    seed: int
    everyday: Path
    unseen_voices: list[str]
    seen_voices: list[str]
    template_words: int


PLANS = {
    "heldout": Plan(
        seed=20261121,
        everyday=test_set.HELD_OUT_EVERYDAY,
        unseen_voices=voices.HELD_OUT_VOICES,
        seen_voices=SEEN_VOICES,
        template_words=385,
    ),
    "development": Plan(
        seed=31,
        everyday=test_set.DEVELOPMENT_EVERYDAY,
        unseen_voices=voices.DEVELOPMENT_VOICES,
        seen_voices=[*SEEN_VOICES[3:], "en-us+m2", "en-gb-x-rp", "en-us+f5"],
        template_words=300,
    ),
}


def first_training_texts(dictionary: Path) -> Iterator[str]:
    """The sentences that the first weights may have been trained on, from their seeds."""
    for seed in FIRST_TRAINING_SEEDS:
        templates = Templates(seed, lexicon.dictionary(dictionary))
        for _ in range(FIRST_TRAINING_SENTENCES):
            yield templates.sentence()


def template_sentences(plan: Plan, dictionary: Path) -> Iterator[str]:
    """Sentences of the templates that no training text equals or nearly equals."""
    trained = exclusion.NearDuplicates(first_training_texts(dictionary))
    templates = Templates(plan.seed, lexicon.dictionary(dictionary))
    while True:
        text = templates.sentence()
        if text in trained:
            print("left out, as it is near a training text:", text)
        else:
            yield text


def assignments(plan: Plan, dictionary: Path) -> Iterator[tuple[str, str, str]]:
    """(text, source, voice name): everyday sentences alternate between unseen and seen voices,
    then each kind of voice gets its template words, voice after voice in turn."""
    unseen, seen = cycle(plan.unseen_voices), cycle(plan.seen_voices)
    for number, text in enumerate(test_set.lines(plan.everyday)):
        yield text, "everyday", next(unseen if number % 2 == 0 else seen)
    sentences = template_sentences(plan, dictionary)
    for turn in (unseen, seen):
        count = 0
        while count < plan.template_words:
            text = next(sentences)
            count += len(text.split())
            yield text, "template", next(turn)


def words_of(utterance: alignment.Utterance) -> list[dict]:
    """Words between spaces, with their times in the recording."""
    rows, position = [], 0
    for word in utterance.text.split():
        start_at = utterance.text.index(word, position)
        position = start_at + len(word)
        spans = [span for span in utterance.word_spans if start_at <= span[0] < position]
        rows.append(
            {
                "word": word,
                "start": round(spans[0][1] + LEAD, 3),
                "end": round(spans[-1][2] + LEAD, 3),
            }
        )
    return rows


def record(plan: Plan, dictionary: Path, out: Path) -> dict:
    """Writes the recordings and gives the manifest."""
    rng, espeak = random.Random(plan.seed), Espeak()
    clips = []
    for text, source, name in assignments(plan, dictionary):
        voice = Voice(
            voices.check(name), rng.randint(130, 195), rng.randint(25, 75), rng.randint(30, 70)
        )
        utterance = alignment.speak(espeak, text, voice)
        assert utterance is not None, text
        silence = [np.zeros(int(seconds * SAMPLE_RATE), np.float32) for seconds in (LEAD, TAIL)]
        samples = np.concatenate([silence[0], utterance.samples, silence[1]])
        file = f"{source}-{len(clips):03d}.flac"
        soundfile.write(out / file, samples, SAMPLE_RATE, subtype="PCM_16", compression_level=1.0)
        clips.append(
            {
                "file": file,
                "text": text,
                "voice": name,
                "heldout": voices.is_held_out(name),
                "source": source,
                "seconds": round(len(samples) / SAMPLE_RATE, 3),
                "rate": voice.rate,
                "pitch": voice.pitch,
                "pitch_range": voice.pitch_range,
                "words": words_of(utterance),
            }
        )
    return {
        "synthesiser": f"espeak-ng {espeak.version}",
        "seed": plan.seed,
        "made_by": "recipe/make_test_set.py",
        "clips": clips,
    }


def write_manifest(manifest: dict, path: Path) -> None:
    """One clip a line, so that a difference can be read."""
    clips = manifest.pop("clips")
    head = json.dumps(manifest, indent=1, ensure_ascii=False)[:-2]
    rows = ",\n".join(json.dumps(clip, ensure_ascii=False) for clip in clips)
    path.write_text(f'{head},\n "clips": [\n{rows}\n]}}\n', encoding="utf8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("set", choices=PLANS)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--dictionary", type=Path, default=lexicon.SYSTEM_DICTIONARY)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    manifest = record(PLANS[arguments.set], arguments.dictionary, arguments.out)
    for held_out in (True, False):
        for source in ("everyday", "template"):
            chosen = [
                clip
                for clip in manifest["clips"]
                if (clip["heldout"], clip["source"]) == (held_out, source)
            ]
            count = sum(len(clip["text"].split()) for clip in chosen)
            print(f"held out {held_out}, {source}: {len(chosen)} clips, {count} words")
    write_manifest(manifest, arguments.out / "manifest.json")


if __name__ == "__main__":
    main()
