"""Whether networks of torchvision and timm, exported to ONNX by PyTorch, predict and explain as they do in PyTorch.

    make onnx-families                  # makes .venv-families, and runs this with --write
    python tests/torch_models/onnx_families.py [--write] [--only NAME ...]

The same network with random weights is opened in memory, by the door of PyTorch, and as the file that each of the two
exporters of `torch.onnx.export` makes of it, with an open batch. Nothing is downloaded.
"""

from __future__ import annotations

import without_cuda  # noqa: F401 before torchvision

# isort: split
import argparse
import contextlib
import copy
import datetime
import gc
import io
import logging
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from library_networks import (
    APART,
    BATCH,
    CLASSES,
    of_timm,
    of_torchvision,
    picture,
    reacting,
    table,
    unconnected,
    versions,
)
from numpy.typing import NDArray
from torch import nn

from bias_audit.config import AuditConfig
from bias_audit.errors import BiasAuditError
from bias_audit.heatmaps.methods import METHODS
from bias_audit.models.doors import load_model

REPORT = Path(__file__).parents[2] / "reports" / "compatibility-onnx.md"
NAMES = tuple(f"class {number}" for number in range(CLASSES))
CLOSE = 1e-5
"""Most that probabilities may differ, and maps as a share of their largest value."""
TIMES = 4
"""Most that they may differ where more is rounded: times the distance of PyTorch from its double precision."""

FAMILIES: tuple[tuple[str, tuple[str, ...], Any], ...] = (
    (
        "torchvision",
        ("convnext_tiny", "densenet121", "efficientnet_b0", "mnasnet0_5", "mobilenet_v2", "mobilenet_v3_small",
         "regnet_y_400mf", "resnet18", "shufflenet_v2_x0_5", "squeezenet1_1", "swin_t"),
        of_torchvision,
    ),
    ("timm", ("convnext_atto", "vit_tiny_patch16_224"), of_timm),
)  # fmt: skip
"""(library, networks of it, what makes them)."""

EXPORTERS = {"torch.export": True, "TorchScript": False}
"""What `torch.onnx.export` calls its exporters -> its argument `dynamo`."""


@dataclass(frozen=True)
class Row:
    """What was found of one file; all cells as they stand in the table."""

    model: str
    exporter: str
    probabilities: str
    layer: str
    grid: str
    hires_cam: str
    grad_cam: str
    result: str


@contextlib.contextmanager
def silent() -> Iterator[None]:
    """A context without what exporters say while they work."""
    kept = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(kept)


def exported(network: nn.Module, images: NDArray[np.float32], path: Path, *, dynamo: bool) -> None:
    """Write a network as an ONNX file with an open batch, for images (N, H, W, 3)."""
    given = torch.from_numpy(images.transpose(0, 3, 1, 2).copy())
    batch: dict[str, Any] = (
        {"dynamic_shapes": ({0: torch.export.Dim("images")},)}
        if dynamo
        else {"dynamic_axes": {"pixels": {0: "images"}, "logits": {0: "images"}}}
    )
    with silent():
        torch.onnx.export(
            network, (given,), path, input_names=["pixels"], output_names=["logits"], dynamo=dynamo, **batch
        )


def compared(called: str, exporter: str, nets: Sequence[Any], path: Path, images: NDArray[np.float32]) -> Row:
    """Open a file, and hold it against the network as the door of PyTorch runs it.

    Args:
        called, exporter: cells of the table.
        nets: the network, and the same in double precision.
        path: the file.
        images: (2, H, W, 3).
    """
    cells = [called, exporter]
    try:
        ours: Any = load_model(path, AuditConfig(batch_size=2 * BATCH), NAMES)  # not the batch of the export
        said, expected, exact = (each.predict(images).probabilities for each in (ours, *nets))
        close, told = _close(np.abs(said - expected).max(), np.abs(expected - exact).max())
        faults = [] if close else ["probabilities differ"]
        if np.abs(expected[0] - expected[1]).max() <= APART:
            faults.append("exchanged pictures would not be noticed")
        cells.append(told)
        if ours.differentiable:
            further, wrong = as_explained(ours, nets, images)
            cells, faults = cells + further, faults + wrong
            result = "pass"
        else:
            cells += ["-"] * 4
            result = "predictions only: " + "; ".join(note.partition("; here ")[2].rstrip(".") for note in ours.notes)
    except BiasAuditError as error:
        return Row(*(cells + ["-"] * 7)[:7], f"refused: {error.message}")
    return Row(*cells, "; ".join(faults) or result)


