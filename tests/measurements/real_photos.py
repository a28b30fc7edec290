"""Does the audit convict the right models on real photos? Truth at photo level beside the verdict, model by model.

    python tests/measurements/real_photos.py DATA [--class-map FILE] [--work DIR] [--out DIR] [--cases NAME...]

DATA holds husky-wolf/{images,masks}/{train,test}, cats-dogs/{images,masks} and models/. Some models are trained here,
on a frozen or lightly tuned MobileNetV2, and go to the work folder; what is found there is used again, so give an
empty one after a change of the training or of `photo_truth`. CLASS-MAP groups the ImageNet outputs as cats and dogs.
No assertion: the table is to be read. Single-threaded, about an hour, most of it for cats and dogs.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# One thread, set before TensorFlow starts: a neighbour may compute on the other cores.
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")

import numpy as np
from numpy.typing import NDArray
from photo_models import Network, mirror, swap_backgrounds, write_halves
from photo_truth import Pixels, Predict, Truth, accuracy, photo_level_truth, read_photos

import bias_audit
from bias_audit.config import read_class_map
from bias_audit.models.tensorflow.framework import keras, tf

SHALLOW = "block_6_expand_relu"
"""Layer on which the head of husky_wolf_shallow sits: textures, not animals."""

EFFECT, ALPHA = 0.05, 0.05
"""A gap worth naming and its p, of the photo-level truth: the effect floor and rate that the audit uses as well."""

ACCUSED = ("SUSPICIOUS", "HIDDEN", "CONFIRMED")
"""Levels of a class that was learned with a cue in its background; COLLATERAL are the victims of such a class."""


@dataclass(frozen=True)
class Case:
    """One model on one test set.

    Attributes:
        model: Keras model file.
        images, masks: folders of the test photos.
        class_map, signed: where the outputs are not the classes, and whether inputs are in [-1, 1].
        planted: the class whose photos carry a planted tag, or "".
        toggles: share of the test photos called `planted`, by class, with and without the tag.
        exhaustive: whether every background is used for the truth.
    """

    model: Path
    images: Path
    masks: Path
    class_map: Path | None = None
    signed: bool = False
    planted: str = ""
    toggles: dict[str, float] = field(default_factory=dict)
    exhaustive: bool = True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--class-map", type=Path)
    parser.add_argument("--work", type=Path, help="trained models, truths and run folders; default: a temporary one")
    parser.add_argument("--out", type=Path, help="folder for real_photos.json and real_photos.md")
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES), metavar="NAME")
    parser.add_argument("--backgrounds", type=int, default=20, help="per photo and arm, for the truth of cats and dogs")
    parser.add_argument("--composites", type=int, default=10, help="per training photo of the swapped models")
    parser.add_argument("--epochs", type=int, default=8, help="of tuning")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        options.work = options.work or Path(temporary)
        results = {}
        for name in options.cases:
            (options.work / name).mkdir(parents=True, exist_ok=True)
            results[name] = measure(CASES[name](options, options.work / name), options.work / name, options)
            print(table({name: results[name]}), flush=True)
    if len(results) > 1:
        print(table(results))
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / "real_photos.json").write_text(json.dumps(results, indent=1))
        (options.out / "real_photos.md").write_text(table(results) + "\n")


def measure(case: Case, work: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Truth and verdict of one case, JSON-able."""
    known = work / "truth.json"
    if not known.exists():
        model = keras.saving.load_model(case.model, compile=False)
        predict = predictor(model, case)
        photos = read_photos(case.images, case.masks, model.input_shape[1:3])
        most = None if case.exhaustive else options.backgrounds
        truth = photo_level_truth(photos, predict, most, options.seed)
        content = {
            "accuracy": accuracy(photos, predict),
            "backgrounds": most or "all",
            "classes": {name: dataclasses.asdict(value) for name, value in truth.items()},
        }
        known.write_text(json.dumps(content))
    content = json.loads(known.read_text())
    run = bias_audit.audit(
        case.model,
        case.images,
        masks=case.masks,
        class_map=case.class_map,
        out=work / "run",
        overwrite=True,
        preprocess="signed" if case.signed else "none",
    )
    judged = {outcome.subject: outcome for outcome in run.outcomes if outcome.code == "BA201"}
    rows = {}
    for name, values in content["classes"].items():
        own, outcome, truth_of = run.classes.loc[name], judged[name], Truth(**values)
        relies = truth_of.p <= ALPHA and truth_of.gap >= EFFECT
        convicted = outcome.level in ("COLLATERAL", *ACCUSED)
        rows[name] = {
            "truth": {**values, "gap": truth_of.gap, "relies": relies},
            "audit": {column: _number(own[column]) for column in AUDIT_COLUMNS},
            "status": outcome.status,
            "level": outcome.level,
            "agreement": "yes" if convicted == relies else "missed" if relies else "false alarm",
        }
    return {
        "accuracy": content["accuracy"],
        "backgrounds": content["backgrounds"],
        "planted": case.planted,
        "toggles": case.toggles,
        "accused": [name for name, row in rows.items() if row["level"] in ACCUSED],
        "classes": rows,
        "verdict": run.verdict,
        "sentences": {name: outcome.sentence for name, outcome in judged.items()},
    }


