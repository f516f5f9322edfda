"""Trains the embedding model: which of thousands of made-up voices speaks?

    python -m recipe.train_embedding data/shard*.npz --minutes 30 --out embedding.pt

Additive margin softmax. Stretching the mel axis makes three voices of one.
"""

import argparse
import math
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from . import first_weights, shards
from .features import FBANK_BINS

SIZE = 96
CHANNELS = 128
WARPS = (1.0, 0.93, 1.075)
SCALE, MARGIN = 28.0, 0.22
BATCH = 80
RATE = 1.5e-3
FRAMES = (50, 350)  # of a training example: 0.5 to 3.5 s


class Layer(nn.Module):
    """A convolution over time."""

    def __init__(self, size_in: int, size_out: int, width: int, dilation: int = 1, stride: int = 1):
        super().__init__()
        padding = dilation * (width - 1) // 2
        self.convolution = nn.Conv1d(
            size_in, size_out, width, dilation=dilation, stride=stride, padding=padding
        )
        self.norm = nn.BatchNorm1d(size_out)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.relu(self.norm(self.convolution(x)))


class Added(Layer):
    """One whose output is added to its input; in the beginning it is nothing."""

    def __init__(self, size: int, width: int, dilation: int):
        super().__init__(size, size, width, dilation)
        nn.init.zeros_(self.norm.weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.norm(functional.relu(self.convolution(x)))


class Embedding(nn.Module):
    """[B, T, 80] log energies to [B, SIZE]; not yet of unit length."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            Layer(FBANK_BINS, CHANNELS, 5, stride=2),
            Layer(CHANNELS, CHANNELS, 3),
            Layer(CHANNELS, CHANNELS, 3, dilation=2),
            Added(CHANNELS, 3, dilation=3),
            Layer(CHANNELS, 2 * CHANNELS, 1),
        )
        self.out = nn.Linear(4 * CHANNELS, SIZE)
        self.norm = nn.BatchNorm1d(SIZE, affine=False)

    def taken(self) -> list[Layer]:
        """The layers that the first model had."""
        return [layer for layer in self.layers if not isinstance(layer, Added)]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x.transpose(1, 2)
        h = self.layers((x - x.mean(2, keepdim=True)) * 0.2)
        mean = h.mean(2)
        deviation = ((h - mean[:, :, None]) ** 2).mean(2).add(1e-5).sqrt()
        return self.norm(self.out(torch.cat([mean, deviation], 1)))


class Examples:
    """Draws training batches."""

    def __init__(self, corpus: shards.Corpus, seed: int):
        self.corpus = corpus
        self.rng = np.random.default_rng(seed)
        self.slope = np.linspace(0, 1, FBANK_BINS, dtype=np.float32)

    @property
    def classes(self) -> int:
        return len(self.corpus.sentences) * len(WARPS)

    def piece(self, speaker: int, length: int) -> np.ndarray:
        """Frames of one speaker, from several sentences, as the diarizer joins them."""
        rng, pieces, missing = self.rng, [], length
        sentences = self.corpus.sentences[speaker]
        while missing > 0:
            first, end = sentences[rng.integers(len(sentences))]
            count = min(end - first, missing, int(rng.integers(40, 400)))
            at = first + int(rng.integers(0, end - first - count + 1))
            pieces.append(self.corpus.frames[at : at + count])
            missing -= count
        return np.concatenate(pieces)

    def spoiled(self, x: np.ndarray) -> np.ndarray:
        """Another microphone, then noise 5 to 40 dB below the speech."""
        rng, slope = self.rng, self.slope
        if rng.random() < 0.5:
            ripple = rng.uniform(0, 0.6) * np.cos(rng.uniform(0, 6) + rng.uniform(3, 15) * slope)
            x = x + rng.uniform(-1.5, 1.5) * (slope - 0.5) + ripple
        if rng.random() < 0.75:
            level = np.log(np.exp(x).mean()) - rng.uniform(5, 40) * math.log(10) / 10
            noise = level + rng.uniform(-3.0, 2.5) * (slope - 0.3)
            noise = noise + np.log(rng.standard_exponential(x.shape, dtype=np.float32) + 1e-4)
            x = np.logaddexp(x, noise)
        return x

    def example(self, number: int, length: int) -> np.ndarray:
        voice, warp = divmod(number, len(WARPS))
        x = shards.warped(self.piece(voice, length), WARPS[warp])
        if self.rng.random() < 0.12:  # a segmentation that is not clean
            leak = int(length * self.rng.uniform(0.05, 0.25))
            other = int(self.rng.integers(len(self.corpus.sentences)))
            x[:leak] = self.piece(other, leak)
        return self.spoiled(x)

    @torch.no_grad()
    def centres(self, model: nn.Module) -> torch.Tensor:
        """What the model makes of 2 s of every voice."""
        model.eval()
        found = [
            model(torch.from_numpy(self.example(number, 200).astype(np.float32))[None])
            for number in range(self.classes)
        ]
        model.train()
        return functional.normalize(torch.cat(found))

    def batch(self) -> tuple[torch.Tensor, torch.Tensor]:
        length = int(math.exp(self.rng.uniform(*np.log(FRAMES))))
        numbers = self.rng.integers(0, self.classes, BATCH)
        x = np.stack([self.example(int(number), length) for number in numbers])
        return torch.from_numpy(x.astype(np.float32)), torch.from_numpy(numbers)


def train(model: Embedding, examples: Examples, minutes: float, out: Path) -> None:
    """Goes on for so many minutes, with a falling learning rate."""
    centres = nn.Parameter(examples.centres(model))
    optimiser = torch.optim.AdamW([*model.parameters(), centres], lr=RATE, weight_decay=1e-4)
    print(f"{sum(p.numel() for p in model.parameters())} parameters, {examples.classes} classes")
    started, step, recent = time.time(), 0, []
    while (done := (time.time() - started) / (60 * minutes)) < 1:
        rate = RATE * min(1, (step + 1) / 100) * 0.5 * (1 + math.cos(math.pi * done)) + 1e-5
        for group in optimiser.param_groups:
            group["lr"] = rate
        x, numbers = examples.batch()
        cosine = functional.normalize(model(x)) @ functional.normalize(centres).T
        margin = MARGIN * min(1.0, done * 4)
        logits = cosine - margin * functional.one_hot(numbers, examples.classes)
        loss = functional.cross_entropy(SCALE * logits, numbers)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        step += 1
        recent.append((loss.item(), (cosine.argmax(1) == numbers).float().mean().item()))
        if step % 100 == 0:
            figures = np.mean(recent[-100:], 0)
            seconds, used = time.time() - started, time.process_time()
            print(f"{step} {seconds:.0f} s ({used:.0f} s CPU) {figures.round(3)}", flush=True)
        if step % 250 == 0:
            torch.save(model.state_dict(), out)
    torch.save(model.state_dict(), out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("shards", type=Path, nargs="+")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--out", type=Path, default=Path("embedding.pt"))
    parser.add_argument("--first", type=Path, help="ONNX file of the first model, to begin with")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    examples, model = Examples(shards.read(arguments.shards, "fbank"), seed=0), Embedding()
    if arguments.first:
        first_weights.embedding(model, arguments.first, examples.batch()[0])
    train(model, examples, arguments.minutes, arguments.out)


if __name__ == "__main__":
    main()
