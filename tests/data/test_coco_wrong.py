"""COCO files that contradict the format: a row with a reason, a count, or one sentence where it is no such file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from coco_files import HEIGHT, KINDS, WIDTH, annotation, category, counts, image, labels, one, photos, rectangle, write

from bias_audit.data.batches import Geometry, load
from bias_audit.data.masks import MaskReading
from bias_audit.data.sources import open_dataset
from bias_audit.data.sources.options import SourceOptions
from bias_audit.errors import DataError
from bias_audit.limits.bounds import Limits
from bias_audit.run.statuses import SKIPPED

GOOD = annotation(1, 1, 7, rectangle(0, 0, 40, 40), 1600)


class TestWrong:
    @pytest.mark.parametrize(
        ("wrong", "says"),
        [
            ({"segmentation": [[1, 2, 3, 4, 5, 6, 7]]}, "has a polygon that has an odd number of coordinates (7)"),
            ({"segmentation": [[1, 2, 3, 4]]}, "has a polygon that has 2 points, and needs 3"),
            ({"segmentation": [rectangle(0, 0, 9, 9)[0], []]}, "has a polygon that has 0 points"),
            ({"segmentation": [[1, 2, 3, 4, 5, "6"]]}, "has a polygon that holds something that is no number"),
            ({"segmentation": [[1, 2, 3, 4, 5, float("nan")]]}, "or that are not finite"),
            ({"area": float("nan")}, "as area"),
            ({"segmentation": [[1, 2, 3, 4, 5, 1e999]]}, "or that are not finite"),
            ({"segmentation": [[1, 2, 3, 4, 5, 10**30]]}, "coordinates beyond 1,000,000 pixels"),
            ({"segmentation": [1, 2, 3, 4, 5, 6]}, "has a segmentation that is no list of polygons"),
            ({"segmentation": "polygon"}, "neither polygons nor run lengths"),
            ({"segmentation": []}, "has neither a segmentation nor a bbox"),
            ({"segmentation": [], "bbox": [0, 0, 0, 9]}, "has a bbox that is not x, y, width, height"),
            ({"segmentation": [], "bbox": [0, 0, 9]}, "has a bbox that is not x, y, width, height"),
            ({"segmentation": [], "bbox": [0, 0, "9", 9]}, "has a bbox that is not x, y, width, height"),
            ({"segmentation": rectangle(90, 0, 99, 9)}, "lies outside of the picture of 80x60"),
            ({"segmentation": rectangle(-9, -9, 0, 0)}, "lies outside of the picture of 80x60"),
            ({"segmentation": counts(np.ones((4, 4)))}, "has run lengths of a picture of 4x4, not of 80x60"),
            (
                {"segmentation": {"size": [60, 80], "counts": [5, 6]}},
                "run lengths that sum up to 11 pixels, not to 60x80",
            ),
            ({"segmentation": {"size": [60, 80], "counts": "!"}}, "run lengths that hold a sign that is none"),
            ({"segmentation": {"size": [10**6, 10**6], "counts": [10**12]}}, "which is too large"),
            ({"segmentation": {"size": [60, 80]}}, "run lengths that have neither a text nor a list of counts"),
            ({"segmentation": {"counts": [4800]}}, "run lengths that have no size"),
            ({"category_id": 8}, "has the category 8, which the COCO file does not list"),
            ({"category_id": "dog"}, "has no integer as category_id"),
            ({"category_id": None}, "has no integer as category_id"),
            ({"area": -1}, "as area"),
            ({"area": "large"}, "as area"),
            ({"area": 1e999}, "as area"),
            ({"iscrowd": 2}, "has neither 0 nor 1 as iscrowd"),
        ],
    )
    def test_an_annotation_costs_its_picture(self, tmp_path: Path, wrong: dict[str, Any], says: str) -> None:
        bad = {**annotation(99, 1, 30, rectangle(5, 5, 50, 50)), **wrong}
        for objects in ("photo", "each"):
            dataset = open_dataset(one(tmp_path, GOOD, bad), None, SourceOptions(objects=objects))
            first = dataset.samples[0]
            assert dataset.class_names[first.label] in ("dog", "cat")
            assert first.skip.startswith("annotation 99 ")
            assert says in first.skip
            loaded = load(first, Geometry((8, 8), 3, "stretch", "nearest", MaskReading()))
            assert (loaded.status, loaded.reason) == (SKIPPED, first.skip)

    def test_pictures_without_an_object_are_counted(self, tmp_path: Path) -> None:
        photos(tmp_path, "a.png")
        names = ["a", "b", "c", "d", "e", "f", "f"]
        images = [image(number, f"{name}.png", HEIGHT, WIDTH) for number, name in enumerate(names, start=1)]
        more = [image(8, "g.png", HEIGHT, WIDTH), image(8, "h.png", HEIGHT, WIDTH), {"id": 9}, {"file_name": "i"}, 3]
        annotations = [
            GOOD,
            annotation(2, 2, 7, rectangle(0, 0, 9, 9), iscrowd=1),
            annotation(3, 3, 7, [[1]]),
            annotation(4, 4, 8, rectangle(0, 0, 9, 9)),
            *(annotation(number, number, 7, rectangle(0, 0, 9, 9)) for number in (6, 7, 8)),
            *(annotation(number, 77, 7, rectangle(0, 0, 9, 9)) for number in (9, 10)),
            annotation(11, 78, 7, rectangle(0, 0, 9, 9)),
            {"id": 12},
            "annotation",
        ]
        dataset = open_dataset(write(tmp_path / "i.json", images + more, annotations, KINDS), None)
        assert list(labels(dataset)) == ["a.png"]
        assert dataset.left_out == {
            "have crowd regions only": 1,
            "have no annotation that can be read": 2,
            "have no annotation": 1,
            "share their id or their file with another picture": 3,
            "have no id or no file name": 3,
            "have annotations and are not listed": 2,
        }

    def test_no_picture_that_is_listed_can_be_there(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="no picture that can be audited: 1 have no id or no file name"):
            open_dataset(write(tmp_path / "i.json", [{"id": 1}], [GOOD], KINDS), None)
        with pytest.raises(DataError, match="none of the 1 pictures of"):
            open_dataset(write(tmp_path / "i.json", [image(1, "x" * 5000, 60, 80)], [GOOD], KINDS), None)

    @pytest.mark.parametrize("size", [(0, 80), (None, 80), (60, "80"), (60, -80), (60, 80.0), (True, True)])
    def test_a_picture_without_a_size_is_a_row(self, tmp_path: Path, size: tuple[Any, Any]) -> None:
        (sample,) = open_dataset(one(tmp_path, GOOD, size=size), None).samples
        assert sample.skip == "the COCO file does not say its height and width"

    def test_a_picture_of_too_many_pixels_is_a_row(self, tmp_path: Path) -> None:
        (sample,) = open_dataset(one(tmp_path, GOOD, size=(10**6, 10**6)), None).samples
        assert sample.skip.startswith("too many pixels: 1000000x1000000 are 1,000,000,000,000 pixels, beyond the limit")

    def test_too_many_annotations_are_a_row(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("bias_audit.data.sources.coco_file.MOST_OBJECTS", 3)
        says = "annotation 1 has outlines beyond the 3 that a picture may have"
        for count, skip in ((3, ""), (4, says)):
            (sample,) = open_dataset(one(tmp_path, *[GOOD] * count), None).samples
            assert sample.skip == skip
        parts = {**GOOD, "segmentation": GOOD["segmentation"] * 3}
        (sample,) = open_dataset(one(tmp_path, GOOD, parts), None).samples
        assert sample.skip == says

    @pytest.mark.parametrize(
        ("content", "says"),
        [
            ([], "its top level is no object but begins with '['"),
            ({}, "no COCO file of instances: it has no 'categories'"),
            ({"categories": KINDS, "images": [image(1, "a.png", 6, 8)]}, "it has no 'annotations', or an empty list"),
            ({"categories": {}, "images": [], "annotations": []}, "its 'categories' is no list"),
            ({"categories": [category(1, "a"), category(1, "b")]}, "two categories of the id 1 or of the name 'b'"),
            ({"categories": [category(1, "a"), category(2, "a")]}, "two categories of the id 2 or of the name 'a'"),
            ({"categories": [{"id": "1", "name": "a"}]}, "a category without an integer id or without a name"),
            ({"categories": [category(1, " ")]}, "a category without an integer id or without a name"),
            ({"categories": ["dog"]}, "a category without an integer id or without a name"),
            ({"annotations": [{"segments_info": []}]}, "panoptic segmentation, not of instances"),
        ],
    )
    def test_what_is_no_coco_file_is_one_sentence(self, tmp_path: Path, content: Any, says: str) -> None:
        (tmp_path / "i.json").write_text(json.dumps(content))
        with pytest.raises(DataError) as caught:
            open_dataset(tmp_path / "i.json", None)
        assert says in caught.value.message
        assert "\n" not in caught.value.message

    def test_a_file_beyond_the_limit(self, tmp_path: Path) -> None:
        file = one(tmp_path, GOOD)
        with pytest.raises(DataError, match="beyond the limit annotation_bytes of 100 "):
            open_dataset(file, None, SourceOptions(limits=Limits(annotation_bytes=100)))
