"""Trains the segmentation model.

    python -m recipe.train_segmentation data/shard*.npz --minutes 45 --out segmentation.pt

The order of the speakers is free: the loss is that of the best one. A second loss asks that frames
of one voice are alike and those of two are not.
"""

import argparse
import itertools
import math
import time
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from . import first_weights, shards
from .segmentation import CLASSES, Segmentation
from .windows import LOCAL_SPEAKERS, Windows

BATCH = 16
RATE = 1.2e-3
ORDERS = [list(order) for order in itertools.permutations(range(LOCAL_SPEAKERS))]
EVERY = 8  # labels of 20 ms between two frames that the second loss compares
VOICE_WEIGHT = 0.4


def class_table() -> torch.Tensor:
    """Class of each set of speakers, by its bits; all three at once count as two."""
    table = torch.full((8,), 4)
    for number, row in enumerate(CLASSES):
        table[int((row * torch.tensor([1, 2, 4])).sum())] = number
    return table


TABLE = class_table()


def classes(labels: torch.Tensor) -> torch.Tensor:
    return TABLE[(labels * torch.tensor([1, 2, 4])).sum(-1)]


def best_order(scores: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The loss under the best order of speakers of each window, and the labels in that order."""
    scores = scores.transpose(1, 2)
    losses = [
        functional.nll_loss(scores, classes(labels[:, :, order]), reduction="none").mean(1)
        for order in ORDERS
    ]
    best = torch.stack(losses, 1).min(1)
    ordered = [row[:, ORDERS[int(at)]] for row, at in zip(labels, best.indices, strict=True)]
    return best.values.mean(), torch.stack(ordered)


def voice_loss(voices: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Pairs of frames in which one speaks alone: the same voice or not, from their cosine."""
    labels = labels[:, EVERY // 2 :: EVERY]
    voices = functional.normalize(voices[:, EVERY // 4 :: EVERY // 2], dim=2)
    alone = (labels.sum(2) == 1).float()
    same = (labels.float() @ labels.float().transpose(1, 2) > 0).float()
    logits = 8 * (voices @ voices.transpose(1, 2) - 0.4)
    weights = alone[:, :, None] * alone[:, None, :]
    losses = functional.binary_cross_entropy_with_logits(logits, same, reduction="none")
    return (losses * weights).sum() / weights.sum().clamp_min(1)


def figures(scores: torch.Tensor, ordered: torch.Tensor) -> tuple[float, float]:
    """Shares of frames with a wrong class, and with speech taken for silence or the reverse."""
    found = CLASSES[scores.argmax(-1)]
    wrong = (found != ordered).any(-1).float().mean().item()
    return wrong, ((found.sum(-1) > 0) != (ordered.sum(-1) > 0)).float().mean().item()


def train(windows: Windows, minutes: float, out: Path, model: Segmentation) -> None:
    """Goes on for so many minutes, with a falling learning rate."""
    optimiser = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=1e-4)
    print(f"{sum(p.numel() for p in model.parameters())} parameters")
    started, step, recent = time.time(), 0, []
    while (done := (time.time() - started) / (60 * minutes)) < 1:
        rate = RATE * min(1, (step + 1) / 150) * 0.5 * (1 + math.cos(math.pi * done)) + 1e-5
        for group in optimiser.param_groups:
            group["lr"] = rate
        x, labels = (torch.from_numpy(part) for part in windows.batch(BATCH))
        frames = model.frames(x.float())
        scores = model.classify(frames)
        loss, ordered = best_order(scores, labels)
        voices = voice_loss(model.voice(frames), labels)
        optimiser.zero_grad()
        (loss + VOICE_WEIGHT * voices).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 2.0)
        optimiser.step()
        step += 1
        recent.append((loss.item(), voices.item(), *figures(scores, ordered)))
        if step % 50 == 0:
            means = np.mean(recent[-50:], 0).round(3)
            seconds, used = time.time() - started, time.process_time()
            print(f"{step} {seconds:.0f} s ({used:.0f} s CPU) {means}", flush=True)
        if step % 250 == 0:
            torch.save(model.state_dict(), out)
    torch.save(model.state_dict(), out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("shards", type=Path, nargs="+")
    parser.add_argument("--minutes", type=float, default=45)
    parser.add_argument("--out", type=Path, default=Path("segmentation.pt"))
    parser.add_argument("--first", type=Path, help="ONNX file of the first model, to begin with")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(arguments.seed)
    model, windows = Segmentation(), Windows(shards.read(arguments.shards, "mel"), arguments.seed)
    if arguments.first:
        example = torch.from_numpy(windows.batch(BATCH)[0])
        first_weights.segmentation(model, arguments.first, example)
    train(windows, arguments.minutes, arguments.out, model)


if __name__ == "__main__":
    main()
