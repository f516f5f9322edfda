"""Whisper's architecture with OpenAI's tensor names, over the compact vocabulary."""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from . import vocabulary
from .data.shard import PhonemeIds
from .speech.mel import MELS

AUDIO_CONTEXT, TEXT_CONTEXT = 1500, 448
HEAD_SIZE = 64


@dataclass
class Dimensions:
    """`width` is a multiple of 64, one attention head for each 64. Do not use 2 decoder layers:
    whisper.cpp takes such a file for a distilled model that has no timestamps."""

    width: int = 128
    encoder_layers: int = 4
    decoder_layers: int = 3

    @property
    def heads(self) -> int:
        return self.width // HEAD_SIZE


def sinusoids(length: int, channels: int) -> Tensor:
    """Whisper's fixed positions."""
    increment = math.log(10000) / (channels // 2 - 1)
    frequencies = torch.exp(-increment * torch.arange(channels // 2))
    angles = torch.arange(length)[:, None] * frequencies[None]
    return torch.cat([angles.sin(), angles.cos()], 1)


class Attention(nn.Module):
    """Multi-head attention; on request also the log weights of head 0, to be supervised."""

    def __init__(self, width: int):
        super().__init__()
        self.heads = width // HEAD_SIZE
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)

    def split(self, x: Tensor) -> Tensor:
        return x.view(x.shape[0], x.shape[1], self.heads, HEAD_SIZE).transpose(1, 2)

    def forward(
        self, x: Tensor, source: Tensor, causal: bool = False, want_weights: bool = False
    ) -> tuple[Tensor, Tensor | None]:
        query = self.split(self.query(x))
        key, value = self.split(self.key(source)), self.split(self.value(source))
        log_weights = None
        if causal:
            mixed = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        else:  # plain products in bfloat16 are two times as fast as the fused kernel on a CPU
            scores = (query / math.sqrt(HEAD_SIZE)) @ key.transpose(2, 3)
            mixed = scores.softmax(-1).to(value.dtype) @ value
            if want_weights:
                log_weights = scores[:, 0].float().log_softmax(-1)
        return self.out(mixed.transpose(1, 2).reshape(x.shape)), log_weights


class Block(nn.Module):
    """A layer of the encoder, or with cross-attention of the decoder."""

    def __init__(self, width: int, decoder: bool):
        super().__init__()
        self.decoder = decoder
        self.attn = Attention(width)
        self.attn_ln = nn.LayerNorm(width)
        if decoder:
            self.cross_attn = Attention(width)
            self.cross_attn_ln = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(approximate="tanh"), nn.Linear(4 * width, width)
        )
        self.mlp_ln = nn.LayerNorm(width)

    def forward(
        self, x: Tensor, audio: Tensor | None = None, want_weights: bool = False
    ) -> tuple[Tensor, Tensor | None]:
        normed = self.attn_ln(x)
        x = x + self.attn(normed, normed, causal=self.decoder)[0]
        log_weights = None
        if audio is not None:
            mixed, log_weights = self.cross_attn(
                self.cross_attn_ln(x), audio, want_weights=want_weights
            )
            x = x + mixed
        return x + self.mlp(self.mlp_ln(x)), log_weights


class Encoder(nn.Module):
    """Log-mel frames (100 a second) to states (50 a second)."""

    def __init__(self, dimensions: Dimensions):
        super().__init__()
        width = dimensions.width
        self.conv1 = nn.Conv1d(MELS, width, 3, padding=1)
        self.conv2 = nn.Conv1d(width, width, 3, stride=2, padding=1)
        self.register_buffer("positional_embedding", sinusoids(AUDIO_CONTEXT, width))
        self.blocks = nn.ModuleList(Block(width, False) for _ in range(dimensions.encoder_layers))
        self.ln_post = nn.LayerNorm(width)

    def forward(self, mel: Tensor, offset: int = 0) -> Tensor:
        """`mel` is [batch, 80, frames]; `offset` is the position of the first state."""
        x = F.gelu(self.conv1(mel), approximate="tanh")
        x = F.gelu(self.conv2(x), approximate="tanh").transpose(1, 2)
        x = x + self.positional_embedding[offset : offset + x.shape[1]]
        for block in self.blocks:
            x, _ = block(x)
        return self.ln_post(x)


class Decoder(nn.Module):
    """Tokens and audio states to logits of the next token."""

    def __init__(self, dimensions: Dimensions):
        super().__init__()
        width = dimensions.width
        self.token_embedding = nn.Embedding(vocabulary.CLASSES, width)
        nn.init.normal_(self.token_embedding.weight, std=0.05)
        self.positional_embedding = nn.Parameter(sinusoids(TEXT_CONTEXT, width) * 0.1)
        self.blocks = nn.ModuleList(Block(width, True) for _ in range(dimensions.decoder_layers))
        self.ln = nn.LayerNorm(width)
        self.register_buffer("bias", vocabulary.class_bias(), persistent=False)

    def forward(
        self, classes: Tensor, audio: Tensor, offset: int = 0, want_weights: bool = False
    ) -> tuple[Tensor, list[Tensor | None]]:
        """Logits, and the log weights of head 0 of every layer's cross-attention."""
        positions = self.positional_embedding[offset : offset + classes.shape[1]]
        x = self.token_embedding(classes) + positions
        weights = []
        for block in self.blocks:
            x, log_weights = block(x, audio, want_weights)
            weights.append(log_weights)
        x = self.ln(x)
        logits = x @ self.token_embedding.weight.to(x.dtype).T
        return logits.float() + self.bias, weights


class Whisper(nn.Module):
    """Encoder and decoder, and a phoneme classifier that only training uses."""

    def __init__(self, dimensions: Dimensions):
        super().__init__()
        self.dimensions = dimensions
        self.encoder = Encoder(dimensions)
        self.decoder = Decoder(dimensions)
        self.phone = nn.Linear(dimensions.width, PhonemeIds.LIMIT)
