"""Diarization of one recording: sherpa-onnx finds turns, then every turn is heard by itself.

sherpa-onnx embeds what one speaker says within a window of 10 s; where the segmentation model mixed
up two speakers in a window, that embedding is of both. A turn with an embedding of its own mends
it.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import sherpa_onnx
from scipy.cluster.hierarchy import fcluster, linkage

from .scoring import Turns

SAMPLE_RATE = 16000
FINEST = 0.1  # seconds; turns must not be joined before it is known whose they are
ROUNDS = 2


@dataclass
class Settings:
    """`first` is the cosine distance at which sherpa-onnx cuts its clusters of windows. Ward's
    clusters of turns are cut at a height that rises with their number. Durations in seconds."""

    first: float = 0.8
    lowest: float = 1.05
    slope: float = 1 / 30
    highest: float = 2.0
    least: float = 1.0  # a turn of this length takes part in the second clustering
    audible: float = 0.4  # a turn of this length has an embedding
    smallest: float = 0.03  # share of the clustered speech below which a cluster is dissolved
    join: float = 0.5  # a shorter silence within what one speaker says is no end of the turn
    shortest: float = 0.2


class Models:
    """The two files, loaded."""

    def __init__(self, folder: Path):
        self.folder = folder
        embedding = sherpa_onnx.SpeakerEmbeddingExtractorConfig(
            model=str(folder / "embedding.onnx"), num_threads=1
        )
        self.extractor = sherpa_onnx.SpeakerEmbeddingExtractor(embedding)
        self.embedding = embedding

    def find(self, samples: np.ndarray, settings: Settings, count: int | None) -> Turns:
        """The turns of sherpa-onnx alone."""
        segmentation = sherpa_onnx.OfflineSpeakerSegmentationModelConfig(
            pyannote=sherpa_onnx.OfflineSpeakerSegmentationPyannoteModelConfig(
                model=str(self.folder / "segmentation.onnx")
            ),
            num_threads=1,
        )
        config = sherpa_onnx.OfflineSpeakerDiarizationConfig(
            segmentation=segmentation,
            embedding=self.embedding,
            clustering=sherpa_onnx.FastClusteringConfig(
                num_clusters=count or -1, threshold=settings.first
            ),
            min_duration_on=FINEST,
            min_duration_off=FINEST,
        )
        result = sherpa_onnx.OfflineSpeakerDiarization(config).process(samples)
        return [(turn.start, turn.end, str(turn.speaker)) for turn in result.sort_by_start_time()]

    def embed(self, samples: np.ndarray) -> np.ndarray:
        """A unit vector of a voice."""
        stream = self.extractor.create_stream()
        stream.accept_waveform(SAMPLE_RATE, samples)
        stream.input_finished()
        vector = np.array(self.extractor.compute(stream))
        return vector / np.linalg.norm(vector)

    def diarize(self, samples: np.ndarray, settings: Settings, count: int | None) -> Turns:
        """Turns labelled by embeddings of their own; `count` speakers, or as many as are found."""
        turns = self.find(samples, settings, None)
        vectors = [self.embed(cut(samples, turn)) for turn in audible(turns, settings)]
        return relabelled(turns, vectors, settings, count)


def cut(samples: np.ndarray, turn: tuple[float, float, str]) -> np.ndarray:
    return samples[int(turn[0] * SAMPLE_RATE) : int(turn[1] * SAMPLE_RATE)]


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


def relabelled(
    turns: Turns, vectors: list[np.ndarray], settings: Settings, count: int | None
) -> Turns:
    """Every turn by its nearest voice; one too short to be heard goes with the nearest in time."""
    heard = audible(turns, settings)
    if not heard:
        return turns
    stacked = np.stack(vectors)
    durations = np.array([end - start for start, end, _ in heard])
    nearest = (stacked @ voices(stacked, durations, settings, count).T).argmax(1)
    labels = {turn: int(label) for turn, label in zip(heard, nearest, strict=True)}
    named = []
    for turn in turns:
        if turn not in labels:
            neighbour = min(heard, key=lambda other: max(other[0] - turn[1], turn[0] - other[1]))
            named.append((turn[0], turn[1], str(labels[neighbour])))
        else:
            named.append((turn[0], turn[1], str(labels[turn])))
    return joined(named, settings)


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
