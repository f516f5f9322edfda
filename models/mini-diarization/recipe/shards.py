"""Reads what `corpus.py` wrote, by speaker."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass
class Corpus:
    """Frames of all sentences in one array; `sentences[speaker]` are (first, end) rows in it."""

    frames: np.ndarray
    sentences: list[list[tuple[int, int]]]


def read(paths: list[Path], kind: str) -> Corpus:
    """The `fbank` or `mel` frames of some shards; speakers count on from shard to shard."""
    parts, sentences, offset = [], [], 0
    for path in paths:
        with np.load(path) as shard:
            frames, ends, owners = shard[kind], shard[f"{kind}_ends"], shard["speakers"]
        parts.append(frames)
        speakers: dict[int, list[tuple[int, int]]] = {}
        for owner, first, end in zip(owners, [0, *ends[:-1]], ends, strict=True):
            speakers.setdefault(int(owner), []).append((offset + int(first), offset + int(end)))
        sentences += [rows for rows in speakers.values() if len(rows) >= 3]
        offset += len(frames)
    return Corpus(np.concatenate(parts), sentences)


def warp_axis(bins: int, factor: float) -> tuple[np.ndarray, np.ndarray]:
    """Where each of `bins` mel bands lies when every frequency is `factor` times as high: the band
    below, and the share of the one above."""
    source = np.clip(np.arange(bins) / factor, 0, bins - 1.001)
    below = source.astype(int)
    return below, (source - below).astype(np.float32)


def warped(frames: np.ndarray, factor: float) -> np.ndarray:
    """Log mel frames of a speaker whose voice is another: the mel axis stretched."""
    if factor == 1.0:
        return frames.astype(np.float32)
    below, share = warp_axis(frames.shape[1], factor)
    return frames[:, below] * (1 - share) + frames[:, below + 1] * share
