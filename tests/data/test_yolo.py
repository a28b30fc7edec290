"""A data.yaml of YOLO -> samples: which pictures, their label files, class, foreground and void, and what cannot be."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from bias_audit.data.batches import Geometry, Loaded, load
from bias_audit.data.dataset import Dataset
from bias_audit.data.locations import read_location
from bias_audit.data.masks import BACKGROUND, FOREGROUND, VOID, MaskReading
from bias_audit.data.shapes import MOST_POINTS
from bias_audit.data.sources import open_dataset
from bias_audit.data.sources.objects import MOST_OBJECTS
from bias_audit.data.sources.options import SourceOptions
from bias_audit.data.sources.yolo_objects import read_labels
from bias_audit.errors import DataError
from bias_audit.run.statuses import OK, SKIPPED, UNREADABLE

SIZE = (40, 80)
GEOMETRY = Geometry(SIZE, 3, "stretch", "nearest", MaskReading())
TWO = "names: [cat, dog]\n"


def _write(root: Path, data: str, labels: dict[str, str | None], file: str = "data.yaml") -> Path:
    """Write a data.yaml, and for each picture (its name below the root) its label file; None = it has none."""
    root.mkdir(parents=True, exist_ok=True)
    (root / file).write_text(data)
    for name, text in labels.items():
        photo = root / name
        photo.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(len(name)).integers(0, 256, (*SIZE, 3), np.uint8)
        assert cv2.imwrite(str(photo), pixels)
        if text is not None:
            label = root / name.replace("images/", "labels/")
            label.parent.mkdir(parents=True, exist_ok=True)
            label.with_suffix(".txt").write_text(text)
    return root


def _read(root: Path, split: str | None = None, names: tuple[str, ...] | None = None) -> Dataset:
    return open_dataset(root, names, SourceOptions(split=split))


def _loaded(dataset: Dataset, image_id: str) -> Loaded:
    (sample,) = (sample for sample in dataset.samples if sample.image_id == image_id)
    return load(sample, GEOMETRY)


def _labels(dataset: Dataset) -> dict[str, str]:
    return {sample.image_id: dataset.class_names[sample.label] for sample in dataset.samples}


class TestObjects:
    def test_boxes_the_largest_makes_the_class_and_others_are_void(self, tmp_path: Path) -> None:
        # Of 40 x 80 pixels: columns 8..23 and rows 4..19; columns 40..79 and rows 20..39; columns 0..3 and rows 0..3.
        text = "0 0.2 0.3 0.2 0.4\n\n1 0.75 0.75 0.5 0.5\n1  0.025\t0.05 0.05 0.1\n"
        _write(tmp_path, TWO + "val: images/val\n", {"images/val/a.png": text, "images/val/b.png": "0 .5 .5 1 1"})
        dataset = _read(tmp_path)
        assert (dataset.source, dataset.class_names) == ("yolo", ("cat", "dog"))
        assert _labels(dataset) == {"images/val/a.png": "dog", "images/val/b.png": "cat"}
        loaded = _loaded(dataset, "images/val/a.png")
        expected = np.full(SIZE, BACKGROUND, np.uint8)
        expected[4:20, 8:24], expected[20:, 40:], expected[:4, :4] = VOID, FOREGROUND, FOREGROUND
        assert (loaded.status, loaded.mask_status, loaded.mask_kind) == (OK, OK, "box")
        assert np.array_equal(loaded.mask, expected)
        assert not any(sample.outlined for sample in dataset.samples)

    def test_polygons(self, tmp_path: Path) -> None:
        # An L: columns 8..39 and rows 10..29 without columns 24..39 of rows 10..19: 480 pixels; the box has 320.
        corners = "0.1 0.25 0.3 0.25 0.3 0.5 0.5 0.5 0.5 0.75 0.1 0.75"
        text = f"1 {corners}\n0 0.75 0.25 0.25 0.4\n"
        _write(tmp_path, TWO + "test: images\n", {"images/a.png": text})
        loaded = _loaded(_read(tmp_path), "images/a.png")
        expected = np.full(SIZE, BACKGROUND, np.uint8)
        expected[10:30, 8:40], expected[10:20, 24:40], expected[2:18, 50:70] = FOREGROUND, BACKGROUND, VOID
        assert loaded.mask_kind == "mask"
        assert np.array_equal(loaded.mask, expected)

    def test_areas_are_compared_across_boxes_and_polygons(self, tmp_path: Path) -> None:
        triangle = "0 0 0 1 0 0 1"  # half of the picture
        for area, winner in ((0.6, "dog"), (0.4, "cat")):
            _write(tmp_path, TWO + "val: images\n", {"images/a.png": f"{triangle}\n1 0.5 0.5 1 {area}\n"})
            assert _labels(_read(tmp_path)) == {"images/a.png": winner}

    def test_four_corners_everywhere_are_oriented_boxes(self, tmp_path: Path) -> None:
        oriented = "0 0.5 0 1 0.5 0.5 1 0 0.5\n"
        _write(tmp_path, TWO + "val: images\n", {"images/a.png": oriented, "images/b.png": oriented})
        assert _loaded(_read(tmp_path), "images/a.png").mask_kind == "box"
        _write(tmp_path, TWO + "val: images\n", {"images/c.png": "1 0 0 1 0 0 1\n"})
        dataset = _read(tmp_path)
        assert _loaded(dataset, "images/a.png").mask_kind == "mask"
        assert 0.4 < (_loaded(dataset, "images/a.png").mask == FOREGROUND).mean() < 0.6

    def test_key_points_are_left_out(self, tmp_path: Path) -> None:
        points = " ".join(["0.9 0.9 2"] * 3)
        pose = TWO + "kpt_shape: [3, 3]\nval: images\n"
        _write(tmp_path, pose, {"images/a.png": f"0 0.25 0.5 0.5 1 {points}\n"})
        loaded = _loaded(_read(tmp_path), "images/a.png")
        assert loaded.mask_kind == "box"
        assert np.array_equal(loaded.mask, np.repeat([[1] * 40 + [0] * 40], 40, axis=0))

    @pytest.mark.parametrize(
        ("line", "says"),
        [
            ("0 0.5 0.5 0.5", "4 numbers"),
            ("0 0.5 0.5 0.5 0.5 0.9", "6 numbers"),
            ("0 0.1 0.1 0.2 0.2 0.1 0.2 0.5", "8 numbers"),
            ("0 0.5 0.5 x 0.5", "no number: '0 0.5 0.5 x 0.5'"),
            ("0 0.5 0.5 nan 0.5", "not finite"),
            ("0 0.5 0.5 1e999 0.5", "not finite"),
            ("2 0.5 0.5 0.5 0.5", "has the class 2, and data.yaml names 2 from 0"),
            ("-1 0.5 0.5 0.5 0.5", "has the class -1"),
            ("0.5 0.5 0.5 0.5 0.5", "has the class 0.5"),
            ("0 320 200 40 40", "outside of 0..1: 320"),
            ("0 0.5 0.5 0.5 -0.2", "outside of 0..1: -0.2"),
            ("0 0.5 0.5 0.5 0", "without area"),
            ("0 0.5 0.5 0.5 -0.005", "without area"),
            ("0 0.1 0.1 0.5 0.5 0.9 0.9", "without area"),
            ("0 " + "0.5 " * 2 * (MOST_POINTS + 1), "more than 1,000,000 corners"),
        ],
    )
    def test_a_line_that_cannot_be(self, line: str, says: str) -> None:
        objects, problem = read_labels(f"0 0.5 0.5 1 1\n{line}\n1 0 0 9 9\n", ("cat", "dog"))
        assert [each.label for each in objects] == ["cat"]
        assert problem.startswith("its label file cannot be true: line 2 ")
        assert says in problem

    def test_what_is_written_oddly_but_clearly_is_read(self) -> None:
        objects, problem = read_labels("1.0 5e-1 .5 1.005 +1.\r\n", ("cat", "dog"))
        assert problem == ""
        assert [(each.label, round(each.area, 3)) for each in objects] == [("dog", 1.005)]

    def test_of_equally_large_objects_the_class_counts_that_comes_first(self, tmp_path: Path) -> None:
        lines = ["1 0.25 0.5 0.5 1", "0 0.75 0.5 0.5 1"]
        for text in ("\n".join(lines), "\n".join(lines[::-1])):
            _write(tmp_path, TWO + "val: images\n", {"images/a.png": text})
            assert _labels(_read(tmp_path, names=("dog", "cat"))) == {"images/a.png": "cat"}

    def test_a_photo_of_any_number_of_objects_is_not_drawn(self) -> None:
        objects, problem = read_labels("0 0.5 0.5 1 1\n" * (MOST_OBJECTS + 1), ("cat", "dog"))
        assert (len(objects), problem) == (MOST_OBJECTS, "its label file holds more than 10,000 objects")
        assert read_labels("0 0.5 0.5 1 1\n" * MOST_OBJECTS, ("cat", "dog"))[1] == ""


class TestEachObject:
    """Photos have 40 x 80 pixels (height x width)."""

    # Columns 8..23 and rows 4..19; columns 40..79 and rows 20..39; an L with columns 24..39 and rows 20..39 around it.
    BOX, CORNER = "0 0.2 0.3 0.2 0.4", "1 0.75 0.75 0.5 0.5"
    OUTLINE = "0 0.3 0.5 0.4 0.5 0.4 0.75 0.5 0.75 0.5 1 0.3 1"

    def _each(self, root: Path, size: int = 5, names: tuple[str, ...] | None = None) -> Dataset:
        return open_dataset(root, names, SourceOptions(objects="each", object_size=size))

    def test_every_object_is_a_crop(self, tmp_path: Path) -> None:
        text = f"{self.BOX}\n\n{self.CORNER}\n{self.OUTLINE}\n"
        _write(tmp_path, TWO + "val: images\n", {"images/a.png": text})
        dataset = self._each(tmp_path)
        assert _labels(dataset) == {"images/a.png#1": "cat", "images/a.png#3": "dog", "images/a.png#4": "cat"}
        assert (dataset.columns, dataset.left_out) == (("photo",), {})
        void = np.full(SIZE, BACKGROUND, np.uint8)
        void[4:20, 8:24], void[20:, 40:], void[20:, 24:40] = VOID, VOID, VOID
        void[20:30, 32:40] = BACKGROUND
        photo = cv2.imread(str(tmp_path / "images/a.png"))
        # A fifth of 16 is 3.2; of 40 it is 8, of 20 it is 4.
        for number, window, kind, own in (
            (1, np.s_[0:24, 4:28], "box", np.s_[4:20, 8:24]),
            (3, np.s_[16:40, 32:80], "box", np.s_[20:40, 40:80]),
            (4, np.s_[16:40, 20:44], "mask", np.s_[20:40, 24:40]),
        ):
            (sample,) = (each for each in dataset.samples if each.image_id == f"images/a.png#{number}")
            crop = cv2.imdecode(np.frombuffer(read_location(sample.path), np.uint8), cv2.IMREAD_UNCHANGED)
            assert np.array_equal(crop, photo[window])
            expected = void.copy()
            expected[own] = np.where(void[own] == VOID, FOREGROUND, BACKGROUND)
            loaded = load(sample, Geometry(crop.shape[:2], 3, "stretch", "nearest", MaskReading()))
            assert (loaded.status, loaded.mask_status, loaded.mask_kind) == (OK, OK, kind)
            assert np.array_equal(loaded.mask, expected[window])
            assert sample.columns == {"photo": "images/a.png"}

    def test_oriented_boxes_stay_boxes(self, tmp_path: Path) -> None:
        _write(tmp_path, TWO + "val: images\n", {"images/a.png": "0 0.5 0 1 0.5 0.5 1 0 0.5\n"})
        (sample,) = self._each(tmp_path).samples
        assert sample.mask.kind == "box"

    def test_what_is_left_out_and_what_is_a_row(self, tmp_path: Path) -> None:
        files = {
            "images/a.png": f"{self.BOX}\n{self.CORNER}\n1 .5 .5 .1 1\n",
            "images/bad.png": f"{self.BOX}\n1 .5 .5 7 1\n{self.CORNER}\n",
            "images/gone.png": self.BOX,
            "images/none.png": "",
        }
        _write(tmp_path, "names: [cat, dog]\nval: list.txt\n", files)
        (tmp_path / "images/gone.png").unlink()
        (tmp_path / "list.txt").write_text("\n".join(files))
        dataset = self._each(tmp_path, 10, ("dog", "cow"))
        assert [sample.image_id for sample in dataset.samples] == ["images/a.png#2", "images/bad.png#3"]
        assert dataset.left_out == {
            "have no object": 1,
            "have an object of a class that the class map does not name ('cat')": 3,
            "have an object that is lower or narrower than 10 pixels": 1,
        }
        dataset = self._each(tmp_path)
        reasons = {sample.image_id: load(sample, GEOMETRY).reason for sample in dataset.samples}
        assert reasons["images/bad.png#1"] == reasons["images/bad.png#3"]
        assert reasons["images/bad.png#1"].startswith("its label file cannot be true: line 2 ")
        assert reasons["images/gone.png#1"].startswith("cannot be opened: ")
        assert reasons["images/a.png#3"] == ""

    def test_the_photo_must_stay_what_it_was(self, tmp_path: Path) -> None:
        _write(tmp_path, TWO + "val: images\n", {"images/a.png": self.BOX})
        (sample,) = self._each(tmp_path).samples
        assert cv2.imwrite(str(tmp_path / "images/a.png"), np.zeros((41, 80, 3), np.uint8))
        loaded = load(sample, GEOMETRY)
        assert (loaded.status, "not 80x40" in loaded.reason) == (UNREADABLE, True)
        with pytest.raises(DataError, match=r"no picture with an object .*: 1 pictures have an object that is lower"):
            self._each(tmp_path, 33)


class TestLayout:
    def test_without_a_split_test_goes_before_val_if_it_has_labels(self, tmp_path: Path) -> None:
        data = TWO + "train: images/train\nval: images/val\ntest: images/test\n"
        one = "0 .5 .5 1 1"
        files = {f"images/{part}/{n}.png": one for part, count in (("train", 3), ("val", 2)) for n in range(count)}
        _write(tmp_path, data, files)
        assert [*_labels(_read(tmp_path))] == ["images/val/0.png", "images/val/1.png"]
        _write(tmp_path, data, {"images/test/9.png": None})
        val = _read(tmp_path)
        assert [*_labels(val)] == ["images/val/0.png", "images/val/1.png"]
        assert val.left_out == {"are of other parts than val, which was read (1 of test, 3 of train)": 4}
        _write(tmp_path, data, {"images/test/8.png": one})
        test = _read(tmp_path)
        assert [*_labels(test)] == ["images/test/8.png"]
        assert test.left_out == {
            "are of other parts than test, which was read (2 of val, 3 of train)": 5,
            "have no label file": 1,
        }
        assert (val.splits, test.splits) == ({"val": 2, "test": 1, "train": 3}, {"test": 2, "val": 2, "train": 3})
        assert len(_read(tmp_path, "train").samples) == 3

    @pytest.mark.parametrize("path", ["", "path: .\n", "path: ../elsewhere\n", "path: /no/such\n", "path: coco8\n"])
    def test_a_path_that_is_not_there_is_the_folder_itself(self, tmp_path: Path, path: str) -> None:
        _write(tmp_path, TWO + path + "val: images/val\n", {"images/val/a.png": "0 .5 .5 1 1"})
        assert [*_labels(_read(tmp_path))] == ["images/val/a.png"]

    def test_ids_are_names_below_the_path(self, tmp_path: Path) -> None:
        for root, data in (
            (tmp_path / "deeper", TWO + "path: sub\nval: images/val\n"),
            (tmp_path / "wolves", TWO + "path: sub/images\nval: val\n"),
        ):
            _write(root, data, {"sub/images/val/a.png": "0 .5 .5 1 1"})
        assert [*_labels(_read(tmp_path / "deeper"))] == ["images/val/a.png"]
        assert [*_labels(_read(tmp_path / "wolves"))] == ["val/a.png"]

    def test_as_roboflow_writes_it(self, tmp_path: Path) -> None:
        data = "train: ../train/images\nval: ../valid/images\ntest: ../test/images\nnc: 2\nnames: ['cat', 'dog']\n"
        _write(tmp_path, data, {"valid/images/a.jpg": "1 .5 .5 1 1", "train/images/b.jpg": "0 .5 .5 1 1"})
        assert _labels(_read(tmp_path)) == {"valid/images/a.jpg": "dog"}

    def test_lists_of_pictures_and_several_of_them(self, tmp_path: Path) -> None:
        one = "0 .5 .5 1 1"
        files = dict.fromkeys(("images/a/1.png", "images/a/2.png", "images/b/3.png", "images/b/4.png"), one)
        _write(tmp_path, TWO + "val: [images/a, lists/more.txt]\n", files)
        (tmp_path / "lists").mkdir()
        lines = f"../images/b/3.png\n{tmp_path}/images/a/2.png\n\n../images/b/lost.png\n"
        (tmp_path / "lists/more.txt").write_text(lines)
        (tmp_path / "labels/b/lost.txt").write_text(one)
        dataset = _read(tmp_path)
        assert [*_labels(dataset)] == ["images/a/1.png", "images/a/2.png", "images/b/3.png", "images/b/lost.png"]
        assert _loaded(dataset, "images/b/lost.png").status == UNREADABLE

    @pytest.mark.parametrize("folder", ["photos", "."])
    def test_without_a_folder_images_labels_lie_beside(self, tmp_path: Path, folder: str) -> None:
        _write(tmp_path, TWO + f"val: {folder}\n", {f"{folder}/a.b.png": "1 .5 .5 1 1"})
        assert [*_labels(_read(tmp_path)).values()] == ["dog"]

    def test_names_by_number_and_names_that_yaml_takes_for_something_else(self, tmp_path: Path) -> None:
        data = "names:\n  1: no\n  0: 010\n  2: 2024-01-01\nnc: 3\nval: images\ntest:\n"
        _write(tmp_path, data, {"images/a.png": "1 .5 .5 1 1"}, "dataset.yaml")
        for place in (tmp_path, tmp_path / "dataset.yaml"):
            assert _read(place).class_names == ("010", "no", "2024-01-01")

    def test_a_class_map_leaves_out_and_orders(self, tmp_path: Path) -> None:
        files = {f"images/{n}.png": f"{n} .5 .5 1 1" for n in range(3)}
        _write(tmp_path, "names: [cat, dog, cow]\nval: images\n", files)
        dataset = _read(tmp_path, names=("dog", "cat"))
        assert [sample.label for sample in dataset.samples] == [1, 0]
        assert dataset.left_out == {"show a class that the class map does not name ('cow')": 1}


class TestBad:
    def test_what_is_a_row_and_what_is_counted(self, tmp_path: Path) -> None:
        one = "0 .5 .5 1 1\n"
        files = {
            "images/bad.png": f"{one}1 .5 .5 7 1\n",
            "images/broken.png": "not a label\n",
            "images/empty.png": "\n",
            "images/good.png": one,
            "images/none.png": None,
            "images/worse.png": "7 .5 .5 1 1\n",
        }
        _write(tmp_path, TWO + "val: images\n", files)
        (tmp_path / "images/notes.md").write_text("x")
        (tmp_path / "images/bytes.png").write_bytes(b"x")
        (tmp_path / "labels/bytes.txt").write_bytes(b"\xff\xfe0 1")
        dataset = _read(tmp_path)
        assert [*_labels(dataset)] == ["images/bad.png", "images/good.png"]
        loaded = _loaded(dataset, "images/bad.png")
        assert (loaded.status, loaded.reason) == (
            SKIPPED,
            "its label file cannot be true: line 2 has a coordinate outside of 0..1: 7",
        )
        (unread,) = (reason for reason in dataset.left_out if "cannot be read" in reason)
        assert unread.startswith("have a label file that cannot be read (labels/broken.txt: its label file cannot")
        assert dataset.left_out == {"have no object": 1, "have no label file": 1, unread: 3}

    @pytest.mark.parametrize(
        ("data", "says"),
        [
            ("", "has no names"),
            ("- a\n", "has no names"),
            ("val: images\n", "has no names"),
            ("names: cat\nval: images\n", "no list of names"),
            ("names: []\nval: images\n", "no list of names"),
            ("names: [cat, '']\nval: images\n", "no list of names"),
            ("names: [cat, [dog]]\nval: images\n", "no list of names"),
            ("names: [cat, cat]\nval: images\n", "names a class twice: 'cat'"),
            ("names: {1: cat, 2: dog}\nval: images\n", "numbers its names in another way than from 0 to 1"),
            ("names: {cat: 0, dog: 1}\nval: images\n", "numbers its names in another way"),
            (TWO + "nc: 3\nval: images\n", "names 2 classes, but says that there are nc: 3"),
            (TWO + "val: {a: b}\n", "val is neither a folder"),
            (TWO, "neither as test nor as val"),
            (TWO + "val: nowhere\n", "neither as test nor as val"),
            (TWO + "val: ../../outside/images\n", "leaves the folder"),
            (TWO + "val: /etc\n", "leaves the folder"),
            (TWO + "val: list.txt\n", "list.txt' line 2: '../secret.png' leaves the folder"),
            ("a: &x [1]\nb: [*x, *x]\n", "line 2 repeats another part by an alias"),
            ("names: [cat\n", "is not valid YAML: line "),
            ("names: [cat, dog]\nnames: [dog, cat]\n", "line 2 has the key 'names' a second time"),
            ("[" * 3000, "lie more than 100 deep"),
            ("\x07", "is not valid YAML: "),
        ],
    )
    def test_a_data_yaml_that_cannot_be(self, tmp_path: Path, data: str, says: str) -> None:
        _write(tmp_path / "data", data, {"images/a.png": "0 .5 .5 1 1"})
        (tmp_path / "data/list.txt").write_text("images/a.png\n../secret.png\n")
        with pytest.raises(DataError) as caught:
            _read(tmp_path / "data")
        assert says in caught.value.message
        assert "\n" not in caught.value.message

    def test_no_such_part(self, tmp_path: Path) -> None:
        _write(tmp_path, TWO + "val: images\ntest: nowhere\n", {"images/a.png": "0 .5 .5 1 1"})
        with pytest.raises(DataError, match=r"no part 'train'\n\nIt has 'test', 'val'"):
            _read(tmp_path, "train")
        with pytest.raises(DataError, match="leads to no pictures: its part 'test' is 'nowhere'"):
            _read(tmp_path, "test")

    def test_a_file_of_any_size_is_not_read(self, tmp_path: Path) -> None:
        _write(tmp_path, TWO + "val: images\n" + "#" * 400_001, {"images/a.png": "0 .5 .5 1 1"})
        with pytest.raises(DataError, match="larger than 400,000 bytes"):
            _read(tmp_path)

    def test_it_leaves_its_folder_only_where_that_is_allowed(self, tmp_path: Path) -> None:
        _write(tmp_path / "there", "", {"images/val/a.png": "0 .5 .5 1 1"}, "unused.yaml")
        one = _write(tmp_path / "path", TWO + f"path: {tmp_path}/there\nval: images/val\n", {})
        two = _write(tmp_path / "part", TWO + f"val: {tmp_path}/there/images/val\n", {})
        three = _write(tmp_path / "list", TWO + "val: list.txt\n", {})
        (three / "list.txt").write_text(f"{tmp_path}/there/images/val/a.png")
        outside = (tmp_path / "there/images/val/a.png").resolve()
        for root, image_id in ((one, "images/val/a.png"), (two, str(outside)), (three, str(outside))):
            with pytest.raises(DataError):
                _read(root)
            dataset = open_dataset(root, None, SourceOptions(outside=True))
            (sample,) = dataset.samples
            assert (sample.image_id, sample.path) == (image_id, outside)
            assert load(sample, GEOMETRY).mask_status == OK

    def test_a_link_does_not_lead_out(self, tmp_path: Path) -> None:
        _write(tmp_path / "there", "", {"images/a.png": "0 .5 .5 1 1"}, "unused.yaml")
        root = _write(tmp_path / "data", TWO + "val: images\n", {})
        (root / "images").symlink_to(tmp_path / "there/images")
        with pytest.raises(DataError, match="leaves the folder"):
            _read(root)
