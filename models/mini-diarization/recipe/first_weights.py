"""Begins with the first models' weights, read from their ONNX files.

Those were exported with every normalisation folded into its convolution. Here each convolution
takes what was folded, and its normalisation the statistics that undo it, so that the function is
the same. The layers that the first models had not begin as if they were not there.
"""

from pathlib import Path

import onnx
import torch
from onnx import numpy_helper
from torch import nn


def tensors(path: Path) -> tuple[dict[str, torch.Tensor], list[onnx.NodeProto]]:
    """The named weights of a model, and its nodes in order."""
    graph = onnx.load(path).graph
    named = {i.name: torch.from_numpy(numpy_helper.to_array(i).copy()) for i in graph.initializer}
    return named, list(graph.node)


def of_kind(nodes: list[onnx.NodeProto], kind: str) -> list[list[str]]:
    """The inputs of every node of a kind."""
    return [list(node.input) for node in nodes if node.op_type == kind]


def take_convolutions(layers: list[tuple[nn.Conv1d, nn.BatchNorm1d]], path: Path) -> None:
    """Gives each convolution its weight and bias; the Fourier transform has no bias."""
    named, nodes = tensors(path)
    inputs = [names for names in of_kind(nodes, "Conv") if len(names) == 3]
    for (convolution, _), (_, weight, bias) in zip(layers, inputs, strict=True):
        convolution.weight.data.copy_(named[weight])
        convolution.bias.data.copy_(named[bias])


def undo_normalisation(
    model: nn.Module, layers: list[tuple[nn.Conv1d, nn.BatchNorm1d]], example: torch.Tensor
) -> None:
    """Measures what each convolution gives for `example`, front to back, and lets the normalisation
    that follows it scale and shift by just that."""
    for convolution, norm in layers:
        seen: list[torch.Tensor] = []
        hook = convolution.register_forward_hook(lambda _, __, y, seen=seen: seen.append(y))
        model.eval()
        with torch.no_grad():
            model(example)
        hook.remove()
        variance, mean = torch.var_mean(seen[0], (0, 2))
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
        norm.weight.data.copy_((variance + norm.eps).sqrt())
        norm.bias.data.copy_(mean)
    model.train()


def embedding(model: nn.Module, path: Path, example: torch.Tensor) -> None:
    """The first embedding model's weights into `Embedding`."""
    named, _ = tensors(path)
    layers = [(layer.convolution, layer.norm) for layer in model.taken()]
    take_convolutions(layers, path)
    model.out.weight.data.copy_(named["fc.weight"])
    model.out.bias.data.copy_(named["fc.bias"])
    model.norm.running_mean.copy_(named["bn.running_mean"])
    model.norm.running_var.copy_(named["bn.running_var"])
    undo_normalisation(model, layers, example)


def gates(weights: torch.Tensor) -> torch.Tensor:
    """From ONNX's order of an LSTM's gates to PyTorch's."""
    i, o, f, c = weights.chunk(4)
    return torch.cat([i, f, c, o])


def take_lstm(lstm: nn.LSTM, named: dict[str, torch.Tensor], names: list[str]) -> None:
    inputs, hidden, biases = (named[name] for name in names[1:4])
    for direction, suffix in enumerate(("", "_reverse")):
        of_input, of_hidden = biases[direction].chunk(2)
        for name, value in (
            ("weight_ih_l0", inputs[direction]),
            ("weight_hh_l0", hidden[direction]),
            ("bias_ih_l0", of_input),
            ("bias_hh_l0", of_hidden),
        ):
            getattr(lstm, name + suffix).data.copy_(gates(value))


def segmentation(model: nn.Module, path: Path, example: torch.Tensor) -> None:
    """The first segmentation model's weights into `Segmentation`; `example` is log mel powers."""
    named, nodes = tensors(path)
    layers = [(part[0], part[1]) for part in model.convolutions]
    take_convolutions(layers, path)
    for lstm, names in zip((model.first, model.second), of_kind(nodes, "LSTM"), strict=True):
        take_lstm(lstm, named, names)
    for linear, (names, bias) in zip(
        (model.out[0], model.out[2]),
        zip(of_kind(nodes, "MatMul"), ("o.0.bias", "o.2.bias"), strict=True),
        strict=True,
    ):
        linear.weight.data.copy_(named[names[1]].T)
        linear.bias.data.copy_(named[bias])
    undo_normalisation(model.convolutions, layers, example)
