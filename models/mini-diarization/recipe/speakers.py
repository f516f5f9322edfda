"""Who speaks in which set, and how a speaker of a conversation is drawn."""

import random
from dataclasses import asdict, dataclass

from .speech.espeak import Voice

# espeak-ng's variants that no training speaker has; the two sets share none either.
TEST_VARIANTS = (
    "f2 f5 m3 m7 Annie Alicia Denis robert steph2 linda klatt4 iven3 Mario travis grandma david"
).split()
DEVELOPMENT_VARIANTS = (
    "f4 f1 m8 m5 Michael quincy ed shelby Andrea Henrique klatt2 edward2 Gene2 anika miguel aunty"
).split()
# Neither trained on nor tested with: these are made from the same values as one of the above.
RELATIVES = "steph steph3 iven iven2 iven4 edward Gene grandpa RicishayMax2 RicishayMax3".split()
# Rather effects than voices.
EFFECTS = (
    "whisper whisperf fast Demonic UniRobot anikaRobot robosoft robosoft2 robosoft3 robosoft4"
    " robosoft5 robosoft6 robosoft7 robosoft8 serious"
).split()
ACCENTS = ["en-us"] * 5 + ["en", "en-gb-x-rp", "en-gb-scotland", "en-us-nyc", "en-gb-x-gbclan"]


@dataclass(frozen=True)
class Speaker:
    """A voice with its settings. `warp` scales every frequency: another length of vocal tract."""

    voice: Voice
    warp: float

    def describe(self) -> dict:
        return {**asdict(self.voice), "warp": self.warp}


def draw(rng: random.Random, variant: str) -> Speaker:
    """A speaker for the sets that measure, as the miniature Whisper can understand."""
    voice = Voice(
        f"{rng.choice(ACCENTS)}+{variant}",
        rate=rng.randint(140, 190),
        pitch=rng.randint(22, 78),
        pitch_range=rng.randint(30, 70),
    )
    return Speaker(voice, round(rng.uniform(0.93, 1.07), 3))


def draw_together(rng: random.Random, variants: list[str], count: int) -> list[Speaker]:
    """The speakers of one conversation, each of another variant."""
    return [draw(rng, variant) for variant in rng.sample(variants, count)]
