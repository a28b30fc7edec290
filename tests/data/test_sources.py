"""Folders and tables -> samples: the files, labels and order of Keras, and one clear sentence for each bad input."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd
import pytest

from bias_audit.data.dataset import Dataset
from bias_audit.data.sources import open_dataset
from bias_audit.data.sources.attach import attach_boxes, attach_masks
from bias_audit.data.sources.options import SourceOptions
from bias_audit.data.sources.table import parse_boxes, read_records
from bias_audit.errors import DataError


def _touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")


def _table(folder: Path, text: str, name: str = "photos.csv") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / name
    file.write_bytes(text.encode())
    return file


def _refused(action, *says: str) -> DataError:
    """The action ends in a DataError whose one sentence says all of `says`."""
    with pytest.raises(DataError) as caught:
        action()
    for part in says:
        assert part in str(caught.value)
    assert "\n" not in caught.value.message
    return caught.value


class TestFolder:
    @pytest.mark.heavy
    def test_same_files_labels_and_order_as_keras(self, tmp_path: Path) -> None:
        from keras.src.utils.dataset_utils import index_directory

        _touch(
            tmp_path,
            "wolf/10.jpg", "wolf/9.jpg", "wolf/UPPER.JPG", "wolf/deep/er/a.png", "wolf/deep.gif", "wolf/z.bmp",
            "Husky/b.JPEG", "Husky/ä.jpeg", "Husky/.hidden.jpg", "Husky/.dir/c.png", "Husky/no_extension",
            "husky lower/1.jpg", ".hidden/1.jpg", "wolf/x.webp", "wolf/y.TIFF", "wolf/README.txt", "loose.jpg",
        )  # fmt: skip
        files, labels, names = index_directory(
            str(tmp_path), "inferred", (".bmp", ".gif", ".jpeg", ".jpg", ".png"), shuffle=False, verbose=False
        )
        dataset = open_dataset(tmp_path, None)
        read = [sample for sample in dataset.samples if not sample.skip]
        assert dataset.class_names == tuple(names) == ("Husky", "husky lower", "wolf")
        assert [str(sample.path) for sample in read] == files
        assert [sample.label for sample in read] == list(labels)

    @pytest.mark.heavy
    def test_agrees_with_the_public_keras_function(self, photo_folder: Path) -> None:
        import keras

        (photo_folder / "wolf" / "sub").mkdir()
        (photo_folder / "wolf" / "2.jpg").rename(photo_folder / "wolf" / "sub" / "UP.JPG")
        expected = keras.utils.image_dataset_from_directory(photo_folder, shuffle=False, verbose=False)
        dataset = open_dataset(photo_folder, None)
        assert [str(sample.path) for sample in dataset.samples] == expected.file_paths
        assert list(dataset.class_names) == expected.class_names

    def test_other_formats_are_skipped_samples_and_other_files_are_listed(self, tmp_path: Path) -> None:
        _touch(tmp_path, "a/1.jpg", "a/2.webp", "a/3.tiff", "b/Thumbs.db", "b/._4.jpg", "b/5.png")
        dataset = open_dataset(tmp_path, None)
        skipped = {sample.image_id: sample.skip for sample in dataset.samples if sample.skip}
        assert set(skipped) == {"a/2.webp", "a/3.tiff"}
        assert "image_dataset_from_directory" in skipped["a/2.webp"]
        assert set(dataset.ignored_files) == {"b/Thumbs.db", "b/._4.jpg"}

    def test_class_map_order_goes_before_the_alphabet(self, tmp_path: Path) -> None:
        _touch(tmp_path, "cat/1.jpg", "dog/2.jpg")
        dataset = open_dataset(tmp_path, ("dog", "cat"))
        assert {sample.image_id: sample.label for sample in dataset.samples} == {"cat/1.jpg": 1, "dog/2.jpg": 0}

    def test_a_name_that_is_no_utf8_is_escaped(self, tmp_path: Path) -> None:
        (tmp_path / "a").mkdir()
        try:
            Path(str(tmp_path / "a") + "/\udcff.jpg").write_bytes(b"x")
        except OSError:
            pytest.skip("this file system takes UTF-8 names only")
        (sample,) = open_dataset(tmp_path, None).samples
        assert sample.image_id == "a/\\udcff.jpg"
        assert sample.path.read_bytes() == b"x"

    def test_errors(self, tmp_path: Path) -> None:
        _refused(lambda: open_dataset(tmp_path / "nothing", None), "no data at", "nothing")
        _refused(lambda: open_dataset(tmp_path, None), "no class folders", "nothing to read", "one folder per class")
        _touch(tmp_path, "1.jpg", "2.jpg")
        _refused(lambda: open_dataset(tmp_path, None), "2 images directly inside")
        _refused(lambda: open_dataset(tmp_path / "1.jpg", None), "no data set of a kind", "CSV")
        _touch(tmp_path, "wolf/notes.txt")
        _refused(lambda: open_dataset(tmp_path, None), "no images", ".jpeg")
        _touch(tmp_path, "wolf/1.jpg", "fox/1.jpg")
        _refused(lambda: open_dataset(tmp_path, ("wolf", "dog")), "'fox'", "'wolf', 'dog'")
        _refused(lambda: open_dataset(tmp_path, None, SourceOptions(split="test")), "--split", "table")


class TestTable:
    @pytest.mark.parametrize("suffix", [".csv", ".parquet"])
    def test_labels_stay_text_and_user_columns_are_kept(self, tmp_path: Path, suffix: str) -> None:
        frame = pd.DataFrame(
            {
                "image": ["b.jpg", "a.jpg"],
                "label": ["007", "7"],
                "box": ["1,2,3.5,4;5,6,7,8", None],
                "mask": [None, "masks/a.png"],
                "age": [4, 5],
                "site": ["Köln", "Łódź"],
            }
        )
        file = tmp_path / f"t{suffix}"
        frame.to_csv(file, index=False) if suffix == ".csv" else frame.to_parquet(file)
        dataset = open_dataset(file, None)
        assert dataset.class_names == ("007", "7")
        assert dataset.columns == ("age", "site")
        first, second = dataset.samples  # sorted by image_id, whatever the order of rows
        assert (first.image_id, first.label, first.columns) == ("a.jpg", 1, {"age": 5, "site": "Łódź"})
        assert first.mask == tmp_path / "masks/a.png"
        assert first.boxes == ()
        assert second.boxes == ((1.0, 2.0, 3.5, 4.0), (5.0, 6.0, 7.0, 8.0))
        assert second.mask is None
        assert second.path == tmp_path / "b.jpg"

    @pytest.mark.parametrize("suffix", [".csv", ".parquet"])
    def test_labels_that_are_numbers_are_outputs(self, tmp_path: Path, suffix: str) -> None:
        """In the order of their digits 10 would come before 9, and each be taken for the other's output."""
        frame, file = pd.DataFrame({"image": ["a.jpg", "b.jpg"], "label": [10, 9]}), tmp_path / f"t{suffix}"
        frame.to_csv(file, index=False) if suffix == ".csv" else frame.to_parquet(file)
        dataset = open_dataset(file, None)
        assert dataset.class_names == tuple(map(str, range(11)))
        assert [sample.label for sample in dataset.samples] == [10, 9]

    def test_numbers_are_what_the_class_map_says(self, tmp_path: Path) -> None:
        file = _table(tmp_path, "image,label\na.jpg,152\nb.jpg,281\n")
        options = SourceOptions(class_map=(("cat", (281, 282)), ("dog", (151, 152))))
        dataset = open_dataset(file, ("cat", "dog"), options)
        assert [dataset.class_names[sample.label] for sample in dataset.samples] == ["dog", "cat"]

    def test_a_class_may_be_called_na_or_null(self, tmp_path: Path) -> None:
        file = _table(tmp_path, "image,label\na.jpg,NA\nb.jpg,null\nc.jpg,nan\n")
        assert open_dataset(file, None).class_names == ("NA", "nan", "null")

    def test_split_keeps_its_rows_only(self, tmp_path: Path) -> None:
        file = _table(tmp_path, "image,label,split\na.jpg,x,train\nb.jpg,y,test\n")
        assert [sample.image_id for sample in open_dataset(file, None, SourceOptions(split="test")).samples] == [
            "b.jpg"
        ]
        _refused(lambda: open_dataset(file, None, SourceOptions(split="val")), "'val'", "'test', 'train'")
        plain = _table(tmp_path, "image,label\na.jpg,x\n", "plain.csv")
        _refused(lambda: open_dataset(plain, None, SourceOptions(split="val")), "no column 'split'")

    def test_windows_separators_quotes_and_byte_order_mark(self, tmp_path: Path) -> None:
        file = _table(tmp_path, '\ufeffimage,label\r\n"wolf\\1.jpg",wolf\r\n"a ""b"",c.jpg",fox\r\n"x\ny.jpg",fox\r\n')
        ids = [sample.image_id for sample in open_dataset(file, None).samples]
        assert ids == ['a "b",c.jpg', "wolf/1.jpg", "x\ny.jpg"]

    @pytest.mark.parametrize("path", ["../secret.jpg", "/etc/passwd", "a/../../secret.jpg", "..\\secret.jpg"])
    def test_a_path_must_not_leave_the_folder_unless_allowed(self, tmp_path: Path, path: str) -> None:
        file = _table(tmp_path / "data", f"image,label\nok.jpg,x\n{path},x\n")
        _refused(lambda: open_dataset(file, None), "row 3", "leaves the folder", "--allow-outside")
        ids = [sample.image_id for sample in open_dataset(file, None, SourceOptions(outside=True)).samples]
        assert len(ids) == 2
        assert any(Path(name).is_absolute() for name in ids)

    def test_a_symbolic_link_does_not_lead_out(self, tmp_path: Path) -> None:
        (tmp_path / "data").mkdir()
        (tmp_path / "data" / "link").symlink_to(tmp_path)
        file = _table(tmp_path / "data", "image,label\nlink/secret.jpg,x\n")
        _refused(lambda: open_dataset(file, None), "row 2", "leaves the folder")

    def test_a_mask_must_not_leave_the_folder_either(self, tmp_path: Path) -> None:
        file = _table(tmp_path / "data", "image,label,mask\na.jpg,x,../m.png\n")
        _refused(lambda: open_dataset(file, None), "row 2", "'../m.png'", "leaves the folder")

    @pytest.mark.parametrize(
        ("text", "says"),
        [
            ("image,label\n", ["no rows"]),
            ("", ["cannot read the table"]),
            ("image,class\na.jpg,x\n", ["no column 'label'", "'class'"]),
            ("image;label\na.jpg;x\n", ["no column 'image'", "'image;label'"]),
            ("image,label\na.jpg,x\nb.jpg,\n", ["row 3", "no label", "'b.jpg'"]),
            ("image,label\n,x\n", ["row 2", "no image path"]),
            ("image,label\na.jpg,x\nb.jpg,x\n./a.jpg,x\n", ["row 4", "'a.jpg'", "twice"]),
            ("image,label,box\na.jpg,x,\"1,2,3\"\n", ["row 2", "four numbers"]),
            ("image,label,box\na.jpg,x,\"1,2,wide,4\"\n", ["row 2", "four numbers"]),
            ("image,label,box\na.jpg,x,\"5,2,1,4\"\n", ["row 2", "no area", "5,2,1,4"]),
            ("image,label,box\na.jpg,x,\"0,0,nan,4\"\n", ["row 2", "box"]),
            ("image,label,box\na.jpg,x,\"0,0,inf,4\"\n", ["row 2", "box"]),
            ("image,label\na.jpg,x\nb.jpg,x,extra\n", ["cannot read the table"]),
            ("image,label\na\0.jpg,x\n", ["row 2", "zero byte"]),
            ("image,label,label\na.jpg,x,y\n", ["more than one column", "'label'"]),
        ],
    )  # fmt: skip
    def test_errors_name_file_and_row(self, tmp_path: Path, text: str, says: list[str]) -> None:
        file = _table(tmp_path, text)
        _refused(lambda: open_dataset(file, None), "photos.csv", *says)

    def test_errors_of_the_file_itself(self, tmp_path: Path) -> None:
        _refused(lambda: open_dataset(_table(tmp_path, "PAR1 no", "t.parquet"), None), "cannot read", "t.parquet")
        latin = tmp_path / "latin.csv"
        latin.write_bytes("image,label\na.jpg,Bär\n".encode("latin-1"))
        _refused(lambda: open_dataset(latin, None), "cannot read the table", "latin.csv")
        good = _table(tmp_path, "image,label\na.jpg,x\n")
        _refused(lambda: open_dataset(good, ("y",)), "class map does not name", "'x'")

    def test_rows_are_counted_as_an_editor_does(self, tmp_path: Path) -> None:
        assert [record["#row"] for record in read_records(_table(tmp_path, "image,label\na,b\nc,d\n"))] == [2, 3]


