"""Word error rate through whisper.cpp, by voice and by source; and text where nobody speaks.

python -m recipe.evaluation.word_errors model.bin --clips heldout --nonspeech heldout/nonspeech
"""

import argparse
import difflib
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from .. import test_set
from ..speech.mel import SAMPLE_RATE
from ..text.exclusion import word_edits, words
from .whisper_cpp import Settings, Whisper

WINDOW = 28.0  # seconds: clips joined into one recording stay below Whisper's window
FLOOR_FOR_WORDS = 1  # a group without words divides by this


@dataclass
class Tally:
    """Word errors and reference words of a group."""

    errors: int = 0
    words: int = 0

    def add(self, reference: str, hypothesis: str) -> None:
        self.errors += word_edits(words(reference), words(hypothesis))
        self.words += len(words(reference))

    def __str__(self) -> str:
        rate = 100 * self.errors / max(FLOOR_FOR_WORDS, self.words)
        return f"{rate:5.1f} %  ({self.errors} of {self.words})"


def text_of(whisper: Whisper, samples: np.ndarray) -> str:
    return "".join(segment.text for segment in whisper.transcribe(samples)).strip()


def joined(clips: list[test_set.TestClip]) -> list[list[test_set.TestClip]]:
    """Clips in a fixed mixed order, packed into recordings of at most `WINDOW` seconds."""
    order = np.random.default_rng(1).permutation(len(clips))
    groups: list[list[test_set.TestClip]] = [[]]
    length = 0.0
    for at in order:
        seconds = len(clips[at].samples()) / SAMPLE_RATE
        if groups[-1] and length + seconds > WINDOW:
            groups.append([])
            length = 0.0
        groups[-1].append(clips[at])
        length += seconds
    return groups


def differences(reference: str, hypothesis: str) -> str:
    """`heard for said` pairs."""
    a, b = words(reference), words(hypothesis)
    changes = [
        f"{' '.join(a[i:j]) or '-'} > {' '.join(b[k:m]) or '-'}"
        for kind, i, j, k, m in difflib.SequenceMatcher(None, a, b).get_opcodes()
        if kind != "equal"
    ]
    return "; ".join(changes)


def by_group(clip: test_set.TestClip) -> list[str]:
    kind = "voice never in training" if clip.held_out else "voice in training"
    return ["all", kind, clip.source, f"{clip.source}, {kind}", f"  {clip.voice}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--clips", type=Path, required=True, help="folder with a manifest")
    parser.add_argument("--nonspeech", type=Path, help="folder of recordings without speech")
    parser.add_argument("--beam", type=int, default=0, help="beam size; 0 is greedy")
    parser.add_argument("--audio-context", type=int, default=0)
    parser.add_argument("--joined", action="store_true", help="also clips joined to 28 s")
    parser.add_argument("--show", action="store_true", help="print the differences")
    arguments = parser.parse_args()
    settings = Settings(beam_size=arguments.beam, audio_context=arguments.audio_context)
    whisper = Whisper(arguments.model, settings)
    print(f"whisper.cpp {whisper.version}, {settings}")
    clips = test_set.read(arguments.clips)
    tallies: dict[str, Tally] = defaultdict(Tally)
    started, seconds = time.process_time(), 0.0
    for clip in clips:
        samples = clip.samples()
        heard = text_of(whisper, samples)
        seconds += len(samples) / SAMPLE_RATE
        for group in by_group(clip):
            tallies[group].add(clip.text, heard)
        if arguments.show and words(heard) != words(clip.text):
            print(f"{clip.voice:18s} {clip.source:9s} {differences(clip.text, heard)}")
    spent = time.process_time() - started
    if arguments.joined:
        for group in joined(clips):
            samples = np.concatenate([clip.samples() for clip in group])
            text = " ".join(clip.text for clip in group)
            tallies["clips joined to 28 s"].add(text, text_of(whisper, samples))
    for name in sorted(tallies, key=lambda name: (name != "all", name)):
        print(f"{name:42s} {tallies[name]}")
    print(f"processor time {spent:.1f} s for {seconds:.0f} s in {len(clips)} clips")
    if arguments.nonspeech:
        for file in sorted(arguments.nonspeech.glob("*.flac")):
            samples, _ = soundfile.read(file, dtype="float32")
            print(f"{file.name}: {text_of(whisper, samples)!r}")


if __name__ == "__main__":
    main()
