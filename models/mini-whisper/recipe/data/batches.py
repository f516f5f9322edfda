"""Draws batches: short ones of similar sentences, and long windows of several sentences."""

from dataclasses import dataclass

import numpy as np

from ..speech.mel import FRAMES_PER_SECOND
from ..vocabulary import WINDOW_SECONDS, timestamp_class
from . import background
from .shard import Clip
from .windows import REALIGNED, TIMED, UNTIMED, Batch, Plan, Window, collate, compose

NONSPEECH_SHARE = 0.06  # of all windows
BACKGROUND_SHARE = 0.10  # of long windows have a sound without words between sentences
SPANISH_SHARE = 0.08  # of long windows
PROMPT_SHARE = 0.15  # of batches
PASSAGE_SHARE = 0.6  # of the windows of several sentences are of one passage, as far as it goes
LONGEST_PROMPT = 160  # tokens
PADDED_SHARE = 0.35  # of short batches: each file ends some time before its window
WIDTHS, WIDTH_SHARES = [12, 18, 24, 30], [0.3, 0.2, 0.15, 0.35]


@dataclass
class Progress:
    """How far training is, 0 to 1: windows get longer."""

    share: float
    long_share: float  # of the batches


class Batches:
    """Endless batches of about `seconds` seconds of sound."""

    def __init__(self, clips: list[Clip], seconds: float, seed: int):
        self.rng = np.random.default_rng(seed)
        self.seconds = seconds
        self.clips = sorted(clips, key=lambda clip: clip.frames)
        self.durations = np.array([clip.seconds for clip in self.clips])
        self.by_language = {
            language: [clip for clip in clips if clip.language == language]
            for language in ("en", "es")
        }
        self.backgrounds = background.make(240, seed=7)

    def draw(self, progress: Progress) -> Batch:
        if self.rng.random() < progress.long_share:
            return self.long_batch()
        return self.short_batch(progress)

    def chance(self, probability: float) -> bool:
        return self.rng.random() < probability

    def clip(self, clips: list[Clip]) -> Clip:
        return clips[self.rng.integers(len(clips))]

    def nonspeech(self, frames: int) -> Plan:
        """A window of silence, or of a sound without words, that perhaps ends early."""
        used = int(self.rng.uniform(50, max(51, frames))) if self.chance(0.5) else frames
        backgrounds = []
        if self.chance(0.7):
            codes = self.backgrounds[self.rng.integers(len(self.backgrounds))]
            backgrounds = [(int(self.rng.uniform(0, 50)), codes[:used], 0.0)]
        return Plan([], used_frames=used, backgrounds=backgrounds)

    def prompt(self, clip: Clip) -> list[int]:
        """The text before a clip in its passage, mostly with timestamps; none at the beginning."""
        longest = int(self.rng.integers(5, LONGEST_PROMPT))
        timed, end = self.chance(0.7), self.rng.uniform(WINDOW_SECONDS / 2, WINDOW_SECONDS)
        classes: list[int] = []
        while (clip := clip.before) and len(classes) < longest:  # backwards
            text, start = clip.classes.tolist(), end - clip.speech_end
            if timed and start >= 0:
                text = [timestamp_class(start), *text, timestamp_class(end)]
            classes, end = text + classes, start - self.rng.uniform(0.1, 0.6)
        return classes[-longest:]

    def short_batch(self, progress: Progress) -> Batch:
        """One to three sentences a window; windows of about one length, anywhere in the 30 s."""
        rng = self.rng
        longest = 4 + 9 * min(1, progress.share * 8)
        limit = int(np.searchsorted(self.durations, longest))
        centre = max(0.8, self.durations[rng.integers(limit)])
        low = int(np.searchsorted(self.durations, centre * 0.8))
        high = min(limit, max(low + 8, int(np.searchsorted(self.durations, centre * 1.15)) + 1))
        sentences = int(rng.choice([1, 1, 1, 2, 3])) if progress.share > 0.05 else 1
        each = centre * sentences + 0.8
        offset = 0.0
        if self.chance(0.5):
            offset = int(rng.uniform(0, WINDOW_SECONDS - min(28, each * 1.3)) * 50) / 50
        prompted = progress.share > 0.05 and self.chance(PROMPT_SHARE)
        plans = [
            self.short_plan(low, high, sentences, each, prompted)
            for _ in range(max(4, int(self.seconds / each)))
        ]
        need = max(plan.seconds for plan in plans)
        if self.chance(PADDED_SHARE):
            need += rng.uniform(0.6, 2.4)
            for plan in plans:
                if plan.used_frames is None:
                    plan.used_frames = int(plan.seconds * FRAMES_PER_SECOND)
        frames = int(min(WINDOW_SECONDS - offset, max(1, need + rng.uniform(0, 0.4))) * 50) * 2
        windows = [compose(plan, frames, offset, rng) for plan in plans]
        return collate(windows, offset)

    def short_plan(
        self, low: int, high: int, sentences: int, seconds: float, prompted: bool
    ) -> Plan:
        rng = self.rng
        if self.chance(NONSPEECH_SHARE):
            return self.nonspeech(int(seconds * FRAMES_PER_SECOND))
        clips = [self.clips[rng.integers(low, high)] for _ in range(sentences)]
        clips = [clip for clip in clips if clip.language == clips[0].language]
        if sentences > 1 and self.chance(PASSAGE_SHARE):
            clips = self.similar_passage(clips)
        return Plan(
            clips,
            lead=rng.choice([0, rng.uniform(0, 0.3), rng.uniform(0, 1)]),
            gaps=[rng.choice([0.1, rng.uniform(0, 0.6)]) for _ in clips],
            prompt=self.prompt(clips[0]) if prompted else [],
            head=rng.choice([TIMED, UNTIMED, REALIGNED], p=[0.83, 0.08, 0.09]),
        )

    def similar_passage(self, clips: list[Clip]) -> list[Clip]:
        """As many clips from the first one on in its passage, if they take no longer than these."""
        following = clips[:1]
        while len(following) < len(clips) and (clip := following[-1].after):
            following.append(clip)
        fits = sum(clip.seconds for clip in following) <= sum(clip.seconds for clip in clips)
        return following if fits else clips

    def long_batch(self) -> Batch:
        """Windows of 12 to 30 s; a third of them hold a file's end, and padding after it."""
        width = float(self.rng.choice(WIDTHS, p=WIDTH_SHARES))
        prompted = self.chance(PROMPT_SHARE)
        count = max(2, round(self.seconds / width))
        return collate([self.long_window(width, prompted) for _ in range(count)])

    def long_window(self, width: float, prompted: bool) -> Window:
        rng = self.rng
        frames = int(width * FRAMES_PER_SECOND)
        if self.chance(NONSPEECH_SHARE):
            return compose(self.nonspeech(frames), frames, 0.0, rng)
        pool = self.by_language["es" if self.chance(SPANISH_SHARE) else "en"]
        overfull = self.chance(0.5)
        lead = rng.choice([0, rng.uniform(0, 0.5), rng.uniform(0, 3)], p=[0.4, 0.45, 0.15])
        pause = [0.1, rng.uniform(0.05, 0.9), rng.uniform(0.3, 1.0), rng.uniform(0.05, 3)]
        fill = width if overfull else rng.uniform(1, width - 2)
        clips, gaps, at = [], [], lead
        in_passages = self.chance(PASSAGE_SHARE)
        clip = None
        while at < fill:
            clip = (in_passages and clip and clip.after) or self.clip(pool)
            if not overfull and clips and at + clip.seconds > fill + 1:
                break
            if not overfull and at + clip.seconds > width - 0.5:
                break
            clips.append(clip)
            gaps.append(rng.choice(pause, p=[0.2, 0.35, 0.25, 0.2]))
            at += clip.seconds + gaps[-1]
        if not clips:
            return compose(self.nonspeech(frames), frames, 0.0, rng)
        head = TIMED if overfull else rng.choice([TIMED, UNTIMED, REALIGNED], p=[0.76, 0.08, 0.16])
        plan = Plan(
            clips,
            lead=lead,
            gaps=gaps,
            prompt=self.prompt(clips[0]) if prompted else [],
            head=head,
            used_frames=None if overfull else int((at + rng.uniform(0, 1)) * FRAMES_PER_SECOND),
        )
        if self.chance(BACKGROUND_SHARE):  # faint under the speech, so that words stay clear
            codes = self.backgrounds[rng.integers(len(self.backgrounds))]
            plan.backgrounds = [(int(rng.uniform(0, frames * 0.7)), codes, -rng.uniform(1.5, 3.5))]
        return compose(plan, frames, 0.0, rng)
