"""The three losses: next token, phoneme of every frame, and where head 0 looks."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from . import vocabulary
from .data.windows import IGNORED, SILENT, Batch
from .model import Whisper
from .vocabulary import FIRST_TIMESTAMP, NO_SPEECH, TIMESTAMPS_PER_SECOND

NO_SPEECH_SHARE = 0.6  # of the probability after the task token when nobody speaks
ALIGNMENT_SLACK = 0.06  # seconds around a token in which its attention may lie


@dataclass
class Losses:
    """All are means; `accuracy` is the share of tokens predicted right."""

    token: Tensor
    phoneme: Tensor
    alignment: Tensor
    accuracy: float


def token_loss(log_probabilities: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy; where nobody speaks, `<|nospeech|>` and `<|0.00|>` share the target."""
    silent = targets == SILENT
    first = vocabulary.to_class(FIRST_TIMESTAMP)
    plain = targets.masked_fill(silent, first)
    loss = F.nll_loss(log_probabilities.flatten(0, 1), plain.flatten(), ignore_index=IGNORED)
    if silent.any():
        rows = log_probabilities[silent]
        gain = rows[:, vocabulary.to_class(NO_SPEECH)] - rows[:, first]
        loss = loss - NO_SPEECH_SHARE * gain.sum() / (plain != IGNORED).sum()
    return loss


def alignment_loss(log_weights: Tensor, spans: Tensor) -> Tensor:
    """Minus the log of the attention that falls within each token's span."""
    centres = (torch.arange(log_weights.shape[2]) + 0.5) / TIMESTAMPS_PER_SECOND
    spoken = spans[..., 1] >= 0
    spans, log_weights = spans[spoken], log_weights[spoken]
    inside = (centres >= spans[:, :1] - ALIGNMENT_SLACK) & (
        centres <= spans[:, 1:] + ALIGNMENT_SLACK
    )
    present = inside.any(1)
    if not present.any():
        return log_weights.sum() * 0
    return -(log_weights[present].masked_fill(~inside[present], -1e4).logsumexp(-1)).mean()


def all_losses(model: Whisper, batch: Batch, decoder_offset: int) -> Losses:
    """Runs the model on a batch. The first decoder layer's head 0 follows the token that goes in,
    the further layers' follow the token that comes out."""
    with torch.autocast("cpu", torch.bfloat16):
        audio = model.encoder(batch.mel, batch.offset)
        phonemes = model.phone(audio)
        logits, weights = model.decoder(batch.inputs, audio, decoder_offset, want_weights=True)
    log_probabilities = logits.log_softmax(-1)
    going_in = torch.cat([torch.full_like(batch.spans[:, :1], -1), batch.spans[:, :-1]], 1)
    alignments = [alignment_loss(weights[0], going_in)]
    alignments += [alignment_loss(layer, batch.spans) for layer in weights[1:]]
    trained = batch.targets >= 0
    right = (log_probabilities.argmax(-1) == batch.targets)[trained]
    return Losses(
        token=token_loss(log_probabilities, batch.targets),
        phoneme=F.cross_entropy(
            phonemes.float().flatten(0, 1), batch.phonemes[:, : audio.shape[1]].flatten()
        ),
        alignment=sum(alignments) / len(alignments),
        accuracy=right.float().mean().item(),
    )
