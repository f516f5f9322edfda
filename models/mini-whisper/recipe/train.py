"""Trains the model on shards; stops and goes on at any time.

    python -m recipe.train run1 --shards data/shard1*.json --hours 600 --decay-hours 120

The learning rate warms up, stays, and falls to nothing over the last `--decay-hours` of sound seen,
so a run can be prolonged: start it again with the same name and more `--hours`. With `--world 2`
start one process for each `--rank`; they average their parameters every few steps.
"""

import argparse
import os
import signal
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist

from .data import shard
from .data.batches import Batches, Progress
from .losses import Losses, all_losses
from .model import TEXT_CONTEXT, Dimensions, Whisper
from .muon import Muon

PHONEME_WEIGHT, ALIGNMENT_WEIGHT = 0.5, 0.3
CLIP_NORM = 5.0
WARM_UP = 150  # steps
AVERAGE_EVERY = 16  # steps, of the processes


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", help="checkpoint NAME.pt, log NAME.log")
    parser.add_argument("--shards", type=Path, nargs="+", required=True, help="their .json files")
    parser.add_argument("--init", type=Path, help="checkpoint to start from")
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--hours", type=float, required=True, help="hours of sound to see, in all")
    parser.add_argument("--decay-hours", type=float, required=True)
    parser.add_argument(
        "--until", type=float, help="Unix time: --hours become what fits in till then"
    )
    parser.add_argument("--ramp-hours", type=float, default=150, help="until windows are long")
    parser.add_argument("--long", type=float, nargs=2, default=(0.1, 0.4), help="shares")
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--batch-seconds", type=float, default=55)
    parser.add_argument("--save-minutes", type=float, default=4)
    parser.add_argument("--rank", type=int, default=0)
    parser.add_argument("--world", type=int, default=1)
    parser.add_argument("--port", type=int, default=29731)
    return parser.parse_args()


