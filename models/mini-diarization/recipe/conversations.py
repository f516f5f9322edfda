"""Mixes sentences of several speakers to a conversation, and writes it with its truth."""

import json
import random
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soundfile

SAMPLE_RATE = 16000
LEVEL = 0.08  # root mean square of a spoken sentence before the speaker's gain
OVERLAPPED = 0.12  # share of the sentences that begin before the previous one has ended
SAME_SPEAKER = 0.25  # share of the sentences after which the same speaker goes on
LEAST_SPEECH = 5.0  # seconds of everybody
BIT_RATE = "24k"


@dataclass
class Spoken:
    """A sentence as spoken: samples at `LEVEL`, and (word, start, end) from its first sample."""

    text: str
    samples: np.ndarray
    words: list[tuple[str, float, float]]


@dataclass
class Turn:
    """A sentence in its place; times in seconds of the conversation."""

    speaker: int
    start: float
    end: float
    text: str
    words: list[tuple[str, float, float]]


@dataclass
class Conversation:
    """Sound with its truth."""

    samples: np.ndarray
    turns: list[Turn]
    snr: float
    speakers: list[dict] = field(default_factory=list)


def coloured_noise(rng: np.random.Generator, count: int, slope: float) -> np.ndarray:
    """Noise of unit power whose amplitude goes with frequency to the power of `slope`."""
    frequency = np.fft.rfftfreq(count, 1 / SAMPLE_RATE)
    frequency[0] = frequency[1]
    spectrum = np.fft.rfft(rng.standard_normal(count)) * frequency**slope
    noise = np.fft.irfft(spectrum, count)
    return (noise / noise.std()).astype(np.float32)


def following(rng: random.Random, speaker: int, count: int) -> int:
    """Who speaks after `speaker`."""
    if count == 1 or rng.random() < SAME_SPEAKER:
        return speaker
    return rng.choice([other for other in range(count) if other != speaker])


def arrange(rng: random.Random, sentences, count: int, seconds: float) -> list[tuple[Turn, Spoken]]:
    """Turns up to `seconds`; `sentences(speaker)` gives a speaker's next sentence."""
    placed: list[tuple[Turn, Spoken]] = []
    silent_until = [0.0] * count
    start, speaker = rng.uniform(0.2, 1.0), rng.randrange(count)
    while True:
        spoken = sentences(speaker)
        length = len(spoken.samples) / SAMPLE_RATE
        start = max(start, silent_until[speaker] + 0.1)
        if start + length > seconds:
            return placed
        words = [(word, start + a, start + b) for word, a, b in spoken.words]
        placed.append((Turn(speaker, start, start + length, spoken.text, words), spoken))
        silent_until[speaker] = start + length
        speaker = following(rng, speaker, count)
        if count > 1 and rng.random() < OVERLAPPED:
            start += length - rng.uniform(0.1, max(0.15, min(1.2, 0.6 * length)))
        elif rng.random() < 0.9:
            start += length + rng.uniform(0.1, 0.9)
        else:
            start += length + rng.uniform(1.0, 2.5)


def everybody_speaks(placed: list[tuple[Turn, Spoken]], count: int) -> bool:
    spoken = [0.0] * count
    for turn, _ in placed:
        spoken[turn.speaker] += turn.end - turn.start
    return min(spoken) >= LEAST_SPEECH


def mix(rng: random.Random, sentences, count: int, seconds: float) -> Conversation:
    """A conversation of `count` speakers, with gains within 5 dB of each other's mean and noise 15
    to 30 dB below the speech."""
    while not everybody_speaks(placed := arrange(rng, sentences, count, seconds), count):
        pass
    samples = np.zeros(round(seconds * SAMPLE_RATE), np.float32)
    gains = [10 ** (rng.uniform(-5, 5) / 20) for _ in range(count)]
    spoken_samples = 0
    for turn, spoken in placed:
        at = round(turn.start * SAMPLE_RATE)
        samples[at : at + len(spoken.samples)] += spoken.samples * gains[turn.speaker]
        spoken_samples += len(spoken.samples)
    snr = rng.uniform(15, 30)
    power = float((samples**2).sum()) / spoken_samples * 10 ** (-snr / 10)
    slope = rng.choice([0.0, -0.5, -1.0])
    noise = coloured_noise(np.random.default_rng(rng.getrandbits(32)), len(samples), slope)
    samples += noise * np.float32(power**0.5)
    samples *= 10 ** (rng.uniform(-8, 4) / 20)
    samples *= min(1.0, 0.95 / float(np.abs(samples).max()))
    return Conversation(samples, [turn for turn, _ in placed], round(snr, 1))


def label(speaker: int) -> str:
    return f"voice-{speaker + 1}"


def rounded(words: list[tuple[str, float, float]]) -> list[list]:
    return [[word, round(start, 3), round(end, 3)] for word, start, end in words]


def truth(name: str, conversation: Conversation) -> dict:
    """What the manifest says of a recording."""
    return {
        "file": f"{name}.opus",
        "seconds": round(len(conversation.samples) / SAMPLE_RATE, 3),
        "snr": conversation.snr,
        "speakers": {label(n): s for n, s in enumerate(conversation.speakers)},
        "turns": [
            {
                "speaker": label(turn.speaker),
                "start": round(turn.start, 3),
                "end": round(turn.end, 3),
                "text": turn.text,
                "words": rounded(turn.words),
            }
            for turn in conversation.turns
        ],
    }


def rttm(name: str, turns: list[dict]) -> str:
    """The turns of a manifest in NIST's format."""
    lines = [
        f"SPEAKER {name} 1 {turn['start']:.3f} {turn['end'] - turn['start']:.3f} <NA> <NA>"
        f" {turn['speaker']} <NA> <NA>\n"
        for turn in turns
    ]
    return "".join(lines)


def write(folder: Path, name: str, conversation: Conversation) -> dict:
    """Ogg Opus, what it decodes to as WAV in `decoded/`, RTTM, and the entry of the manifest."""
    decoded = folder / "decoded"
    decoded.mkdir(parents=True, exist_ok=True)
    wave, opus = decoded / f"{name}.wav", folder / f"{name}.opus"
    soundfile.write(wave, conversation.samples, SAMPLE_RATE, subtype="PCM_16")
    quiet = ["ffmpeg", "-nostdin", "-loglevel", "error", "-y", "-i"]
    exact = ["-fflags", "+bitexact", "-flags", "+bitexact", "-map_metadata", "-1"]
    subprocess.run([*quiet, wave, "-c:a", "libopus", "-b:a", BIT_RATE, *exact, opus], check=True)
    subprocess.run([*quiet, opus, "-ar", str(SAMPLE_RATE), "-c:a", "pcm_s16le", wave], check=True)
    entry = truth(name, conversation)
    (folder / f"{name}.rttm").write_text(rttm(name, entry["turns"]), encoding="utf8")
    return entry


def write_manifest(folder: Path, head: dict, entries: list[dict]) -> None:
    """One turn a line, so that a difference can be read."""
    parts = []
    for entry in entries:
        turns = entry.pop("turns")
        rows = ",\n  ".join(json.dumps(turn, ensure_ascii=False) for turn in turns)
        parts.append(f'{json.dumps(entry)[:-1]}, "turns": [\n  {rows}]}}')
    text = json.dumps(head, indent=1)[:-2] + ',\n "recordings": [\n' + ",\n".join(parts) + "\n]}\n"
    (folder / "manifest.json").write_text(text, encoding="utf8")
