"""The segmentation model: samples of 10 s to who of up to three speakers talks in every 20 ms.

Classes as pyannote's: nobody, 1, 2, 3, 1 and 2, 1 and 3, 2 and 3.
"""

import torch
from torch import nn
from torch.nn import functional

from . import features

WINDOW = 10 * features.SAMPLE_RATE
CLASSES = torch.tensor(
    [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [1, 0, 1], [0, 1, 1]]
)
CHANNELS, HIDDEN, WIDTH, HEADS = 64, 64, 128, 4
VOICE = 32  # numbers that say which voice, of every frame


class Front(nn.Module):
    """Log mel powers by a Fourier transform that is a convolution, as ONNX has no simple one."""

    def __init__(self) -> None:
        super().__init__()
        bins, size = features.DFT_BINS, features.WINDOW
        angle = 2 * torch.pi * torch.outer(torch.arange(bins), torch.arange(size)).double() / size
        window = torch.from_numpy(features.hann_window())
        kernel = torch.cat([torch.cos(angle), torch.sin(angle)]).float() * window
        self.register_buffer("kernel", kernel[:, None], persistent=False)
        filters = torch.from_numpy(features.mel_filters())
        self.register_buffer("filters", filters[:, :, None], persistent=False)

    def forward(self, samples: torch.Tensor) -> torch.Tensor:
        edge = (features.WINDOW - features.HOP) // 2
        spectrum = functional.conv1d(
            functional.pad(samples, (edge, edge)), self.kernel, stride=features.HOP
        )
        real, imaginary = spectrum[:, : features.DFT_BINS], spectrum[:, features.DFT_BINS :]
        log = torch.log(functional.conv1d(real**2 + imaginary**2, self.filters) + 1e-5)
        return (log - log.mean((1, 2), keepdim=True)) * 0.25


class Attention(nn.Module):
    """Every frame looks at all others of the window: where else does this voice speak?"""

    def __init__(self) -> None:
        super().__init__()
        self.before, self.between = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.parts, self.join = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.wide, self.narrow = nn.Linear(WIDTH, 2 * WIDTH), nn.Linear(2 * WIDTH, WIDTH)
        for last in (self.join, self.narrow):  # in the beginning it is nothing
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        parts = self.parts(self.before(x)).unflatten(2, (3, HEADS, WIDTH // HEADS))
        query, key, value = (part.transpose(1, 2) for part in parts.unbind(2))
        weights = torch.softmax(query @ key.transpose(2, 3) * (WIDTH // HEADS) ** -0.5, -1)
        x = x + self.join((weights @ value).transpose(1, 2).flatten(2))
        return x + self.narrow(functional.relu(self.wide(self.between(x))))


def convolution(size_in: int, size_out: int, width: int, stride: int) -> nn.Sequential:
    padding = (width - 1) // 2
    return nn.Sequential(
        nn.Conv1d(size_in, size_out, width, stride=stride, padding=padding),
        nn.BatchNorm1d(size_out),
        nn.ReLU(),
    )


class Segmentation(nn.Module):
    """[N, 1, 160000] samples to [N, 500, 7] log probabilities."""

    def __init__(self) -> None:
        super().__init__()
        self.front = Front()
        self.convolutions = nn.Sequential(
            convolution(features.MELS, CHANNELS, 5, 2),
            convolution(CHANNELS, CHANNELS, 3, 1),
            convolution(CHANNELS, WIDTH, 4, 2),
        )
        recurrent = {"batch_first": True, "bidirectional": True}
        self.first = nn.LSTM(WIDTH, HIDDEN, **recurrent)
        self.attention = nn.Sequential(Attention(), Attention())
        self.second = nn.LSTM(WIDTH, HIDDEN, **recurrent)
        self.out = nn.Sequential(nn.Linear(WIDTH, 64), nn.ReLU(), nn.Linear(64, 14))
        self.voice = nn.Linear(WIDTH, VOICE)  # for training alone

    def frames(self, log_mel: torch.Tensor) -> torch.Tensor:
        """One vector every 40 ms."""
        x, _ = self.first(self.convolutions(log_mel).transpose(1, 2))
        return self.attention(x)

    def classify(self, frames: torch.Tensor) -> torch.Tensor:
        x, _ = self.second(frames)
        x = self.out(x)
        return functional.log_softmax(x.reshape(x.shape[0], -1, 7), -1)

    def forward(self, samples: torch.Tensor) -> torch.Tensor:
        return self.classify(self.frames(self.front(samples)))
