"""From turns and their embeddings to speakers: Ward's clusters, the voices in their middle, and the
turns that hold two speakers."""

from dataclasses import dataclass

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage

from .scoring import Turns

FINEST = 0.1  # seconds; turns must not be joined before it is known whose they are
ROUNDS = 2


@dataclass
class Settings:
    """`first` is the cosine distance at which sherpa-onnx cuts its clusters of windows. Ward's
    clusters of turns are cut at a height that rises with their number. Durations in seconds."""

    first: float = 0.8
    lowest: float = 1.05
    slope: float = 1 / 30
    highest: float = 1.7
    least: float = 1.0  # a turn of this length takes part in the second clustering
    audible: float = 0.4  # a turn of this length has an embedding
    smallest: float = 0.03  # share of the clustered speech below which a cluster is dissolved
    sure: float = 0.9  # a turn this like a voice is of that one speaker
    window: float = 1.2
    hop: float = 0.3
    change: float = 0.2  # what a change of speaker within a turn costs, in cosines
    piece: float = 0.5  # the least of a turn that can be another speaker's
    join: float = 0.5  # a shorter silence within what one speaker says is no end of the turn
    shortest: float = 0.2


def audible(turns: Turns, settings: Settings) -> Turns:
    """Those long enough to be told from others."""
    return [turn for turn in turns if turn[1] - turn[0] >= settings.audible]


def clusters(vectors: np.ndarray, settings: Settings, count: int | None) -> np.ndarray:
    """A label for every unit vector."""
    if len(vectors) < 2:
        return np.ones(len(vectors), int)
    tree = linkage(vectors, "ward")
    if count:
        return fcluster(tree, count, "maxclust")
    height = min(settings.highest, settings.lowest + settings.slope * len(vectors))
    return fcluster(tree, height, "distance")


def centroids(vectors: np.ndarray, weights: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The direction of every label that occurs."""
    sums = [(vectors[labels == n] * weights[labels == n, None]).sum(0) for n in np.unique(labels)]
    return np.stack([total / np.linalg.norm(total) for total in sums])


def voices(
    vectors: np.ndarray, durations: np.ndarray, settings: Settings, count: int | None
) -> np.ndarray:
    """Directions of the speakers."""
    long = durations >= settings.least
    if not long.any():
        long[:] = True
    vectors, durations = vectors[long], durations[long]
    labels = clusters(vectors, settings, count)
    shares = {n: durations[labels == n].sum() / durations.sum() for n in np.unique(labels)}
    if not count:
        kept = np.isin(labels, [n for n, share in shares.items() if share >= settings.smallest])
        vectors, durations, labels = vectors[kept], durations[kept], labels[kept]
    found = centroids(vectors, durations, labels)
    for _ in range(ROUNDS):
        found = centroids(vectors, durations, (vectors @ found.T).argmax(1))
    return found


def windows(turn: tuple[float, float, str], settings: Settings) -> list[float]:
    """Where the windows of a turn start; those wholly within it."""
    start, end, _ = turn
    count = int((end - start - settings.window) / settings.hop + 1e-6) + 1
    return [start + number * settings.hop for number in range(max(0, count))]


def best_path(scores: np.ndarray, change: float) -> list[int]:
    """The voice of every window, with the largest sum of scores; every change takes from it."""
    total, before = scores[0], []
    for row in scores[1:]:
        other = int(total.argmax())
        stays = total >= total[other] - change
        before.append(np.where(stays, np.arange(len(row)), other))
        total = np.maximum(total, total[other] - change) + row
    path = [int(total.argmax())]
    for step in reversed(before):
        path.append(int(step[path[-1]]))
    return path[::-1]


def split(
    turn: tuple[float, float, str], starts: list[float], scores: np.ndarray, settings: Settings
) -> Turns:
    """A turn in pieces of one voice each."""
    path = best_path(scores, settings.change)
    pieces, begun = [], turn[0]
    for at in range(1, len(path)):
        if path[at] != path[at - 1]:
            border = (starts[at - 1] + starts[at] + settings.window) / 2
            pieces.append((begun, border, path[at - 1]))
            begun = border
    pieces.append((begun, turn[1], path[-1]))
    long = [piece for piece in pieces if piece[1] - piece[0] >= settings.piece]
    long = long or [max(pieces, key=lambda piece: piece[1] - piece[0])]
    borders = [(a[1] + b[0]) / 2 for a, b in zip(long, long[1:], strict=False)]
    spans = zip([turn[0], *borders], [*borders, turn[1]], long, strict=True)
    return [(start, end, str(voice)) for start, end, (*_, voice) in spans]


def by_neighbour(turns: Turns, labelled: Turns) -> Turns:
    """Turns too short to be heard, each with the label of the nearest in time."""
    named = []
    for start, end, _ in turns:
        nearest = min(labelled, key=lambda other: max(other[0] - end, start - other[1]))
        named.append((start, end, nearest[2]))
    return named


def joined(turns: Turns, settings: Settings) -> Turns:
    """Without short silences within what one speaker says, and without what is too short."""
    last: dict[str, int] = {}
    result: Turns = []
    for start, end, label in sorted(turns):
        if label in last and start - result[last[label]][1] <= settings.join:
            before = result[last[label]]
            result[last[label]] = (before[0], max(end, before[1]), label)
        else:
            last[label] = len(result)
            result.append((start, end, label))
    return [turn for turn in result if turn[1] - turn[0] >= settings.shortest]
