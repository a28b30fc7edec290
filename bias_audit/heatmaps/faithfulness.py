"""Measures how faithful heatmaps are to the model (insertion and deletion curves), and chooses method and layer.

Whether the pixels that a map ranks first move the prediction can be measured without masks and without labels
(Petsiuk et al. 2018). A high value says that a map is true to the model, not that the model is right.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypedDict

import cv2
import numpy as np
from numpy.typing import NDArray

from bias_audit.data.geometry import bilinear_weights
from bias_audit.data.preprocess import Preprocess
from bias_audit.heatmaps.methods import AUTO, DEFAULT, METHODS, Explainer
from bias_audit.models.base import Model, Predictions
from bias_audit.run.quantities import quantity

Array = NDArray[np.float32]


class RankedMethod(TypedDict):
    """One row of the table of `most_faithful`, as the run stores it in JSON; NaN comes back as None."""

    method: str
    layer: str
    grid: list[int]
    score: float | None
    ahead: float
    error: float
    chosen: bool


SAMPLE = 16
"""Number of pictures on which method and layer are chosen."""

STEPS = 8
"""Number of equal steps in which the pixels are deleted or inserted."""

BLUR = 0.1
"""Standard deviation of the blur that hides pixels, as a share of the shorter side (22 px at 224).