def predictor(model: Any, case: Case) -> Predict:
    """The model as a function of pixels in 0..255; outputs summed by the class map, classes in alphabetical order."""
    groups = sorted(read_class_map(case.class_map)) if case.class_map else None
    call = tf.function(lambda images: model(images, training=False), reduce_retracing=True)

    def predict(pixels: Pixels) -> NDArray[np.int64]:
        outputs = call(tf.constant(pixels / 127.5 - 1 if case.signed else pixels)).numpy()
        if groups:
            outputs = np.stack([outputs[:, list(indices)].sum(axis=1) for _, indices in groups], axis=1)
        return np.asarray(outputs.argmax(axis=1), np.int64)

    return predict


def given(options: argparse.Namespace, name: str) -> Case:
    return Case(options.data / "models" / f"{name}.keras", *_husky_wolf(options.data, "test"))


def imagenet(options: argparse.Namespace, _: Path) -> Case:
    if options.class_map is None:
        sys.exit("the case imagenet needs --class-map")
    images, masks = options.data / "cats-dogs/images", options.data / "cats-dogs/masks"
    return Case(_backbone_file(options), images, masks, options.class_map, signed=True, exhaustive=False)


def swapped(options: argparse.Namespace, work: Path, *, tune: bool) -> Case:
    """husky_wolf_shallow's architecture, trained on objects pasted on backgrounds of both classes alike."""

    def train() -> keras.Model:
        network = Network(_backbone_file(options), SHALLOW, peak=False)
        photos = read_photos(*_husky_wolf(options.data, "train"), network.size)
        pixels, labels = swap_backgrounds(photos, options.composites, options.seed)
        return network.train(pixels, labels, options.epochs if tune else 0, options.seed)

    return Case(_trained(work, train), *_husky_wolf(options.data, "test"))


def unswapped(options: argparse.Namespace, work: Path) -> Case:
    """The control of `swapped`: tuned as long on the photos as they are, so that only the backgrounds differ."""

    def train() -> keras.Model:
        network = Network(_backbone_file(options), SHALLOW, peak=False)
        photos = read_photos(*_husky_wolf(options.data, "train"), network.size)
        pixels = np.repeat(photos.pixels, options.composites, axis=0)
        pixels = mirror(pixels, np.random.default_rng(options.seed))
        return network.train(pixels, np.repeat(photos.labels, options.composites), options.epochs, options.seed)

    return Case(_trained(work, train), *_husky_wolf(options.data, "test"))


def cats_dogs_half(options: argparse.Namespace, work: Path, *, layer: str, tagged: bool) -> Case:
    """A head on one half of cats-dogs; `tagged`: all cats of both halves carry a printed tag in a corner."""
    halves = {part: work / part for part in ("train", "test")}
    if not (work / "test").exists():
        write_halves(options.data / "cats-dogs", work, options.seed, tagged=("cat",) if tagged else ())

    def train() -> keras.Model:
        network = Network(_backbone_file(options), layer, peak=True)
        photos = read_photos(halves["train"] / "images", halves["train"] / "masks", network.size)
        return network.train(photos.pixels, photos.labels, 0, options.seed)

    model = _trained(work, train)
    case = Case(model, halves["test"] / "images", halves["test"] / "masks", exhaustive=False)
    return dataclasses.replace(case, planted="cat", toggles=toggle(case, options, work)) if tagged else case


