"""Every heatmap method: what it computes, what it costs, whether it is right, and how faithful its maps are.

    python tests/measurements/methods.py MODEL DATA [--preprocess signed] [--class-map FILE] [--write FILE]

Prints a Markdown table. Seconds per 100 images are measured in this process beside `predict` of the same pictures,
tracing left out. The difference is the largest one to the loops in float64 of `tests/keras/by_hand.py`, on their
hand-sized network, relative to the largest value of the map. Insertion minus deletion is the mean over a sample, in
brackets that of HiResCAM on the same pictures: slow methods see fewer. No assertion: figures to read, not a test.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "keras"))

from by_hand import CLASSES, SIZE, HandNet, reference
from test_methods import as_keras

from bias_audit.config import AuditConfig, read_class_map
from bias_audit.data.preprocess import find_preprocess
from bias_audit.data.sampling import load_pixels, spread
from bias_audit.data.sources import open_dataset
from bias_audit.errors import ModelError
from bias_audit.heatmaps import faithfulness, perturbation
from bias_audit.heatmaps.faithfulness import insertion_deletion
from bias_audit.heatmaps.methods import METHODS, Explainer
from bias_audit.models.decoding import geometry_of
from bias_audit.models.doors import load_model

FEWER = {"integrated_gradients": 4, "occlusion": 4, "rise": 4, "score_cam": 1}
"""Pictures of methods that need hundreds of passes each; the others see all."""

HAND_MASKS, HAND_SEED = 30, 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--preprocess", default="none")
    parser.add_argument("--class-map", type=Path)
    parser.add_argument("--images", type=int, default=faithfulness.SAMPLE)
    parser.add_argument("--write", type=Path, help="also write the table to this file")
    options = parser.parse_args()
    start = time.monotonic()
    differences = {name: difference(name) for name in METHODS}
    text = page(options, differences)
    text += f"\nMeasured in {time.monotonic() - start:.0f} s by `{command()}`.\n"
    print(text)
    if options.write:
        options.write.write_text(text, encoding="utf-8")


def page(options: argparse.Namespace, differences: dict[str, float]) -> str:
    groups = read_class_map(options.class_map) if options.class_map else None
    config = AuditConfig(preprocess=options.preprocess, class_map=groups, batch_size=32)
    dataset = open_dataset(options.data, tuple(name for name, _ in groups) if groups else None)
    model = load_model(options.model, config, dataset.class_names)
    preprocess = find_preprocess(config.preprocess, model.input_size[2])
    geometry = geometry_of(config, model.input_size)
    pixels = load_pixels(dataset, spread(dataset, options.images, config.seed), geometry)[1]
    predict = Explainer(model, "default", preprocess).predict
    targets = predict(pixels).predicted

    whole = np.resize(pixels, (model.batch_size, *pixels.shape[1:]))  # a full batch: the cost per image of a long run
    alone = []
    reached: dict[str, np.ndarray] = {}
    lines = []
    for name, method in METHODS.items():
        n = min(FEWER.get(name, len(pixels)), len(pixels))
        explainer = Explainer(model, name, preprocess, config.seed)
        try:
            seconds, plain, maps = measured(explainer, pixels[:n], targets[:n], whole)
        except ModelError as error:
            lines.append(row(name, method, "", "", differences[name], error.message))
            continue
        alone.append(plain)
        reached[name] = insertion_deletion(predict, pixels[:n], targets[:n], maps)
        beside = "" if name == "hires_cam" else f" ({reached['hires_cam'][:n].mean():.3f})"
        score = f"{reached[name].mean():.3f}{beside}, {n} image{'s' if n > 1 else ''}"
        lines.append(row(name, method, f"{100 * seconds:.1f}", f"{seconds / plain:.1f}", differences[name], score))
    chance = {
        name: insertion_deletion(predict, pixels, targets, maps).mean()
        for name, maps in faithfulness.baselines(len(pixels), model.grid, config.seed).items()
    }
    head = [
        "# Heatmap methods",
        "",
        f"{options.model.name} on {options.data.parent.name}, explained at {model.layer} ({model.grid[0]}x"
        f"{model.grid[1]}). A prediction alone took {100 * min(alone):.1f} to {100 * max(alone):.1f} s per 100 images "
        f"on {os.cpu_count()} cores; it is measured beside each method. "
        f"A random map has insertion minus deletion {chance[faithfulness.RANDOM]:.3f}, a map of the centre "
        f"{chance[faithfulness.CENTRE]:.3f} on {len(pixels)} images.",
        "",
        "T is the log-odds of the explained class, A_k the activations of channel k, g_k the gradient of T by them; F "
        "a forward and B a backward pass. In brackets: HiResCAM on the same images; seconds of methods that saw few "
        "images are scaled to 100. The difference is to an independent implementation in float64, on a small network, "
        "relative to the largest value of the map. Scores of so few images tell large gaps apart, not small ones.",
        "",
        "| method | formula | paper | passes | s per 100 images | x predict | largest difference | insertion minus "
        "deletion | for |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    return "\n".join([*head, *lines]) + "\n"


def row(name: str, method: Any, seconds: str, ratio: str, apart: float, score: str) -> str:
    cells = (f"`{name}`", f"`{method.formula}`", method.paper, method.passes, seconds, ratio, f"{apart:.0e}", score)
    return f"| {' | '.join((*cells, method.use))} |"


def measured(explainer: Explainer, pixels: Any, targets: Any, whole: Any) -> tuple[float, float, Any]:
    """Seconds per image of the method and of a prediction beside it, tracing left out, and the maps of `pixels`."""
    labels = explainer.predict(whole).predicted  # predicted = labelled, as for most images: one backward pass
    if explainer.method.weighs:
        maps = explainer.maps(pixels, targets)
        rounds = [
            (timed(lambda: explainer.explain(whole, labels)), timed(lambda: explainer.predict(whole))) for _ in range(8)
        ]
        seconds, plain = np.min(rounds, axis=0) / len(whole)
        return seconds, plain, maps
    explainer.model.input_gradients(explainer.preprocess(pixels[:1]), targets[:1])
    explainer.model.activations(explainer.preprocess(pixels[:1]), targets[:1])
    before = [timed(lambda: explainer.predict(whole)) for _ in range(3)]
    start = time.perf_counter()
    maps = explainer.maps(pixels, targets)
    seconds = (time.perf_counter() - start) / len(pixels)
    after = [timed(lambda: explainer.predict(whole)) for _ in range(3)]
    return seconds, float(np.mean([before[1:], after[1:]])) / len(whole), maps


def timed(action: Any) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def difference(name: str) -> float:
    """Largest difference to the independent implementation over the map's largest value, on both heads."""
    masks, perturbation.RISE_MASKS = perturbation.RISE_MASKS, HAND_MASKS
    pixels = np.random.default_rng(5).uniform(0, 255, (CLASSES, *SIZE)).astype(np.float32)
    targets = np.arange(CLASSES)
    largest = 0.0
    try:
        for pooled in (True, False) if name != "cam" else (True,):
            net = HandNet(1, pooled=pooled)
            maps = Explainer(as_keras(net), name, find_preprocess("signed", 3), HAND_SEED).maps(pixels, targets)
            for each, picture, target in zip(maps, pixels, targets, strict=True):
                expected = reference(name, net, picture, int(target), seed=HAND_SEED, masks=HAND_MASKS)
                largest = max(largest, float(np.abs(each - expected).max() / np.abs(expected).max()))
    finally:
        perturbation.RISE_MASKS = masks
    return largest


def command() -> str:
    return " ".join(["python", "tests/measurements/methods.py", *(Path(arg).name for arg in sys.argv[1:])])


if __name__ == "__main__":
    main()
