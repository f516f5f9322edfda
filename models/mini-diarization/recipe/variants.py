"""New voices for espeak-ng: variants with random formants, glottal tone, breath and roughness.

espeak-ng knows at most 350 voice files, so there is one file, `drawn`, in a copy of its data, and
it is written anew for every speaker.
"""

import math
import os
import random
import shutil
from pathlib import Path

SYSTEM_FOLDERS = sorted(Path("/usr").glob("lib/*/espeak-ng-data"))
FORMANTS = 9
NAME = "drawn"


def clamped(value: float, low: float, high: float) -> int:
    return round(min(high, max(low, value)))


def tract(rng: random.Random) -> list[str]:
    """Frequency, height and width of every formant in percent: a length of the vocal tract, and
    how this speaker differs from other tracts of that length."""
    length = rng.gauss(0, 0.09)
    peculiar = rng.choice([0.02, 0.04, 0.07])
    tilt = rng.uniform(-6, 4)
    lines = []
    for number in range(FORMANTS):
        frequency = 100 * math.exp(length + rng.gauss(0, peculiar))
        height = 100 * math.exp(rng.gauss(0, 0.18)) + tilt * number
        width = 100 * math.exp(rng.gauss(0, 0.22))
        settings = clamped(frequency, 72, 140), clamped(height, 25, 180), clamped(width, 40, 200)
        lines.append("formant {} {} {} {}".format(number, *settings))
    return lines


def source(rng: random.Random) -> list[str]:
    """What the vocal cords do."""
    lines = []
    low = round(math.exp(rng.uniform(math.log(72), math.log(190))))
    lines.append(f"pitch {low} {round(low * rng.uniform(1.25, 1.8))}")
    if rng.random() < 0.6:
        lines.append(f"voicing {rng.randint(40, 160)}")
    if rng.random() < 0.6:
        lines.append(f"consonants {rng.randint(60, 140)} {rng.randint(60, 140)}")
    if rng.random() < 0.5:
        lines.append(f"roughness {rng.randint(0, 6)}")
    if rng.random() < 0.5:
        lines.append(f"flutter {rng.randint(0, 12)}")
    if rng.random() < 0.25:
        lines.append("breath " + " ".join(str(rng.randint(0, 9)) for _ in range(8)))
    if rng.random() < 0.4:
        points = (rng.randint(400, 800), rng.randint(1100, 1800), rng.randint(2000, 3500))
        lines.append("tone " + " ".join(f"{at} {rng.randint(90, 255)}" for at in points))
    if rng.random() < 0.15:
        lines.append(f"echo {rng.randint(20, 140)} {rng.randint(3, 12)}")
    if rng.random() < 0.10:
        lines.append(f"klatt {rng.randint(1, 5)}")
    if rng.random() < 0.5:
        lines.append(f"intonation {rng.randint(1, 4)}")
    return lines


def text(rng: random.Random) -> str:
    """A variant file."""
    return "\n".join(["language variant", f"name {NAME}", *source(rng), *tract(rng)]) + "\n"


class Variants:
    """A copy of espeak-ng's data in a folder; make it before espeak-ng starts in this process."""

    def __init__(self, folder: Path):
        shutil.copytree(SYSTEM_FOLDERS[0], folder, dirs_exist_ok=True)
        os.environ["ESPEAK_DATA_PATH"] = str(folder)
        self.path = folder / "voices" / "!v" / NAME
        self.path.write_text(text(random.Random(0)), encoding="utf8")

    def draw(self, rng: random.Random) -> str:
        """Makes `NAME` another voice; gives its text."""
        drawn = text(rng)
        self.path.write_text(drawn, encoding="utf8")
        return drawn
