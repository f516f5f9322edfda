"""Random sounds without speech: tones, chords, noises, clicks; windows of them have no words."""

import numpy as np

from ..speech import mel

RATE = mel.SAMPLE_RATE


def times(seconds: float) -> np.ndarray:
    return np.arange(int(seconds * RATE)) / RATE


def faded(sound: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Soft or hard edges."""
    edge = max(1, int(rng.uniform(0.001, 0.03) * RATE))
    ramp = np.minimum(1, np.arange(len(sound)) / edge)
    return sound * ramp * ramp[::-1]


def harmonics(frequency: float, seconds: float, rng: np.random.Generator) -> np.ndarray:
    """A steady or decaying note with up to eight harmonics and perhaps vibrato."""
    t = times(seconds)
    vibrato = rng.choice([0, 0.01]) * np.sin(2 * np.pi * rng.uniform(3, 7) * t)
    decay = rng.choice([0, rng.uniform(0.5, 6)])
    count = rng.integers(1, 9)
    phase = 2 * np.pi * frequency * (t + np.cumsum(vibrato) / RATE)
    partials = (
        np.sin(k * phase) * np.exp(-decay * t * (1 + 0.3 * k)) / k ** rng.uniform(0.7, 1.6)
        for k in range(1, count + 1)
        if k * frequency < RATE / 2
    )
    return faded(sum(partials, np.zeros(len(t))), rng)


def coloured_noise(seconds: float, rng: np.random.Generator) -> np.ndarray:
    """White to brown noise, perhaps band-limited, with a slowly changing level."""
    count = int(seconds * RATE)
    spectrum = np.fft.rfft(rng.standard_normal(count))
    frequency = np.fft.rfftfreq(count, 1 / RATE) + 20
    spectrum *= frequency ** -rng.choice([0, 0, rng.uniform(0, 1.2)])
    if rng.random() < 0.3:
        low = rng.uniform(20, 2000)
        spectrum[(frequency < low) | (frequency > low * rng.uniform(1.5, 20))] = 0
    noise = np.fft.irfft(spectrum, count)
    points = rng.uniform(0.3, 1, max(2, int(seconds * rng.choice([0.2, 1, 4]))))
    level = np.interp(np.linspace(0, 1, count), np.linspace(0, 1, len(points)), points)
    return noise / np.abs(noise).max() * (level if rng.random() < 0.5 else 1)


def beeps(seconds: float, rng: np.random.Generator) -> np.ndarray:
    """One pitch, or a few, on and off."""
    out = np.zeros(int(seconds * RATE))
    pitches = rng.uniform(200, 3500, rng.integers(1, 4))
    period = rng.uniform(0.15, 2.0)
    duty = rng.uniform(0.05, 0.95)
    for number, start in enumerate(np.arange(0, seconds, period)):
        sound = harmonics(pitches[number % len(pitches)], period * duty, rng)
        add(out, sound, start)
    return out


def music(seconds: float, rng: np.random.Generator) -> np.ndarray:
    """Chords, an arpeggio or melody, and drums, each perhaps absent."""
    out = np.zeros(int(seconds * RATE))
    beat = rng.uniform(0.25, 0.8)
    scale = rng.integers(40, 60) + np.array([0, 2, 4, 5, 7, 9, 11, 12, 14, 16])
    has_chords, has_melody, has_drums = rng.random(3) < (0.8, 0.7, 0.6)
    for step, start in enumerate(np.arange(0, seconds, beat)):
        root = rng.integers(0, 5)
        if has_chords and step % 4 == 0:
            for pitch in scale[[root, root + 2, root + 4]]:
                add(out, 0.5 * harmonics(hertz(pitch), 4 * beat, rng), start)
        if has_melody:
            pitch = hertz(rng.choice(scale) + 12)
            add(out, 0.5 * harmonics(pitch, beat * rng.choice([0.5, 1]), rng), start)
        if has_drums and rng.random() < 0.8:
            t = times(0.15)
            hit = rng.standard_normal(len(t)) * np.exp(-t * rng.uniform(20, 80))
            add(out, rng.uniform(0.2, 0.8) * hit, start)
    return out


def clicks(seconds: float, rng: np.random.Generator) -> np.ndarray:
    """Short bursts at random times: keyboards, taps, knocks."""
    out = np.zeros(int(seconds * RATE))
    for start in rng.uniform(0, seconds, rng.poisson(seconds * rng.uniform(0.3, 6))):
        t = times(rng.uniform(0.01, 0.1))
        burst = rng.standard_normal(len(t)) * np.exp(-t * rng.uniform(50, 300))
        add(out, burst * rng.uniform(0.2, 1), start)
    return out


def sweep(seconds: float, rng: np.random.Generator) -> np.ndarray:
    """A siren."""
    t = times(seconds)
    middle, depth = rng.uniform(400, 1500), rng.uniform(50, 350)
    phase = np.cumsum(middle + depth * np.sin(2 * np.pi * rng.uniform(0.2, 3) * t)) / RATE
    return np.sin(2 * np.pi * phase)


def hertz(midi_pitch: float) -> float:
    return 440 * 2 ** ((midi_pitch - 69) / 12)


def add(out: np.ndarray, sound: np.ndarray, start: float) -> None:
    """Mixes a sound into `out` at a time, cut off at the end."""
    first = int(start * RATE)
    last = min(len(out), first + len(sound))
    out[first:last] += sound[: last - first]


KINDS = [coloured_noise, coloured_noise, beeps, music, music, clicks, sweep]


def make(count: int, seed: int, longest: float = 30.0) -> list[np.ndarray]:
    """Packed log-mel of `count` sounds of 1 s to `longest`, a third of them with faint noise."""
    rng = np.random.default_rng(seed)
    spectra = []
    for number in range(count):
        seconds = rng.uniform(1, longest)
        sound = KINDS[number % len(KINDS)](seconds, rng)
        sound *= 10 ** rng.uniform(-2.5, 0) / max(1e-6, np.abs(sound).max())
        if rng.random() < 0.33:
            sound += 10 ** rng.uniform(-4, -2) * rng.standard_normal(len(sound))
        spectra.append(mel.pack(mel.log_power(sound.astype(np.float32))))
    return spectra
