"""Annotations of generated photos and masks that supervision wrote, as Pascal VOC and as YOLO, read back.

The masks are to be those that pycocotools draws of the polygons which supervision finds around the same masks.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from bias_audit.data.batches import Geometry, load
from bias_audit.data.masks import BACKGROUND, FOREGROUND, VOID, MaskReading
from bias_audit.data.sources import open_dataset

SIZE = (96, 128)
CLASSES = ["fox", "husky", "wolf"]

pytestmark = pytest.mark.slow  # supervision takes seconds to be imported


def _objects(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Masks (n, H, W) and classes (n,) of up to four objects: ellipses, some with a hole or in two parts."""
    masks = []
    for _ in range(int(rng.integers(1, 5))):
        mask = np.zeros(SIZE, np.uint8)
        x, y, a, b = (int(value) for value in rng.integers((15, 15, 8, 8), (110, 80, 30, 25)))
        cv2.ellipse(mask, (x, y), (a, b), float(rng.uniform(0, 180)), 0, 360, 1, -1)
        if rng.random() < 0.4:
            cv2.circle(mask, (x, y), 4, 0, -1)
        if rng.random() < 0.3:
            mask[:, x - 1 : x + 1] = 0
        if mask.any():
            masks.append(mask.astype(bool))
    return np.array(masks), rng.integers(0, len(CLASSES), len(masks))


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, dict[str, tuple[np.ndarray, np.ndarray]]]:
    """(folder of VOC, folder of YOLO, name of each photo -> (masks (n, H, W), classes (n,)))."""
    import supervision

    root = tmp_path_factory.mktemp("written")
    rng = np.random.default_rng(0)
    objects, photos, detections = {}, [], {}
    for number in range(40):
        name = f"{number:02d}.png"
        photo = root / name
        assert cv2.imwrite(str(photo), rng.integers(0, 256, (*SIZE, 3), np.uint8))
        masks, classes = objects[name] = _objects(rng)
        boxes = supervision.mask_to_xyxy(masks).astype(float)
        photos.append(str(photo))
        detections[str(photo)] = supervision.Detections(xyxy=boxes, mask=masks, class_id=classes)
    dataset = supervision.DetectionDataset(CLASSES, photos, detections)
    voc, yolo = root / "voc", root / "yolo"
    dataset.as_pascal_voc(str(voc / "JPEGImages"), str(voc / "Annotations"))
    dataset.as_yolo(str(yolo / "images"), str(yolo / "labels"), str(yolo / "data.yaml"))
    with (yolo / "data.yaml").open("a") as file:
        file.write("val: images\n")  # which supervision leaves to the user
    return voc, yolo, objects


def _polygons(mask: np.ndarray) -> list[np.ndarray]:
    """Polygons (n, 2) that supervision writes of a mask, each of them as an object."""
    from supervision.dataset.utils import approximate_mask_with_polygons

    return [polygon for polygon in approximate_mask_with_polygons(mask, bridge_holes=True) if len(polygon) >= 3]


def _drawn(masks: np.ndarray) -> np.ndarray:
    """(H, W) bool: what pycocotools draws of the polygons around masks."""
    from pycocotools import mask as coco

    polygons = [polygon.astype(float).reshape(-1).tolist() for mask in masks for polygon in _polygons(mask)]
    if not polygons:
        return np.zeros(SIZE, bool)
    return coco.decode(coco.frPyObjects(polygons, *SIZE)).any(axis=2)


def _area(kind: str, polygon: np.ndarray) -> float:
    """Area by which an object is the largest: of its box in pixels, or of the polygon."""
    return float((np.ptp(polygon, axis=0) + 1).prod() if kind == "voc" else cv2.contourArea(polygon.astype(np.int32)))


@pytest.mark.parametrize("kind", ["voc", "yolo"])
def test_masks_are_those_of_pycocotools(written: tuple[Path, Path, dict[str, Any]], kind: str) -> None:
    voc, yolo, objects = written
    dataset = open_dataset({"voc": voc, "yolo": yolo}[kind], None)
    assert (dataset.source, dataset.class_names) == (kind, tuple(CLASSES))
    geometry = Geometry(SIZE, 3, "stretch", "nearest", MaskReading())
    assert len(dataset.samples) == len(objects)
    for sample in dataset.samples:
        masks, classes = objects[sample.image_id.rpartition("/")[2]]
        loaded = load(sample, geometry)
        front = classes == sample.label
        expected = np.full(SIZE, BACKGROUND, np.uint8)
        expected[_drawn(masks[~front])] = VOID
        expected[_drawn(masks[front])] = FOREGROUND
        assert np.array_equal(loaded.mask, expected)
        assert loaded.mask_kind == "mask"
        true = masks[front].any(axis=0)
        overlap = (true & (loaded.mask == FOREGROUND)).sum() / (true | (loaded.mask == FOREGROUND)).sum()
        assert overlap > 0.8  # a polygon runs through the middle of the outermost pixels
        areas = [
            (_area(kind, polygon), label)
            for mask, label in zip(masks, classes, strict=True)
            for polygon in _polygons(mask)
        ]
        assert sample.label == max(areas)[1]
