"""What an audit costs beside its model: reading, predicting, the audit pass and every stage, on any door and device.

    python tests/measurements/host.py [--door torch|keras|onnx|function] [--device cpu|gpu] [--sizes 150 600]
        [--rounds 3] [--model MODEL] [--photos DIR --masks DIR] [--preprocess imagenet]
        [--parts pass operations stages]

Without --model the model costs nothing: one 32x32 convolution of stride 32 on 224 pixels, pooling and one matrix
product, so what is measured is the host. Any other model is given as to `bias-audit audit`. Photos are generated, or
given with a folder per class and masks of the same names.

- "pass": seconds per photo, the slope between two numbers of photos, which leaves out what is paid once: decoding,
  predicting from files in a plain loop, the audit pass without and with masks. All are done in turn, and what they are
  compared with is the plain loop of the same turn. CPU seconds are those of all threads; where other programs compete
  for the cores, read these.
- "operations": CPU milliseconds per photo of each thing that the host does, one after another.
- "stages": a whole audit, its seconds by stage, and its share of the time in which cores and device were busy.

Everything runs in this process. A figure is to be read, nothing is asserted.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

SIDE, CLASSES, WIDTH = 224, 3, 8
"""Side of the generated photos and of the model's input, number of classes, and channels of the convolution."""

PARTS = ("pass", "operations", "stages")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument(
        "--door", choices=list(DOORS), default="torch", help="framework of the model that costs nothing"
    )
    parser.add_argument("--model", help="another model: a file, or module:function")
    parser.add_argument("--device", choices=("cpu", "gpu"), default="cpu")
    parser.add_argument("--photos", type=Path, help="folder with a folder of photos per class")
    parser.add_argument("--masks", type=Path)
    parser.add_argument("--class-map", type=Path)
    parser.add_argument("--preprocess", default="imagenet")
    parser.add_argument("--batch-size", type=int)
    parser.add_argument("--sizes", nargs=2, type=int, default=(150, 600), help="two numbers of photos")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "bias-audit-host")
    options = parser.parse_args()
    if options.device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""  # before a framework is imported
    photos, masks = options.photos, options.masks
    if photos is None:
        photos, masks = drawn(options.work, max(options.sizes))
    print(f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores, device {device_name()}")
    setup = Setup.of(options, photos, masks)
    print(f"{options.model or options.door}, batches of {setup.model.batch_size}, preprocess {options.preprocess}")
    for part in options.parts:
        print(f"\n{part}\n{'-' * len(part)}", flush=True)
        {"pass": pass_table, "operations": operations_table, "stages": stages_table}[part](setup, options)


# --- what is measured on ---


def drawn(work: Path, count: int) -> tuple[Path, Path]:
    """Folders of generated test photos and of their masks; those of an earlier call are used again."""
    from bias_audit.planted import CLASS_NAMES, write_world

    per_class = -(-count // len(CLASS_NAMES))
    folder = work / f"photos-{per_class}"
    if not (folder / "truth.csv").exists():
        print(f"drawing {per_class * len(CLASS_NAMES)} photos in {folder}", flush=True)
        write_world(folder, per_class={"train": 1, "test": per_class}, size=SIDE)
    return folder / "images" / "test", folder / "masks" / "test"


@dataclasses.dataclass(frozen=True)
class Setup:
    """The model, opened as an audit opens it, and the photos."""

    photos: Path
    masks: Path | None
    given: Any
    model: Any
    direct: Callable[[np.ndarray], object]
    config: Any
    geometry: Any
    dataset: Any
    masked: Any

    @classmethod
    def of(cls, options: argparse.Namespace, photos: Path, masks: Path | None) -> Setup:
        from bias_audit.config import AuditConfig, read_class_map
        from bias_audit.data.sources import open_dataset
        from bias_audit.data.sources.attach import attach_masks
        from bias_audit.models.decoding import geometry_of
        from bias_audit.models.doors import load_model

        groups = read_class_map(options.class_map) if options.class_map else None
        config = AuditConfig(
            preprocess=options.preprocess, class_map=groups, image_size=(SIDE, SIDE), batch_size=options.batch_size
        )
        dataset = open_dataset(photos, tuple(name for name, _ in groups) if groups else None)
        made = options.model or DOORS[options.door](options, len(dataset.class_names))
        given, direct = made if isinstance(made, tuple) else (made, None)
        model = load_model(given, config, dataset.class_names)
        config = dataclasses.replace(config, batch_size=model.batch_size)
        masked = attach_masks(dataset, masks) if masks else dataset
        geometry = geometry_of(config, model.input_size)
        return cls(photos, masks, given, model, direct or model.predict, config, geometry, dataset, masked)

    def first(self, count: int, *, masked: bool = True) -> Any:
        """The data set with its first `count` photos, the classes in turn."""
        from bias_audit.data.sampling import spread

        dataset = self.masked if masked else self.dataset
        chosen = sorted(spread(dataset, count, 0))
        return dataclasses.replace(dataset, samples=tuple(dataset.samples[position] for position in chosen))


def free_torch(options: argparse.Namespace, classes: int) -> Any:
    import torch

    torch.manual_seed(0)
    net = torch.nn.Sequential(
        torch.nn.Conv2d(3, WIDTH, 32, stride=32), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(),
        torch.nn.Linear(WIDTH, classes),
    ).eval()  # fmt: skip
    device = torch.device("cuda" if options.device == "gpu" else "cpu")
    net = net.to(device)

    def predict(images: np.ndarray) -> object:
        with torch.no_grad():
            tensor = torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2))).to(device)
            return net(tensor).softmax(dim=1).cpu().numpy()

    return net, predict