def toggle(case: Case, options: argparse.Namespace, work: Path) -> dict[str, float]:
    """Share called cat, by class, with and without the tag on the same test photos."""
    model = keras.saving.load_model(case.model, compile=False)
    result = {}
    for word, tagged in (("without tag", ()), ("with tag", ("cat", "dog"))):
        folder = work / word
        if not folder.exists():
            write_halves(options.data / "cats-dogs", folder, options.seed, tagged=tagged)
        photos = read_photos(folder / "test/images", folder / "test/masks", model.input_shape[1:3])
        predict = predictor(model, case)
        called = np.concatenate(
            [predict(photos.pixels[i : i + 32].astype(np.float32)) for i in range(0, len(photos.pixels), 32)]
        )
        for label, name in enumerate(photos.classes):
            result[f"{name} {word}"] = float((called[photos.labels == label] == 0).mean())
        shutil.rmtree(folder)
    return result


def table(results: dict[str, dict[str, Any]]) -> str:
    """Markdown: a row per model and class, then verdicts and what the tag does."""
    lines = [
        "| model | accuracy | class | truth: same / other | gap | p | relies | audit: same / other | gap | p | attract "
        "| neutral | BA201 | agrees |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, result in results.items():
        for label, row in result["classes"].items():
            truth, own = row["truth"], row["audit"]
            lines.append(
                f"| {name} | {result['accuracy']:.2f} | {label} | {truth['same']:.2f} / {truth['other']:.2f} "
                f"| {truth['gap']:.2f} | {truth['p']:.4f} | {'yes' if truth['relies'] else 'no'} "
                f"| {_show(own['same_background_accuracy'])} / {_show(own['other_background_accuracy'])} "
                f"| {_show(own['background_gap'])} | {_show(own['p_fdr'], 4)} | {_show(own['attract'])} "
                f"| {_show(own['neutral_background_accuracy'])} "
                f"| {row['level'] or row['status']} | {row['agreement']} |"
            )
    for name, result in results.items():
        lines.append(f"\n{name}: {result['verdict']}")
        if planted := result["planted"]:
            toggled = ", ".join(f"{key} {value:.2f}" for key, value in result["toggles"].items())
            accused = " and ".join(result["accused"]) or "nobody"
            lines.append(f"(A tag planted on every {planted}; called {planted}: {toggled}; accused: {accused}.)")
    return "\n".join(lines)


def _trained(work: Path, train: Callable[[], keras.Model]) -> Path:
    path = work / "model.keras"
    if not path.exists():
        train().save(path)
    return path


def _husky_wolf(data: Path, part: str) -> tuple[Path, Path]:
    return data / "husky-wolf/images" / part, data / "husky-wolf/masks" / part


def _backbone_file(options: argparse.Namespace) -> Path:
    return Path(options.data / "models/mobilenet_v2_imagenet.keras")


def _number(value: Any) -> float | None:
    return float(value) if np.isfinite(float(value)) else None


def _show(value: float | None, digits: int = 2) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


AUDIT_COLUMNS = (
    "same_background_accuracy",
    "other_background_accuracy",
    "background_gap",
    "p_fdr",
    "attract",
    "neutral_background_accuracy",
)

CASES: dict[str, Callable[[argparse.Namespace, Path], Case]] = {
    "shallow": lambda options, _: given(options, "husky_wolf_shallow"),
    "nested": lambda options, _: given(options, "husky_wolf"),
    "swapped_head": lambda options, work: swapped(options, work, tune=False),
    "swapped": lambda options, work: swapped(options, work, tune=True),
    "unswapped": unswapped,
    "imagenet": imagenet,
    "tag_block_10": lambda options, work: cats_dogs_half(options, work, layer="block_10_expand_relu", tagged=True),
    "twin_block_10": lambda options, work: cats_dogs_half(options, work, layer="block_10_expand_relu", tagged=False),
    "tag_block_13": lambda options, work: cats_dogs_half(options, work, layer="block_13_expand_relu", tagged=True),
    "twin_block_13": lambda options, work: cats_dogs_half(options, work, layer="block_13_expand_relu", tagged=False),
    "tag_out": lambda options, work: cats_dogs_half(options, work, layer="out_relu", tagged=True),
}
"""Name -> what makes the case. `tag_out`: biased data, but a head on whole animals hardly learns the tag."""


if __name__ == "__main__":
    main()
