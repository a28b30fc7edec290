"""Which networks can be explained: every family of keras.applications, transformers, and the ways users build models.

    python tests/keras/compatibility.py           # prints the table
    python tests/keras/compatibility.py --write   # into reports/compatibility.md
    make compatibility                            # compares it with reports/compatibility.md, 3 minutes

Random weights and small inputs: what is checked is the way through the network, not what it knows.
"""

from __future__ import annotations

import argparse
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
from bias_audit.models.keras_model import KerasModel

REPORT = Path(__file__).parents[2] / "reports" / "compatibility.md"
SIDE, CLASSES, BATCH = 96, 3, 2
LARGER = 139
"""Inception nets shrink 96 pixels to a single cell before their last layer."""

layers = keras.layers

FAMILIES = (
    "ConvNeXtTiny", "DenseNet121", "EfficientNetB0", "EfficientNetV2B0", "InceptionResNetV2", "InceptionV3",
    "MobileNet", "MobileNetV2", "MobileNetV3Small", "NASNetMobile", "ResNet50", "ResNet50V2", "VGG16", "VGG19",
    "Xception",
)  # fmt: skip
"""The smallest member of each module of keras.applications: members of a family differ in size only."""

QUICK = ("MobileNetV2", "VGG16", "EfficientNetB0")
"""Families that are tried with every test run: inverted residuals, a head without pooling, squeeze and excitation."""


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


def _mixed() -> Any:
    before = keras.mixed_precision.dtype_policy()
    keras.mixed_precision.set_dtype_policy("mixed_float16")
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
    "one sigmoid unit": (_headed(1, "sigmoid"), 2),
    "two-unit softmax": (_headed(2, "softmax"), 2),
    "multi-label sigmoid": (_headed(3, "sigmoid"), 3),
    "raw logits": (_headed(3, None), 3),
    "no dense layer: pooled class maps": (_class_maps, 3),
    "flatten, dense, dense": (_flatten_dense_dense, 3),
    "ViT, class token": (token_networks.vit, 3),
    "ViT, class token, patches cut out": (lambda: token_networks.vit("class token", "cut out"), 3),
    "ViT, mean of tokens": (lambda: token_networks.vit("mean"), 3),
    "ViT, all tokens flattened": (lambda: token_networks.vit("flatten"), 3),
}


def explained(name: str, build: Callable[[], Any], classes: int) -> Row:
    """Build, load, predict and explain one network; never raises for what a user would be told in a sentence."""
    keras.backend.clear_session()  # layers that nobody named are numbered from the start
    keras.utils.set_random_seed(7)
    model = build()
    shape = tuple(model.inputs[0].shape[1:3]) if getattr(model, "inputs", None) else (None, None)
    size = shape if None not in shape else networks.SIZE[:2]
    try:
        config = AuditConfig(batch_size=BATCH, image_size=size)
        loaded = KerasModel(model, config, networks.class_names(classes))
        images = np.random.default_rng(1).uniform(-1, 1, (BATCH, *loaded.input_size)).astype(np.float32)
        method = Explainer(loaded, "default", lambda pixels: pixels).name
        active = loaded.activations(images, np.arange(BATCH) % classes)
        maps = METHODS[method].function(active.values, active.gradients)
    except BiasAuditError as error:
        return Row(name, "x".join(map(str, size)), "-", "-", "-", "-", "-", f"refused: {error.message}")
    faults = []
    said = np.asarray(model(images, training=False), np.float64)
    said = said if said.shape[1] > 1 else np.hstack([1 - said, said])
    if loaded.head == "logits":
        said = np.exp(said) / np.exp(said).sum(axis=1, keepdims=True)
    half = "float16" in str(model.dtype_policy.name)
    if not np.allclose(active.predictions.probabilities, said, rtol=2e-3 if half else 1e-4, atol=1e-6):
        faults.append("probabilities differ from the model's own")
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
        "# Which networks can be explained\n\n"
        "One member of every family of `keras.applications`, vision transformers, and the ways users build models,\n"
        "with random weights. Checked: the probabilities are the model's own, the map is finite and not constant, and\n"
        "where CAM is defined the default map is CAM / (h w). `bias-audit inspect MODEL` says the same of your model.\n"
        f"{passed} of {len(found)} pass. Made by `python tests/keras/compatibility.py --write`; `make compatibility`\n"
        "compares it with what it finds, and every test run a part of it.\n\n"
        f"{table(found)}\n"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--write", action="store_true", help=f"write {REPORT}")
    parser.add_argument("--check", action="store_true", help="exit with 1 where the committed table says otherwise")
    options = parser.parse_args()
    text = report(rows())
    if options.write:
        REPORT.write_text(text, encoding="utf-8")
    print(text)
    if options.check and text != REPORT.read_text(encoding="utf-8"):
        raise SystemExit(f"{REPORT} says otherwise: look at what changed, then write it anew with --write")