def as_explained(ours: Any, nets: Sequence[Any], images: NDArray[np.float32]) -> tuple[list[str], list[str]]:
    """(layer, grid, how far the maps of two methods differ), and what is wrong with them.

    Each image is explained as the class that is predicted and as the one after it.
    """
    labels = (nets[0].predict(images).best + 1) % CLASSES
    values, theirs = (each.activations(images, labels).values for each in (ours, nets[0]))
    layer, methods, faults = nets[0].layer, ["hires_cam", "grad_cam"], []
    if not _same(values, theirs):
        layer, methods = f"ReLU behind {layer}", ["hires_cam"]
        if not _same(values, np.maximum(theirs, 0)):
            faults.append("other layers are explained")
    cells = [layer, "x".join(map(str, ours.grid))]
    for name in methods:
        made, expected, exact = (_maps(each, images, labels, name) for each in (ours, *nets))
        close, told = _close(_away(made, expected), _away(expected, exact))
        cells.append(told)
        if not close:
            faults.append(f"maps of {name} differ")
    return cells + ["-"] * (4 - len(cells)), faults


def _close(away: float, rounding: float) -> tuple[bool, str]:
    """(whether a difference is none, it and rounding alone as a cell)."""
    return away <= max(CLOSE, TIMES * rounding), f"{away:.0e} ({rounding:.0e})"


def _maps(model: Any, images: NDArray[np.float32], labels: NDArray[Any], name: str) -> NDArray[Any]:
    """Maps (4, h, w) of two images by a method, of the predicted class and of the label."""

    def weigh(values: Any, gradients: Any, xp: Any) -> Any:
        return METHODS[name].function(values[0], gradients[0], xp)

    made = model.explain(images, labels, weigh)
    return np.concatenate([made.maps, made.maps_label])


def _same(values: NDArray[Any], expected: NDArray[Any]) -> bool:
    return values.shape == expected.shape and bool(np.abs(values - expected).max() <= 1e-4 * np.abs(expected).max())


def _away(maps: NDArray[Any], expected: NDArray[Any]) -> float:
    """Largest difference of maps, as a share of the largest value of a map; infinite where it would say nothing."""
    if maps.shape != expected.shape or not np.ptp(expected, axis=(1, 2)).all():
        return float("inf")
    return float((np.abs(maps - expected).max(axis=(1, 2)) / np.abs(expected).max(axis=(1, 2))).max())


def report(found: Sequence[Row]) -> str:
    passed = sum(row.result == "pass" for row in found)
    only = sum(row.result.startswith("predictions only") for row in found)
    head = ("model", "exporter", "probabilities", "layer explained", "grid", "HiResCAM", "Grad-CAM", "result")
    return (
        "# Which networks of PyTorch are explained as ONNX files\n\n"
        "Networks with random weights, opened in memory by the door of PyTorch and as files of the two exporters of\n"
        "`torch.onnx.export`, with an open batch. The numbers are the largest differences between both doors, for two\n"
        f"images that differ by more than {APART} in a probability: of probabilities, and of maps of the predicted\n"
        "class and of another one, as shares of the largest value of a map; in brackets, how far PyTorch itself is\n"
        f"from PyTorch in double precision. A difference of {CLOSE:.0e} passes, or one of {TIMES} times what stands\n"
        "in brackets: a file computes in another order, with normalisation folded into convolutions. The layer is the\n"
        "one of PyTorch whose values the tensor before the pooling has; where a ReLU stands between, HiResCAM is the\n"
        f"same on both of its sides, and no other map is compared. Of {len(found)} files {passed} pass with maps,\n"
        f"{only} with predictions alone, for the reason that the door gives. Made by `make onnx-families` on\n"
        f"{datetime.date.today().isoformat()} with "
        f"{versions('torch', 'torchvision', 'timm', 'onnx', 'onnxscript', 'onnxruntime')}.\n\n"
        f"{table(head, [astuple(row) for row in found])}\n"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--write", action="store_true", help=f"write {REPORT}")
    parser.add_argument("--only", nargs="*", metavar="NAME", help="these networks alone")
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as made, unconnected():
        for library, members, maker in FAMILIES:
            for member in members:
                if options.only and member not in options.only:
                    continue
                torch.manual_seed(7)
                network, _, prepare = maker(member, CLASSES, Path(made))
                images, _ = reacting(network, np.asarray(prepare(picture())).transpose(1, 2, 0))
                settings = AuditConfig(batch_size=BATCH, image_size=images.shape[1:3])
                nets = [load_model(each, settings, NAMES) for each in (network, copy.deepcopy(network).double())]
                for exporter in EXPORTERS:
                    start = time.monotonic()
                    with tempfile.TemporaryDirectory() as folder:  # weights may lie beside the file
                        file = Path(folder) / f"{member}.onnx"
                        exported(network, images, file, dynamo=EXPORTERS[exporter])
                        rows.append(compared(f"{library}: {member}", exporter, nets, file, images))
                    print(f"{time.monotonic() - start:5.1f} s", *astuple(rows[-1]), sep=" | ", flush=True)
                gc.collect()
    if options.write and not options.only:
        REPORT.write_text(report(rows), encoding="utf-8")
    failed = [
        f"{row.model} ({row.exporter})" for row in rows if not row.result.startswith(("pass", "predictions only"))
    ]
    if failed:
        raise SystemExit(f"{len(failed)} of {len(rows)} do not pass: {', '.join(failed)}")
