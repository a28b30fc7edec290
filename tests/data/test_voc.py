"""Folders of Pascal VOC -> samples: class, foreground and void of each photo, and what cannot be read."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from voc_form import SIZE, voc_object, write_voc

from bias_audit.data.batches import Geometry, Loaded, load
from bias_audit.data.dataset import Dataset, Sample
from bias_audit.data.locations import read_location
from bias_audit.data.masks import BACKGROUND, FOREGROUND, VOID, MaskReading
from bias_audit.data.sources import open_dataset
from bias_audit.data.sources.objects import MOST_OBJECTS
from bias_audit.data.sources.options import SourceOptions
from bias_audit.data.sources.voc import CLASSES, NAMES
from bias_audit.errors import DataError
from bias_audit.run.statuses import COLOURED, EMPTY, OK, SKIPPED, UNREADABLE, WRONG_SIZE

GEOMETRY = Geometry(SIZE, 3, "stretch", "nearest", MaskReading())


def _loaded(dataset: Dataset, image_id: str, geometry: Geometry = GEOMETRY) -> Loaded:
    return load(_sample(dataset, image_id), geometry)


def _sample(dataset: Dataset, image_id: str) -> Sample:
    (sample,) = (sample for sample in dataset.samples if sample.image_id == image_id)
    return sample


def _label(dataset: Dataset, image_id: str) -> str:
    return dataset.class_names[_sample(dataset, image_id).label]


def _area(*boxes: tuple[int, int, int, int], value: int = FOREGROUND) -> np.ndarray:
    """(H, W) with a value in boxes of x_min, y_min, x_max, y_max as VOC counts them: from 1, both ends in it."""
    mask = np.full(SIZE, BACKGROUND, np.uint8)
    for left, top, right, bottom in boxes:
        mask[top - 1 : bottom, left - 1 : right] = value
    return mask


class TestBoxes:
    def test_the_largest_object_makes_the_class_and_others_are_void(self, tmp_path: Path) -> None:
        cat, dog, other_dog = (2, 3, 10, 12), (21, 5, 40, 30), (45, 1, 60, 4)
        write_voc(tmp_path, "a", [voc_object("cat", cat), voc_object("dog", other_dog), voc_object("dog", dog)])
        write_voc(tmp_path, "sub/b", [voc_object("cat", (1, 1, 60, 40))])
        dataset = open_dataset(tmp_path, None)
        assert (dataset.source, dataset.class_names) == ("voc", ("cat", "dog"))
        assert [sample.image_id for sample in dataset.samples] == ["a.png", "sub/b.png"]
        assert [_label(dataset, name) for name in ("a.png", "sub/b.png")] == ["dog", "cat"]
        loaded = _loaded(dataset, "a.png")
        assert (loaded.status, loaded.mask_status, loaded.mask_kind) == (OK, OK, "box")
        expected = _area(dog, other_dog)
        expected[2:12, 1:10] = VOID
        assert np.array_equal(loaded.mask, expected)
        assert (_loaded(dataset, "sub/b.png").mask == FOREGROUND).all()

    def test_difficult_objects_are_void_unless_there_are_no_others(self, tmp_path: Path) -> None:
        large, small = (1, 1, 30, 40), (41, 1, 50, 10)
        write_voc(tmp_path, "a", [voc_object("cat", large, difficult=1), voc_object("cat", small)])
        write_voc(tmp_path, "b", [voc_object("dog", large, difficult=1)])
        dataset = open_dataset(tmp_path, None)
        expected = _area(small)
        expected[:, :30] = VOID
        assert np.array_equal(_loaded(dataset, "a.png").mask, expected)
        assert np.array_equal(_loaded(dataset, "b.png").mask, _area(large))

    def test_boxes_of_parts_do_not_count(self, tmp_path: Path) -> None:
        head = (
            "<part><name>head</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>60</xmax><ymax>40</ymax></bndbox></part>"
        )
        write_voc(tmp_path, "a", [voc_object("person", (5, 5, 9, 9), more=head), voc_object("dog", (11, 5, 40, 9))])
        dataset = open_dataset(tmp_path, None)
        assert dataset.class_names == ("dog", "person")
        assert _label(dataset, "a.png") == "dog"

    def test_a_box_that_reaches_out_is_cut_off(self, tmp_path: Path) -> None:
        write_voc(tmp_path, "a", [voc_object("cat", (51, 31, 80.0, "60")), voc_object("ant", (1, 1, 30, 29))])
        dataset = open_dataset(tmp_path, None)
        assert _label(dataset, "a.png") == "cat"
        expected = _area((51, 31, 60, 40))
        expected[:29, :30] = VOID
        assert np.array_equal(_loaded(dataset, "a.png").mask, expected)

    def test_of_equally_large_objects_the_class_counts_that_comes_first(self, tmp_path: Path) -> None:
        both = [voc_object("cat", (31, 1, 60, 30)), voc_object("ant", (1, 1, 30, 30))]
        write_voc(tmp_path, "a", both)
        write_voc(tmp_path, "b", both[::-1])
        dataset = open_dataset(tmp_path, ("cat", "ant"))
        assert [_label(dataset, name) for name in ("a.png", "b.png")] == ["ant", "ant"]

    def test_polygons_count_from_one_and_go_before_boxes(self, tmp_path: Path) -> None:
        corners = [(6, 4), (26, 4), (26, 24), (6, 24)]
        told = "".join(f"<x{i}>{x}</x{i}><y{i}>{y}</y{i}>" for i, (x, y) in enumerate(corners, 1))
        write_voc(tmp_path, "a", [voc_object("cat", (1, 1, 60, 40), more=f"<polygon>{told}</polygon>")])
        loaded = _loaded(open_dataset(tmp_path, None), "a.png")
        assert loaded.mask_kind == "mask"
        expected = np.zeros(SIZE, np.uint8)
        expected[3:23, 5:25] = FOREGROUND  # corners (5, 3) and (25, 23), counted from 0
        assert np.array_equal(loaded.mask, expected)

    def test_the_size_in_the_xml_file_is_that_of_the_boxes(self, tmp_path: Path) -> None:
        for stem, size in (("double", (80, 120)), ("other", (40, 40)), ("unsaid", None), ("zero", (0, 0))):
            write_voc(tmp_path, stem, [voc_object("cat", (1, 1, 20, 20))], size=size)
        dataset = open_dataset(tmp_path, None)
        assert np.array_equal(_loaded(dataset, "double.png").mask, _area((1, 1, 10, 10)))
        assert _loaded(dataset, "other.png").mask_status == WRONG_SIZE
        for stem in ("unsaid", "zero"):
            assert np.array_equal(_loaded(dataset, f"{stem}.png").mask, _area((1, 1, 20, 20)))


class TestMasks:
    def _values(self) -> np.ndarray:
        values = np.zeros(SIZE, np.uint8)
        values[5:15, 5:15], values[20:35, 5:25], values[20:35, 30:50] = 1, 2, 3
        values[4, 5:15] = 255
        return values

    OBJECTS = (
        voc_object("dog", (6, 6, 15, 15)),
        voc_object("cat", (6, 21, 25, 35)),
        voc_object("dog", (31, 21, 55, 35)),
    )

    def test_objects_by_their_place_in_the_xml_file(self, tmp_path: Path) -> None:
        values = self._values()
        write_voc(tmp_path, "a", self.OBJECTS, values=values)
        write_voc(tmp_path, "b", [self.OBJECTS[1]])
        dataset = open_dataset(tmp_path, None)
        loaded = _loaded(dataset, "a.png")
        assert (_label(dataset, "a.png"), loaded.mask_status, loaded.mask_kind) == ("dog", OK, "mask")
        assert np.array_equal(loaded.mask, np.array([0, 1, 2, 1])[np.minimum(values, 3)] + 1 * (values == 255))
        assert _sample(dataset, "a.png").outlined
        assert not _sample(dataset, "b.png").outlined  # a photo without a mask file has its boxes
        assert _loaded(dataset, "b.png").mask_kind == "box"

    def test_a_difficult_object_is_void(self, tmp_path: Path) -> None:
        hard = voc_object("dog", (31, 21, 55, 35), difficult=1)
        values = self._values()
        write_voc(tmp_path, "a", [*self.OBJECTS[:2], hard], values=values)
        dataset = open_dataset(tmp_path, None)
        assert _label(dataset, "a.png") == "cat"
        assert np.array_equal(
            _loaded(dataset, "a.png").mask, np.select([values == 2, values > 0], [FOREGROUND, VOID], BACKGROUND)
        )

    def test_classes_by_their_number_in_voc(self, tmp_path: Path) -> None:
        assert list(NAMES) == sorted(NAMES)
        assert len(NAMES) == 20
        values = np.zeros(SIZE, np.uint8)
        values[5:15, 5:15], values[20:35, 5:25], values[0] = 12, 8, 255  # dog, cat
        write_voc(tmp_path, "a", self.OBJECTS, values=values, masks="SegmentationClass")
        for names in (None, ("dog", "cat")):
            loaded = _loaded(open_dataset(tmp_path, names), "a.png")
            assert np.array_equal(loaded.mask, np.select([values == 12, values > 0], [FOREGROUND, VOID], BACKGROUND))

    def test_classes_of_other_data_sets_count_alphabetically_in_all_xml_files(self, tmp_path: Path) -> None:
        values = np.zeros(SIZE, np.uint8)
        values[5:15, 5:15] = 3
        write_voc(tmp_path, "a", [voc_object("wolf", (6, 6, 15, 15))], values=values, masks="SegmentationClass")
        write_voc(tmp_path, "b", [voc_object("fox", (6, 6, 15, 15)), voc_object("husky", (6, 6, 9, 9))])
        (tmp_path / "ImageSets/Main").mkdir(parents=True)
        (tmp_path / "ImageSets/Main/val.txt").write_text("a\n")
        for names in (None, ("wolf", "fox")):
            dataset = open_dataset(tmp_path, names, SourceOptions(split="val"))
            assert np.array_equal(_loaded(dataset, "a.png").mask, values // 3)
        assert open_dataset(tmp_path, None, SourceOptions(split="val")).class_names == ("fox", "husky", "wolf")

    def test_flags_on_other_masks_do_not_change_it(self, tmp_path: Path) -> None:
        write_voc(tmp_path, "a", self.OBJECTS, values=self._values())
        dataset = open_dataset(tmp_path, None)
        reading = MaskReading(foreground=(255,), ignore=1)
        geometry = Geometry(SIZE, 3, "stretch", "nearest", reading)
        assert np.array_equal(_loaded(dataset, "a.png", geometry).mask, _loaded(dataset, "a.png").mask)

    def test_a_mask_that_cannot_be_is_a_reason(self, tmp_path: Path) -> None:
        write_voc(tmp_path, "empty", self.OBJECTS, values=np.full(SIZE, 2, np.uint8))
        write_voc(tmp_path, "narrow", self.OBJECTS, values=np.ones((40, 40), np.uint8))
        write_voc(tmp_path, "colour", self.OBJECTS)
        colours = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), np.uint8)
        Image.fromarray(colours).save(tmp_path / "SegmentationObject/colour.png")
        dataset = open_dataset(tmp_path, None)
        found = {sample.image_id: load(sample, GEOMETRY).mask_status for sample in dataset.samples}
        assert found == {"empty.png": EMPTY, "narrow.png": WRONG_SIZE, "colour.png": COLOURED}

    def test_the_fingerprint_sees_which_objects_count(self, tmp_path: Path) -> None:
        write_voc(tmp_path, "a", self.OBJECTS, values=self._values())
        before = open_dataset(tmp_path, None).fingerprint()
        assert open_dataset(tmp_path, None).fingerprint() == before
        write_voc(tmp_path, "a", [self.OBJECTS[0], self.OBJECTS[2], self.OBJECTS[1]])
        assert open_dataset(tmp_path, None).fingerprint() != before


class TestEachObject:
    """Photos have 40 x 60 pixels (height x width)."""

    DOG, CAT, OTHER = (11, 6, 20, 15), (6, 21, 25, 35), (31, 21, 50, 35)
    OBJECTS = (voc_object("dog", DOG), voc_object("cat", CAT), voc_object("dog", OTHER))

    def _values(self) -> np.ndarray:
        values = np.zeros(SIZE, np.uint8)
        values[6:15, 10:20], values[22:33, 6:25], values[20:35, 30:49], values[0] = 1, 2, 3, 255
        return values

    def _each(self, root: Path) -> Dataset:
        return open_dataset(root, None, SourceOptions(objects="each", object_size=5))

    def _check(self, root: Path, dataset: Dataset, masks: dict[str, np.ndarray], kind: str) -> None:
        """Each object is its part of the photo, and its mask that part of the mask of the whole photo."""
        # A fifth of 10 is 2; of 20 it is 4, of which 1 is left of the cat, and of 15 it is 3.
        windows = {"a.png#1": np.s_[3:17, 8:22], "a.png#2": np.s_[17:38, 1:29], "a.png#3": np.s_[17:38, 26:54]}
        assert {sample.image_id: dataset.class_names[sample.label] for sample in dataset.samples} == {
            "a.png#1": "dog",
            "a.png#2": "cat",
            "a.png#3": "dog",
        }
        photo = cv2.imread(str(root / "JPEGImages/a.png"))
        for name, window in windows.items():
            sample = _sample(dataset, name)
            crop = cv2.imdecode(np.frombuffer(read_location(sample.path), np.uint8), cv2.IMREAD_UNCHANGED)
            assert np.array_equal(crop, photo[window])
            loaded = load(sample, Geometry(crop.shape[:2], 3, "stretch", "nearest", MaskReading()))
            assert (loaded.status, loaded.mask_status, loaded.mask_kind) == (OK, OK, kind)
            assert np.array_equal(loaded.mask, masks[name][window])
            assert sample.columns == {"photo": "a.png"}
        assert dataset.columns == ("photo",)

    def test_by_boxes(self, tmp_path: Path) -> None:
        boxes = {"a.png#1": self.DOG, "a.png#2": self.CAT, "a.png#3": self.OTHER}
        masks = {name: _area(*boxes.values(), value=VOID) for name in boxes}
        for name, (left, top, right, bottom) in boxes.items():
            masks[name][top - 1 : bottom, left - 1 : right] = FOREGROUND
        for size in (SIZE, None):  # what the XML file does not say, the photo does
            write_voc(tmp_path, "a", self.OBJECTS, size=size)
            self._check(tmp_path, self._each(tmp_path), masks, "box")

    def test_by_masks_of_objects(self, tmp_path: Path) -> None:
        values = self._values()
        masks = {
            f"a.png#{number}": np.select([values == number, values > 0], [FOREGROUND, VOID], BACKGROUND)
            for number in (1, 2, 3)
        }
        write_voc(tmp_path, "a", self.OBJECTS, values=values)
        dataset = self._each(tmp_path)
        self._check(tmp_path, dataset, masks, "mask")
        paths = [sample.mask for sample in dataset.samples]
        assert len({path.stamp() for path in paths}) == len(set(paths)) == 3
        half = Image.open(tmp_path / "SegmentationObject/a.png").resize((30, 20), Image.Resampling.NEAREST)
        half.save(tmp_path / "SegmentationObject/a.png")
        cat = load(_sample(dataset, "a.png#2"), Geometry((21, 28), 3, "stretch", "nearest", MaskReading()))
        assert np.array_equal(cat.mask == FOREGROUND, (values[1::2, 1::2] == 2).repeat(2, 0).repeat(2, 1)[17:38, 1:29])
        half.resize((20, 20)).save(tmp_path / "SegmentationObject/a.png")
        assert load(_sample(dataset, "a.png#2"), GEOMETRY).mask_status == WRONG_SIZE

    def test_a_mask_of_classes_counts_where_it_tells_an_object_from_the_others(self, tmp_path: Path) -> None:
        values = self._values()
        write_voc(tmp_path, "a", self.OBJECTS, values=np.array([0, 12, 8, 12] + [255] * 252)[values], masks=CLASSES)
        dataset = self._each(tmp_path)
        kinds = {sample.image_id: load(sample, GEOMETRY).mask_kind for sample in dataset.samples}
        assert kinds == {"a.png#1": "box", "a.png#2": "mask", "a.png#3": "box"}
        cat = load(_sample(dataset, "a.png#2"), Geometry((21, 28), 3, "stretch", "nearest", MaskReading()))
        assert np.array_equal(cat.mask == FOREGROUND, (values == 2)[17:38, 1:29])

    def test_what_is_left_out(self, tmp_path: Path) -> None:
        hard = voc_object("cat", (1, 1, 30, 40), difficult=1)
        write_voc(tmp_path, "a", [hard, voc_object("dog", (31, 1, 40, 9)), voc_object("cow", (41, 1, 60, 20))])
        write_voc(tmp_path, "b", [voc_object("dog", (51, 31, 70, 60))])  # 10 x 10 of it lie in the photo
        write_voc(tmp_path, "c", [hard])
        options = SourceOptions(objects="each", object_size=10)
        dataset = open_dataset(tmp_path, ("dog", "cat"), options)
        assert [sample.image_id for sample in dataset.samples] == ["b.png#1"]
        assert dataset.left_out == {
            "have an object that is marked as difficult": 2,
            "have an object of a class that the class map does not name ('cow')": 1,
            "have an object that is lower or narrower than 10 pixels": 1,
        }
        with pytest.raises(DataError, match="no photo with an object: 2 pictures have an object that is marked"):
            open_dataset(tmp_path, None, SourceOptions(objects="each", object_size=50))

    def test_what_is_a_row(self, tmp_path: Path) -> None:
        one = voc_object("dog", (1, 1, 40, 40))
        write_voc(tmp_path, "bad", [one, voc_object("dog", (20, 1, 9, 9))])
        write_voc(tmp_path, "large", [one], size=(10**9 - 1, 10**9 - 1))
        write_voc(tmp_path, "lost", [one], photo=None, size=None)
        write_voc(tmp_path, "other", [one], size=(41, 60))
        write_voc(tmp_path, "said", [one], photo=None)
        dataset = self._each(tmp_path)
        found = {sample.image_id: load(sample, GEOMETRY) for sample in dataset.samples}
        for name, status, says in (
            ("bad.png#1", SKIPPED, "object 2 ('dog') has the box 20,1,9,9, which has no area"),
            ("bad.png#2", SKIPPED, "object 2 ('dog')"),
            ("large.png#1", SKIPPED, "too many pixels: 999999999x999999999"),
            ("lost.jpg#1", SKIPPED, "cannot be opened: "),
            ("other.png#1", UNREADABLE, "the photo has 60x40, not 60x41 as its annotations say"),
            ("said.jpg#1", UNREADABLE, "cannot be opened: "),
        ):
            loaded = found.pop(name)
            assert loaded.status == status
            assert says in loaded.reason
        assert not found

    def test_a_photo_of_any_number_of_objects_is_not_drawn(self, tmp_path: Path) -> None:
        write_voc(tmp_path, "a", [voc_object("dog", (1, 1, 40, 40))] * (MOST_OBJECTS + 1))
        for options in (SourceOptions(), SourceOptions(objects="each")):
            samples = open_dataset(tmp_path, None, options).samples
            assert len(samples) == (1 if options.objects == "photo" else MOST_OBJECTS)
            assert {sample.skip for sample in samples} == {"its annotation holds more than 10,000 objects"}


class TestSets:
    def _write(self, root: Path) -> None:
        for stem in ("a", "b", "c", "with space"):
            write_voc(root, stem, [voc_object("dog", (1, 1, 9, 9))])
        for name, text in {
            "Main/val.txt": "c\nwith space\n\na\n",
            "Main/dog_val.txt": "a  1\nb -1\nc  0\n",
            "Segmentation/val.txt": "b\n",
            "Segmentation/only.txt": "b\n",
            "Main/lost.txt": "a\n../Annotations/b\n/etc/passwd\nz\n",
            "Main/empty.txt": "\n",
        }.items():
            (root / "ImageSets" / name).parent.mkdir(parents=True, exist_ok=True)
            (root / "ImageSets" / name).write_text(text)

    @pytest.mark.parametrize(
        ("split", "ids", "left"),
        [
            ("val", ["a", "c", "with space"], {}),
            ("Segmentation/val", ["b"], {}),
            ("only", ["b"], {}),
            ("dog_val", ["a", "c"], {"are marked with -1 in ImageSets/Main/dog_val.txt": 1}),
            ("lost", ["a"], {"have no annotation file": 3}),
        ],
    )
    def test_names(self, tmp_path: Path, split: str, ids: list[str], left: dict[str, int]) -> None:
        self._write(tmp_path)
        dataset = open_dataset(tmp_path, None, SourceOptions(split=split))
        assert [sample.image_id for sample in dataset.samples] == [f"{stem}.png" for stem in ids]
        assert dataset.left_out == left

    def test_the_pictures_of_each_set_are_counted(self, tmp_path: Path) -> None:
        """Those of one class, of other tasks and those that cannot be read are none that a user splits data by."""
        self._write(tmp_path)
        sets = tmp_path / "ImageSets"
        (sets / "Layout").mkdir()
        for name in ("Layout/val", "Main/cat_train", "Main/marked"):
            (sets / f"{name}.txt").write_text("a 1\n")
        (sets / "Main/broken.txt").write_bytes(b"\xff\xfe")
        (sets / "all.txt").write_text("a\na\nb\nc\n")
        for split in (None, "only"):
            dataset = open_dataset(tmp_path, None, SourceOptions(split=split))
            assert dataset.splits == {"all": 3, "lost": 4, "val": 3, "only": 1, "Segmentation/val": 1}
            for name, count in dataset.splits.items():
                read = open_dataset(tmp_path, None, SourceOptions(split=name))
                assert len(read.samples) + sum(read.left_out.values()) == count

    def test_errors(self, tmp_path: Path) -> None:
        write_voc(tmp_path, "a", [voc_object("dog", (1, 1, 9, 9))])
        with pytest.raises(DataError, match=r"no image set 'val'.*\n\nIt holds no image sets"):
            open_dataset(tmp_path, None, SourceOptions(split="val"))
        self._write(tmp_path)
        with pytest.raises(DataError, match=r"no image set 'test'.*\n\nIt has 'Main/dog_val', 'Main/empty'"):
            open_dataset(tmp_path, None, SourceOptions(split="test"))
        with pytest.raises(DataError, match="names no pictures"):
            open_dataset(tmp_path, None, SourceOptions(split="empty"))
        (tmp_path / "ImageSets/Main/val.txt").write_bytes(b"\xff\xfe\x00")
        with pytest.raises(DataError, match=r"cannot read the image set .*val.txt"):
            open_dataset(tmp_path, None, SourceOptions(split="val"))


class TestBad:
    def test_what_is_no_sample_is_counted(self, tmp_path: Path) -> None:
        write_voc(tmp_path, "good", [voc_object("dog", (1, 1, 9, 9)), voc_object("cat", (1, 1, 5, 5))])
        write_voc(tmp_path, "none", [])
        write_voc(tmp_path, "cow", [voc_object("cow", (1, 1, 9, 9)), voc_object("dog", (1, 1, 5, 5))])
        write_voc(tmp_path, "good", [voc_object("dog", (1, 1, 9, 9)), voc_object("cat", (1, 1, 5, 5))], photo=".jpg")
        for stem in ("cut", "cut2"):
            write_voc(tmp_path, stem, [voc_object("dog", (1, 1, 9, 9))])
            note = tmp_path / f"Annotations/{stem}.xml"
            note.write_bytes(note.read_bytes()[:-20])
        (tmp_path / "Annotations/note.txt").write_text("not of interest")
        (tmp_path / "JPEGImages/Thumbs.db").write_text("x")
        (tmp_path / "JPEGImages/alone.png").write_bytes((tmp_path / "JPEGImages/good.png").read_bytes())
        dataset = open_dataset(tmp_path, ("cat", "dog"))
        assert [sample.image_id for sample in dataset.samples] == ["good.jpg"]
        assert dataset.ignored_files == ("JPEGImages/Thumbs.db",)
        (broken,) = (reason for reason in dataset.left_out if "cannot be read" in reason)
        assert "Annotations/cut.xml: no valid XML: " in broken
        assert dataset.left_out == {
            "have the name of another picture, up to the suffix": 1,
            "have no annotation file": 1,
            "have no object": 1,
            "show a class that the class map does not name ('cow')": 1,
            broken: 2,
        }

    @pytest.mark.parametrize(
        ("objects", "says"),
        [
            ([voc_object("dog", (20, 1, 9, 9))], "object 1 ('dog') has the box 20,1,9,9, which has no area"),
            ([voc_object("dog", (61, 1, 70, 9))], "object 1 ('dog') has the box 61,1,70,9, which lies outside of the"),
            ([voc_object("dog", (-5, 1, 0, 9))], "outside of the picture of 40x60"),
            ([voc_object("dog", ("nan", 1, 9, 9))], "no finite number in xmin"),
            ([voc_object("dog", ("left", 1, 9, 9))], "no number in xmin, but 'left'"),
            (["<object><name>dog</name></object>"], "object 1 ('dog') has no bndbox"),
            (["<object><name>dog</name><bndbox/></object>"], "has no xmin"),
            ([voc_object(" ", (1, 1, 9, 9)), voc_object("dog", (1, 1, 9, 9))], "object 1 has no name"),
            ([voc_object("dog", (1, 1, 9, 9), more="<polygon><x1>1</x1><y1>2</y1></polygon>")], "needs 3"),
            ([voc_object("cat", (1, 1, 9, 9)), voc_object("dog", (5, 1, 4, 9))], "object 2 ('dog')"),
        ],
    )
    def test_an_object_that_cannot_be_is_a_row(self, tmp_path: Path, objects: list[str], says: str) -> None:
        write_voc(tmp_path, "a", objects)
        write_voc(tmp_path, "b", [voc_object("cat", (1, 1, 9, 9))])
        dataset = open_dataset(tmp_path, None)
        loaded = _loaded(dataset, "a.png")
        assert loaded.status == SKIPPED
        assert loaded.reason.startswith("its annotation cannot be true: ")
        assert says in loaded.reason
        assert _loaded(dataset, "b.png").status == OK

    def test_a_picture_that_is_missing_is_a_row(self, tmp_path: Path) -> None:
        write_voc(tmp_path, "a", [voc_object("dog", (1, 1, 9, 9))], photo=None)
        write_voc(tmp_path, "b", [voc_object("dog", (1, 1, 9, 9))])
        loaded = _loaded(open_dataset(tmp_path, None), "a.jpg")
        assert (loaded.status, "cannot be opened" in loaded.reason) == (UNREADABLE, True)

    def test_xml_that_declares_anything_is_not_read(self, tmp_path: Path) -> None:
        secret = tmp_path / "secret"
        secret.write_text("wolf")
        laughs = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 12))
        for stem, kind in {
            "outside": f'[<!ENTITY name SYSTEM "{secret.as_uri()}">]',
            "laughs": f'[<!ENTITY l0 "x">{laughs}<!ENTITY name "&l11;">]',
            "plain": "",
            "parameter": f'[<!ENTITY % all SYSTEM "{secret.as_uri()}"> %all;]',
        }.items():
            write_voc(tmp_path, stem, [voc_object("&name;" if kind else "dog", (1, 1, 9, 9))])
            note = tmp_path / f"Annotations/{stem}.xml"
            note.write_text(f"<!DOCTYPE annotation {kind}>{note.read_text()}")
        write_voc(tmp_path, "good", [voc_object("R&amp;D &#x41;", (1, 1, 9, 9))])
        dataset = open_dataset(tmp_path, None)
        assert dataset.class_names == ("R&D A",)
        ((reason, count),) = dataset.left_out.items()
        assert count == 4
        assert "declares a document type" in reason

    def test_errors(self, tmp_path: Path) -> None:
        (tmp_path / "JPEGImages").mkdir()
        (tmp_path / "SegmentationClass").mkdir()
        with pytest.raises(DataError, match="no XML files in Annotations/"):
            open_dataset(tmp_path, None)
        write_voc(tmp_path, "a", [])
        with pytest.raises(DataError, match="no photo with an object: 1 pictures have no object"):
            open_dataset(tmp_path, None)

    @pytest.mark.parametrize("below", ["VOC2012", "VOCdevkit/VOC2007", "VOCdevkit/VOC2012"])
    def test_a_folder_above_is_told(self, tmp_path: Path, below: str) -> None:
        write_voc(tmp_path / below, "a", [voc_object("dog", (1, 1, 9, 9))])
        (tmp_path / "TrainVal").mkdir()
        with pytest.raises(DataError, match=f"further down: {below}\n\nGive '.*{below}'"):
            open_dataset(tmp_path, None)
