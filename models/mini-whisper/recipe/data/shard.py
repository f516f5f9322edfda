"""A shard on disk: `NAME.mel` (one byte a value), `NAME.npz` (arrays), `NAME.json` (texts)."""

import json
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np

from .. import vocabulary
from ..speech import mel
from ..speech.alignment import PHONEME_FRAMES_PER_SECOND, Utterance


@dataclass
class Clip:
    """A spoken sentence as training sees it; times are seconds from its first frame."""

    text: str
    language: str
    mel_codes: np.ndarray  # [frames, 80]
    classes: np.ndarray
    spans: np.ndarray  # [tokens, 2]
    phonemes: np.ndarray  # one for every two frames
    speech_end: float
    before: "Clip | None" = field(default=None, repr=False)  # what the same speaker said before
    after: "Clip | None" = field(default=None, repr=False)

    @property
    def frames(self) -> int:
        return len(self.mel_codes)

    @property
    def seconds(self) -> float:
        return self.frames / mel.FRAMES_PER_SECOND


class Writer:
    """Collects utterances and writes a shard."""

    def __init__(self, path: Path):
        self.path = path
        self.mel_file = path.with_suffix(".mel").open("wb")
        self.rows: list[dict] = []
        self.phoneme_ids: dict[str, int] = {}
        self.columns: dict[str, list[np.ndarray]] = {"tokens": [], "spans": [], "phonemes": []}
        self.frames = 0

    def add(self, utterance: Utterance, language: str, passage: int) -> None:
        codes = mel.pack(mel.log_power(utterance.samples))
        self.mel_file.write(codes.tobytes())
        names = utterance.phonemes[: (len(codes) + 1) // 2]
        ids = [self.phoneme_ids.setdefault(name, len(self.phoneme_ids)) for name in names]
        self.columns["tokens"].append(np.array(utterance.tokens, np.int32))
        self.columns["spans"].append(np.array(utterance.token_spans, np.float32))
        self.columns["phonemes"].append(np.array(ids, np.uint8))
        self.frames += len(codes)
        self.rows.append(
            {
                "text": utterance.text,
                "language": language,
                "voice": utterance.voice.name,
                "passage": passage,
                "frames": len(codes),
                "speech_end": round(utterance.speech_end, 4),
            }
        )

    def close(self) -> None:
        self.mel_file.close()
        arrays = {name: np.concatenate(parts) for name, parts in self.columns.items()}
        for name, parts in self.columns.items():
            arrays[name + "_ends"] = np.cumsum([len(part) for part in parts])
        np.savez(self.path.with_suffix(".npz"), **arrays)
        description = {
            "ranks_used": vocabulary.RANKS_USED,
            "phonemes": list(self.phoneme_ids),
            "phonemes_per_second": PHONEME_FRAMES_PER_SECOND,
            "utterances": self.rows,
        }
        self.path.with_suffix(".json").write_text(json.dumps(description))


class PhonemeIds:
    """Numbers for phoneme names, shared by all shards and kept in the checkpoint; 0 is a pause."""

    LIMIT = 120

    def __init__(self, ids: dict[str, int] | None = None):
        self.ids = {"_": 0, **(ids or {})}

    def __getitem__(self, name: str) -> int:
        """The number; once the numbers are used up, new names count as a pause."""
        if name not in self.ids and len(self.ids) < self.LIMIT - 1:
            self.ids[name] = len(self.ids)
        return self.ids.get(name, 0)


def read(path: Path, phoneme_ids: PhonemeIds) -> list[Clip]:
    """The clips of a shard; the spectrogram stays on disk until it is used."""
    description = json.loads(path.with_suffix(".json").read_text())
    assert description["ranks_used"] == vocabulary.RANKS_USED
    arrays = np.load(path.with_suffix(".npz"))
    codes = np.memmap(path.with_suffix(".mel"), np.uint8, "r").reshape(-1, mel.MELS)
    lookup = np.array([phoneme_ids[name] for name in description["phonemes"]], np.int64)
    class_of = np.array([vocabulary.to_class(i) for i in range(vocabulary.FULL_SIZE)], np.int64)
    columns = {
        name: np.split(arrays[name], arrays[name + "_ends"][:-1])
        for name in ("tokens", "spans", "phonemes")
    }
    frame_ends = np.cumsum([row["frames"] for row in description["utterances"]])
    clips = [
        Clip(
            text=row["text"],
            language=row["language"],
            mel_codes=codes[frame_ends[i] - row["frames"] : frame_ends[i]],
            classes=class_of[columns["tokens"][i]],
            spans=columns["spans"][i],
            phonemes=lookup[columns["phonemes"][i]],
            speech_end=row["speech_end"],
        )
        for i, row in enumerate(description["utterances"])
    ]
    rows = description["utterances"]
    for (row, clip), (next_row, next_clip) in pairwise(zip(rows, clips, strict=True)):
        if "passage" in row and row["passage"] == next_row["passage"]:
            clip.after, next_clip.before = next_clip, clip
    return clips
