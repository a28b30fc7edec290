"""The same objects in COCO's form, Pascal VOC's and YOLO's: the same crops, masks and classes."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from coco_files import annotation, category, image, write
from voc_form import SIZE, voc_object, write_voc

from bias_audit.data.dataset import Dataset
from bias_audit.data.locations import read_location
from bias_audit.data.sources import open_dataset
from bias_audit.data.sources.each_object import each_asked
from bias_audit.data.sources.objects import foreground_of
from bias_audit.data.sources.options import SourceOptions
from bias_audit.data.sources.voc_objects import VocObject
from bias_audit.errors import ConfigError, DataError

NAMES = ("cat", "dog", "owl")
PHOTOS = {
    "a": [(1, (5, 4, 20, 16)), (0, (18, 10, 45, 38)), (1, (50, 0, 60, 9)), (2, (0, 30, 3, 40))],
    "b": [(2, (0, 0, 60, 40)), (0, (30, 20, 36, 25))],
    "c": [(1, (0, 0, 20, 10)), (0, (40, 30, 60, 40))],
}
"""Stem -> class and x_min, y_min, x_max, y_max of its objects."""


def _coco(root: Path) -> Path:
    objects = [
        annotation(10 * place + number, place, 5 + kind, [], bbox=[x, y, x_max - x, y_max - y])
        for place, stem in enumerate(PHOTOS)
        for number, (kind, (x, y, x_max, y_max)) in enumerate(PHOTOS[stem], 1)
    ]
    images = [image(place, f"JPEGImages/{stem}.png", *SIZE) for place, stem in enumerate(PHOTOS)]
    return write(root / "i.json", images, objects, [category(5 + place, name) for place, name in enumerate(NAMES)])


def _yolo(root: Path) -> Path:
    height, width = SIZE
    for stem, objects in PHOTOS.items():
        (root / f"JPEGImages/{stem}.txt").write_text(
            "".join(
                f"{kind} {(x + x_max) / 2 / width!r} {(y + y_max) / 2 / height!r} {(x_max - x) / width!r} "
                f"{(y_max - y) / height!r}\n"
                for kind, (x, y, x_max, y_max) in objects
            )
        )
    (root / "data.yaml").write_text(f"names: [{', '.join(NAMES)}]\nval: JPEGImages\n")
    return root / "data.yaml"


@pytest.fixture
def places(tmp_path: Path) -> list[Path]:
    for stem, objects in PHOTOS.items():
        told = [voc_object(NAMES[kind], (x + 1, y + 1, x_max, y_max)) for kind, (x, y, x_max, y_max) in objects]
        write_voc(tmp_path, stem, told)
        pixels = np.random.default_rng(ord(stem)).integers(0, 256, (*SIZE, 3), np.uint8)
        assert cv2.imwrite(str(tmp_path / f"JPEGImages/{stem}.png"), pixels)
    return [_coco(tmp_path), tmp_path, _yolo(tmp_path)]


def _told(dataset: Dataset) -> list[tuple[str, bytes, bytes]]:
    """Class, pixels and mask of each sample, in their order."""
    found = []
    for sample in dataset.samples:
        data = read_location(sample.path)
        shape = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR).shape
        mask, status = sample.mask.draw(shape[:2])
        assert (status, sample.skip) == ("ok", "")
        found.append((dataset.class_names[sample.label], data, mask.tobytes()))
    return found


def test_objects_are_the_same_in_every_form(places: list[Path]) -> None:
    options = SourceOptions(objects="each", object_size=5)
    coco, voc, yolo = (open_dataset(place, None, options) for place in places)
    assert [sample.image_id for sample in coco.samples] == [f"JPEGImages/{id}" for id in (
        "a.png#1", "a.png#2", "a.png#3", "b.png#11", "b.png#12", "c.png#21", "c.png#22")]  # fmt: skip
    assert [sample.image_id for sample in voc.samples] == [
        "a.png#1", "a.png#2", "a.png#3", "b.png#1", "b.png#2", "c.png#1", "c.png#2"]  # fmt: skip
    assert _told(coco) == _told(voc) == _told(yolo)
    small = {"have an object that is lower or narrower than 5 pixels": 1}
    assert coco.left_out == voc.left_out == yolo.left_out == small
    assert coco.columns == voc.columns == yolo.columns == ("photo",)


def test_photos_have_the_same_class_in_every_form(places: list[Path]) -> None:
    coco, voc, yolo = (open_dataset(place, None) for place in places)
    assert [dataset_label for dataset_label, _, _ in _told(coco)] == ["cat", "owl", "cat"]  # of equals the first class
    assert _told(coco) == _told(voc) == _told(yolo)


class TestForeground:
    def _objects(self, *told: tuple[str, int, bool]) -> list[VocObject]:
        return [
            VocObject(number, label, (0, 0, side, side), None, difficult)
            for number, (label, side, difficult) in enumerate(told, 1)
        ]

    def test_those_of_the_class_of_the_largest(self) -> None:
        dog, cat, large = ("dog", 3, False), ("cat", 4, False), ("owl", 9, True)
        assert foreground_of(self._objects(dog, cat, dog)) == (1,)
        assert foreground_of(self._objects(cat, dog, cat, ("cat", 1, False), large)) == (0, 2, 3)
        assert foreground_of(self._objects(large, large)) == (0, 1)
        assert foreground_of([]) == ()

    def test_of_equals_the_first_class_whatever_their_order(self) -> None:
        dog, cat = ("dog", 4, False), ("cat", 4, False)
        assert foreground_of(self._objects(dog, cat)) == (1,)
        assert foreground_of(self._objects(cat, dog)) == (0,)


@pytest.mark.parametrize(("objects", "size"), [("all", 32), (None, 32), ("each", 0), ("each", "x"), ("photo", True)])
def test_options_with_other_values(objects: object, size: object) -> None:
    with pytest.raises((ConfigError, DataError), match="--object"):
        each_asked(SourceOptions(objects=objects, object_size=size))
