"""COCO files for tests: written by hand as the format defines them, and of photos with masks."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np


def image(number: int, name: str, height: int, width: int, **more: Any) -> dict[str, Any]:
    """An element of `images`."""
    return {"id": number, "file_name": name, "height": height, "width": width, **more}


def category(number: int, name: str) -> dict[str, Any]:
    """An element of `categories`."""
    return {"id": number, "name": name, "supercategory": "thing"}


def annotation(
    number: int, image_id: int, category_id: int, segmentation: Any, area: float | None = None, **more: Any
) -> dict[str, Any]:
    """An element of `annotations`."""
    given = {} if area is None else {"area": area}
    about = {"id": number, "image_id": image_id, "category_id": category_id, "segmentation": segmentation}
    return {**about, "iscrowd": 0, **given, **more}


def rectangle(left: float, top: float, right: float, bottom: float) -> list[list[float]]:
    """A segmentation of one polygon."""
    return [[left, top, right, top, right, bottom, left, bottom]]


def counts(mask: np.ndarray) -> dict[str, Any]:
    """A segmentation of uncompressed run lengths of a mask (H, W) of 0 and other values."""
    flat = (mask != 0).T.reshape(-1)
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    lengths = np.diff(np.concatenate([[0], changes, [flat.size]])).tolist()
    return {"size": list(mask.shape), "counts": [0, *lengths] if flat[0] else lengths}


def write(
    file: Path,
    images: Sequence[Mapping[str, Any]],
    annotations: Sequence[Mapping[str, Any]],
    categories: Sequence[Mapping[str, Any]],
) -> Path:
    """Write a COCO file and return its path."""
    file.parent.mkdir(parents=True, exist_ok=True)
    about = {"info": {"year": 2026}, "licenses": []}
    content = {**about, "images": images, "annotations": annotations, "categories": categories}
    file.write_text(json.dumps(content))
    return file


def of_masks(photos: Path, masks: Path, file: Path) -> Path:
    """Write a COCO file of a folder per class and of masks at the same relative paths (PNG): an object per photo.

    File names are relative to `photos`; categories have the order of the folders' names, and ids that leave gaps.
    """
    names = sorted(folder.name for folder in photos.iterdir() if folder.is_dir())
    images, annotations = [], []
    for number, path in enumerate(sorted(photos.glob("*/*")), start=1):
        name = path.relative_to(photos)
        mask = cv2.imread(str(masks / name.with_suffix(".png")), cv2.IMREAD_GRAYSCALE)
        images.append(image(number, name.as_posix(), *mask.shape))
        kind = 10 * names.index(name.parts[0]) + 3
        annotations.append(annotation(number, number, kind, counts(mask), float((mask != 0).sum())))
    return write(file, images, annotations, [category(10 * place + 3, name) for place, name in enumerate(names)])
