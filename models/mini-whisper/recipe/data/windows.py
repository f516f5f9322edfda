"""Composes training windows from clips: pauses, noise, cut-off ends, prompts, and targets."""

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from .. import vocabulary
from ..speech import mel
from ..vocabulary import timestamp_class, to_class
from . import augment
from .shard import Clip

IGNORED, SILENT = -100, -200  # targets: no loss; <|nospeech|> and <|0.00|> share the target
NOWHERE = (-1.0, -1.0)  # span of a token without a place in the sound
EDGE = 0.1  # half the span of a timestamp token, seconds

START = to_class(vocabulary.START_OF_TRANSCRIPT)
END = to_class(vocabulary.END_OF_TEXT)
TRANSCRIBE = to_class(vocabulary.TRANSCRIBE)
NO_TIMESTAMPS = to_class(vocabulary.NO_TIMESTAMPS)
NO_SPEECH = to_class(vocabulary.NO_SPEECH)
PREVIOUS_TEXT = to_class(vocabulary.PREVIOUS_TEXT)
FIRST_TIMESTAMP = to_class(vocabulary.FIRST_TIMESTAMP)
LANGUAGES = {name: to_class(token) for name, token in vocabulary.LANGUAGES.items()}

# How the transcript starts: with timestamps; without; and without the task token, which is how
# whisper.cpp feeds the text back for word times
TIMED, UNTIMED, REALIGNED = "timed", "untimed", "realigned"
HEADS = {TIMED: [TRANSCRIBE], UNTIMED: [TRANSCRIBE, NO_TIMESTAMPS], REALIGNED: [NO_TIMESTAMPS]}


@dataclass
class Plan:
    """What one window holds. `gaps` follow the clips; `backgrounds` are packed spectra mixed in."""

    clips: list[Clip]
    lead: float = 0.0
    gaps: list[float] = field(default_factory=list)
    prompt: list[int] = field(default_factory=list)
    head: str = TIMED
    used_frames: int | None = None  # frames of the file; the rest is Whisper's padding
    backgrounds: list[tuple[int, np.ndarray, float]] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """What the clips and pauses take, at most."""
        return self.lead + sum(clip.seconds + 0.04 for clip in self.clips) + sum(self.gaps)


@dataclass
class Window:
    """A composed window: normalised spectrogram, decoder input and targets, with spans."""

    mel: np.ndarray
    inputs: list[int]
    targets: list[int]
    spans: list[tuple[float, float]]
    phonemes: np.ndarray


@dataclass
class Batch:
    """Windows of one length, padded in the text. `offset` is the first state's position."""

    mel: Tensor
    inputs: Tensor
    targets: Tensor
    spans: Tensor
    phonemes: Tensor
    offset: int = 0

    @property
    def seconds(self) -> float:
        return self.mel.shape[0] * self.mel.shape[2] / mel.FRAMES_PER_SECOND