def free_keras(options: argparse.Namespace, classes: int) -> Any:
    import keras

    keras.utils.set_random_seed(0)
    layers = keras.layers
    net = keras.Sequential([
        keras.Input((SIDE, SIDE, 3)), layers.Conv2D(WIDTH, 32, strides=32, activation="relu"),
        layers.GlobalAveragePooling2D(), layers.Dense(classes, activation="softmax"),
    ])  # fmt: skip
    return net, net.predict_on_batch


def free_onnx(options: argparse.Namespace, classes: int) -> Any:
    import onnxruntime

    sys.path.insert(0, str(Path(__file__).parents[1] / "models"))
    import onnx_files as files

    rng = np.random.default_rng(0)
    kernel = (rng.normal(size=(WIDTH, 3, 32, 32)) / 55).astype(np.float32)
    weights = rng.normal(size=(classes, WIDTH)).astype(np.float32)
    body = files.graph(
        files.node("Conv", ["x", "kernel"], ["c"], attributes=files.attribute("strides", [32, 32])),
        files.node("Relu", ["c"], ["r"]), files.node("GlobalAveragePool", ["r"], ["g"]),
        files.node("Flatten", ["g"], ["f"]),
        files.node("Gemm", ["f", "weights"], ["z"], attributes=files.attribute("transB", 1)),
        files.node("Softmax", ["z"], ["y"], attributes=files.attribute("axis", 1)),
        given=files.value("x", ["n", 3, SIDE, SIDE]), made=files.value("y", ["n", classes]),
        tensors=[files.array("kernel", kernel), files.array("weights", weights)],
    )  # fmt: skip
    file = options.work / "free.onnx"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(files.model(body))
    session = onnxruntime.InferenceSession(str(file))
    return file, lambda images: session.run(None, {"x": np.ascontiguousarray(images.transpose(0, 3, 1, 2))})


def free_function(options: argparse.Namespace, classes: int) -> Any:
    rng = np.random.default_rng(0)
    kernel = (rng.normal(size=(32 * 32 * 3, WIDTH)) / 55).astype(np.float32)
    weights = rng.normal(size=(WIDTH, classes)).astype(np.float32)

    def predict(images: np.ndarray) -> np.ndarray:
        n, cells = len(images), SIDE // 32
        blocks = images.reshape(n, cells, 32, cells, 32, 3).transpose(0, 1, 3, 2, 4, 5).reshape(n, cells * cells, -1)
        scores = np.maximum(blocks @ kernel, 0).mean(axis=1) @ weights
        odds = np.exp(scores - scores.max(axis=1, keepdims=True))
        return odds / odds.sum(axis=1, keepdims=True)

    return predict, predict


DOORS: dict[str, Callable[[argparse.Namespace, int], Any]] = {
    "torch": free_torch,
    "keras": free_keras,
    "onnx": free_onnx,
    "function": free_function,
}
"""Framework -> the model that costs nothing, and a function that predicts with it without this package."""


# --- reading and predicting, and the audit pass ---


