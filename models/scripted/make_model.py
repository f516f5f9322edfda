"""Writes a Whisper model of true size that decodes a fixed script, whatever it is given to hear.

    python make_model.py tiny ggml-tiny.bin
    python make_model.py base ggml-base-q8_0.bin --type q8_0 --words 120

Every matrix has the shape of the real model, so encoding and decoding cost what they cost there. The
positions of the decoder point at the tokens of the script, and what its layers add is too little to
lead it astray: the text, its times and its length are the same for each window of 30 s.

Needs numpy. The vocabulary is read from the miniature model beside this folder, and the words are taken
from its word list.
"""

import argparse
import json
import lzma
import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

MINIATURE = Path(__file__).parent.parent / "mini-whisper"

MAGIC = 0x67676D6C
AUDIO_CONTEXT, TEXT_CONTEXT = 1500, 448
FILE_TYPES = {"f16": 1, "q8_0": 2007}  # q8_0 is 7, of quantisation version 2
F32, F16, Q8_0 = 0, 1, 8
BLOCK = 32  # values that share a scale in q8_0

END_OF_TEXT, START_OF_TRANSCRIPT, ENGLISH = 50257, 50258, 50259
SEEDS = {"weights": 7, "tokens": 11}
# What the script's positions are to the tokens before them, which are there too.
LOUD = 100.0
# How far the token that is meant is above the others: its probability is 1 in half precision.
SHARP = 2.0
# What a layer of the decoder adds to the sum.
FAINT = 1e-3


@dataclass(frozen=True)
class Size:
    """The dimensions of a model of the Whisper family."""

    width: int
    heads: int
    encoder_layers: int
    decoder_layers: int
    mels: int = 80
    vocabulary: int = 51865

    @property
    def first_time(self) -> int:
        """The token of time 0.00; models with one more language have it one later."""
        return 50364 + self.vocabulary - 51865


SIZES = {
    # Smaller than any of the family, for tests. Two layers in the decoder mean something else to whisper.cpp.
    "least": Size(128, 2, 4, 3),
    "tiny": Size(384, 6, 4, 4),
    "base": Size(512, 8, 6, 6),
    "small": Size(768, 12, 12, 12),
    "medium": Size(1024, 16, 24, 24),
    "large-v3": Size(1280, 20, 32, 32, 128, 51866),
    "large-v3-turbo": Size(1280, 20, 32, 4, 128, 51866),
}


@dataclass(frozen=True)
class Script:
    """What a model is to write for each window."""

    tokens: list[int]
    segments: list[dict]


def vocabulary() -> list[bytes]:
    """The tokens of text, by number."""
    with lzma.open(MINIATURE / "mini-whisper-q8_0.bin.xz") as file:
        file.seek(48)  # past the header
        mels, bins = struct.unpack("<2i", file.read(8))
        file.seek(4 * mels * bins, 1)
        (count,) = struct.unpack("<i", file.read(4))
        return [file.read(struct.unpack("<i", file.read(4))[0]) for _ in range(count)]


def write_script(tokens: list[bytes], size: Size, words: int, seconds: float) -> Script:
    """So many words of one token each, no two alike, in segments of ten that fill so many seconds."""
    listed = set(re.findall(rb"[a-z]{4,9}", (MINIATURE / "recipe/text/words.txt").read_bytes()))
    single = [i for i, token in enumerate(tokens) if token[:1] == b" " and token[1:] in listed]
    if not 1 <= words <= 170:
        raise SystemExit("a window has room for 1 to 170 words")
    # Common words come first in the vocabulary.
    chosen = single[:words]
    script, segments = [ENGLISH, START_OF_TRANSCRIPT], []
    for begin in range(0, words, 10):
        part = chosen[begin : begin + 10]
        start, end = (round(seconds * at / words / 0.02) for at in (begin, begin + len(part)))
        script += [size.first_time + start, *part, size.first_time + end]
        text = b"".join(tokens[i] for i in part).decode().strip()
        segments.append({"start": start * 0.02, "end": end * 0.02, "text": text})
    script += [END_OF_TEXT] * (TEXT_CONTEXT - len(script))
    return Script(script, segments)


def mel_filters(mels: int) -> np.ndarray:
    """Triangles of equal area, evenly spaced on Slaney's scale: linear below 1 kHz, logarithmic above."""
    step = 200 / 3, np.log(6.4) / 27
    knee = 1000 / step[0]

    def to_mel(hertz: np.ndarray) -> np.ndarray:
        high = knee + np.log(np.maximum(hertz, 1) / 1000) / step[1]
        return np.where(hertz < 1000, hertz / step[0], high)

    def to_hertz(mel: np.ndarray) -> np.ndarray:
        return np.where(mel < knee, mel * step[0], 1000 * np.exp((mel - knee) * step[1]))

    corners = to_hertz(np.linspace(0, to_mel(np.array(8000.0)), mels + 2))
    bins = np.linspace(0, 8000, 201)
    rising = (bins - corners[:-2, None]) / np.diff(corners)[:-1, None]
    falling = (corners[2:, None] - bins) / np.diff(corners)[1:, None]
    area = 2 / (corners[2:] - corners[:-2])
    return (np.maximum(0, np.minimum(rising, falling)) * area[:, None]).astype("<f4")


def q8_0(values: np.ndarray) -> bytes:
    """Blocks of 32 values: a half-precision scale, then 32 signed bytes."""
    blocks = values.reshape(-1, BLOCK)
    scale = np.maximum(np.abs(blocks).max(1, keepdims=True) / 127, 1e-8)
    out = np.empty(len(blocks), np.dtype([("scale", "<f2"), ("codes", "i1", BLOCK)]))
    out["scale"], out["codes"] = scale[:, 0], np.round(blocks / scale)
    return out.tobytes()


