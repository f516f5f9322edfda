"""Rooms, microphones, lines and noise, all in the log-mel domain: no second pass over samples."""

import numpy as np

from ..speech.mel import FLOOR, FRAMES_PER_SECOND, MELS

LN10 = float(np.log(10))
# mel filters are linear in frequency below 1 kHz and logarithmic above
MEL_EDGES = np.linspace(0, 45.245640471924965, MELS + 2)[1:-1]
FREQUENCIES = np.where(
    MEL_EDGES < 15, MEL_EDGES * 200 / 3, 1000 * np.exp((MEL_EDGES - 15) * np.log(6.4) / 27)
)
SLOPE = np.linspace(0, 1, MELS, dtype=np.float32)


def add_power(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """log10 of the sum of two powers given as log10."""
    return np.logaddexp(a * LN10, b * LN10) / LN10


def vocal_tract(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Stretches the frequency axis by up to 10 %: another length of vocal tract."""
    source = np.clip(np.arange(MELS) * rng.uniform(0.9, 1.1), 0, MELS - 1.001)
    below = source.astype(int)
    share = (source - below).astype(np.float32)
    return x[:, below] * (1 - share) + x[:, below + 1] * share


def reverberate(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A decaying tail of the power: 60 dB in 0.15 to 0.9 s, 2 to 16 dB below the direct sound."""
    decay = 10 ** (-6 / (rng.uniform(0.15, 0.9) * FRAMES_PER_SECOND))
    direct = np.power(10.0, x, dtype=np.float32)
    tail, factor, shift = direct.copy(), decay, 1
    while shift < len(tail) and factor > 1e-6:  # sums the geometric series by doubling
        tail[shift:] += factor * tail[:-shift].copy()
        factor, shift = factor * factor, shift * 2
    level = 10 ** -rng.uniform(0.2, 1.6) * (1 - decay)
    delay = int(rng.integers(1, 4))
    direct[delay:] += level * tail[:-delay]
    return np.log10(np.maximum(direct, 1e-10))


def equalise(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A tilt of up to 8 dB and a ripple: a microphone."""
    tilt = rng.uniform(-0.4, 0.4) * (2 * SLOPE - 1)
    ripple = rng.uniform(0, 0.25) * np.cos(rng.uniform(0, 6) + rng.uniform(3, 18) * SLOPE)
    return x + (tilt + ripple).astype(np.float32) * (x > FLOOR + 0.5)


def limit_band(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A telephone line (300 to 3,400 Hz), or a low-pass at 3 to 7 kHz."""
    telephone = rng.random() < 0.5
    top = rng.uniform(3100, 3700) if telephone else rng.uniform(3000, 7000)
    loss = np.maximum(0, np.log2(FREQUENCIES / top)) * rng.uniform(6, 40)
    if telephone:
        loss += np.maximum(0, np.log2(rng.uniform(200, 350) / FREQUENCIES)) * rng.uniform(0.5, 3)
    return np.maximum(FLOOR, x - np.minimum(loss, 5).astype(np.float32))


def add_noise(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Coloured noise 25 to 65 dB below the loudest band, mostly about 45: white noise of that level
    is 20 dB below the speech as a whole (37 dB below the band are 10 dB below the whole)."""
    top = x.max() if x.size and x.max() > -6 else rng.uniform(-5, -2)
    level = top - rng.triangular(2.5, 4.5, 6.5)
    colour = level + rng.uniform(-1.5, 0.4) * SLOPE
    grain = np.log10(rng.gamma(3, 1 / 3, size=x.shape).astype(np.float32) + 1e-3)
    return add_power(x, colour + grain)


def compress(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """What a codec of few bits does: holes where a tile of bands and frames is faint beside its
    frames' loudest band, and noise that follows the level of each frame."""
    loudest = x.max(1, keepdims=True)
    faint = x < loudest - rng.uniform(2.0, 4.5)
    tiles = rng.random((len(x) // 3 + 1, MELS // 4 + 1)) < rng.uniform(0.2, 0.9)
    holes = np.repeat(np.repeat(tiles, 3, 0), 4, 1)[: len(x), :MELS]
    x = np.where(faint & holes, np.maximum(FLOOR, x - rng.uniform(0.5, 4)), x)
    if rng.random() < 0.5:
        x = add_power(x, loudest - rng.uniform(3.5, 5.5) + 0.2 * rng.standard_normal(x.shape))
    return x.astype(np.float32)


def mask_band(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Removes up to eight neighbouring bands."""
    width = int(rng.integers(1, 9))
    first = int(rng.integers(0, MELS - width))
    x[:, first : first + width] = np.minimum(x[:, first : first + width], x.mean())
    return x


STEPS = [
    (0.15, reverberate),
    (0.40, equalise),
    (0.12, limit_band),
    (0.35, add_noise),
    (0.08, compress),
    (0.04, mask_band),
]


def spoil(canvas: np.ndarray, used: int, rng: np.random.Generator) -> np.ndarray:
    """Augments the first `used` frames of raw log10 mel (padding follows) and normalises all."""
    x = canvas[:used]
    for probability, step in STEPS:
        if rng.random() < probability:
            x = step(x, rng)
    x = np.maximum(FLOOR, x + rng.uniform(-1.5, 0.5))
    canvas[:used] = x
    top = canvas.max() + (rng.uniform(0, 0.7) if rng.random() < 0.3 else 0)
    return (np.maximum(canvas, top - 8) + 4) / 4