class Canvas:
    """The window while it fills."""

    def __init__(self, frames: int, offset: float):
        self.frames, self.offset = frames, offset
        self.power = np.full((frames, mel.MELS), mel.FLOOR, np.float32)
        self.phonemes = np.zeros(frames // 2, np.int64)
        self.body: list[int] = []
        self.spans: list[tuple[float, float]] = []
        self.end = 0

    def timestamp(self, seconds: float) -> None:
        self.body.append(timestamp_class(self.offset + seconds))
        self.spans.append((seconds - EDGE, seconds + EDGE))

    def mix(self, at: int, spectrum: np.ndarray) -> None:
        room = self.power[at : at + len(spectrum)]
        np.maximum(room, spectrum[: len(room)], out=room)

    def place(self, clip: Clip, at: int, spectrum: np.ndarray) -> bool:
        """Puts a clip at a frame; False when its end does not fit, so only its start is known."""
        self.mix(at, spectrum)
        room = self.phonemes[at // 2 : at // 2 + len(clip.phonemes)]
        room[:] = clip.phonemes[: len(room)]
        start = at / mel.FRAMES_PER_SECOND
        self.timestamp(start)
        if at + clip.speech_end * mel.FRAMES_PER_SECOND > self.frames + 4:
            self.end = self.frames
            return False
        self.body += clip.classes.tolist()
        self.spans += [(start + a, start + b) for a, b in clip.spans.tolist()]
        self.timestamp(start + clip.speech_end)
        self.end = at + clip.frames
        return True


def to_even_frame(seconds: float) -> int:
    """States are two frames long, so clips start on even ones."""
    return int(seconds * mel.FRAMES_PER_SECOND / 2) * 2


def compose(plan: Plan, frames: int, offset: float, rng: np.random.Generator) -> Window:
    """One window of `frames` frames; `offset` is the time of its first frame for the encoder."""
    canvas = Canvas(frames, offset)
    at = to_even_frame(plan.lead)
    for clip, gap in zip(plan.clips, plan.gaps, strict=True):
        if at >= frames - 10:
            break
        spectrum = mel.unpack(clip.mel_codes)
        if rng.random() < 0.25:
            spectrum = augment.vocal_tract(spectrum, rng)
        # two people are seldom equally loud
        spectrum = np.maximum(mel.FLOOR, spectrum + rng.uniform(-0.7, 0) * (rng.random() < 0.5))
        if not canvas.place(clip, at, spectrum):
            break
        at += to_even_frame(clip.frames / mel.FRAMES_PER_SECOND + gap)
    for first, codes, level in plan.backgrounds:
        canvas.mix(first, np.maximum(mel.FLOOR, mel.unpack(codes) + level))
        canvas.end = max(canvas.end, min(frames, first + len(codes)))
    used = frames if plan.used_frames is None else min(frames, max(plan.used_frames, canvas.end))
    spectrogram = augment.spoil(canvas.power, used, rng)
    return Window(spectrogram, *sequence(plan, canvas), canvas.phonemes)


def sequence(plan: Plan, canvas: Canvas) -> tuple[list[int], list[int], list[tuple[float, float]]]:
    """Decoder inputs, targets and the span of every target."""
    body, spans, head = canvas.body, canvas.spans, plan.head
    if not plan.clips:  # whisper.cpp forbids an end of text first, so silence is <|0.00|>, end
        body, spans, head = [FIRST_TIMESTAMP], [NOWHERE], TIMED
    if head != TIMED:
        kept = [i for i, klass in enumerate(body) if klass < FIRST_TIMESTAMP]
        body, spans = [body[i] for i in kept], [spans[i] for i in kept]
    prompt = [PREVIOUS_TEXT, *plan.prompt] if plan.prompt else []
    language = LANGUAGES[plan.clips[0].language if plan.clips else "en"]
    start = [START, language, *HEADS[head]]
    whole = prompt + start + body + [END]
    first = len(prompt)  # the prompt is given, and so is what follows the language
    targets = [IGNORED] * first + whole[first + 1 :]
    for given in range(first + 1, first + len(start) - 1):
        targets[given] = IGNORED
    if not plan.clips:
        targets[first], targets[first + 2] = NO_SPEECH, SILENT
    target_spans = [NOWHERE] * (len(prompt) + len(start) - 1) + spans + [NOWHERE]
    return whole[:-1], targets, target_spans


def collate(windows: list[Window], offset: float = 0.0) -> Batch:
    """Stacks windows of equal length."""
    length = max(len(window.inputs) for window in windows)
    inputs = torch.full((len(windows), length), END)
    targets = torch.full((len(windows), length), IGNORED)
    spans = torch.full((len(windows), length, 2), -1.0)
    for row, window in enumerate(windows):
        count = len(window.inputs)
        inputs[row, :count] = torch.tensor(window.inputs)
        targets[row, :count] = torch.tensor(window.targets)
        spans[row, :count] = torch.tensor(window.spans, dtype=torch.float32)
    spectrograms = np.stack([window.mel for window in windows]).astype(np.float32)
    return Batch(
        mel=torch.from_numpy(spectrograms).transpose(1, 2).contiguous(),
        inputs=inputs,
        targets=targets,
        spans=spans,
        phonemes=torch.from_numpy(np.stack([window.phonemes for window in windows])),
        offset=round(offset * vocabulary.TIMESTAMPS_PER_SECOND),
    )
