"""Makes the pictures of the report once during the audit: thumbnails, heatmap grids and mask outlines."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bias_audit.checks.outcomes import RuleOutcome
from bias_audit.data.batches import Geometry, Loaded, load_in_order
from bias_audit.data.dataset import Dataset
from bias_audit.data.masks import FOREGROUND
from bias_audit.limits.ahead import made_ahead
from bias_audit.run.statuses import OK

LONGEST = 224
PER_FINDING = 12
MOST = 1000
"""Most thumbnails of a run: they take 10 to 30 MB. A smaller data set gets a thumbnail of every readable image."""


def choose_pictures(
    images: pd.DataFrame, outcomes: Sequence[RuleOutcome], composites: Mapping[str, Sequence[Mapping[str, Any]]]
) -> list[str]:
    """Ids of the images that get a picture, at most MOST.

    Photos with composites come first, then the first PER_FINDING images of each finding, then the others by background
    excess.

    Args:
        images: the images table.
        outcomes: outcomes of the rules.
        composites: class name -> rows of its composites, each with the "image_id" of its photo.
    """
    chosen = [row["image_id"] for rows in composites.values() for row in rows]
    chosen += [image_id for outcome in outcomes if outcome.found for image_id in outcome.image_ids[:PER_FINDING]]
    ranked = images[images["status"] == OK].sort_values("background_excess", ascending=False, kind="stable")
    read = set(ranked.index)
    ordered = dict.fromkeys([*chosen, *ranked.index])
    return [image_id for image_id in ordered if image_id in read][:MOST]


def make_pictures(
    dataset: Dataset,
    positions: Sequence[int],
    images: pd.DataFrame,
    maps: Mapping[int, NDArray[np.float32]],
    geometry: Geometry,
    explained: Mapping[int, str],
) -> dict[str, dict[str, Any]]:
    """Make the thumbnail, heatmap grid and mask outline of each chosen image.

    Args:
        dataset: all samples.
        positions: positions of the chosen samples.
        images: the images table, with a prediction for every chosen image.
        maps: sample position -> (h, w) heatmap, where there is one.
        geometry: how pictures become inputs of the model; a thumbnail shows what the model saw.
        explained: sample position -> class whose heatmap it is, where that is not the prediction
            (`attention.explained_instead`).

    Returns:
        image_id -> {jpeg, width, height, grid, heat_class, outline, mask_kind}. grid is the positive part of the
        heatmap over its maximum, None without one; outline is in thumbnail pixels. Images that cannot be read are left
        out.
    """
    samples = [dataset.samples[position] for position in positions]
    predicted = images["predicted"]

    def photos() -> Iterator[tuple[int, Loaded]]:
        for start, group in load_in_order(samples, geometry, 16):
            yield from zip(positions[start : start + 16], group, strict=True)

    def made(photo: tuple[int, Loaded]) -> tuple[str, dict[str, Any] | None]:
        position, loaded = photo
        image_id = dataset.samples[position].image_id
        if loaded.pixels is None or loaded.mask is None:
            return image_id, None
        picture = encode_picture(loaded.pixels)
        heat = np.maximum(maps[position], 0) if position in maps else None
        grid = None
        if heat is not None and np.isfinite(heat).all() and heat.max() > 0:
            grid = [[round(value, 3) for value in row] for row in (heat / heat.max()).tolist()]
        picture["grid"] = grid
        picture["heat_class"] = explained.get(position, str(predicted[image_id]))
        scale = picture["width"] / loaded.mask.shape[1]
        picture["outline"] = outline(loaded.mask, scale)
        picture["mask_kind"] = loaded.mask_kind or None
        return image_id, picture

    return {image_id: picture for image_id, picture in made_ahead(made, photos()) if picture is not None}


def encode_picture(pixels: NDArray[np.float32]) -> dict[str, Any]:
    """A picture (H, W, C) in [0, 255] as {"jpeg": base64, "width", "height"}; no side is longer than LONGEST."""
    height, width = pixels.shape[:2]
    scale = min(1.0, LONGEST / max(height, width))
    rounded = _rounded(pixels)
    if scale < 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        rounded = np.asarray(cv2.resize(rounded, size, interpolation=cv2.INTER_AREA), np.uint8)
    return {
        "jpeg": base64.b64encode(_jpeg(rounded, 82)).decode(),
        "width": rounded.shape[1],
        "height": rounded.shape[0],
    }


def encode_jpeg(pixels: NDArray[np.float32], quality: int) -> bytes:
    """A picture (H, W, C) in [0, 255], RGB or grey, as a JPEG of quality 0..100 without metadata of its file."""
    return _jpeg(_rounded(pixels), quality)


def _rounded(pixels: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.clip(np.rint(pixels), 0, 255).astype(np.uint8)


def _jpeg(pixels: NDArray[np.uint8], quality: int) -> bytes:
    bgr = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR) if pixels.ndim == 3 and pixels.shape[2] == 3 else pixels
    return bytes(cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes())


def outline(mask: NDArray[np.uint8], scale: float) -> list[list[list[float]]]:
    """Contours of the foreground as [[x, y], ...] in thumbnail pixels; specks of a few pixels are left out.

    Args:
        mask: (H, W) of BACKGROUND, FOREGROUND and VOID.
        scale: thumbnail pixels per pixel of the mask.
    """
    contours, _ = cv2.findContours((mask == FOREGROUND).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    polygons = []
    for contour in contours:
        if cv2.contourArea(contour) < 9:
            continue
        points = cv2.approxPolyDP(contour, 0.8, True)[:, 0, :]
        polygons.append([[round((x + 0.5) * scale, 1), round((y + 0.5) * scale, 1)] for x, y in points.tolist()])
    return polygons
