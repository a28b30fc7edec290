"""What the audit pass costs beside reading and predicting the same files: PyTorch and ONNX, and libraries of heatmaps.

    python tests/measurements/network_pass.py [--frameworks torch onnx] [--models mobilenet_v2 resnet50] [--rounds 7]
        [--images 256] [--work FOLDER] [--threads N]

Needs torchvision (architectures), and onnx with onnxscript where ONNX is measured; grad-cam, torchcam and captum are
measured where they are installed. Beside the CPU wheel of torch all of them install with

    pip install 'bias-audit[torch,onnx]' torchvision grad-cam torchcam captum onnx onnxscript

The unit is a plain loop: files decoded ahead by OpenCV in as many threads as in our pass, brought to 224 pixels,
normalised, predicted in batches of the same size. Every contender gets the same files. "Maps" is our pass up to
predictions and heatmaps, "audit pass" all of it: masks, scores against them, and shards. The libraries get the plain
loop's batches and explain the predicted class at the same layer by Grad-CAM. All run in one process, once per round, in
an order that rotates; a ratio is taken within a round. Weights are random: a network that is mostly wrong has to be
explained for two classes, which costs us a second backward pass through the head.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import statistics
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from neighbours_worker import import_torchvision

from bias_audit.config import AuditConfig
from bias_audit.data.batches import load_in_order
from bias_audit.data.preprocess import imagenet
from bias_audit.data.sources import open_dataset
from bias_audit.data.sources.attach import attach_masks
from bias_audit.errors import BiasAuditError
from bias_audit.heatmaps.attention import attend
from bias_audit.heatmaps.methods import Explainer
from bias_audit.models.decoding import geometry_of
from bias_audit.models.doors import load_model
from bias_audit.planted import CLASS_NAMES, write_world
from bias_audit.run.folder import Run

SIDE, OUTPUTS = 224, 1000
MODELS = {"mobilenet_v2": "features", "resnet50": "layer4"}
"""Architecture of torchvision -> the layer that is explained: the last feature maps."""

Contender = Callable[[], object]


@dataclass(frozen=True)
class Bench:
    """What the contenders of one network share.

    Attributes:
        net: the network of PyTorch, in evaluation mode.
        layer: path of the explained layer.
        images, masks: folders with a folder per class.
        files: all photos, in the order of the data set.
        batch: photos per batch.
    """

    net: torch.nn.Module
    layer: str
    images: Path
    masks: Path
    files: tuple[Path, ...]
    batch: int

    def target(self) -> torch.nn.Module:
        return self.net.get_submodule(self.layer)

    def tensors(self) -> Iterator[torch.Tensor]:
        """Batches (n, 3, SIDE, SIDE) as the plain loop reads them."""
        for pixels in read_ahead(self.files, self.batch):
            yield torch.from_numpy(np.ascontiguousarray(imagenet(pixels).transpose(0, 3, 1, 2)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--frameworks", nargs="+", default=["torch", "onnx"], choices=["torch", "onnx"])
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=list(MODELS))
    parser.add_argument("--images", type=int, default=256, help="a multiple of the batch size fills every batch")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "bias-audit-network-pass")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="of PyTorch and onnxruntime")
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(options.threads)  # what our ONNX session asks
    torch.set_num_threads(options.threads)
    images, masks = drawn(options.work, options.images)
    for name in options.models:
        for framework in options.frameworks:
            bench = bench_of(name, images, masks)
            contenders, left_out = CONTENDERS[framework](bench, options.work, options.threads)
            print(f"\n{name}, {framework}: {len(bench.files)} photos, batches of {bench.batch}, ", end="")
            print(f"{options.threads} threads")
            print("".join(f"left out: {reason}\n" for reason in left_out), end="", flush=True)
            if contenders:
                print(table(measured(contenders, options.rounds)), flush=True)
    print("\n" + ", ".join(versions()))


def drawn(work: Path, count: int) -> tuple[Path, Path]:
    """Folders of generated test photos of 224 by 280 pixels, and of their masks."""
    per_class = -(-count // len(CLASS_NAMES))
    folder = work / f"photos-{count}"
    if not (folder / "truth.csv").exists():
        print(f"drawing {per_class * len(CLASS_NAMES)} photos in {folder}", flush=True)
        write_world(folder, per_class={"train": 1, "test": per_class}, size=SIDE)
        for file in sorted((folder / "images" / "test").rglob("*.jpg"))[count:]:
            file.unlink()
    return folder / "images" / "test", folder / "masks" / "test"


def bench_of(name: str, images: Path, masks: Path) -> Bench:
    """A network with random weights, normalised by what noise gives, so that nothing vanishes."""
    import_torchvision()
    import torchvision

    torch.manual_seed(0)
    net = getattr(torchvision.models, name)(weights=None, num_classes=OUTPUTS)
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None
    with torch.no_grad():
        net.train()(torch.randn(8, 3, SIDE, SIDE))
    files = tuple(sample.path for sample in open_dataset(images, CLASS_NAMES).samples)
    return Bench(net.eval(), MODELS[name], images, masks, files, batch_of(net))


def batch_of(model: Any) -> int:
    return int(load_model(model, configured(), CLASS_NAMES).batch_size)


def configured(layer: str = "auto") -> AuditConfig:
    groups = tuple((name, (number,)) for number, name in enumerate(CLASS_NAMES))
    return AuditConfig(preprocess="imagenet", class_map=groups, layer=layer, image_size=(SIDE, SIDE), head="logits")


def read_ahead(files: tuple[Path, ...], batch: int) -> Iterator[np.ndarray]:
    """(n, SIDE, SIDE, 3) float32 RGB in 0..255 of each batch, read by threads two batches ahead, as our pass does."""

    def read(file: Path) -> np.ndarray:
        photo = cv2.cvtColor(cv2.imread(str(file)), cv2.COLOR_BGR2RGB)
        return cv2.resize(photo.astype(np.float32), (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)

    starts = iter(range(0, len(files), batch))
    pending: deque[list[Any]] = deque()
    with ThreadPoolExecutor(max(2, os.cpu_count() or 2)) as pool:
        while True:
            while len(pending) <= 2 and (start := next(starts, None)) is not None:
                pending.append([pool.submit(read, file) for file in files[start : start + batch]])
            if not pending:
                return
            yield np.stack([each.result() for each in pending.popleft()])


# --- our pass, on whatever opens ---


def maps(bench: Bench, model: Any) -> Contender:
    """Files to predictions and heatmaps."""
    loaded, explainer, geometry = opened(bench, model)

    def run() -> None:
        dataset = open_dataset(bench.images, CLASS_NAMES)
        for start, group in load_in_order(dataset.samples, geometry, loaded.batch_size):
            labels = np.array([sample.label for sample in dataset.samples[start : start + len(group)]])
            explainer.explain(np.stack([each.pixels for each in group]), labels)

    return run


def audit_pass(bench: Bench, model: Any) -> Contender:
    """As `maps`, and masks, hashes, scores against the masks and the shards of a run folder."""
    loaded, explainer, geometry = opened(bench, model)

    def run() -> None:
        with tempfile.TemporaryDirectory() as folder:
            shards = Run(Path(folder) / "run")
            shards.start({}, resume=False, overwrite=False)
            dataset = attach_masks(open_dataset(bench.images, CLASS_NAMES), bench.masks)
            attend(dataset, explainer, geometry, loaded.batch_size, shards, lambda _: None)

    return run


def opened(bench: Bench, model: Any) -> tuple[Any, Explainer, Any]:
    config = configured(bench.layer if isinstance(model, torch.nn.Module) else "auto")
    loaded = load_model(model, config, CLASS_NAMES)
    return loaded, Explainer(loaded, config.method, imagenet), geometry_of(config, loaded.input_size)


# --- PyTorch ---


def plain_torch(bench: Bench) -> Contender:
    def run() -> None:
        with torch.inference_mode():
            for images in bench.tensors():
                bench.net(images).softmax(dim=1).numpy()

    return run


def grad_cam(bench: Bench) -> Contender:
    from pytorch_grad_cam import GradCAM

    def run() -> None:
        with GradCAM(model=bench.net, target_layers=[bench.target()]) as method:
            for images in bench.tensors():
                method(input_tensor=images, targets=None)
                method.outputs.softmax(dim=1).detach().numpy()

    return run


def torch_cam(bench: Bench) -> Contender:
    from torchcam.methods import GradCAM

    def run() -> None:
        with GradCAM(bench.net, target_layer=bench.layer) as method:
            for images in bench.tensors():
                scores = bench.net(images)
                method(scores.argmax(dim=1).tolist(), scores)
                scores.softmax(dim=1).detach().numpy()

    return run


def captum(bench: Bench) -> Contender:
    from captum.attr import LayerGradCam

    method = LayerGradCam(bench.net, bench.target())

    def run() -> None:
        for images in bench.tensors():
            with torch.no_grad():  # it gives no predictions: the class to explain is predicted first
                scores = bench.net(images)
            method.attribute(images, target=scores.argmax(dim=1)).detach().numpy()
            scores.softmax(dim=1).numpy()

    return run


def torch_contenders(bench: Bench, _: Path, __: int) -> tuple[dict[str, Contender], list[str]]:
    made, left_out = {"plain loop": plain_torch(bench)}, []
    made |= {"bias-audit, maps": maps(bench, bench.net), "bias-audit, audit pass": audit_pass(bench, bench.net)}
    for name, make in (("torch-cam", torch_cam), ("captum", captum), ("pytorch-grad-cam", grad_cam)):
        try:
            made[name] = make(bench)
        except ImportError as error:
            left_out.append(f"{name}: {error}")
    return made, left_out


# --- ONNX ---


def plain_onnx(bench: Bench, file: Path, threads: int) -> Contender:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    (name,) = (each.name for each in session.get_inputs())

    def run() -> None:
        for images in bench.tensors():
            (scores,) = session.run(None, {name: images.numpy()})
            torch.from_numpy(scores).softmax(dim=1).numpy()

    return run


def onnx_contenders(bench: Bench, work: Path, threads: int) -> tuple[dict[str, Contender], list[str]]:
    file = work / f"{type(bench.net).__name__.lower()}.onnx"
    try:
        images = torch.zeros(2, 3, SIDE, SIDE)
        size = {0: torch.export.Dim("batch")}
        torch.onnx.export(
            bench.net, (images,), file, dynamo=True, dynamic_shapes=(size,), external_data=False, verbose=False
        )
        ours = {"bias-audit, maps": maps(bench, file), "bias-audit, audit pass": audit_pass(bench, file)}
        return {"plain loop": plain_onnx(bench, file, threads), **ours}, []
    except (BiasAuditError, ImportError) as error:
        return {}, [f"onnx: {error}"]


CONTENDERS = {"torch": torch_contenders, "onnx": onnx_contenders}


# --- measuring ---


def measured(contenders: dict[str, Contender], rounds: int) -> dict[str, list[tuple[float, float]]]:
    """Contender -> (wall, CPU) seconds of each round, after one that warms up."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in contenders}
    names = list(contenders)
    for number in range(-1, rounds):
        for name in names[number % len(names) :] + names[: number % len(names)]:
            wall, cpu = time.perf_counter(), time.process_time()
            contenders[name]()
            if number >= 0:
                found[name].append((time.perf_counter() - wall, time.process_time() - cpu))
    return found


def table(found: dict[str, list[tuple[float, float]]], unit: str = "plain loop") -> str:
    """Markdown: median seconds, and median ratio to the unit within a round, with the range over the rounds."""
    lines = ["| what | wall s | CPU s | wall beside the plain loop | CPU beside it |", "|---|---|---|---|---|"]
    for name, rounds in found.items():
        cells = [f"{statistics.median(each[kind] for each in rounds):.2f}" for kind in (0, 1)]
        for kind in (0, 1):
            ratios = [mine[kind] / its[kind] for mine, its in zip(rounds, found[unit], strict=True)]
            cells.append(f"{statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def versions() -> Iterator[str]:
    yield f"Python {sys.version.split()[0]}"
    for package in ("torch", "torchvision", "onnxruntime", "grad-cam", "torchcam", "captum"):
        try:
            yield f"{package} {importlib.metadata.version(package)}"
        except importlib.metadata.PackageNotFoundError:
            continue


if __name__ == "__main__":
    main()
