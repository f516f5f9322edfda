"""Diarization error rate: 10 ms frames, overlap scored, the best mapping of labels."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

FRAMES_PER_SECOND = 100
Turns = list[tuple[float, float, str]]  # start and end in seconds, label


@dataclass
class Score:
    """Seconds of each kind of error, and of speech (overlapped speech counts for every speaker)."""

    missed: float = 0.0
    false: float = 0.0
    confused: float = 0.0
    speech: float = 0.0

    def __add__(self, other: "Score") -> "Score":
        return Score(
            self.missed + other.missed,
            self.false + other.false,
            self.confused + other.confused,
            self.speech + other.speech,
        )

    @property
    def error(self) -> float:
        """Diarization error rate in percent."""
        return 100 * (self.missed + self.false + self.confused) / max(self.speech, 1e-9)

    def __str__(self) -> str:
        parts = (self.missed, self.false, self.confused)
        shares = "/".join(f"{100 * part / max(self.speech, 1e-9):.1f}" for part in parts)
        return f"{self.error:.1f} % ({shares})"


def raster(turns: Turns, count: int) -> np.ndarray:
    """Whether each label speaks [labels, frames]."""
    labels = sorted({label for *_, label in turns})
    active = np.zeros((len(labels), count), bool)
    for start, end, label in turns:
        first, last = (round(time * FRAMES_PER_SECOND) for time in (start, end))
        active[labels.index(label), first:last] = True
    return active


def scored_frames(reference: Turns, collar: float, count: int) -> np.ndarray:
    """False within `collar` seconds of the start or end of a reference turn."""
    scored = np.ones(count, bool)
    if collar:
        for time in (time for start, end, _ in reference for time in (start, end)):
            first, last = ((time + by) * FRAMES_PER_SECOND for by in (-collar, collar))
            scored[max(0, round(first)) : round(last)] = False
    return scored


def score(reference: Turns, found: Turns, collar: float = 0.0) -> Score:
    """Compares found turns with the truth."""
    last = max((end for _, end, _ in reference + found), default=0.0)
    count = int(last * FRAMES_PER_SECOND) + 2
    scored = scored_frames(reference, collar, count)
    truth, guess = raster(reference, count)[:, scored], raster(found, count)[:, scored]
    together = truth.astype(np.int32) @ guess.astype(np.int32).T
    rows, columns = linear_sum_assignment(-together)
    right = np.zeros(truth.shape[1], np.int32)
    for row, column in zip(rows, columns, strict=True):
        right += truth[row] & guess[column]
    speaking, heard = truth.sum(0), guess.sum(0)
    frames = (
        np.maximum(0, speaking - heard).sum(),
        np.maximum(0, heard - speaking).sum(),
        (np.minimum(speaking, heard) - right).sum(),
        speaking.sum(),
    )
    return Score(*(float(value) / FRAMES_PER_SECOND for value in frames))