class TestBoxes:
    def test_by_hand(self) -> None:
        assert parse_boxes(None, "") == parse_boxes("", "") == parse_boxes(" ; ", "") == ()
        assert parse_boxes("0 0 2 3", "") == ((0.0, 0.0, 2.0, 3.0),)
        assert parse_boxes("0, 0, 2, 3 ;1,1,2,2;", "") == ((0.0, 0.0, 2.0, 3.0), (1.0, 1.0, 2.0, 2.0))
        assert all(math.isfinite(value) for box in parse_boxes("-1,-1,5,5", "") for value in box)

    def test_one_row_per_box_adds_to_the_column(self, tmp_path: Path) -> None:
        file = _table(tmp_path, 'image,label,box\na/1.jpg,x,"0,0,1,1"\nb.jpg,y,\n')
        rows = "image,x_min,y_min,x_max,y_max\na\\1.jpg,2,2,3,3\na/1.jpg,4,4,5,5\nz,0,0,1,1\n"
        boxes = _table(tmp_path, rows, "boxes.csv")
        first, second = attach_boxes(open_dataset(file, None), boxes).samples
        assert first.boxes == ((0, 0, 1, 1), (2, 2, 3, 3), (4, 4, 5, 5))
        assert second.boxes == ()

    @pytest.mark.parametrize(
        ("text", "says"),
        [
            ("image,x,y\na.jpg,1,2\n", ["needs the columns", "x_min", "'x'"]),
            ("image,x_min,y_min,x_max,y_max\n", ["needs the columns", "no rows"]),
            ("image,x_min,y_min,x_max,y_max\nq.jpg,0,0,1,1\n", ["no row", "matches", "'q.jpg'", "'a.jpg'"]),
            ("image,x_min,y_min,x_max,y_max\na.jpg,0,0,1,1\na.jpg,3,0,1,1\n", ["row 3", "no area"]),
            ("image,x_min,y_min,x_max,y_max\na.jpg,0,,1,1\n", ["row 2", "four numbers"]),
        ],
    )
    def test_errors(self, tmp_path: Path, text: str, says: list[str]) -> None:
        dataset = open_dataset(_table(tmp_path, "image,label\na.jpg,x\n"), None)
        boxes = _table(tmp_path, text, "boxes.csv")
        _refused(lambda: attach_boxes(dataset, boxes), "boxes.csv", *says)


