"""Speaks nonsense in many voices and writes what the models hear of it: one file a shard.

    python -m recipe.corpus 3 --speakers 250 --festival 0 --out data

A shard holds for every sentence its speaker, log filter bank energies and log mel powers.
"""

import argparse
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch

from . import channel, features, festival, speakers
from .festival import Festival
from .nonsense import Nonsense
from .speech import mel
from .speech.espeak import Espeak, Speech, Voice
from .speech.flite import PREFIX, Flite
from .variants import NAME, Variants

ENGLISH = ["en-us", "en", "en-gb-x-rp", "en-gb-scotland", "en-us-nyc", "en-029", "en-gb-x-gbclan"]
OTHERS = "de nl sv da nb it es pt pt-br ca ro fi et hu pl cs sk hr sw id tr la eo af cy".split()
FLITE_VOICES = ["kal16", "awb", "rms", "slt"]
# espeak-ng's own variants that may be trained on
OWN_VARIANTS = (
    "m1 m2 m4 m6 f3 Alex Andy Diogo Hugo Jacky Lee Marco Mike Mr Nguyen RicishayMax Storm Tweaky"
    " adam announcer antonio belinda benjamin boris caleb croak gustave john kaukovalta klatt"
    " klatt3 klatt5 klatt6 marcelo max michel norbert pablo paul pedro sandro victor zac"
).split()
KINDS = {"drawn": 0.84, "own": 0.11, "flite": 0.05}  # of what Festival does not speak
SENTENCES = (8, 12)  # of a speaker
LEVEL, SILENT = 0.08, 1e-3
SHORTEST, LONGEST = 0.25, 7.0  # seconds


def draw_voice(rng: random.Random, variants: Variants, share: float) -> speakers.Speaker:
    """A training speaker, by Festival with probability `share`; the variant of a drawn one is in
    place until the next is drawn."""
    kind = rng.choices(list(KINDS), list(KINDS.values()))[0]
    if share and rng.random() < share:
        name = festival.PREFIX + rng.choice(festival.VOICES)
    elif kind == "flite":
        name = PREFIX + rng.choice(FLITE_VOICES)
    else:
        accent = rng.choice(ENGLISH if rng.random() < 0.7 else OTHERS)
        variants.draw(rng)
        name = f"{accent}+{NAME if kind == 'drawn' else rng.choice(OWN_VARIANTS)}"
    voice = Voice(name, rng.randint(135, 205), rng.randint(20, 85), rng.randint(20, 80))
    return speakers.Speaker(voice, round(rng.uniform(0.85, 1.17), 3))


def trimmed(speech: Speech, warp: float) -> np.ndarray | None:
    """16 kHz samples, warped, without silence at the edges, at the usual level."""
    if len(speech.samples) == 0:
        return None
    rate = round(speech.sample_rate * warp / 100) * 100
    samples = mel.resample(speech.samples.astype(np.float32), rate)
    loud = np.flatnonzero(np.abs(samples) > SILENT)
    if len(loud) == 0 or not SHORTEST < (loud[-1] - loud[0]) / mel.SAMPLE_RATE < LONGEST:
        return None
    samples = samples[loud[0] : loud[-1] + 1]
    return samples * (LEVEL / np.sqrt(np.mean(samples**2)))


def sentences_of(
    speaker: speakers.Speaker, say: Callable, text: Nonsense, rng: random.Random
) -> Iterator[np.ndarray]:
    """The sentences of a speaker, who is a little faster or higher in each."""
    voice = speaker.voice
    for _ in range(rng.randint(*SENTENCES)):
        varied = Voice(
            voice.name,
            round(voice.rate * rng.uniform(0.92, 1.08)),
            voice.pitch + rng.randint(-4, 4),
            voice.pitch_range,
        )
        samples = trimmed(say(text.sentence(), varied), speaker.warp)
        if samples is not None:
            yield channel.spoil(samples, rng)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("shard", type=int, help="number of the shard, the seed of all in it")
    parser.add_argument("--speakers", type=int, default=250)
    parser.add_argument("--festival", type=float, default=0.1, help="share of its voices")
    parser.add_argument("--out", type=Path, default=Path("data"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    arguments.out.mkdir(parents=True, exist_ok=True)
    rng = random.Random(f"shard {arguments.shard}")
    started, fbanks, powers, owners = time.time(), [], [], []
    with tempfile.TemporaryDirectory() as folder:
        variants = Variants(Path(folder) / "espeak-ng-data")
        espeak, flite, other = Espeak(), Flite(), Festival()
        for number in range(arguments.speakers):
            speaker = draw_voice(rng, variants, arguments.festival)
            name = speaker.voice.name
            if name.startswith(festival.PREFIX):
                say = other.say
            else:
                say = flite.say if name.startswith(PREFIX) else espeak.say
            text = Nonsense(f"{arguments.shard} {number}")
            for samples in sentences_of(speaker, say, text, rng):
                fbanks.append(features.fbank(samples).astype(np.float16))
                powers.append(
                    np.log(features.mel_power(samples) + features.FLOOR).astype(np.float16)
                )
                owners.append(number)
        other.close()
    path = arguments.out / f"shard{arguments.shard}.npz"
    np.savez(
        path,
        fbank=np.concatenate(fbanks),
        mel=np.concatenate(powers),
        fbank_ends=np.cumsum([len(x) for x in fbanks]),
        mel_ends=np.cumsum([len(x) for x in powers]),
        speakers=np.array(owners),
    )
    hours = sum(map(len, fbanks)) / 360000
    print(f"{path}: {len(owners)} sentences, {hours:.2f} h, {time.time() - started:.0f} s")


if __name__ == "__main__":
    main()
