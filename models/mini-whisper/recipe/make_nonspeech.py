"""Sounds without speech, on which the model must say nothing.

python -m recipe.make_nonspeech --out heldout/nonspeech
"""

import argparse
from pathlib import Path

import numpy as np
import soundfile

from .speech.mel import SAMPLE_RATE


def seconds(duration: float) -> np.ndarray:
    """Sample times."""
    return np.arange(int(duration * SAMPLE_RATE)) / SAMPLE_RATE


def silence() -> np.ndarray:
    """20 s of digital silence."""
    return np.zeros(20 * SAMPLE_RATE)


def white_noise() -> np.ndarray:
    """20 s at about -40 dB of full scale."""
    return 0.01 * np.random.default_rng(1).standard_normal(20 * SAMPLE_RATE)


def tone(frequency: float, duration: float, level: float = 0.25) -> np.ndarray:
    """A sine with 5 ms ramps."""
    t = seconds(duration)
    ramp = np.minimum(1, np.minimum(t, duration - t) / 0.005)
    return level * ramp * np.sin(2 * np.pi * frequency * t)


def beeps() -> np.ndarray:
    """1 kHz for 2 s, then 10 pips of 0.1 s, one a second."""
    parts = [np.zeros(SAMPLE_RATE // 2), tone(1000, 2.0), np.zeros(SAMPLE_RATE)]
    for _ in range(10):
        parts += [tone(1000, 0.1), np.zeros(int(0.9 * SAMPLE_RATE))]
    return np.concatenate(parts)


def note(pitch: float, duration: float, harmonics: int = 6) -> np.ndarray:
    """A plucked note: harmonics that fall off and decay, the higher the faster. Pitch in MIDI."""
    t, base = seconds(duration), 440 * 2 ** ((pitch - 69) / 12)
    partials = (
        np.sin(2 * np.pi * base * k * t) * np.exp(-t * (1.5 + 0.7 * k)) / k
        for k in range(1, harmonics + 1)
    )
    return sum(partials) * np.minimum(1, t / 0.01)


def music() -> np.ndarray:
    """20 s: four chords in turn, an arpeggio over them, and noise bursts as drums."""
    rng, beat = np.random.default_rng(2), 0.5
    out = np.zeros(20 * SAMPLE_RATE)

    def add(sound: np.ndarray, at: float, level: float) -> None:
        start = int(at * SAMPLE_RATE)
        stop = min(len(out), start + len(sound))
        out[start:stop] += level * sound[: stop - start]

    chords = [(57, 60, 64), (53, 57, 60), (48, 52, 55), (55, 59, 62)]
    for bar in range(10):
        chord, start = chords[bar % 4], bar * 4 * beat
        for pitch in chord:
            add(note(pitch, 4 * beat), start, 0.12)
        for step in range(8):
            add(note(chord[step % 3] + 12, beat), start + step * beat / 2, 0.08)
        for step in range(4):
            length = 0.15 if step % 2 else 0.08
            t = seconds(length)
            burst = rng.standard_normal(len(t)) * np.exp(-t * 40)
            add(burst, start + step * beat, 0.08 if step % 2 else 0.05)
    return out


SOUNDS = {"silence": silence, "white-noise": white_noise, "beeps": beeps, "music": music}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name, make in SOUNDS.items():
        samples = make().astype(np.float32)
        file = arguments.out / f"{name}.flac"
        soundfile.write(file, samples, SAMPLE_RATE, subtype="PCM_16", compression_level=1.0)
        peak = np.abs(samples).max()
        print(f"{file.name}: {len(samples) / SAMPLE_RATE:.1f} s, peak {peak:.2f}")


if __name__ == "__main__":
    main()