def read_ahead(files: list[Path], batch: int) -> Iterator[np.ndarray]:
    """Batches (n, SIDE, SIDE, 3) float32 RGB in 0..255, read by OpenCV in as many threads as the audit has."""
    import cv2

    def read(file: Path) -> np.ndarray:
        photo = cv2.cvtColor(cv2.imread(str(file)), cv2.COLOR_BGR2RGB).astype(np.float32)
        return photo if photo.shape[:2] == (SIDE, SIDE) else cv2.resize(photo, (SIDE, SIDE))

    starts = iter(range(0, len(files), batch))
    pending: deque[list[Any]] = deque()
    with ThreadPoolExecutor(max(2, os.cpu_count() or 2)) as pool:
        while True:
            while len(pending) <= 2 and (start := next(starts, None)) is not None:
                pending.append([pool.submit(read, file) for file in files[start : start + batch]])
            if not pending:
                return
            yield np.stack([each.result() for each in pending.popleft()])


def contenders(setup: Setup) -> dict[str, Callable[[int], None]]:
    """What is measured -> a function of the number of photos."""
    from bias_audit.data.preprocess import find_preprocess
    from bias_audit.heatmaps.attention import attend
    from bias_audit.heatmaps.methods import Explainer
    from bias_audit.run.folder import Run

    batch = setup.model.batch_size
    mean, std = (np.array(each, np.float32) for each in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    # As a user writes it, so that the unit does not change with our own function.
    usual = {"none": lambda x: x, "imagenet": lambda x: (x / np.float32(255) - mean) / std}
    own = find_preprocess(setup.config.preprocess, 3)
    normalise = usual.get(setup.config.preprocess, own)
    explainer = Explainer(setup.model, "default", own)

    def decode(count: int) -> None:
        for _ in read_ahead([sample.path for sample in setup.first(count).samples], batch):
            pass

    def predict(count: int) -> None:
        for pixels in read_ahead([sample.path for sample in setup.first(count).samples], batch):
            setup.direct(normalise(pixels))

    def audit(count: int, masked: bool) -> None:
        with tempfile.TemporaryDirectory() as folder:
            run = Run(Path(folder) / "run")
            run.start({}, resume=False, overwrite=False)
            attend(setup.first(count, masked=masked), explainer, setup.geometry, batch, run, lambda _: None)

    made = {"decode": decode, "predict from files": predict, "pass without masks": lambda count: audit(count, False)}
    return {**made, "pass with masks": lambda count: audit(count, True)} if setup.masks else made


def pass_table(setup: Setup, options: argparse.Namespace) -> None:
    small, large = sorted(options.sizes)
    work = contenders(setup)
    for each in work.values():
        each(small)  # compiles, and fills the cache of files
    slopes: dict[str, list[tuple[float, float]]] = {name: [] for name in work}
    names = list(work)
    with Busy() as busy:
        for turn in range(options.rounds):
            for name in names[turn % len(names) :] + names[: turn % len(names)]:
                few, many = measured(partial(work[name], small)), measured(partial(work[name], large))
                slopes[name].append(tuple((b - a) / (large - small) for a, b in zip(few, many, strict=True)))
    print(f"ms per photo: slope between {small} and {large} photos, median of {options.rounds} turns")
    print(f"{'':22}{'wall':>8}{'CPU':>8}{'beside predicting: wall':>25}{'CPU':>8}{'photos/s':>10}")
    for name, turns in slopes.items():
        unit = slopes["predict from files"]
        wall, cpu = (statistics.median(each[kind] for each in turns) for kind in (0, 1))
        ratios = [statistics.median(a[k] / b[k] for a, b in zip(turns, unit, strict=True)) for k in (0, 1)]
        print(
            f"{name:22}{1000 * wall:8.2f}{1000 * cpu:8.2f}{ratios[0]:25.2f}{ratios[1]:8.2f}{1 / wall:10.0f}", flush=True
        )
    print(busy)


def measured(work: Callable[[], object]) -> tuple[float, float]:
    """Wall and CPU seconds, the latter of all threads and of child processes that ended."""
    wall, cpu, before = time.perf_counter(), time.process_time(), os.times()
    work()
    children = sum(os.times()[2:4]) - sum(before[2:4])
    return time.perf_counter() - wall, time.process_time() - cpu + children


# --- operations ---


def operations_table(setup: Setup, options: argparse.Namespace) -> None:
    count = min(64, *options.sizes)
    for name, work in operations(setup, count).items():
        work()
        cpu = min(measured(work)[1] for _ in range(3))
        print(f"{name:34}{1000 * cpu / count:8.3f} ms per photo", flush=True)


def operations(setup: Setup, count: int) -> dict[str, Callable[[], object]]:
    """Name -> what the host does with `count` photos in one thread."""
    from bias_audit.checks.data_leaks.background_probe import background_features
    from bias_audit.data.batches import load
    from bias_audit.data.duplicates import perceptual_hash
    from bias_audit.data.pictures import decode
    from bias_audit.data.preprocess import find_preprocess
    from bias_audit.heatmaps.localization import localize
    from bias_audit.heatmaps.methods import Explainer
    from bias_audit.heatmaps.photo_records import score
    from bias_audit.interventions import edits
    from bias_audit.report.pictures import encode_picture, outline
    from bias_audit.run.json_values import plain

    bare, dataset, geometry, batch = setup.first(count, masked=False), setup.first(count), setup.geometry, 32
    loaded = [load(sample, geometry) for sample in dataset.samples]
    pixels = np.stack([each.pixels for each in loaded])
    masks = np.stack([each.mask for each in loaded])
    labels = np.array([sample.label for sample in dataset.samples])
    explainer = Explainer(setup.model, "default", find_preprocess(setup.config.preprocess, 3))
    batches = [slice(start, min(start + batch, count)) for start in range(0, count, batch)]
    heats = np.random.default_rng(0).normal(size=(count, *explainer.grid)).astype(np.float32)
    rows = [{"mask_status": each.mask_status, "status": "ok", "share": 0.5, "name": "x"} for each in loaded]
    every = list(zip(pixels, masks, strict=True))
    sides = [(*each, on) for each in every for on in (False, True)]
    holes = [edits.hole(mask) for mask in masks]
    cuts = [edits.Cutout.of(picture, mask) for picture, mask in every]

    def scores() -> None:
        for part in batches:
            at = localize(heats[part], masks[part])
            score([dict(row) for row in rows[part]], at, at)

    made: dict[str, Callable[[], object]] = {
        "decode": lambda: [decode(sample.path, 3) for sample in bare.samples],
        "load a photo": lambda: [load(sample, geometry) for sample in bare.samples],
        "load a photo and its mask": lambda: [load(sample, geometry) for sample in dataset.samples],
        "preprocess": lambda: [explainer.preprocess(pixels[part]) for part in batches],
        "preprocess and predict": lambda: [explainer.predict(pixels[part]) for part in batches],
        "preprocess and explain": lambda: [explainer.explain(pixels[part], labels[part]) for part in batches],
        "perceptual hash": lambda: [perceptual_hash(each) for each in pixels],
        "scores against masks": scores,
        "hole": lambda: [edits.hole(mask) for mask in masks],
        "control hole (elsewhere)": lambda: [
            edits.elsewhere(each, each, np.random.default_rng(0), (1.0, 0.8, 0.6, 0.45)) for each in holes
        ],
        "grown hole": lambda: [edits.grown(each) for each in holes],
        "cut out and paste": lambda: [edits.paste(picture, mask, pixels[0]) for picture, mask in every],
        "paste what was cut out": lambda: [cut.onto(pixels[0]) for cut in cuts],
        "noise on and off the object": lambda: [
            edits.with_noise(picture, mask, np.random.default_rng(0), on_object=on) for picture, mask, on in sides
        ],
        "attended region": lambda: [edits.attended_region(heat, mask) for heat, mask in zip(heats, masks, strict=True)],
    }  # fmt: skip
    for name, fill in edits.FILLS.items():
        made[f"fill: {name}"] = lambda fill=fill: [
            fill(picture, each) for picture, each in zip(pixels, holes, strict=True)
        ]
    for name in edits.BACKDROPS:
        made[f"object on {name}"] = lambda name=name: [
            edits.foreground_only(picture, mask, name) for picture, mask in every
        ]
    made["features of the background"] = lambda: [background_features(picture, mask) for picture, mask in every]
    made["picture of the page"] = lambda: [encode_picture(picture) for picture in pixels]
    made["outline of the page"] = lambda: [outline(mask, 1.0) for mask in masks]
    made["7x7 values made plain"] = lambda: [plain(heat.tolist()) for heat in heats]
    return made


# --- stages of a whole audit ---


def stages_table(setup: Setup, options: argparse.Namespace) -> None:
    from bias_audit.pipeline.audit import audit
    from bias_audit.run.progress import QUIET, Progress

    class Timed(Progress):
        """Keeps the CPU seconds of every stage."""

        def __init__(self) -> None:
            super().__init__(QUIET)
            self.cpu: dict[str, float] = {}

        @contextlib.contextmanager
        def stage(self, title: str, *about: Any) -> Iterator[Callable[[int], None]]:
            begun = time.process_time()
            with super().stage(title, *about) as advance:
                yield advance
            self.cpu[title] = self.cpu.get(title, 0.0) + time.process_time() - begun

    count = max(options.sizes)
    with tempfile.TemporaryDirectory() as folder:
        data, masks = chosen_files(setup, count, Path(folder))
        progress = Timed()
        with Busy() as busy:
            wall, cpu = measured(
                lambda: audit(
                    setup.given, data, masks=masks, out=Path(folder) / "run", config=setup.config, progress=progress
                )
            )
        for title, seconds in progress.seconds.items():
            print(f"{title:34}{seconds:8.2f} s, {progress.cpu[title]:6.2f} s CPU")
        size = sum(file.stat().st_size for file in (Path(folder) / "run").rglob("*") if file.is_file())
    print(f"{'whole audit':34}{wall:8.2f} s, {cpu:.2f} s CPU, {len(setup.first(count).samples)} photos, ", end="")
    print(f"run folder {size / 1e6:.1f} MB")
    print(busy)


def chosen_files(setup: Setup, count: int, folder: Path) -> tuple[Path, Path | None]:
    """Folders that link to the first `count` photos, and to their masks."""
    dataset = setup.first(count)
    for sample in dataset.samples:
        for kind, file in (("images", sample.path), ("masks", sample.mask)):
            if file is not None:
                link = folder / kind / dataset.class_names[sample.label] / Path(file).name
                link.parent.mkdir(parents=True, exist_ok=True)
                os.symlink(Path(file).resolve(), link)
    return folder / "images", folder / "masks" if setup.masks else None


class Busy:
    """Context that measures for which share of the time each core, and the device, was busy; the whole machine's."""

    def __enter__(self) -> Busy:
        self._before, self._device = cores(), []
        self._sampler = sampled_device(self._device)
        self._sampler.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._sampler.__exit__(*error)
        self._after = cores()

    def __str__(self) -> str:
        shares = [
            (b[0] - a[0]) / max(b[0] + b[1] - a[0] - a[1], 1) for a, b in zip(self._before, self._after, strict=True)
        ]
        told = " ".join(f"{100 * share:.0f}" for share in shares) or "not known here"
        device = f"{statistics.mean(self._device):.0f} % busy" if self._device else "none"
        return f"cores busy, in per cent (all programs): {told}; sum {sum(shares):.1f} cores; device: {device}"


def cores() -> list[tuple[int, int]]:
    """(busy, idle) ticks of each core since the machine started; [] where the system does not say."""
    with contextlib.suppress(OSError):
        lines = [line.split() for line in Path("/proc/stat").read_text().splitlines()]
        parts = [list(map(int, line[1:9])) for line in lines if line[0].startswith("cpu") and line[0] != "cpu"]
        return [(sum(each) - each[3] - each[4], each[3] + each[4]) for each in parts]
    return []


@contextlib.contextmanager
def sampled_device(found: list[float]) -> Iterator[None]:
    """Context that fills a list with the utilisation of the first NVIDIA device, in per cent, ten times a second."""
    if shutil.which("nvidia-smi") is None or os.environ.get("CUDA_VISIBLE_DEVICES") == "":
        yield
        return
    command = ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits", "-i", "0", "-lms", "100"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    lines = process.stdout

    def read() -> None:
        for line in lines:
            with contextlib.suppress(ValueError):
                found.append(float(line))

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        yield
    finally:
        process.terminate()
        process.wait()
        reader.join()


def device_name() -> str:
    if shutil.which("nvidia-smi") is None or os.environ.get("CUDA_VISIBLE_DEVICES") == "":
        return "none"
    command = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip() or "none"


if __name__ == "__main__":
    main()
