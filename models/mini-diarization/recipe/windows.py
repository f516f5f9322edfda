"""Windows of 10 s with up to three speakers, mixed as mel powers: powers of sentences add up, so no
sample needs to be touched."""

import math

import numpy as np

from . import shards
from .features import MELS

FRAMES = 1000  # of 10 ms
LABELS = FRAMES // 2  # of 20 ms
LOCAL_SPEAKERS = 3
SPEAKERS = {1: 0.10, 2: 0.34, 3: 0.36, 4: 0.20}
SIMILAR = 0.35  # share of the windows whose speakers are alike
CANDIDATES = 10
LN = math.log(10) / 10  # one decibel


def visible(first: int, length: int) -> int:
    """How many of these frames are within the window."""
    return min(first + length, FRAMES) - max(0, first)


class Windows:
    """Draws training windows."""

    def __init__(self, corpus: shards.Corpus, seed: int):
        self.corpus = corpus
        self.rng = np.random.default_rng(seed)
        self.slope = np.linspace(-1, 1, MELS, dtype=np.float32)
        means = [
            corpus.frames[rows[0][0] : rows[0][1]].astype(np.float32).mean(0)
            for rows in corpus.sentences
        ]
        self.timbre = np.array(means) - np.mean(means, 1, keepdims=True)

    def cast(self) -> list[tuple[int, float]]:
        """Speakers of a window with a stretch of the mel axis, which makes voices nobody has."""
        rng = self.rng
        count = int(rng.choice(list(SPEAKERS), p=list(SPEAKERS.values())))
        chosen = [int(rng.integers(len(self.timbre)))]
        similar = rng.random() < SIMILAR
        while len(chosen) < count:
            candidates = rng.integers(0, len(self.timbre), CANDIDATES if similar else 1)
            distances = ((self.timbre[candidates] - self.timbre[chosen[0]]) ** 2).sum(1)
            new = int(candidates[np.argmin(distances)])
            if new not in chosen:
                chosen.append(new)
        return [(voice, float(rng.uniform(0.92, 1.08))) for voice in chosen]

    def arrange(self, count: int) -> list[tuple[int, int, int]]:
        """(speaker, first, length) in frames; the first may lie before the window."""
        rng = self.rng
        overlapped, stays = rng.choice([0.05, 0.2, 0.4]), rng.choice([0.1, 0.3, 0.6])
        at = -int(rng.integers(0, 450)) if rng.random() < 0.85 else int(rng.integers(0, 300))
        speaker, silent_until, placed = int(rng.integers(count)), [-(10**6)] * count, []
        while at < FRAMES:
            length = self.length(speaker)
            first = max(at, silent_until[speaker] + 5)
            placed.append((speaker, first, length))
            end = silent_until[speaker] = first + length
            if count > 1 and rng.random() > stays:
                speaker = (speaker + int(rng.integers(1, count))) % count
            if count > 1 and rng.random() < overlapped:
                at = end - int(rng.uniform(10, max(15, min(120, 0.6 * length))))
            else:
                at = end + int(rng.uniform(5, 90) if rng.random() < 0.9 else rng.uniform(90, 250))
        return placed

    def length(self, speaker: int) -> int:
        """Draws the next sentence of a speaker of this window."""
        sentences = self.corpus.sentences[self.speakers[speaker][0]]
        self.drawn.append(sentences[self.rng.integers(len(sentences))])
        return self.drawn[-1][1] - self.drawn[-1][0]

    def powers(self, placed: list[tuple[int, int, int]]) -> np.ndarray:
        """Speech of all, each with a level and a microphone."""
        rng, total = self.rng, np.zeros((FRAMES, MELS), np.float32)
        colours = [
            rng.uniform(-5, 5) * LN + rng.uniform(-0.4, 0.4) * self.slope for _ in self.speakers
        ]
        for (speaker, first, length), (row, _) in zip(placed, self.drawn, strict=True):
            start, end = max(0, first), min(FRAMES, first + length)
            if end > start:
                frames = self.corpus.frames[row + start - first : row + end - first]
                frames = shards.warped(frames, self.speakers[speaker][1])
                total[start:end] += np.exp(frames + colours[speaker])
        return total

    def noise(self) -> np.ndarray:
        """8 to 40 dB below the usual level of speech, of any colour."""
        rng = self.rng
        level = 0.5 - rng.uniform(8, 40) * LN + rng.uniform(-2, 1) * self.slope
        grain = rng.standard_gamma(1.5, (FRAMES, MELS)).astype(np.float32) / 1.5
        return np.exp(level).astype(np.float32) * grain

    def window(self) -> tuple[np.ndarray, np.ndarray]:
        """Log mel [48, 1000] as the model's front end gives it, and who speaks [500, 3]."""
        while True:
            self.drawn: list[tuple[int, int]] = []
            self.speakers = self.cast()
            placed = self.arrange(len(self.speakers))
            order = list(dict.fromkeys(s for s, *span in placed if visible(*span) > 4))
            if len(order) <= LOCAL_SPEAKERS:
                break
        powers = self.powers(placed) + self.noise()
        powers *= np.float32(math.exp(self.rng.uniform(-10, 4) * LN))
        labels = np.zeros((LABELS, LOCAL_SPEAKERS), np.int64)
        for speaker, first, length in placed:
            if speaker in order:
                start, end = max(0, first), max(0, min(FRAMES, first + length))
                labels[round(start / 2) : round(end / 2), order.index(speaker)] = 1
        if self.rng.random() < 0.06:  # a last window, filled up with zeros
            end = int(self.rng.integers(120, 880))
            powers[end:], labels[end // 2 :] = 0, 0
        log = np.log(powers + 1e-5).T
        return (log - log.mean()) * 0.25, labels

    def batch(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        drawn = [self.window() for _ in range(count)]
        return np.stack([x for x, _ in drawn]), np.stack([y for _, y in drawn])
