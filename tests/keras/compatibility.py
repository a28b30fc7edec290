"""Which networks can be explained: every family of keras.applications, transformers, and the ways users build models.

    python tests/keras/compatibility.py           # prints the table
    python tests/keras/compatibility.py --write   # into reports/compatibility.md
    make compatibility                            # compares it with reports/compatibility.md, 3 minutes

Random weights and small inputs: what is checked is the way through the network, not what it knows.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import keras
import networks
import numpy as np
import token_networks

from bias_audit.config import AuditConfig
from bias_audit.errors import BiasAuditError
from bias_audit.heatmaps.methods import METHODS, Explainer
from bias_audit.models.base import Activations
from bias_audit.models.doors import load_model
from bias_audit.models.tensorflow.tapping import tap

REPORT = Path(__file__).parents[2] / "reports" / "compatibility.md"
SIDE, CLASSES, BATCH = 96, 3, 2
APART, AGREED, AGREED_HALF, LOGITS = 0.05, 1e-3, 0.02, 1.5
"""Least difference between what a network says of two images; largest between what it says itself and what is read, and
that in half precision; how far the logits of the images are set from their middle. Exchanged images are noticed, since
APART is the largest difference."""

OTHERS = "probabilities differ from the model's own"
UNNOTICED = "answers for exchanged images would not differ"

LARGER = 139
"""Inception nets shrink 96 pixels to a single cell before their last layer."""

TITLE, HEADING = "# Which networks can be explained\n", "## Keras"
"""Head of the page, and of the part of it that is made here: other frameworks have parts of their own."""

layers = keras.layers

FAMILIES = (
    "ConvNeXtTiny", "DenseNet121", "EfficientNetB0", "EfficientNetV2B0", "InceptionResNetV2", "InceptionV3",
    "MobileNet", "MobileNetV2", "MobileNetV3Small", "NASNetMobile", "ResNet50", "ResNet50V2", "VGG16", "VGG19",
    "Xception",
)  # fmt: skip
"""The smallest member of each module of keras.applications: members of a family differ in size only."""

QUICK = ("MobileNetV3Small",)
"""Families that are tried with every test run: a small one, with squeeze and excitation."""


@dataclass(frozen=True)
class Row:
    """What was found of one network; all cells as they stand in the table."""

    model: str
    input: str
    layer: str
    grid: str
    head: str
    method: str
    cam: str
    result: str


def applications(families: Sequence[str]) -> Iterator[tuple[str, Callable[[], Any]]]:
    for name in families:
        build = getattr(keras.applications, name)
        side = LARGER if "Inception" in name else SIDE
        shape = (side, side, 3)
        yield name, lambda build=build, shape=shape: build(weights=None, classes=CLASSES, input_shape=shape)


def _pooled(x: Any, units: int = 3, activation: str | None = "softmax", **options: Any) -> Any:
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(5, 3, strides=2, padding="same", activation="relu")(x))
    return layers.Dense(units, activation=activation, **options)(x)


def _inside() -> Any:
    inputs = keras.Input(networks.SIZE)
    x = layers.RandomRotation(0.1)(layers.RandomFlip()(layers.Rescaling(1 / 127.5, offset=-1)(inputs)))
    return keras.Model(inputs, _pooled(x))


def _mixed(policy: str = "mixed_float16") -> Any:
    before = keras.mixed_precision.dtype_policy()
    keras.mixed_precision.set_dtype_policy(policy)
    try:
        inputs = keras.Input(networks.SIZE)
        return keras.Model(inputs, layers.Activation("softmax", dtype="float32")(_pooled(inputs, activation=None)))
    finally:
        keras.mixed_precision.set_dtype_policy(before)


def _headed(units: int, activation: str | None) -> Callable[[], Any]:
    def build() -> Any:
        inputs = keras.Input(networks.SIZE)
        return keras.Model(inputs, _pooled(inputs, units, activation))

    return build


def _class_maps() -> Any:
    inputs = keras.Input(networks.SIZE)
    x = layers.Conv2D(6, 3, strides=2, padding="same", activation="relu")(inputs)
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(3, 1, name="class_maps")(x))
    return keras.Model(inputs, layers.Softmax()(x))


def _flatten_dense_dense() -> Any:
    inputs = keras.Input(networks.SIZE)
    x = layers.Flatten()(layers.Conv2D(5, 3, strides=2, padding="same", activation="relu")(inputs))
    return keras.Model(inputs, layers.Dense(3, activation="softmax")(layers.Dense(8, activation="relu")(x)))


def _saved(build: Callable[[], Any], change: Callable[[Any], None]) -> Callable[[], Any]:
    """Builds a network, sets its images apart, changes it, and saves it as .keras."""

    def save() -> Saved:
        model, photos = build(), pictures(networks.SIZE)
        set_apart(model, photos)
        change(model)
        file = Path(tempfile.mkdtemp()) / "model.keras"
        model.save(file)
        return Saved(file, photos, np.asarray(model(photos, training=False)))

    return save


def _adapted(model: Any) -> None:
    """Low-rank matrices beside the kernel of the last layer, with values that change what it says."""
    head = model.layers[-1]
    head.enable_lora(2)
    head.lora_kernel_b.assign(np.random.default_rng(3).normal(0, 1, head.lora_kernel_b.shape))


@functools.cache
def _saved_by_torch() -> Path:
    """Folder in which Keras on PyTorch saved a classifier in a Python of its own, and what it said there."""
    folder = Path(tempfile.mkdtemp())
    np.save(folder / "photos.npy", pictures(networks.SIZE))
    environment = {**os.environ, "KERAS_BACKEND": "torch"}
    script = Path(__file__).with_name("saved_by_torch.py")
    subprocess.run([sys.executable, script], cwd=folder, env=environment, check=True, capture_output=True)
    return folder


def _by_torch(suffix: str) -> Callable[[], Any]:
    def save() -> Saved:
        folder = _saved_by_torch()
        return Saved(folder / f"model{suffix}", pictures(networks.SIZE), np.load(folder / "said.npy"))

    return save


BUILT: dict[str, tuple[Callable[[], Any], int]] = {
    "Sequential": (networks.sequential, 3),
    "functional, with skip connection": (networks.functional, 3),
    "nested backbone (transfer learning)": (networks.nested, 3),
    "nested twice": (networks.nested_twice, 3),
    "shared layer": (networks.shared, 3),
    "subclassed": (networks.subclassed, 3),
    "any input size": (networks.any_size, 3),
    "rescaling and augmentation inside": (_inside, 3),
    "mixed precision": (_mixed, 3),
    "mixed precision, bfloat16": (lambda: _mixed("mixed_bfloat16"), 3),
    "quantised to int8, from its file": (_saved(networks.functional, lambda model: model.quantize("int8")), 3),
    "LoRA in the last layer, from its file": (_saved(networks.functional, _adapted), 3),
    "saved by Keras on PyTorch, .keras": (_by_torch(".keras"), 3),
    "saved by Keras on PyTorch, .h5": (_by_torch(".h5"), 3),
    "one sigmoid unit": (_headed(1, "sigmoid"), 2),
    "two-unit softmax": (_headed(2, "softmax"), 2),
    "multi-label sigmoid": (_headed(3, "sigmoid"), 3),
    "raw logits": (_headed(3, None), 3),
    "no dense layer: pooled class maps": (_class_maps, 3),
    "flatten, dense, dense": (_flatten_dense_dense, 3),
    "MLP-Mixer": (token_networks.mixer, 3),
    "ViT, class token": (token_networks.vit, 3),
    "ViT, class token, patches cut out": (lambda: token_networks.vit("class token", "cut out"), 3),
    "ViT, mean of tokens": (lambda: token_networks.vit("mean"), 3),
    "ViT, all tokens flattened": (lambda: token_networks.vit("flatten"), 3),
}


@dataclass(frozen=True)
class Saved:
    """A classifier in a file, what was asked of it before it was saved, and what it said.

    Attributes:
        file: path of the file.
        photos: (BATCH, H, W, 3).
        said: (BATCH, outputs).
    """

    file: Path
    photos: np.ndarray
    said: np.ndarray


def pictures(size: tuple[int, int, int]) -> np.ndarray:
    """(BATCH, H, W, 3) in [-1, 1], far from each other: coarse cells of colour, dark in one and bright in the other.

    Noise without structure is nearly the same to a deep network, whatever its seed.
    """
    cells = np.random.default_rng(1).uniform(-1, 1, (BATCH, 4, 4, size[2])) * 0.8
    cells += np.linspace(-0.2, 0.2, BATCH)[:, None, None, None]
    rows, columns = (np.arange(side) * 4 // side for side in size[:2])
    return cells[:, rows][:, :, columns].astype(np.float32)


def set_apart(model: Any, images: np.ndarray) -> None:
    """Scale the last layer, and shift it, until the outputs for the images differ: random weights hardly react.

    The logits of the images are brought around zero, up to LOGITS apart.
    """
    ran: list[tuple[Any, Any]] = []
    with contextlib.ExitStack() as taps:
        for layer in model._flatten_layers():
            if isinstance(layer, layers.Dense | layers.Conv2D):
                taps.enter_context(tap(layer, lambda made, layer=layer: ran.append((layer, made))))
        model(images, training=False)
        last = ran[-1][0]
        activation, last.activation = last.activation, keras.activations.linear
        model(images, training=False)
        last.activation = activation
    made = np.asarray(ran[-1][1], np.float64)
    logits = made.mean(axis=tuple(range(1, made.ndim - 1)))  # of a convolution, which is pooled afterwards
    middle = logits.mean(axis=0)
    scale = LOGITS / np.abs(logits - middle).max()
    kernel, bias = last.get_weights()
    last.set_weights([kernel * scale, (bias - middle) * scale])


def explained(name: str, build: Callable[[], Any], classes: int) -> Row:
    """Build, load, predict and explain one network; never raises for what a user would be told in a sentence."""
    keras.backend.clear_session()  # layers that nobody named are numbered from the start
    keras.utils.set_random_seed(7)
    built = build()
    if isinstance(built, Saved):
        model, size, images = built.file, built.photos.shape[1:3], built.photos
    else:
        model = built
        shape = tuple(model.inputs[0].shape[1:3]) if getattr(model, "inputs", None) else (None, None)
        size = shape if None not in shape else networks.SIZE[:2]
        images = pictures((*size, 3))
        set_apart(model, images)
    try:
        config = AuditConfig(batch_size=BATCH, image_size=size)
        loaded = load_model(model, config, networks.class_names(classes))
        method = Explainer(loaded, "default", lambda pixels: pixels).name
        active = loaded.activations(images, np.arange(BATCH) % classes)
        maps = METHODS[method].function(active.values, active.gradients)
    except BiasAuditError as error:
        return Row(name, "x".join(map(str, size)), "-", "-", "-", "-", "-", f"refused: {error.message}")
    faults = []
    said = np.asarray(built.said if isinstance(built, Saved) else model(images, training=False), np.float64)
    said = said if said.shape[1] > 1 else np.hstack([1 - said, said])
    if loaded.head == "logits":
        said = np.exp(said) / np.exp(said).sum(axis=1, keepdims=True)
    if not np.abs(said[0] - said[1]).max() > APART:
        faults.append("the images are not told apart")
    half = "16" in str(getattr(getattr(model, "dtype_policy", None), "name", ""))
    agreed = AGREED_HALF if half else AGREED
    if np.abs(active.predictions.probabilities - said).max() > agreed:
        faults.append(OTHERS)
    if np.abs(active.predictions.probabilities[::-1] - said).max() <= agreed:
        faults.append(UNNOTICED)
    if not np.isfinite(maps).all():
        faults.append("map not finite")
    elif (np.ptp(maps, axis=(1, 2)) == 0).any():
        faults.append("constant map")
    return Row(
        name,
        "x".join(map(str, loaded.input_size[:2])),
        loaded.layer,
        "x".join(map(str, loaded.grid)),
        loaded.head,
        method,
        _as_cam(active, maps),
        "; ".join(faults) or "pass",
    )


def _as_cam(active: Activations, maps: np.ndarray) -> str:
    """Whether HiResCAM is CAM / (h w), as it must be behind global average pooling and one dense layer."""
    cam = METHODS["cam"].function(active.values, active.gradients)
    if np.isnan(cam).any():
        return "not defined"
    cells = maps.shape[1] * maps.shape[2]
    return "equal" if np.abs(cam / cells - maps).max() <= 1e-3 * np.abs(maps).max() else "differs"


def rows(families: Sequence[str] = FAMILIES) -> list[Row]:
    made = [explained(name, build, CLASSES) for name, build in applications(families)]
    return made + [explained(name, *built) for name, built in BUILT.items()]


def table(found: list[Row]) -> str:
    head = ("model", "input", "layer explained", "grid", "head", "method", "CAM / (h w)", "result")
    return "\n".join([line(head), line(["---"] * len(head)), *(line(astuple(row)) for row in found)])


def line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def report(found: list[Row]) -> str:
    passed = sum(row.result == "pass" for row in found)
    return (
        f"{HEADING}\n\n"
        "One member of every family of `keras.applications`, vision transformers, and the ways users build and save\n"
        "models, with random weights. The last layer is scaled until two images differ by more than .05. Checked: the\n"
        "probabilities are the model's own to .001 (half precision: .02), so that exchanged images would be noticed;\n"
        "the map is finite and not constant; where CAM is defined the default map is CAM / (h w).\n"
        f"`bias-audit inspect MODEL` says the same of your model. {passed} of {len(found)} pass.\n\n"
        "Made by `python tests/keras/compatibility.py --write`; `make compatibility` compares it with what it finds,\n"
        "and every test run a part of it. Not tried here: Keras saved by JAX, and KerasHub.\n\n"
        f"{table(found)}\n"
    )


def section(page: str) -> str:
    """The part of the page under HEADING."""
    _, heading, rest = page.partition(f"{HEADING}\n")
    return heading + rest.partition("\n## ")[0].rstrip("\n") + "\n" if heading else ""


def with_section(page: str, text: str) -> str:
    """The page with this text in the place of its section; a page without one gets it at its end."""
    if old := section(page):
        return page.replace(old, text, 1)
    return f"{page or TITLE}\n{text}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--write", action="store_true", help=f"write {REPORT}")
    parser.add_argument("--check", action="store_true", help="exit with 1 where the committed table says otherwise")
    options = parser.parse_args()
    text = report(rows())
    page = REPORT.read_text(encoding="utf-8")
    if options.write:
        REPORT.write_text(with_section(page, text), encoding="utf-8")
    print(text)
    if options.check and text != section(page):
        raise SystemExit(f"{REPORT} says otherwise: look at what changed, then write it anew with --write")