class TestMasks:
    def _masks(self, dataset: Dataset) -> dict[str, str | None]:
        return {sample.image_id: sample.mask and sample.mask.name for sample in dataset.samples}

    def test_same_tree_and_stem(self, photo_folder: Path, mask_folder: Path) -> None:
        dataset = attach_masks(open_dataset(photo_folder, None), mask_folder)
        for sample in dataset.samples:
            assert sample.mask == mask_folder / sample.image_id.replace(".jpg", ".png")

    def test_a_picture_without_mask_stays_without(self, photo_folder: Path, mask_folder: Path) -> None:
        (mask_folder / "wolf" / "1.png").unlink()
        masks = self._masks(attach_masks(open_dataset(photo_folder, None), mask_folder))
        assert masks.pop("wolf/1.jpg") is None
        assert None not in masks.values()

    def test_lossless_masks_go_before_jpeg_and_dots_belong_to_the_stem(self, tmp_path: Path) -> None:
        _touch(tmp_path, "photos/a/x.1.jpg", "photos/a/x.2.jpg", "photos/b/1.png")
        _touch(tmp_path, "masks/a/x.1.jpg", "masks/a/x.1.png", "masks/a/x.2.GIF", "masks/a/x.png", "masks/1.png")
        masks = self._masks(attach_masks(open_dataset(tmp_path / "photos", None), tmp_path / "masks"))
        assert masks == {"a/x.1.jpg": "x.1.png", "a/x.2.jpg": "x.2.GIF", "b/1.png": None}

    def test_the_mask_column_goes_before_the_folder(self, tmp_path: Path) -> None:
        _touch(tmp_path, "masks/a.png", "masks/b.png")
        file = _table(tmp_path, "image,label,mask\na.jpg,x,own.png\nb.jpg,x,\n")
        assert self._masks(attach_masks(open_dataset(file, None), tmp_path / "masks")) == {
            "a.jpg": "own.png",
            "b.jpg": "b.png",
        }

    def test_errors(self, photo_folder: Path, tmp_path: Path) -> None:
        dataset = open_dataset(photo_folder, None)
        _refused(lambda: attach_masks(dataset, tmp_path / "none"), "no mask folder", "none")
        _touch(tmp_path, "empty/readme.txt")
        _refused(lambda: attach_masks(dataset, tmp_path / "empty"), "holds no masks", ".png")
        _touch(tmp_path, "other/wolf/w0.png")
        _refused(
            lambda: attach_masks(dataset, tmp_path / "other"), "none of the 1 masks", "'wolf/w0.png' for 'wolf/0.jpg'"
        )


class TestFingerprint:
    def test_changes_with_what_is_listed_and_only_then(self, photo_folder: Path, mask_folder: Path) -> None:
        def fingerprint() -> str:
            return attach_masks(open_dataset(photo_folder, None), mask_folder).fingerprint()

        before = fingerprint()
        assert fingerprint() == before
        mask = mask_folder / "wolf" / "0.png"
        mask.write_bytes(mask.read_bytes() + b" ")
        changed_mask = fingerprint()
        (photo_folder / "wolf" / "0.jpg").unlink()
        assert len({before, changed_mask, fingerprint()}) == 3
