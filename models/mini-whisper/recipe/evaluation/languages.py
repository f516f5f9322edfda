"""Whether `language=auto` tells English from Spanish, and the word errors in Spanish.

python -m recipe.evaluation.languages model.bin --clips heldout
"""

import argparse
import random
from collections import Counter
from pathlib import Path

import numpy as np

from .. import test_set
from ..speech import alignment
from ..speech.espeak import Espeak, Voice
from ..speech.mel import SAMPLE_RATE
from ..text import spanish
from .whisper_cpp import Settings, Whisper
from .word_errors import Tally, text_of

SENTENCES, SEED = 20, 77
VOICES = ["es", "es-419", "es+f2", "es-419+m3"]


def spanish_recordings() -> list[tuple[str, np.ndarray]]:
    """Sentences of the Spanish grammar; it is so small that some may occur in training."""
    rng, espeak = random.Random(SEED), Espeak()
    recordings = []
    for number in range(SENTENCES):
        text = spanish.sentence(rng)
        utterance = alignment.speak(espeak, text, Voice(VOICES[number % len(VOICES)], 155))
        assert utterance is not None
        silence = np.zeros(int(0.4 * SAMPLE_RATE), np.float32)
        recordings.append((text, np.concatenate([silence, utterance.samples, silence])))
    return recordings


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--clips", type=Path, required=True, help="folder with English clips")
    arguments = parser.parse_args()
    auto = Whisper(arguments.model, Settings(language="auto"))
    detected: dict[str, Counter[str]] = {"en": Counter(), "es": Counter()}
    for clip in test_set.read(arguments.clips)[::3]:
        auto.transcribe(clip.samples())
        detected["en"][auto.detected_language()] += 1
    tally = Tally()
    fixed = Whisper(arguments.model, Settings(language="es"))
    for text, samples in spanish_recordings():
        auto.transcribe(samples)
        detected["es"][auto.detected_language()] += 1
        tally.add(text, text_of(fixed, samples))
    for language, counts in detected.items():
        print(f"{language}: detected as {dict(counts)}")
    print(f"Spanish word errors {tally}")


if __name__ == "__main__":
    main()
