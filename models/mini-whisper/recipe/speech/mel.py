"""16 kHz samples and Whisper's log-mel spectrogram, as whisper.cpp computes it."""

import math
from functools import cache

import numpy as np
import torch

from .. import vocabulary

SAMPLE_RATE = 16000
FFT_SIZE, HOP = 400, 160
FRAMES_PER_SECOND = SAMPLE_RATE // HOP
MELS = 80
FLOOR = -10.0  # log10 of the smallest power
# storage in one byte: code 0 is the floor, one step is 0.05 in log10 power, half a decibel
STEP = 0.05


@cache
def _filters() -> torch.Tensor:
    return torch.from_numpy(np.load(vocabulary.assets() / "mel_filters.npz")[f"mel_{MELS}"])


@cache
def _resampling_kernel(source: int, target: int) -> tuple[torch.Tensor, int, int]:
    """Windowed-sinc kernels, one for each output phase; their half width; the input stride."""
    width, roll_off = 16, 0.96
    divisor = math.gcd(source, target)
    source, target = source // divisor, target // divisor
    base = min(source, target) * roll_off
    half = math.ceil(width * source / base)
    index = torch.arange(-half, half + source, dtype=torch.float64)[None, None] / source
    phases = torch.arange(0, -target, -1, dtype=torch.float64)[:, None, None] / target
    t = ((phases + index) * base).clamp(-width, width)
    window = torch.cos(t * math.pi / width / 2) ** 2
    t = t * math.pi
    sinc = torch.where(t == 0, torch.ones_like(t), torch.sin(t) / t)
    return (sinc * window * base / source).float(), half, source


def resample(samples: np.ndarray, source: int, target: int = SAMPLE_RATE) -> np.ndarray:
    """Band-limited sample rate conversion."""
    if source == target:
        return samples
    kernel, half, stride = _resampling_kernel(source, target)
    padded = torch.nn.functional.pad(torch.from_numpy(samples)[None, None], (half, half + stride))
    out = torch.nn.functional.conv1d(padded, kernel, stride=stride)
    length = math.ceil(target * len(samples) / source)
    return out.transpose(1, 2).reshape(-1)[:length].numpy()


def log_power(samples: np.ndarray) -> np.ndarray:
    """log10 mel power [frames, 80] before Whisper's clamp; frame i is centred on sample 160 i."""
    padded = torch.nn.functional.pad(torch.from_numpy(samples), (FFT_SIZE // 2, FFT_SIZE // 2))
    spectrum = torch.stft(
        padded, FFT_SIZE, HOP, window=torch.hann_window(FFT_SIZE), center=False, return_complex=True
    )
    return (_filters() @ (spectrum.abs() ** 2)).clamp_min(1e-10).log10().T.numpy()


def normalise(log_mel: np.ndarray, maximum: float | None = None) -> np.ndarray:
    """Whisper's input: at most 8 below the maximum, then shifted and scaled to about +-1."""
    top = log_mel.max() if maximum is None else maximum
    return (np.maximum(log_mel, top - 8) + 4) / 4


def pack(log_mel: np.ndarray) -> np.ndarray:
    """One byte a value."""
    return np.clip(np.round((log_mel - FLOOR) / STEP), 0, 255).astype(np.uint8)


def unpack(codes: np.ndarray) -> np.ndarray:
    """The inverse of `pack`."""
    return codes.astype(np.float32) * STEP + FLOOR
