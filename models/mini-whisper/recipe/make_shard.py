"""Speaks random sentences and writes one training shard.

python -m recipe.make_shard 0 12000 --out data
"""

import argparse
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import torch

from .data.shard import Writer
from .speech import alignment, voices
from .speech.espeak import Espeak
from .speech.flite import Flite
from .test_set import reserved_sentences
from .text import exclusion, lexicon, spanish
from .text.everyday import Everyday
from .text.templates import Templates

SHORTEST, LONGEST = 0.25, 13.0  # seconds


RARE = 0.25  # share of the content words of the templates that come from word lists
COMMON_TIMES = 4  # how often the list of common words counts beside the whole dictionary


@dataclass
class Sentence:
    """A sentence to speak; those of one passage follow one another in one voice."""

    text: str
    language: str
    passage: int


def sentences(shard: int, shares: dict[str, float], dictionary: Path) -> Iterator[Sentence]:
    """Sentences without end, in passages of one to eight, by the shares of the sources; never a
    reserved one."""
    rng = random.Random(1000 + shard)
    words = lexicon.dictionary(dictionary) + COMMON_TIMES * lexicon.common()
    templates, everyday = Templates(5000 + shard, words, RARE), Everyday(9000 + shard)
    particulars = Everyday(13000 + shard, "particulars")
    sources = {
        "templates": lambda: ("en", templates.sentence()),
        "everyday": lambda: ("en", everyday.sentence()),
        "particulars": lambda: ("en", particulars.sentence()),
        "spanish": lambda: ("es", spanish.sentence(rng)),
    }
    reserved = exclusion.NearDuplicates(reserved_sentences())
    for passage in count():
        source = rng.choices(list(shares), list(shares.values()))[0]
        everyday.new_passage()
        particulars.new_passage()
        for _ in range(rng.choice([1, 1, 2, 3, 4, 6, 8])):
            language, text = sources[source]()
            if text not in reserved:
                yield Sentence(text, language, passage)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("shard", type=int, help="number of the shard, the seed of everything in it")
    parser.add_argument("utterances", type=int)
    parser.add_argument("--out", type=Path, default=Path("data"))
    parser.add_argument("--dictionary", type=Path, default=lexicon.SYSTEM_DICTIONARY)
    parser.add_argument("--everyday", type=float, default=0.42, help="share of everyday sentences")
    parser.add_argument("--particulars", type=float, default=0.18, help="of names and numbers")
    parser.add_argument("--spanish", type=float, default=0.05, help="share of Spanish")
    parser.add_argument("--flite", type=float, default=0.08, help="share of flite's English voices")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    arguments.out.mkdir(parents=True, exist_ok=True)
    shares = {
        "everyday": arguments.everyday,
        "particulars": arguments.particulars,
        "spanish": arguments.spanish,
        "templates": 1 - arguments.everyday - arguments.particulars - arguments.spanish,
    }
    rng = random.Random(3000 + arguments.shard)
    espeak, flite, writer = Espeak(), Flite(), Writer(arguments.out / f"shard{arguments.shard}")
    started, seconds, passage = time.time(), 0.0, -1
    for sentence in sentences(arguments.shard, shares, arguments.dictionary):
        if len(writer.rows) == arguments.utterances:
            break
        if sentence.passage != passage:
            passage = sentence.passage
            by_flite = sentence.language == "en" and rng.random() < arguments.flite
            voice = voices.draw_flite(rng) if by_flite else voices.draw(rng, sentence.language)
        utterance = alignment.speak(flite if by_flite else espeak, sentence.text, voice)
        if utterance and SHORTEST < utterance.seconds < LONGEST:
            writer.add(utterance, sentence.language, passage)
            seconds += utterance.seconds
    writer.close()
    speed = seconds / (time.time() - started)
    print(f"{writer.path}: {len(writer.rows)} utterances, {seconds / 3600:.2f} h, {speed:.0f}x")


if __name__ == "__main__":
    main()
