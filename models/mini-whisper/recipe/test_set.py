"""The sentences and clips that measure the model, which training must never contain."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from .speech.mel import SAMPLE_RATE

MODEL_FOLDER = Path(__file__).parents[1]
HELD_OUT = MODEL_FOLDER / "heldout"
HELD_OUT_EVERYDAY = HELD_OUT / "everyday.txt"
DEVELOPMENT_EVERYDAY = Path(__file__).parent / "text" / "dev_everyday.txt"
DEMONSTRATION = MODEL_FOLDER.parent / "demo" / "briefing.txt"


def lines(path: Path) -> list[str]:
    return [line.strip() for line in path.read_text(encoding="utf8").splitlines() if line.strip()]


def demonstration_sentences() -> list[str]:
    """Every turn of the demonstration, whole and sentence by sentence."""
    turns = [line.split(": ", 1)[1] for line in lines(DEMONSTRATION)]
    marked = [turn.replace(". ", ".|").replace("? ", "?|") for turn in turns]
    return turns + [sentence for turn in marked for sentence in turn.split("|")]


def reserved_sentences() -> list[str]:
    """All texts kept out of training: demonstration, held-out and development sentences."""
    reserved = demonstration_sentences()
    reserved += lines(HELD_OUT_EVERYDAY) + lines(DEVELOPMENT_EVERYDAY)
    manifest = HELD_OUT / "manifest.json"
    if manifest.exists():
        reserved += [clip["text"] for clip in json.loads(manifest.read_text())["clips"]]
    return reserved


@dataclass
class TestClip:
    """A recording with its truth; `words` are (word, start, end) in seconds."""

    file: Path
    text: str
    voice: str
    held_out: bool
    source: str
    words: list[tuple[str, float, float]]

    def samples(self) -> np.ndarray:
        """16 kHz mono, float."""
        samples, rate = soundfile.read(self.file, dtype="float32")
        assert rate == SAMPLE_RATE
        return samples


def read(folder: Path) -> list[TestClip]:
    """The clips of a manifest."""
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf8"))
    return [
        TestClip(
            file=folder / clip["file"],
            text=clip["text"],
            voice=clip["voice"],
            held_out=clip["heldout"],
            source=clip["source"],
            words=[(word["word"], word["start"], word["end"]) for word in clip["words"]],
        )
        for clip in manifest["clips"]
    ]
