"""Speaks random sentences and writes one training shard.

python -m recipe.make_shard 0 12000 --out data
"""

import argparse
import random
import time
from collections.abc import Iterator
from pathlib import Path

import torch

from .data.shard import Writer
from .speech import alignment, voices
from .speech.espeak import Espeak
from .test_set import reserved_sentences
from .text import exclusion, lexicon, spanish
from .text.everyday import Everyday
from .text.templates import Templates

SHORTEST, LONGEST = 0.25, 13.0  # seconds


def sentences(shard: int, shares: dict[str, float], dictionary: Path) -> Iterator[tuple[str, str]]:
    """(language, text) without end, by the shares of the sources; never a reserved sentence."""
    rng = random.Random(1000 + shard)
    words = lexicon.dictionary(dictionary)
    templates, everyday = Templates(5000 + shard, words), Everyday(9000 + shard)
    sources = {
        "templates": lambda: ("en", templates.sentence()),
        "everyday": lambda: ("en", everyday.sentence()),
        "spanish": lambda: ("es", spanish.sentence(rng)),
    }
    reserved = exclusion.NearDuplicates(reserved_sentences())
    while True:
        source = rng.choices(list(shares), list(shares.values()))[0]
        language, text = sources[source]()
        if text not in reserved:
            yield language, text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("shard", type=int, help="number of the shard, the seed of everything in it")
    parser.add_argument("utterances", type=int)
    parser.add_argument("--out", type=Path, default=Path("data"))
    parser.add_argument("--dictionary", type=Path, default=lexicon.SYSTEM_DICTIONARY)
    parser.add_argument("--everyday", type=float, default=0.5, help="share of everyday sentences")
    parser.add_argument("--spanish", type=float, default=0.05, help="share of Spanish")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    arguments.out.mkdir(parents=True, exist_ok=True)
    shares = {
        "everyday": arguments.everyday,
        "spanish": arguments.spanish,
        "templates": 1 - arguments.everyday - arguments.spanish,
    }
    rng = random.Random(3000 + arguments.shard)
    espeak, writer = Espeak(), Writer(arguments.out / f"shard{arguments.shard}")
    started, seconds = time.time(), 0.0
    for language, text in sentences(arguments.shard, shares, arguments.dictionary):
        if len(writer.rows) == arguments.utterances:
            break
        utterance = alignment.speak(espeak, text, voices.draw(rng, language))
        if utterance and SHORTEST < utterance.seconds < LONGEST:
            writer.add(utterance, language)
            seconds += utterance.seconds
    writer.close()
    speed = seconds / (time.time() - started)
    print(f"{writer.path}: {len(writer.rows)} utterances, {seconds / 3600:.2f} h, {speed:.0f}x")


if __name__ == "__main__":
    main()
