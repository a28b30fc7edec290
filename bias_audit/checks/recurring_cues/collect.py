"""One pass over a sample of images that collects spots of the heatmaps and the activations at these spots."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from bias_audit.checks.recurring_cues.spots import Spots, find_spots, pool
from bias_audit.data import sampling
from bias_audit.data.batches import Geometry, load_in_order
from bias_audit.data.central_object import estimated
from bias_audit.data.dataset import Dataset
from bias_audit.data.geometry import area_weights
from bias_audit.data.masks import FOREGROUND
from bias_audit.heatmaps.methods import Explainer
from bias_audit.limits.ahead import made_ahead
from bias_audit.models.base import NO_CLASS

Array = NDArray[np.float32]
MOST = 2000
"""Largest number of images in the sample, over all classes."""

MOSTLY_OBJECT = 0.5
"""Share of a cell covered by the object from which on the cell can hold no spot, where masks are known."""


@dataclass(frozen=True)
class Seen:
    """Spots, heatmaps and activations of N images.

    Attributes:
        positions: (N,) sample positions, ascending.
        labels, predicted: (N,) class indices; in predicted also K for none of these.
        maps: (N, h, w) heatmap of the predicted class (`Predictions.best`) at the grid of the explained layer.
        allowed: (N, h, w) 0..1, weight of each cell in the search for spots: the background's share of it where masks
            are known (0 where the object covers MOSTLY_OBJECT or more), else 1.
        objects: (N, h, w) 0..1, the object's share of each cell, by the mask or by an estimate.
        masked: (N,) whether the object is known by a drawn mask.
        spots: S spots of these maps.
        features: (S, C) activations pooled over each spot; colour and contrast of a model that only predicts.
        relevance: (N, C) sum over cells of gradient times activation: the contribution of each channel to the log-odds;
            of heatmap times feature where there are no gradients.
    """

    positions: NDArray[np.intp]
    labels: NDArray[np.intp]
    predicted: NDArray[np.intp]
    maps: Array
    allowed: Array
    objects: Array
    masked: NDArray[np.bool_]
    spots: Spots
    features: Array
    relevance: Array


def choose_images(dataset: Dataset, records: Sequence[Mapping[str, Any]], per_class: int, seed: int) -> list[int]:
    """Positions of the images of the sample: readable ones, taken from the classes in turn.

    Args:
        dataset: all samples.
        records: records of the samples, by position; see `sampling.readable`.
        per_class: number of images per class on average; MOST bounds their sum.
        seed: seed of the choice.

    Returns:
        ascending positions.
    """
    count = min(per_class * len(dataset.class_names), MOST)
    return sorted(sampling.readable(dataset, records, seed, count))


def collect(
    dataset: Dataset,
    positions: Sequence[int],
    heats: Mapping[int, Array],
    explainer: Explainer,
    geometry: Geometry,
    advance: Callable[[int], None],
) -> Seen | None:
    """Collect spots of the heatmaps of the chosen images, and the activations pooled over each spot.

    Args:
        dataset: all samples.
        positions: result of `choose_images`.
        heats: position -> (h, w) heatmap of the predicted class.
        explainer: the model with its preprocessing.
        geometry: how pictures become model inputs.
        advance: called with the number of images that are done.

    Returns:
        what was seen of the images that can be read and whose activations and gradients are finite; None where there
        are none.
    """
    size = explainer.model.batch_size
    parts: dict[str, list[NDArray[Any]]] = {
        name: [] for name in ("positions", "predicted", "maps", "allowed", "objects", "masked", "features", "relevance")
    }
    found: list[Spots] = []
    start = 0
    for at, group in load_in_order([dataset.samples[position] for position in positions], geometry, size):
        usable = [i for i, loaded in enumerate(group) if loaded.pixels is not None and loaded.mask is not None]
        advance(len(group))
        if not usable:
            continue
        pixels = np.stack([each for i in usable if (each := group[i].pixels) is not None])
        values, gradients, predicted = _looked_at(explainer, pixels, [heats[positions[at + i]] for i in usable])
        finite = np.isfinite(values).all(axis=(1, 2, 3)) & np.isfinite(gradients).all(axis=(1, 2, 3))
        finite &= predicted != NO_CLASS
        usable, pixels = [i for i, each in zip(usable, finite, strict=True) if each], pixels[finite]
        if not usable:
            continue
        values, gradients = values[finite], gradients[finite]
        masked = np.array([group[i].drawn for i in usable])
        given = [mask for i in usable if (mask := group[i].mask) is not None]
        masks = np.stack(list(made_ahead(_mask_of, zip(given, pixels, masked, strict=True))))
        grid = values.shape[1:3]
        maps = np.stack([_at_grid(heats[positions[at + i]], grid) for i in usable])
        objects = _cell_means((masks == FOREGROUND).astype(np.float32), grid)
        allowed = np.where(masked[:, None, None], np.where(objects < MOSTLY_OBJECT, 1 - objects, 0), 1)
        spots = find_spots(maps, allowed)
        parts["features"].append(pool(spots, maps, allowed, values))
        parts["relevance"].append(np.einsum("nijc,nijc->nc", values, np.broadcast_to(gradients, values.shape)))
        parts["positions"].append(np.array([positions[at + i] for i in usable], np.intp))
        parts["predicted"].append(predicted[finite])
        for name, values in (("maps", maps), ("allowed", allowed), ("objects", objects), ("masked", masked)):
            parts[name].append(values)
        found.append(Spots(spots.image + start, spots.row, spots.column, spots.share, spots.grid))
        start += len(usable)
    if not found:
        return None
    joined = {name: np.concatenate(values) for name, values in parts.items()}
    image, row, column = (
        np.concatenate([getattr(each, name) for each in found]) for name in ("image", "row", "column")
    )
    spots = Spots(image, row, column, np.concatenate([each.share for each in found]), found[0].grid)
    labels = np.array([dataset.samples[position].label for position in joined["positions"]], np.intp)
    return Seen(**joined, labels=labels, spots=spots)


def _mask_of(photo: tuple[NDArray[np.uint8], Array, bool]) -> NDArray[np.uint8]:
    """The mask of a photo (mask, pixels, whether somebody drew the mask); an estimate where nobody did."""
    mask, pixels, known = photo
    return mask if known else estimated(pixels)


def _looked_at(explainer: Explainer, pixels: Array, heats: Sequence[Array]) -> tuple[Array, Array, NDArray[np.intp]]:
    """What is seen in each cell (N, h, w, C), what weighs it (N, h, w, C or 1), and the predicted classes (N,).

    Activations and their gradients; of a model that only predicts, colour and contrast of the cells of its heatmaps,
    weighed by these.
    """
    images = explainer.preprocess(pixels)
    if explainer.model.differentiable:
        active = explainer.model.activations(images, np.full(len(pixels), -1))
        return active.values, active.gradients, active.predictions.predicted
    grid = explainer.grid
    scaled = pixels / np.float32(255)
    colour = _cell_means(scaled, grid)
    spread = np.sqrt(np.maximum(_cell_means(scaled**2, grid) - colour**2, 0))
    maps = np.stack([_at_grid(heat, grid) for heat in heats])
    return np.concatenate([colour, spread], axis=3), maps[..., None], explainer.model.predict(images).predicted


def _at_grid(heat: Array, grid: tuple[int, ...]) -> Array:
    """A heatmap resized to the grid of the activations, for methods whose maps have a grid of their own."""
    if heat.shape == grid:
        return heat
    return np.asarray(cv2.resize(heat, (grid[1], grid[0]), interpolation=cv2.INTER_AREA), np.float32)


def _cell_means(values: Array, grid: tuple[int, ...]) -> Array:
    """Mean over each cell of a grid, (N, H, W) -> (N, h, w) or (N, H, W, C) -> (N, h, w, C)."""
    rows, columns = area_weights(values.shape[1], grid[0]), area_weights(values.shape[2], grid[1])
    return np.asarray(np.einsum("ip,npq...,jq->nij...", rows, values, columns, optimize=True), np.float32)