No edge or texture survives.
"""

CLEAR = 2.0
"""Standard errors by which a candidate must lead the default to be chosen: about a 95 % interval; less is a tie."""

CANDIDATES = ("hires_cam", "grad_cam", "layer_cam", "xgrad_cam", "grad_cam_plus_plus")
"""Methods that `most_faithful` compares, each of one pass. The first is the default, which wins ties."""

RANDOM, CENTRE = "random map", "centre map"
"""Names of the baselines: random cells, and closeness to the centre, where photographers put objects."""


def insertion_deletion(
    predict: Callable[[Array], Predictions],
    pixels: Array,
    targets: NDArray[np.intp],
    maps: Array,
    steps: int = STEPS,
) -> NDArray[np.float64]:
    """Area under the insertion curve minus area under the deletion curve (Petsiuk et al. 2018).

    Deletion blurs the pixels in the order of the map, hottest first; insertion brings them back into the blurred
    picture in the same order. The curves are probabilities of the target over the share of pixels; their areas are
    computed by the trapezoid rule.

    Args:
        predict: (m, H, W, C) pixels -> predictions, for any m.
        pixels: (n, H, W, C) in [0, 255].
        targets: (n,) indices of the classes that the maps explain.
        maps: (n, h, w), brought to the picture half-pixel bilinear; pixels that tie are taken in reading order.
        steps: number of equal steps.

    Returns:
        (n,) in [-1, 1]: 1 = the first pixels make the prediction and their loss ends it, 0 = the order of the pixels
        does not matter, NaN for maps that are not finite.
    """
    n, height, width, _ = pixels.shape
    blurred = np.stack([_blurred(picture) for picture in pixels]) if n else pixels
    rows, columns = bilinear_weights(maps.shape[1], height), bilinear_weights(maps.shape[2], width)
    order = np.argsort(-(rows @ maps @ columns.T).reshape(n, height * width), axis=1, kind="stable")
    place = np.empty_like(order)
    np.put_along_axis(place, order, np.arange(height * width)[None, :], axis=1)
    place = place.reshape(n, height, width, 1)
    curves = np.zeros((steps + 1, 2, n))
    for step in range(steps + 1):
        first = place < round(step * height * width / steps)
        shown = np.concatenate([np.where(first, pixels, blurred), np.where(first, blurred, pixels)])
        curves[step] = predict(shown).probabilities[np.arange(2 * n), np.tile(targets, 2)].reshape(2, n)
    insertion, deletion = ((curves[:-1] + curves[1:]) / 2).mean(axis=0)
    areas = insertion - deletion
    return np.where(np.isfinite(maps).all(axis=(1, 2)), areas, np.nan)


def candidate_layers(model: Model) -> tuple[str, ...]:
    """Paths of the layers that are compared: the explained layer, and the last layer before it with another grid.

    Layers whose grid is larger than that of the layer before are passed over: padding adds no new place to look at, and
    its border cells show nothing.
    """
    earlier: list[tuple[str, tuple[int, int]]] = []
    before: tuple[int, int] | None = None
    for path, grid in model.layers:
        if path == model.layer:
            break
        if before is None or (grid[0] <= before[0] and grid[1] <= before[1]):
            earlier.append((path, grid))
        before = grid
    finer = [path for path, grid in earlier if grid != model.grid]
    return (model.layer, *finer[-1:])


def most_faithful(
    model: Model, preprocess: Preprocess, seed: int, pixels: Array, *, other_layers: bool
) -> tuple[str, str, list[RankedMethod]]:
    """Choose the method and layer whose heatmaps of the predicted class have the best `insertion_deletion`.

    The default, HiResCAM at the explained layer, is left only for a candidate that leads by more than CLEAR standard
    errors of the paired difference. Within so many standard errors 16 pictures do not tell two methods apart, and the
    best of ten candidates owes some of its lead to luck.

    Args:
        model: the model, explained at the layer that was asked for.
        preprocess: as in `Explainer`.
        seed: seed of the random map.
        pixels: (n, H, W, C) in [0, 255]; for n = 0 the default is chosen.
        other_layers: whether the second layer of `candidate_layers` is compared as well.

    Returns:
        (method, layer, table). The table has a row per candidate and baseline, best first: method, layer, grid (h, w),
        score (mean over pictures), ahead (mean lead over the default), error (standard error of that lead), chosen. It
        is empty where there was no choice: no gradients, several layers or no pictures.
    """
    default = Explainer(model, DEFAULT, preprocess, seed)
    if default.name != CANDIDATES[0] or not len(pixels):  # no gradients or several layers: there is no choice
        return default.name, model.layer, []
    said = default.predict(pixels)
    pixels, targets = pixels[said.valid], said.best[said.valid]
    if not len(pixels):
        return default.name, model.layer, []
    layers = candidate_layers(model) if other_layers else (model.layer,)
    scores: dict[tuple[str, str], NDArray[np.float64]] = {}
    grids: dict[str, tuple[int, int]] = {"": model.grid}
    for layer in layers:
        tapped = model if layer == model.layer else model.at_layer(layer)
        grids[layer] = tapped.grid
        for name in CANDIDATES:
            explainer = Explainer(tapped, name, preprocess, seed)
            maps = explainer.maps(pixels, targets)
            scores[name, layer] = insertion_deletion(default.predict, pixels, targets, maps)
    for name, maps in baselines(len(pixels), model.grid, seed).items():
        scores[name, ""] = insertion_deletion(default.predict, pixels, targets, maps)
    first = scores[default.name, model.layer]
    rows = [_row(*key, grids[key[1]], values, first) for key, values in scores.items()]
    better = [row for row in rows if row["layer"] and row["ahead"] > CLEAR * row["error"] + 1e-6]
    winner = max(better, key=_number, default=rows[0])
    for row in rows:
        row["chosen"] = row is winner
    rows.sort(key=lambda row: -np.inf if np.isnan(_number(row)) else _number(row), reverse=True)
    return winner["method"], winner["layer"], rows


def resolve(
    model: Model,
    name: str,
    preprocess: Preprocess,
    seed: int,
    *,
    other_layers: bool,
    pixels: Callable[[], Array],
    known: Mapping[str, Any] | None = None,
) -> tuple[Explainer, dict[str, Any] | None]:
    """Make the explainer of a method that is given by name; AUTO is resolved by `most_faithful`.

    Args:
        model, preprocess, seed, other_layers: as in `most_faithful`.
        name: as in `Explainer`, or AUTO.
        pixels: loads the pictures to choose on; called only where a choice has to be made.
        known: the choice that an earlier call returned, so that a resumed run uses the same method; None = choose.

    Returns:
        (explainer, choice): the choice is None unless `name` is AUTO; else method, layer, number of images and table.

    Raises:
        ConfigError: as `Explainer`.
    """
    if name != AUTO:
        return Explainer(model, name, preprocess, seed), None
    if known is None:
        sample = pixels()
        method, layer, table = most_faithful(model, preprocess, seed, sample, other_layers=other_layers)
        known = {"method": method, "layer": layer, "images": len(sample), "table": table}
    method, layer = str(known["method"]), str(known["layer"])
    explainer = Explainer(
        model if layer == model.layer else model.at_layer(layer),
        method if known["table"] else DEFAULT,  # DEFAULT adds a note on why it was taken
        preprocess,
        seed,
    )
    if known["table"]:
        explainer.notes = (*explainer.notes, _sentence(known["table"], int(known["images"])))
    return explainer, dict(known)


def baselines(count: int, grid: tuple[int, int], seed: int) -> dict[str, Array]:
    """Name -> maps (count, h, w) that do not depend on the picture: random cells, and closeness to the centre."""
    noise = np.random.default_rng(seed).random((count, *grid), np.float32)
    rows, columns = (np.abs((np.arange(side) + 0.5) / side - 0.5) for side in grid)
    centre = (1 - np.hypot(rows[:, None], columns[None, :])).astype(np.float32)
    return {RANDOM: noise, CENTRE: np.repeat(centre[None], count, axis=0)}


def table_lines(table: Sequence[RankedMethod]) -> list[str]:
    """The table of `most_faithful` as lines of text."""
    return [
        f"{'*' if row['chosen'] else ' '} {_number(row):+z.3f}  {row['method']}"
        + (f" at {row['layer']} ({row['grid'][0]}x{row['grid'][1]})" if row["layer"] else "")
        for row in table
    ]


def _row(
    method: str, layer: str, grid: tuple[int, int], values: NDArray[np.float64], first: NDArray[np.float64]
) -> RankedMethod:
    lead = values - first
    error = float(lead.std(ddof=1) / np.sqrt(len(lead))) if len(lead) > 1 else np.inf
    return {
        "method": method,
        "layer": layer,
        "grid": list(grid),
        "score": float(values.mean()),
        "ahead": float(lead.mean()),
        "error": error,
        "chosen": False,
    }


def _sentence(table: Sequence[RankedMethod], images: int) -> str:
    chosen = next(row for row in table if row["chosen"])
    chance = next(row for row in table if row["method"] == RANDOM)
    best = f"{METHODS[chosen['method']].paper}, insertion minus deletion {quantity(_number(chosen), 'number')}"
    return (
        f"Method and layer were chosen on {images} images: {chosen['method']} at {chosen['layer']} "
        f"({best}; a random map has {quantity(_number(chance), 'number')})."
    )


def _number(row: RankedMethod) -> float:
    return float("nan") if row["score"] is None else float(row["score"])  # NaN is null in a stored table


def _blurred(picture: Array) -> Array:
    sigma = BLUR * min(picture.shape[:2])
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma), np.float32).reshape(picture.shape)
