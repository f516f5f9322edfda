"""Which voices speak for training, which never do, and how one is drawn."""

import random
import re
from pathlib import Path

from .espeak import Voice
from .flite import PREFIX

VARIANT_FOLDERS = sorted(Path("/usr").glob("lib/*/espeak-ng-data/voices/!v"))
ACCENTS = {
    "en-us": 36,
    "en": 22,
    "en-gb-x-rp": 12,
    "en-gb-scotland": 9,
    "en-us-nyc": 8,
    "en-029": 5,
    "en-gb-x-gbclan": 8,
}
SPANISH_ACCENTS = ["es", "es-419"]
CORE_VARIANTS = (
    "m1 m2 m3 m4 m5 m6 m7 f1 f2 f3 f5 Andy Annie Mike linda steph john max edward belinda"
).split()
FURTHER_VARIANTS = (
    "Alex Andrea Denis Diogo Gene Gene2 Henrique Hugo Jacky Lee Marco Mario Nguyen RicishayMax"
    " RicishayMax2 RicishayMax3 Tweaky adam anika announcer antonio aunty benjamin boris caleb"
    " david edward2 grandma grandpa gustave iven iven2 iven3 iven4 kaukovalta klatt klatt2 klatt3"
    " klatt4 klatt5 marcelo michel miguel norbert pablo paul pedro rob sandro steph2 steph3 victor"
    " zac AnxiousAndy Demonic Storm UniRobot anikaRobot croak fast klatt6 robert robosoft robosoft2"
    " robosoft3 robosoft4 robosoft5 robosoft6 robosoft7 robosoft8 travis whisper whisperf"
).split()
FLITE_VOICES = ["kal16", "awb", "rms", "slt", "slt", "rms"]
LOW_PITCH_CRASHES = "rob"  # espeak-ng 1.51 dies of a segmentation fault at pitch 15, range 79
# Never in training, whatever the accent: the held-out set's, then the development set's.
HELD_OUT_VOICES = ["en-us+m8", "en-us+f4", "en+f4", "en-gb-x-gbcwmd", "en+Michael"]
DEVELOPMENT_VOICES = ["en-us+quincy", "en+Alicia", "en-gb-x-rp+ed", "en-us+shelby"]


def check(name: str) -> str:
    """The name, if its variant exists exactly so: espeak would silently speak without it."""
    variant = name.partition("+")[2]
    if variant and not any((folder / variant).is_file() for folder in VARIANT_FOLDERS):
        raise ValueError(f"espeak-ng has no variant {variant!r} (upper and lower case matter)")
    return name


def is_held_out(name: str) -> bool:
    """Whether an accent or variant of this voice belongs to the held-out or development voices."""
    reserved = HELD_OUT_VOICES + DEVELOPMENT_VOICES
    variants = {voice.partition("+")[2] for voice in reserved} - {""}
    return name.partition("+")[2] in variants or re.match("en-gb-x-gbcwmd", name) is not None


def draw_variant(rng: random.Random) -> str:
    """`` or `+variant`: plain 20 %, core 45 %, further 35 %."""
    x = rng.random()
    if x < 0.20:
        return ""
    return "+" + rng.choice(CORE_VARIANTS if x < 0.65 else FURTHER_VARIANTS)


def draw_flite(rng: random.Random) -> Voice:
    """One of flite's few voices, moved up or down."""
    rate = round(rng.triangular(130, 220, 175))
    return Voice(PREFIX + rng.choice(FLITE_VOICES), rate, rng.randint(0, 100))


def draw(rng: random.Random, language: str) -> Voice:
    """A training voice of espeak-ng with random rate, pitch and pauses."""
    if language == "es":
        accent = rng.choice(SPANISH_ACCENTS)
    else:
        accent = rng.choices(list(ACCENTS), list(ACCENTS.values()))[0]
    name = check(accent + draw_variant(rng))
    assert not is_held_out(name), name
    raised = 30 if name.endswith("+" + LOW_PITCH_CRASHES) else 0
    return Voice(
        name,
        rate=round(rng.triangular(110, 235, 165)),
        pitch=min(90, rng.randint(10, 90) + raised),
        pitch_range=rng.randint(15, 85),
        word_gap=rng.choice([0, 0, 0, 0, 0, 0, 1, 2]),
    )
