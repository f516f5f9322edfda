"""Writes the two ONNX files with the metadata that sherpa-onnx asks for.

python -m recipe.export embedding embedding.pt embedding.onnx
python -m recipe.export segmentation segmentation.pt segmentation.onnx
"""

import argparse
import warnings
from pathlib import Path

import onnx
import torch
from torch import nn

from . import segmentation, train_embedding
from .features import FBANK_BINS, HOP, SAMPLE_RATE, WINDOW

OPSET = 13
REMARK = "miniature, trained on synthetic voices alone: useless on human speech"
SEGMENTATION = {
    "num_speakers": 3,
    "powerset_max_classes": 2,
    "num_classes": len(segmentation.CLASSES),
    "sample_rate": SAMPLE_RATE,
    "window_size": segmentation.WINDOW,
    "receptive_field_size": WINDOW,
    "receptive_field_shift": 2 * HOP,
    "model_type": "pyannote-segmentation-3.0",
    "version": "1",
    "model_author": "Steno",
    "maintainer": REMARK,
}
EMBEDDING = {
    "framework": "wespeaker",
    "language": "English",
    "url": "none",
    "comment": REMARK,
    "sample_rate": SAMPLE_RATE,
    "output_dim": train_embedding.SIZE,
    "normalize_samples": 1,
}


def write(model: nn.Module, example: torch.Tensor, axes: dict, path: Path) -> None:
    """The graph, without anything that only training needs."""
    model.eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model,
            (example,),
            str(path),
            opset_version=OPSET,
            input_names=["x"],
            output_names=["y"],
            dynamic_axes=axes,
            dynamo=False,
        )


def describe(path: Path, metadata: dict) -> None:
    graph = onnx.load(path)
    del graph.metadata_props[:]
    for key, value in metadata.items():
        graph.metadata_props.add(key=key, value=str(value))
    onnx.checker.check_model(graph)
    onnx.save(graph, path)
    print(f"{path}: {path.stat().st_size} bytes")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=["embedding", "segmentation"])
    parser.add_argument("weights", type=Path)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    weights = torch.load(arguments.weights)
    if arguments.kind == "embedding":
        model: nn.Module = train_embedding.Embedding()
        example, metadata = torch.randn(1, 200, FBANK_BINS), EMBEDDING
        axes = {"x": {0: "batch", 1: "frames"}, "y": {0: "batch"}}
    else:
        model = segmentation.Segmentation()
        example, metadata = torch.randn(1, 1, segmentation.WINDOW), SEGMENTATION
        axes = {"x": {0: "batch"}, "y": {0: "batch"}}
    model.load_state_dict(weights)
    write(model, example, axes, arguments.out)
    describe(arguments.out, metadata)


if __name__ == "__main__":
    main()
