"""Rooms, codecs and telephone lines between a speaker and the model, on samples."""

import io
import random

import numpy as np
import soundfile

from .speech import mel

RATE = 16000
CODECS = {"OGG": "OPUS", "MP3": "MPEG_LAYER_III"}


def room(samples: np.ndarray, rng: random.Random) -> np.ndarray:
    """An echo tail that falls by 60 dB in 0.15 to 0.7 s, 2 to 14 dB below the direct sound."""
    seconds = rng.uniform(0.15, 0.7)
    time = np.arange(round(0.7 * seconds * RATE)) / RATE
    noise = np.random.default_rng(rng.getrandbits(32)).standard_normal(len(time))
    tail = noise * 10 ** (-3 * time / seconds) * (time > rng.uniform(0.002, 0.012))
    tail *= 10 ** (-rng.uniform(2, 14) / 20) / np.sqrt((tail**2).sum())
    tail[0] = 1.0
    size = len(samples) + len(tail)
    wet = np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(tail, size), size)
    return wet[: len(samples)].astype(np.float32)


def codec(samples: np.ndarray, rng: random.Random) -> np.ndarray:
    """Through Opus or MP3 and back."""
    kind, stored = rng.choice(list(CODECS)), io.BytesIO()
    soundfile.write(
        stored,
        np.clip(samples, -1, 1),
        RATE,
        format=kind,
        subtype=CODECS[kind],
        compression_level=rng.uniform(0.5, 0.98),
    )
    stored.seek(0)
    decoded, _ = soundfile.read(stored, dtype="float32")
    missing = max(0, len(samples) - len(decoded))
    return np.pad(decoded, (0, missing))[: len(samples)]


def telephone(samples: np.ndarray, _: random.Random) -> np.ndarray:
    """8 kHz, 300 to 3,400 Hz, mu-law."""
    narrow = mel.resample(samples.astype(np.float32), RATE, RATE // 2)
    spectrum = np.fft.rfft(narrow)
    frequency = np.fft.rfftfreq(len(narrow), 2 / RATE)
    spectrum *= 1 / (1 + (300 / np.maximum(frequency, 1)) ** 8) / (1 + (frequency / 3450) ** 30)
    narrow = np.clip(np.fft.irfft(spectrum, len(narrow)), -1, 1)
    code = np.round(127 * np.sign(narrow) * np.log1p(255 * np.abs(narrow)) / np.log(256))
    narrow = np.sign(code) * np.expm1(np.abs(code) / 127 * np.log(256)) / 255
    wide = mel.resample(narrow.astype(np.float32), RATE // 2, RATE)
    return np.pad(wide, (0, max(0, len(samples) - len(wide))))[: len(samples)]


STEPS = [(0.15, room), (0.12, codec), (0.06, telephone)]


def spoil(samples: np.ndarray, rng: random.Random) -> np.ndarray:
    """Mostly nothing; now and then one or more of the above."""
    for probability, step in STEPS:
        if rng.random() < probability:
            samples = step(samples, rng)
    return samples
