"""Diarization of one recording: sherpa-onnx finds turns, then every turn is heard by itself.

sherpa-onnx embeds what one speaker says within a window of 10 s; where the segmentation model mixed
up two speakers in a window, that embedding is of both. A turn with an embedding of its own mends
it.
"""

from pathlib import Path

import numpy as np
import sherpa_onnx

from . import clustering
from .clustering import FINEST, Settings
from .scoring import Turns

SAMPLE_RATE = 16000


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
        turns = result.sort_by_start_time()
        return [(turn.start, turn.end, str(turn.speaker)) for turn in turns]

    def embed(self, samples: np.ndarray) -> np.ndarray:
        """A unit vector of a voice."""
        stream = self.extractor.create_stream()
        stream.accept_waveform(SAMPLE_RATE, samples)
        stream.input_finished()
        vector = np.array(self.extractor.compute(stream))
        return vector / np.linalg.norm(vector)

    def label(
        self, samples: np.ndarray, turns: Turns, settings: Settings, count: int | None
    ) -> Turns:
        """Turns of `find`, whatever their labels, labelled by embeddings of their own; `count`
        speakers, or as many as are found."""
        heard = clustering.audible(turns, settings)
        if not heard:
            return clustering.joined(turns, settings)
        vectors = np.stack([self.embed(cut(samples, *turn[:2])) for turn in heard])
        durations = np.array([end - start for start, end, _ in heard])
        voices = clustering.voices(vectors, durations, settings, count)
        labelled = []
        for turn, likeness in zip(heard, vectors @ voices.T, strict=True):
            starts = clustering.windows(turn, settings)
            if len(starts) > 1 and len(voices) > 1 and likeness.max() < settings.sure:
                parts = [self.embed(cut(samples, t, t + settings.window)) for t in starts]
                labelled += clustering.split(turn, starts, np.stack(parts) @ voices.T, settings)
            else:
                labelled.append((turn[0], turn[1], str(likeness.argmax())))
        labelled += clustering.by_neighbour([t for t in turns if t not in heard], labelled)
        return clustering.joined(labelled, settings)


def cut(samples: np.ndarray, start: float, end: float) -> np.ndarray:
    return samples[int(start * SAMPLE_RATE) : int(end * SAMPLE_RATE)]
