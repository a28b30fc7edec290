"""COCO files -> samples: classes, masks and crops as the format defines them, and a reason for each that is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import supervision
from coco_files import HEIGHT, KINDS, WIDTH, annotation, counts, image, labels, one, photos, rectangle, write
from PIL import Image
from pycocotools import mask as coco_api
from pycocotools.coco import COCO

from bias_audit.data.batches import Geometry, load
from bias_audit.data.dataset import Dataset, Sample
from bias_audit.data.locations import read_location
from bias_audit.data.masks import FOREGROUND, VOID, MaskReading
from bias_audit.data.sources import open_dataset
from bias_audit.data.sources.options import SourceOptions
from bias_audit.errors import DataError
from bias_audit.limits.bounds import Limits
from bias_audit.run.statuses import OK, UNREADABLE, WRONG_SIZE

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of pycocotools


def drawn(sample: Sample) -> np.ndarray:
    mask, status = sample.mask.draw((HEIGHT, WIDTH))
    assert status == OK
    return mask


class TestPhotos:
    def test_class_mask_and_order(self, tmp_path: Path) -> None:
        photos(tmp_path, "b/2.png", "a.png")
        file = write(
            tmp_path / "i.json",
            [image(5, "b/2.png", HEIGHT, WIDTH), image(4, "a.png", HEIGHT, WIDTH)],
            [
                annotation(1, 5, 30, rectangle(0, 0, 10, 10), 100),
                annotation(2, 5, 7, rectangle(5, 5, 20, 20), 225),
                annotation(3, 5, 30, rectangle(40, 40, 50, 50), 300),
                annotation(4, 5, 30, counts(np.eye(HEIGHT, WIDTH)), 5000, iscrowd=1),
                annotation(5, 4, 7, rectangle(0, 0, 10, 10), 7),
                annotation(6, 4, 2, rectangle(20, 0, 30, 10), 7),
            ],
            KINDS,
        )
        dataset = open_dataset(file, None)
        assert dataset.class_names == ("person", "dog", "cat")  # as the ids 2, 7, 30
        assert [sample.image_id for sample in dataset.samples] == ["a.png", "b/2.png"]
        # Equal areas: the lower id. The largest object of the other is a cat, with the larger crowd region aside.
        assert labels(dataset) == {"a.png": "person", "b/2.png": "cat"}
        expected = np.where(np.eye(HEIGHT, WIDTH) > 0, VOID, 0)
        expected[5:20, 5:20] = VOID
        expected[0:10, 0:10] = expected[40:50, 40:50] = FOREGROUND
        assert np.array_equal(drawn(dataset.samples[1]), expected)
        assert dataset.left_out == {}
        assert dataset.source == "coco"

    def test_annotations_may_come_first(self, tmp_path: Path) -> None:
        file = one(tmp_path, annotation(1, 1, 7, rectangle(0, 0, 9, 9)))
        content = json.loads(file.read_text())
        (tmp_path / "j.json").write_text(
            json.dumps({name: content[name] for name in ("annotations", "categories", "info", "images")})
        )
        one_way, other_way = (open_dataset(each, None) for each in (file, tmp_path / "j.json"))
        assert one_way == other_way
        assert one_way.fingerprint() == other_way.fingerprint()

    def test_a_missing_area_is_that_of_the_shapes(self, tmp_path: Path) -> None:
        def of(first: Any, second: Any, **more: Any) -> str:
            file = one(tmp_path, annotation(1, 1, 7, first), annotation(2, 1, 30, second, **more))
            return labels(open_dataset(file, None))["a.png"]

        small, large = np.zeros((HEIGHT, WIDTH)), np.zeros((HEIGHT, WIDTH))
        small[:5, :5], large[:20, :20] = 1, 1
        assert of(rectangle(0, 0, 10, 10), counts(small)) == "dog"
        assert of(rectangle(0, 0, 10, 10), counts(large)) == "cat"
        assert of(rectangle(0, 0, 10, 10), [], bbox=[0, 0, 9, 9]) == "dog"
        assert of(rectangle(0, 0, 10, 10), None, bbox=[0, 0, 11, 11]) == "cat"

    def test_a_box_stands_for_an_object_without_an_outline(self, tmp_path: Path) -> None:
        file = one(tmp_path, annotation(1, 1, 7, [], bbox=[10, 20, 30.4, 5]))
        (sample,) = open_dataset(file, None).samples
        expected = np.zeros((HEIGHT, WIDTH), np.uint8)
        expected[20:25, 10:40] = FOREGROUND
        assert np.array_equal(drawn(sample), expected)
        assert sample.mask.kind == "box"

    def test_the_class_map_names_the_classes(self, tmp_path: Path) -> None:
        photos(tmp_path, "a.png", "b.png", "c.png")
        file = write(
            tmp_path / "i.json",
            [image(number, f"{name}.png", HEIGHT, WIDTH) for number, name in enumerate("abc")],
            [
                annotation(1, 0, 7, rectangle(0, 0, 10, 10), 100),
                annotation(2, 0, 2, rectangle(0, 0, 9, 9), 81),
                annotation(3, 1, 2, rectangle(0, 0, 10, 10), 100),
                annotation(4, 1, 7, rectangle(0, 0, 9, 9), 81),
                annotation(5, 2, 30, rectangle(0, 0, 10, 10), 100),
            ],
            KINDS,
        )
        dataset = open_dataset(file, ("cat", "fox", "dog"))
        assert labels(dataset) == {"a.png": "dog", "c.png": "cat"}
        assert dataset.class_names == ("cat", "fox", "dog")
        assert dataset.left_out == {
            "have as their largest object one of a category that the class map does not name ('person')": 1
        }
        with pytest.raises(DataError, match="no picture that can be audited: 3 have as their largest object"):
            open_dataset(file, ("owl", "fox"))

    def test_pictures_lie_elsewhere(self, tmp_path: Path) -> None:
        file = one(tmp_path / "annotations", annotation(1, 1, 7, rectangle(0, 0, 9, 9)))
        (tmp_path / "images").mkdir()
        (tmp_path / "annotations/a.png").rename(tmp_path / "images/a.png")
        with pytest.raises(DataError, match=r"(?s)none of the 1 pictures of .*--images DIR") as caught:
            open_dataset(file, None)
        assert "'a.png' is not there" in caught.value.message
        (sample,) = open_dataset(file, None, SourceOptions(images=str(tmp_path / "images"))).samples
        assert sample.path == tmp_path / "images/a.png"
        with pytest.raises(DataError, match="no folder of pictures at"):
            open_dataset(file, None, SourceOptions(images=str(tmp_path / "nothing")))
        with pytest.raises(DataError, match="no folder of pictures at"):
            open_dataset(file, None, SourceOptions(images="a\0b"))

    @pytest.mark.parametrize("name", ["../a.png", "/etc/passwd", "x/../../a.png", "..\\a.png"])
    def test_a_name_must_not_leave_the_folder(self, tmp_path: Path, name: str) -> None:
        photos(tmp_path, "in/b.png", "a.png")
        images = [image(1, "b.png", HEIGHT, WIDTH), image(2, name, HEIGHT, WIDTH)]
        file = write(tmp_path / "in/i.json", images, [annotation(1, 1, 7, rectangle(0, 0, 9, 9))], KINDS)
        with pytest.raises(DataError, match=r"image 2: .* leaves the folder"):
            open_dataset(file, None)
        assert len(open_dataset(file, None, SourceOptions(outside=True)).samples) == 1

    def test_a_missing_photo_is_a_row(self, tmp_path: Path) -> None:
        photos(tmp_path, "a.png")
        images = [image(1, "a.png", HEIGHT, WIDTH), image(2, "b.png", HEIGHT, WIDTH)]
        both = [annotation(number, number, 7, rectangle(0, 0, 9, 9)) for number in (1, 2)]
        dataset = open_dataset(write(tmp_path / "i.json", images, both, KINDS), None)
        geometry = Geometry((8, 8), 3, "stretch", "nearest", MaskReading())
        assert [load(sample, geometry).status for sample in dataset.samples] == [OK, UNREADABLE]

    def test_a_photo_of_another_size_has_no_mask(self, tmp_path: Path) -> None:
        file = one(tmp_path, annotation(1, 1, 7, rectangle(0, 0, 9, 9)))
        (sample,) = open_dataset(file, None).samples
        assert sample.mask.draw((HEIGHT, WIDTH + 9)) == (None, WRONG_SIZE)
        assert sample.mask.draw((2 * HEIGHT, 2 * WIDTH))[1] == OK


class TestAgainstTheApi:
    def test_masks_are_those_of_pycocotools(self, tmp_path: Path) -> None:
        rng = np.random.default_rng(0)
        names = [f"{number}.png" for number in range(12)]
        photos(tmp_path, *names)
        annotations = []
        for number in range(80):
            polygons = [rng.uniform(-10, 90, 2 * int(rng.integers(3, 9))).round(2).tolist() for _ in range(2)]
            mask = coco_api.decode(coco_api.merge(coco_api.frPyObjects(polygons, HEIGHT, WIDTH)))
            packed = coco_api.encode(np.asfortranarray(mask))
            packed["counts"] = packed["counts"].decode()
            segmentation = (polygons, counts(mask), packed)[number % 3]
            which, kind = int(rng.integers(0, 12)), int(rng.choice([2, 7, 30]))
            crowd = int(number % 3 and rng.random() < 0.3)
            annotations.append(annotation(number, which, kind, segmentation, float(mask.sum()), iscrowd=crowd))
        images = [image(number, name, HEIGHT, WIDTH) for number, name in enumerate(names)]
        file = write(tmp_path / "i.json", images, annotations, KINDS)
        compared = agree(file, open_dataset(file, None))
        assert compared == 12

    def test_a_file_of_another_library(self, tmp_path: Path) -> None:
        """`supervision` writes polygons where a mask has one part, and crowd regions where it has parts or holes."""
        rng = np.random.default_rng(1)
        names = [f"{number}.png" for number in range(10)]
        photos(tmp_path / "images", *names)
        marked = {}
        for name in names:
            masks = np.zeros((3, HEIGHT, WIDTH), bool)
            for each in masks:
                y, x = rng.integers(0, 30), rng.integers(0, 40)
                each[y : y + rng.integers(8, 30), x : x + rng.integers(8, 40)] = True
                if rng.random() < 0.5:
                    each[y + 3 : y + 5, x + 3 : x + 6] = False
            boxes = supervision.mask_to_xyxy(masks)
            marked[str(tmp_path / "images" / name)] = supervision.Detections(
                boxes, mask=masks, class_id=rng.integers(0, 2, 3)
            )
        file = tmp_path / "instances.json"
        written = supervision.DetectionDataset(["owl", "fox"], list(marked), marked)
        written.as_coco(annotations_path=str(file))
        annotations = json.loads(file.read_text())["annotations"]
        assert {(type(each["segmentation"]), each["iscrowd"]) for each in annotations} == {(list, 0), (dict, 1)}
        dataset = open_dataset(file, None, SourceOptions(images=str(tmp_path / "images")))
        assert dataset.class_names == ("owl", "fox")
        assert agree(file, dataset) == 10


def agree(file: Path, dataset: Dataset) -> int:
    """Compare class and mask of each sample with what pycocotools makes of the file; return how many there are."""
    api = COCO(str(file))
    by_name = {about["file_name"]: about["id"] for about in api.imgs.values()}
    for sample in dataset.samples:
        marked = api.loadAnns(api.getAnnIds(by_name[sample.image_id]))
        largest = max((each for each in marked if not each["iscrowd"]), key=lambda each: each["area"])
        assert dataset.class_names[sample.label] == api.cats[largest["category_id"]]["name"]
        expected = np.zeros((HEIGHT, WIDTH), np.uint8)
        for each in marked:
            expected[api.annToMask(each) > 0] = VOID
        for each in marked:
            if each["category_id"] == largest["category_id"] and not each["iscrowd"]:
                expected[api.annToMask(each) > 0] = FOREGROUND
        assert np.array_equal(drawn(sample), expected)
    return len(dataset.samples)


class TestObjects:
    def test_every_object_is_a_crop(self, tmp_path: Path) -> None:
        file = one(
            tmp_path,
            annotation(11, 1, 7, rectangle(10, 10, 40, 40), 900),
            annotation(12, 1, 30, rectangle(30, 20, 70, 55), 1400),
            annotation(13, 1, 2, rectangle(0, 0, 9, 50), 450),
            annotation(14, 1, 2, counts(np.eye(HEIGHT, WIDTH)), 60, iscrowd=1),
        )
        dataset = open_dataset(file, None, SourceOptions(objects="each", object_size=10))
        assert labels(dataset) == {"a.png#11": "dog", "a.png#12": "cat"}
        assert dataset.left_out == {"have an object that is lower or narrower than 10 pixels": 1}
        whole = cv2.imread(str(tmp_path / "a.png"))
        dog, cat = dataset.samples
        assert (dataset.columns, dog.columns, cat.columns) == (("photo",), *[{"photo": "a.png"}] * 2)
        # A fifth of 30 is 6; a fifth of 40 is 8, and of 35 it is 7, of which the picture has 5.
        for sample, window in ((dog, np.s_[4:46, 4:46]), (cat, np.s_[13:60, 22:78])):
            crop = cv2.imdecode(np.frombuffer(read_location(sample.path), np.uint8), cv2.IMREAD_UNCHANGED)
            assert np.array_equal(crop, whole[window])
            assert read_location(sample.path) == read_location(sample.path)
        mask, status = dog.mask.draw((42, 42))
        expected = np.where(np.eye(HEIGHT, WIDTH) > 0, VOID, 0)
        expected[20:55, 30:70] = expected[0:50, 0:9] = VOID
        expected[10:40, 10:40] = FOREGROUND
        assert status == OK
        assert np.array_equal(mask, expected[4:46, 4:46])

    def test_a_crop_is_a_place_that_changes_with_its_photo(self, tmp_path: Path) -> None:
        file = one(
            tmp_path, annotation(1, 1, 7, rectangle(10, 10, 50, 50)), annotation(2, 1, 7, rectangle(0, 0, 40, 40))
        )
        first, second = open_dataset(file, None, SourceOptions(objects="each")).samples
        again, _ = open_dataset(file, None, SourceOptions(objects="each")).samples
        assert (first.path, hash(first.path), first.mask) == (again.path, hash(again.path), again.mask)
        assert first.path != second.path
        assert first.path.stamp() != second.path.stamp()
        before = first.path.stamp()
        photos(tmp_path, "other/a.png", "a.png")
        assert first.path.stamp() != before
        assert (first.path.name, str(second.path)) == ("a.png.bmp", f"{tmp_path / 'a.png'} from (0, 0) on, 48x48")

    def test_a_photo_of_another_size_or_none_is_a_row(self, tmp_path: Path) -> None:
        file = one(tmp_path, annotation(1, 1, 7, rectangle(0, 0, 40, 40)))
        (sample,) = open_dataset(file, None, SourceOptions(objects="each")).samples
        geometry = Geometry((8, 8), 3, "stretch", "nearest", MaskReading())
        assert load(sample, geometry).status == OK
        small = Limits(pixels=100)
        (bounded,) = open_dataset(file, None, SourceOptions(objects="each", limits=small)).samples
        assert bounded.skip.startswith("too many pixels: 60x80 are 4,800 pixels, beyond the limit")
        Image.new("RGB", (WIDTH, HEIGHT + 1)).save(tmp_path / "a.png")
        loaded = load(sample, geometry)
        assert (loaded.status, loaded.reason) == (
            UNREADABLE,
            "cannot be opened: the photo has 80x61, not 80x60 as its annotations say",
        )
        (tmp_path / "a.png").write_bytes(b"GIF89a")
        assert load(sample, geometry).reason.startswith("cannot be opened: ")
        (tmp_path / "a.png").unlink()
        assert load(sample, geometry).status == UNREADABLE

    def test_ids_of_objects_are_needed(self, tmp_path: Path) -> None:
        shape = rectangle(0, 0, 40, 40)
        file = one(tmp_path, *(annotation(number, 1, 7, shape) for number in (1, 2, 2, None)))
        dataset = open_dataset(file, None, SourceOptions(objects="each"))
        assert list(labels(dataset)) == ["a.png#1"]
        assert dataset.left_out == {"have no annotation id of their own": 3}

    def test_run_lengths_say_where_an_object_is(self, tmp_path: Path) -> None:
        mask = np.zeros((HEIGHT, WIDTH))
        mask[10:50, 10:50] = 1
        file = one(
            tmp_path, annotation(1, 1, 7, counts(mask), bbox=[10, 10, 40, 40]), annotation(2, 1, 7, counts(mask))
        )
        first, second = open_dataset(file, None, SourceOptions(objects="each")).samples
        assert np.array_equal(first.mask.draw((56, 56))[0] == FOREGROUND, mask[2:58, 2:58] > 0)
        assert (first.path, first.mask) == (second.path, second.mask)
        file = one(tmp_path, *(annotation(each, 1, 7, counts(each * mask)) for each in (0, 1)))
        empty = open_dataset(file, None, SourceOptions(objects="each"))
        assert (len(empty.samples), sum(empty.left_out.values())) == (1, 1)

    def test_options_with_other_values(self, tmp_path: Path) -> None:
        file = one(tmp_path, annotation(1, 1, 7, rectangle(0, 0, 40, 40)))
        for options, says in ((SourceOptions(objects="all"), "--objects is photo or each, not 'all'"),):
            with pytest.raises(DataError, match=says):
                open_dataset(file, None, options)
        with pytest.raises(DataError, match="--object-size is for a COCO file"):
            open_dataset(tmp_path, None, SourceOptions(object_size=3))
