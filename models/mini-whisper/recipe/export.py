"""Writes a checkpoint as a whisper.cpp (ggml) file, in half precision or quantised to q8_0.

    python -m recipe.export run1.pt mini-whisper-q8_0.bin --type q8_0

Pack it with `xz -9e`: the rows that training never uses are all equal, and take no room.
"""

import argparse
import struct
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch

from . import vocabulary
from .model import AUDIO_CONTEXT, TEXT_CONTEXT, Dimensions
from .speech.mel import MELS
from .vocabulary import FIRST_SPECIAL, FULL_SIZE, RANKS_USED, SPECIALS, UNUSED

MAGIC = 0x67676D6C
FILE_TYPES = {"f16": 1, "q8_0": 2007}  # q8_0 is 7, of quantisation version 2
F32, F16, Q8_0 = 0, 1, 8
BLOCK = 32  # values that share a scale in q8_0


def full_embedding(compact: torch.Tensor) -> torch.Tensor:
    """Rows for the whole vocabulary."""
    rows = compact[UNUSED].repeat(FULL_SIZE, 1)
    rows[:RANKS_USED] = compact[:RANKS_USED]
    rows[FIRST_SPECIAL:] = compact[RANKS_USED : RANKS_USED + SPECIALS]
    return rows


def q8_0(values: np.ndarray) -> bytes:
    """Blocks of 32: a half-precision scale, then 32 signed bytes."""
    blocks = values.astype(np.float16).astype(np.float32).reshape(-1, BLOCK)
    scale = np.abs(blocks).max(1, keepdims=True) / np.float32(127)
    inverse = np.divide(np.float32(1), scale, out=np.zeros_like(scale), where=scale != 0)
    scaled = blocks * inverse
    codes = np.trunc(scaled + np.copysign(np.float32(0.5), scaled)).astype(np.int8)
    out = np.empty(len(blocks), np.dtype([("scale", "<f2"), ("codes", "i1", BLOCK)]))
    out["scale"], out["codes"] = scale[:, 0].astype(np.float16), codes
    return out.tobytes()


def tensor_bytes(name: str, values: np.ndarray, file_type: str) -> tuple[int, bytes]:
    """ggml type and data of a tensor, by whisper.cpp's own rules."""
    if values.ndim < 2 or "positional" in name or "bias" in name:
        return F32, values.astype("<f4").tobytes()
    if file_type == "q8_0" and values.ndim == 2:
        return Q8_0, q8_0(values)
    return F16, values.astype("<f2").tobytes()


def write(checkpoint: dict, file: BinaryIO, file_type: str) -> None:
    """Header, mel filters, vocabulary, tensors."""
    dimensions = Dimensions(**checkpoint["dimensions"])
    width, heads = dimensions.width, dimensions.heads

    def integers(*values: int) -> None:
        file.write(struct.pack(f"<{len(values)}i", *values))

    integers(MAGIC, FULL_SIZE)
    integers(AUDIO_CONTEXT, width, heads, dimensions.encoder_layers)
    integers(TEXT_CONTEXT, width, heads, dimensions.decoder_layers)
    integers(MELS, FILE_TYPES[file_type])
    filters = np.load(vocabulary.assets() / "mel_filters.npz")[f"mel_{MELS}"].astype("<f4")
    integers(*filters.shape)
    file.write(filters.tobytes())
    tokens = vocabulary.token_bytes()
    integers(len(tokens))
    for rank in sorted(tokens):
        integers(len(tokens[rank]))
        file.write(tokens[rank])
    for name, tensor in checkpoint["model"].items():
        if name.startswith("phone."):
            continue
        if name == "decoder.token_embedding.weight":
            tensor = full_embedding(tensor)
        values = tensor.float().numpy()
        if name in ("encoder.conv1.bias", "encoder.conv2.bias"):
            values = values.reshape(-1, 1)
        kind, data = tensor_bytes(name, values, file_type)
        integers(values.ndim, len(name.encode()), kind)
        integers(*reversed(values.shape))
        file.write(name.encode())
        file.write(data)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--mean-with", type=Path, help="a checkpoint that this one started from")
    parser.add_argument("--type", choices=FILE_TYPES, default="q8_0")
    arguments = parser.parse_args()
    checkpoint = torch.load(arguments.checkpoint, weights_only=True)
    if arguments.mean_with:
        other = torch.load(arguments.mean_with, weights_only=True)["model"]
        weights = checkpoint["model"].items()
        checkpoint["model"] = {name: (tensor + other[name]) / 2 for name, tensor in weights}
    with arguments.out.open("wb") as file:
        write(checkpoint, file, arguments.type)
    print(f"{arguments.out}: {arguments.out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
