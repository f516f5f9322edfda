"""What the two models hear, in numpy: Kaldi's filter bank as sherpa-onnx computes it, and the mel
powers of the segmentation model, which that model computes from samples by itself."""

from functools import cache

import numpy as np

SAMPLE_RATE = 16000
WINDOW, HOP = 400, 160
FBANK_BINS, FBANK_FFT, FBANK_LOW, FBANK_HIGH, PRE_EMPHASIS = 80, 512, 20.0, 7600.0, 0.97
MELS, MEL_LOW, MEL_HIGH = 48, 60.0, 6300.0
DFT_BINS = 161  # of the 400 point transform: 0 to 6.4 kHz in steps of 40 Hz
FLOOR = 1e-7


def mel(frequency):
    return 1127 * np.log(1 + frequency / 700)


def frames(samples: np.ndarray, count: int) -> np.ndarray:
    """`count` windows, a hop apart."""
    return np.lib.stride_tricks.sliding_window_view(samples, WINDOW)[::HOP][:count]


@cache
def fbank_filters() -> np.ndarray:
    """Triangles [bins, 257]."""
    points = mel(np.arange(FBANK_FFT // 2 + 1) * SAMPLE_RATE / FBANK_FFT)
    edges = np.linspace(mel(FBANK_LOW), mel(FBANK_HIGH), FBANK_BINS + 2)[:, None]
    rising = (points - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - points) / (edges[2:] - edges[1:-1])
    return np.maximum(0, np.minimum(rising, falling)).astype(np.float32)


@cache
def povey_window() -> np.ndarray:
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / (WINDOW - 1))
    return (hann**0.85).astype(np.float32)


def fbank(samples: np.ndarray) -> np.ndarray:
    """Log energies [frames, 80] of samples within +-1; no dither, edges mirrored."""
    count = (len(samples) + HOP // 2) // HOP
    before = WINDOW // 2 - HOP // 2
    mirrored = np.concatenate([samples[:before][::-1], samples, samples[-WINDOW:][::-1]])
    x = frames(mirrored.astype(np.float32), count)
    x = x - x.mean(1, keepdims=True)
    previous = np.concatenate([x[:, :1], x[:, :-1]], 1)
    x = (x - PRE_EMPHASIS * previous) * povey_window()
    power = np.abs(np.fft.rfft(x, FBANK_FFT, axis=1)) ** 2
    energies = power.astype(np.float32) @ fbank_filters().T
    return np.log(np.maximum(energies, np.finfo(np.float32).eps))


@cache
def mel_filters() -> np.ndarray:
    """Triangles [mels, 161]; one that falls between two bins takes the nearest bin."""
    points = mel(np.arange(DFT_BINS) * 40.0)
    edges = np.linspace(mel(MEL_LOW), mel(MEL_HIGH), MELS + 2)[:, None]
    rising = (points - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - points) / (edges[2:] - edges[1:-1])
    filters = np.maximum(0, np.minimum(rising, falling))
    for row, edge in zip(filters, edges[1:-1], strict=True):
        if row.sum() < 0.5:
            row[np.argmin(np.abs(points - edge))] = 1
    return filters.astype(np.float32)


@cache
def hann_window() -> np.ndarray:
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)).astype(np.float32)


def mel_power(samples: np.ndarray) -> np.ndarray:
    """Mel powers [frames, 48]; a whole number of hops, the model pads likewise."""
    count = len(samples) // HOP
    edge = (WINDOW - HOP) // 2
    x = frames(np.pad(samples.astype(np.float32), (edge, edge + HOP)), count)
    spectrum = np.fft.rfft(x * hann_window(), axis=1)[:, :DFT_BINS]
    return (np.abs(spectrum) ** 2).astype(np.float32) @ mel_filters().T