class Writer:
    """Writes tensors in whisper.cpp's format."""

    def __init__(self, file: BinaryIO, file_type: str):
        self.file, self.file_type = file, file_type
        self.random = np.random.default_rng(SEEDS["weights"])
        # Numbers enough for every matrix, which begins somewhere in them.
        self.pool = (self.random.standard_normal(1 << 22) * 0.02).astype(np.float32)

    def integers(self, *values: int) -> None:
        self.file.write(struct.pack(f"<{len(values)}i", *values))

    def tensor(self, name: str, values: np.ndarray) -> None:
        """A tensor, of the type that whisper.cpp expects under this name."""
        if values.ndim < 2 or "positional" in name or "bias" in name:
            kind, data = F32, values.astype("<f4").tobytes()
        elif self.file_type == "q8_0" and values.ndim == 2:
            kind, data = Q8_0, q8_0(values)
        else:
            kind, data = F16, values.astype("<f2").tobytes()
        self.integers(values.ndim, len(name), kind, *reversed(values.shape))
        self.file.write(name.encode())
        self.file.write(data)

    def weights(self, name: str, *shape: int, scale: float = 1.0) -> None:
        """A matrix of numbers without meaning."""
        count, start = int(np.prod(shape)), int(self.random.integers(len(self.pool)))
        self.tensor(name, np.resize(np.roll(self.pool, -start), count).reshape(shape) * np.float32(scale))

    def norm(self, name: str, width: int) -> None:
        self.tensor(f"{name}.weight", np.ones(width))
        self.tensor(f"{name}.bias", np.zeros(width))

    def linear(self, name: str, rows: int, columns: int, scale: float = 1.0) -> None:
        self.weights(f"{name}.weight", rows, columns, scale=scale)
        self.tensor(f"{name}.bias", np.zeros(rows))

    def attention(self, name: str, width: int, scale: float) -> None:
        self.linear(f"{name}.query", width, width)
        self.weights(f"{name}.key.weight", width, width)
        self.linear(f"{name}.value", width, width)
        self.linear(f"{name}.out", width, width, scale)
        self.norm(f"{name}_ln", width)

    def block(self, name: str, width: int, *, crosses: bool) -> None:
        """A layer of the encoder, or of the decoder, which looks across to the encoder."""
        scale = FAINT if crosses else 1.0
        self.attention(f"{name}.attn", width, scale)
        if crosses:
            self.attention(f"{name}.cross_attn", width, scale)
        self.linear(f"{name}.mlp.0", 4 * width, width)
        self.linear(f"{name}.mlp.2", width, 4 * width, scale)
        self.norm(f"{name}.mlp_ln", width)


def write(writer: Writer, size: Size, tokens: list[bytes], script: Script) -> None:
    """The whole file."""
    width = size.width
    writer.integers(MAGIC, size.vocabulary)
    writer.integers(AUDIO_CONTEXT, width, size.heads, size.encoder_layers)
    writer.integers(TEXT_CONTEXT, width, size.heads, size.decoder_layers)
    writer.integers(size.mels, FILE_TYPES[writer.file_type])
    filters = mel_filters(size.mels)
    writer.integers(*filters.shape)
    writer.file.write(filters.tobytes())
    writer.integers(len(tokens))
    for token in tokens:
        writer.integers(len(token))
        writer.file.write(token)

    writer.weights("encoder.positional_embedding", AUDIO_CONTEXT, width, scale=5.0)
    writer.weights("encoder.conv1.weight", width, size.mels, 3)
    writer.tensor("encoder.conv1.bias", np.zeros((width, 1)))
    writer.weights("encoder.conv2.weight", width, width, 3)
    writer.tensor("encoder.conv2.bias", np.zeros((width, 1)))
    for layer in range(size.encoder_layers):
        writer.block(f"encoder.blocks.{layer}", width, crosses=False)
    writer.norm("encoder.ln_post", width)

    # Directions that have next to nothing in common, and no mean, which the layers' norms take away.
    random = np.random.default_rng(SEEDS["tokens"])
    rows = random.standard_normal((size.vocabulary, width), np.float32)
    rows -= rows.mean(1, keepdims=True)
    rows *= SHARP / np.linalg.norm(rows, axis=1, keepdims=True)
    writer.tensor("decoder.positional_embedding", rows[script.tokens] * (LOUD / SHARP))
    writer.tensor("decoder.token_embedding.weight", rows)
    for layer in range(size.decoder_layers):
        writer.block(f"decoder.blocks.{layer}", width, crosses=True)
    writer.norm("decoder.ln", width)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("size", choices=SIZES)
    parser.add_argument("out", type=Path)
    parser.add_argument("--type", choices=FILE_TYPES, default="f16", help="of the matrices [f16]")
    parser.add_argument("--words", type=int, default=90, help="in each window [90]")
    parser.add_argument("--seconds", type=float, default=28.0, help="when the last word ends [28]")
    arguments = parser.parse_args()
    size, tokens = SIZES[arguments.size], vocabulary()
    if not 0 < arguments.seconds <= 30:
        raise SystemExit("a window has 30 s")
    script = write_script(tokens, size, arguments.words, arguments.seconds)
    with arguments.out.open("wb") as file:
        write(Writer(file, arguments.type), size, tokens, script)
    print(json.dumps({"bytes": arguments.out.stat().st_size, "segments": script.segments}))


if __name__ == "__main__":
    main()
