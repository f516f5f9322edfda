"""Measures models on a set of conversations, through sherpa-onnx.

    python -m recipe.evaluate --set test
    python -m recipe.evaluate --set /tmp/development --models /tmp/models --plain

Prints the diarization error rate (missed/false/confused) with collars of 0 and 0.25 s, in how many
recordings the count of speakers is right, and the share of words with the right speaker in their
middle.
"""

import argparse
import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from scipy.optimize import linear_sum_assignment

from .clustering import Settings, joined
from .pipeline import SAMPLE_RATE, Models
from .scoring import Score, Turns, score

MODELS = Path(__file__).parents[1]
COLLARS = (0.0, 0.25)


@dataclass
class Recording:
    """Sound with its truth; words are (start, end, speaker)."""

    name: str
    samples: np.ndarray
    turns: Turns
    words: Turns

    @property
    def count(self) -> int:
        return len({label for *_, label in self.turns})


@dataclass
class Row:
    """How one recording came out."""

    count: int
    found: int
    scores: list[Score]
    words: int
    right_words: int


def read(folder: Path) -> Iterator[Recording]:
    """The recordings of a manifest."""
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf8"))
    for entry in manifest["recordings"]:
        samples, rate = soundfile.read(folder / entry["file"], dtype="float32")
        assert rate == SAMPLE_RATE, entry["file"]
        turns = [(turn["start"], turn["end"], turn["speaker"]) for turn in entry["turns"]]
        words = [
            (start, end, turn["speaker"])
            for turn in entry["turns"]
            for _, start, end in turn["words"]
        ]
        yield Recording(entry["file"], samples, turns, words)


def speaker_at(turns: Turns, time: float) -> str:
    """Whose turn it is, or whose is the nearest; of several, the one that began last."""
    return max(turns, key=lambda turn: (min(0.0, time - turn[0], turn[1] - time), turn[0]))[2]


def right_words(words: Turns, found: Turns) -> int:
    """Words with the right speaker, under the best mapping of labels."""
    if not found:
        return 0
    pairs = [(label, speaker_at(found, (start + end) / 2)) for start, end, label in words]
    rows, columns = sorted({a for a, _ in pairs}), sorted({b for _, b in pairs})
    table = np.zeros((len(rows), len(columns)), int)
    for a, b in pairs:
        table[rows.index(a), columns.index(b)] += 1
    return int(table[linear_sum_assignment(-table)].sum())


def measure(recording: Recording, found: Turns) -> Row:
    return Row(
        recording.count,
        len({label for *_, label in found}),
        [score(recording.turns, found, collar) for collar in COLLARS],
        len(recording.words),
        right_words(recording.words, found),
    )


def line(name: str, rows: list[Row]) -> str:
    """One line of the table."""
    totals = [sum((row.scores[at] for row in rows), Score()) for at in range(len(COLLARS))]
    counted = sum(row.count == row.found for row in rows)
    words = 100 * sum(row.right_words for row in rows) / sum(row.words for row in rows)
    return f"| {name} | {totals[0]} | {totals[1]} | {counted}/{len(rows)} | {words:.1f} % |"


def table(title: str, rows: list[Row]) -> str:
    lines = [f"| {title} | DER | collar 0.25 | count | words |", "|---|---|---|---|---|"]
    for count in sorted({row.count for row in rows}):
        lines.append(line(str(count), [row for row in rows if row.count == count]))
    return "\n".join([*lines, line("2 to 4", [row for row in rows if row.count > 1])])


def results(models: Models, recording: Recording, plain: bool) -> Iterator[tuple[str, Turns]]:
    """The turns found in each way, with the name of the way."""
    settings, samples, count = Settings(), recording.samples, recording.count
    turns = models.find(samples, settings, None)
    yield "automatic", models.label(samples, turns, settings, None)
    yield "known count", models.label(samples, turns, settings, count)
    if plain:
        yield "sherpa-onnx alone, automatic", joined(turns, settings)
        turns = models.find(samples, settings, count)
        yield "sherpa-onnx alone, known count", joined(turns, settings)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--set", type=Path, default=MODELS / "test")
    parser.add_argument("--models", type=Path, default=MODELS)
    parser.add_argument("--plain", action="store_true", help="sherpa-onnx alone, too")
    arguments = parser.parse_args()
    models, rows = Models(arguments.models), defaultdict(list)
    for recording in read(arguments.set):
        for name, found in results(models, recording, arguments.plain):
            rows[name].append(measure(recording, found))
    for name, measured in rows.items():
        print(table(name, measured), end="\n\n")


if __name__ == "__main__":
    main()