class Training:
    """Model, optimisers and clock of one process."""

    def __init__(self, options: argparse.Namespace):
        self.options = options
        self.file, self.step, self.seconds = Path(f"{options.name}.pt"), 0, 0.0
        saved = self.file if self.file.exists() else options.init
        checkpoint = torch.load(saved, weights_only=True) if saved else None
        width = checkpoint["dimensions"]["width"] if checkpoint else options.width
        self.phoneme_ids = shard.PhonemeIds(checkpoint["phoneme_ids"] if checkpoint else None)
        clips = [c for path in options.shards for c in shard.read(path, self.phoneme_ids)]
        self.log(f"{len(clips)} clips, {sum(clip.seconds for clip in clips) / 3600:.1f} h")
        torch.manual_seed(0)
        self.model = Whisper(Dimensions(width))
        hidden = [p for n, p in self.model.named_parameters() if p.ndim == 2 and "blocks" in n]
        others = [p for n, p in self.model.named_parameters() if p.ndim != 2 or "blocks" not in n]
        self.optimisers = [
            Muon(hidden, options.lr),
            torch.optim.AdamW(others, lr=options.lr, betas=(0.9, 0.98), weight_decay=0.0),
        ]
        if checkpoint:
            self.model.load_state_dict(checkpoint["model"])
        if self.file.exists() and checkpoint:
            self.step, self.seconds = checkpoint["step"], checkpoint["seconds"]
            for optimiser, state in zip(self.optimisers, checkpoint["optimisers"], strict=True):
                optimiser.load_state_dict(state)
        seed = 1000 * self.step + options.rank
        self.batches = Batches(clips, options.batch_seconds, seed)
        self.parameters = list(self.model.parameters())
        self.log(f"{sum(p.numel() for p in self.parameters)} parameters, from step {self.step}")

    def log(self, line: str) -> None:
        print(line, flush=True)
        if self.options.rank == 0:
            with Path(f"{self.options.name}.log").open("a") as file:
                print(line, file=file)

    def save(self) -> None:
        """Replaces the checkpoint in one step, so that a kill leaves the old or the new one."""
        partial = self.file.with_suffix(".partial")
        state = {
            "model": self.model.state_dict(),
            "dimensions": asdict(self.model.dimensions),
            "phoneme_ids": self.phoneme_ids.ids,
            "step": self.step,
            "seconds": self.seconds,
            "optimisers": [optimiser.state_dict() for optimiser in self.optimisers],
        }
        torch.save(state, partial)
        partial.replace(self.file)

    def learning_rate(self) -> float:
        options = self.options
        left = (options.hours - self.seconds / 3600) / options.decay_hours
        return options.lr * min(1, (self.step + 1) / WARM_UP) * max(0.005, min(1, left))

    def progress(self) -> Progress:
        first, last = self.options.long
        share = min(1, self.seconds / 3600 / self.options.ramp_hours)
        return Progress(share, first + (last - first) * share)

    def average(self) -> None:
        """Parameters become the mean of all processes', the clock their sum of sound seen."""
        with torch.no_grad():
            flat = torch.cat([p.reshape(-1) for p in self.parameters])
            dist.all_reduce(flat)
            flat /= self.options.world
            sizes = [p.numel() for p in self.parameters]
            for parameter, part in zip(self.parameters, flat.split(sizes), strict=True):
                parameter.copy_(part.view_as(parameter))

    def one_step(self) -> Losses:
        for optimiser in self.optimisers:
            for group in optimiser.param_groups:
                group["lr"] = self.learning_rate()
        progress = self.progress()
        batch = self.batches.draw(progress)
        rng = self.batches.rng
        room = TEXT_CONTEXT - batch.inputs.shape[1]
        decoder_offset = int(rng.integers(0, room)) if rng.random() < 0.4 else 0
        losses = all_losses(self.model, batch, decoder_offset)
        total = losses.token
        total = total + PHONEME_WEIGHT * (1 - 0.7 * progress.share) * losses.phoneme
        total = total + ALIGNMENT_WEIGHT * (1 - 0.5 * progress.share) * losses.alignment
        for optimiser in self.optimisers:
            optimiser.zero_grad(set_to_none=True)
        total.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, CLIP_NORM)
        for optimiser in self.optimisers:
            optimiser.step()
        self.step += 1
        self.seconds += batch.seconds * self.options.world
        return losses

    def run(self) -> None:
        stop = torch.zeros(1)
        signal.signal(signal.SIGTERM, lambda *_: stop.fill_(1))
        started = reported = saved = time.time()
        first_seconds, cpu_started, until = self.seconds, time.process_time(), self.options.until
        recent: list[list[float]] = []
        ended = False
        while not ended:
            losses = self.one_step()
            terms = [losses.token, losses.phoneme, losses.alignment]
            recent.append([*(term.item() for term in terms), losses.accuracy])
            if self.step % AVERAGE_EVERY == 0:
                ended = self.synchronise(stop)
            now = time.time()
            if until:
                speed = (self.seconds - first_seconds) / (now - started)
                self.options.hours = (self.seconds + speed * (until - now)) / 3600
            if now - reported > 60:
                means = np.mean(recent, axis=0)
                cpu, seen = time.process_time() - cpu_started, self.seconds - first_seconds
                self.log(
                    f"{(now - started) / 60:.1f} min, cpu {cpu / 60:.1f}, step {self.step},"
                    f" seen {self.seconds / 3600:.1f} h, {seen / (now - started):.0f}x,"
                    f" token {means[0]:.3f} phoneme {means[1]:.3f} alignment {means[2]:.3f}"
                    f" accuracy {means[3]:.3f} lr {self.learning_rate():.5f}"
                )
                recent, reported = [], now
            if self.options.rank == 0 and (ended or now - saved > self.options.save_minutes * 60):
                self.save()
                saved = now
        self.log(f"ended at step {self.step}, {self.seconds / 3600:.1f} h seen")

    def synchronise(self, stop: torch.Tensor) -> bool:
        """Averages the processes; all end together when one is told to or the hours are up."""
        state = torch.cat([stop, torch.tensor([self.seconds / self.options.world])])
        if self.options.world > 1:
            self.average()
            dist.all_reduce(state)
            self.seconds = float(state[1])
        return bool(state[0] > 0) or self.seconds / 3600 >= self.options.hours


def main() -> None:
    options = arguments()
    torch.set_num_threads(1)
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if options.world > 1:
        dist.init_process_group(
            "gloo",
            init_method=f"tcp://127.0.0.1:{options.port}",
            rank=options.rank,
            world_size=options.world,
        )
    Training(options).run()


if __name__ == "__main__":
    main()
