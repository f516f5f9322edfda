"""Training texts: words that are in no language, so that they have nothing in common with the
sentences that measure."""

import random

ONSETS = (
    "b bl br d dr f fl fr g gl gr h j k kl kr l m n p pl pr r s sh sk sl sm sn sp st str sw t th tr"
    " v w y z ch qu"
).split()
VOWELS = "a e i o u a e i o ai ee oo ou ow ay ea or ar er".split()
CODAS = ["", "", "", "", *"b d f g k l m n ng nd nt p r s sh st t th x ll ck ss mp".split()]
COMMON = 260  # syllables that a seed uses; real languages do not use all either


class Nonsense:
    """A stream of sentences, some very short."""

    def __init__(self, seed: str):
        self.random = random.Random(seed)
        self.syllables = [self.new_syllable() for _ in range(COMMON)]

    def new_syllable(self) -> str:
        pick = self.random.choice
        return pick(ONSETS) + pick(VOWELS) + pick(CODAS)

    def word(self) -> str:
        count = self.random.choices([1, 2, 3, 4], [40, 38, 17, 5])[0]
        return "".join(self.random.choice(self.syllables) for _ in range(count))

    def sentence(self) -> str:
        short = self.random.random() < 0.2
        count = self.random.randint(1, 3) if short else self.random.randint(4, 11)
        words = [self.word() for _ in range(count)]
        if count > 6 and self.random.random() < 0.4:
            words[count // 2] += ","
        return " ".join(words).capitalize() + self.random.choice("....?!")
