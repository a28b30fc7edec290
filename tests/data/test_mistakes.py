"""Data that were given in a way that cannot be read: one sentence says what is meant, judged by names."""

from __future__ import annotations

from pathlib import Path

import pytest

from bias_audit.data.sources import open_dataset
from bias_audit.data.sources.attach import attach_masks
from bias_audit.errors import DataError


def touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")
    return root


def refused(root: Path, *class_names: str) -> DataError:
    with pytest.raises(DataError) as caught:
        open_dataset(root, class_names or None)
    assert "\n" not in caught.value.message
    return caught.value


@pytest.mark.parametrize(
    ("folders", "named"),
    [
        (("train", "test"), "test"),
        (("train", "val"), "val"),
        (("Training", "Validation"), "Validation"),
        (("train",), "train"),
        (("train", "eval"), "eval"),
    ],
)
def test_the_parts_of_a_data_set_are_no_classes(tmp_path: Path, folders: tuple[str, ...], named: str) -> None:
    touch(tmp_path, *(f"{folder}/{name}/1.jpg" for folder in folders for name in ("husky", "wolf")))
    said = refused(tmp_path)
    assert "parts of a data set" in said.message
    assert said.hint == f"Give one of them: {str(tmp_path / named)!r}, or name it: --split {named}."
    assert open_dataset(tmp_path, tuple(sorted(folders))).class_names == tuple(sorted(folders))  # a class map knows


def test_classes_that_are_called_so_are_classes(tmp_path: Path) -> None:
    """A tram and a train; or pictures without any folder in "train" and "test"."""
    touch(tmp_path / "trains", "train/1.jpg", "tram/1.jpg")
    assert open_dataset(tmp_path / "trains", None).class_names == ("train", "tram")
    touch(tmp_path / "flat", "train/1.jpg", "test/1.jpg")
    assert open_dataset(tmp_path / "flat", None).class_names == ("test", "train")


def test_pictures_beside_their_masks_are_no_classes(tmp_path: Path) -> None:
    plain = touch(tmp_path / "plain", "images/a/1.jpg", "images/b/1.jpg", "masks/a/1.png", "masks/b/1.png")
    said = refused(plain)
    assert "pictures and their masks" in said.message
    assert said.hint == f"Give {str(plain / 'images')!r} with --masks {str(plain / 'masks')!r}."
    split = touch(tmp_path / "split", "images/test/a/1.jpg", "images/train/a/1.jpg", "masks/test/a/1.png")
    assert refused(split).hint == f"Give {str(split / 'images/test')!r} with --masks {str(split / 'masks/test')!r}."
    assert open_dataset(plain, ("images", "masks")).class_names == ("images", "masks")


def test_loose_pictures(tmp_path: Path) -> None:
    said = refused(touch(tmp_path / "a", "1.jpg", "2.png", "notes.txt"))
    assert "2 images directly inside it" in said.message
    assert "folder above it" in said.hint
    assert "table" in said.hint
    said = refused(touch(tmp_path / "b", "1.jpg", "labels.csv"))
    assert str(tmp_path / "b" / "labels.csv") in said.hint


def test_loose_pictures_beside_class_folders_are_counted(tmp_path: Path) -> None:
    dataset = open_dataset(touch(tmp_path, "a/1.jpg", "b/1.jpg", "1.jpg", "2.jpg", "README.md"), None)
    assert len(dataset.samples) == 2
    assert list(dataset.left_out.values()) == [2]
    assert not open_dataset(touch(tmp_path / "c", "a/1.jpg", "b/1.jpg"), None).left_out


@pytest.mark.parametrize(
    ("masks", "says"),
    [
        (("a/1_mask.png", "a/2_mask.png", "b/1_mask.png"), ["'_mask' more", "'a/1_mask.png' for 'a/1.jpg'", "rename"]),
        (("a/seg-1.png", "a/seg-2.png", "b/seg-1.png"), ["'seg-' more", "'a/seg-1.png' for 'a/1.jpg'"]),
        (("1_mask.png", "2_mask.png"), ["other folders", "'_mask' more", "'1_mask.png' for"]),
        (("1.png", "2.png"), ["other folders", "'1.png' for", "move"]),
        (("test/a/1.png", "test/b/1.png", "train/a/7.png"), ["lie in 'test'", "masks/test'"]),
        (("A/1.png", "B/1.png"), ["capital letters", "'A/1.png' for 'a/1.jpg'"]),
        (("a/x.png", "a/y.png"), ["same tree and stem: a/1.png", "'a/x.png'"]),
    ],
)
def test_masks_that_match_nothing(tmp_path: Path, masks: tuple[str, ...], says: list[str]) -> None:
    touch(tmp_path / "photos", "a/1.jpg", "a/2.jpg", "b/1.jpg")
    dataset = open_dataset(tmp_path / "photos", None)
    with pytest.raises(DataError, match="matches an image") as caught:
        attach_masks(dataset, touch(tmp_path / "masks", *masks))
    for part in says:
        assert part in caught.value.hint
    assert "\n" not in caught.value.hint


def test_numbers_in_names_are_no_affix(tmp_path: Path) -> None:
    """1 begins 10 to 19, but most masks are not of photo 1."""
    touch(tmp_path / "photos", *(f"a/{number}.jpg" for number in range(1, 10)), "b/1.jpg")
    touch(tmp_path / "masks", *(f"a/{number}.png" for number in range(10, 90)))
    with pytest.raises(DataError) as caught:
        attach_masks(open_dataset(tmp_path / "photos", None), tmp_path / "masks")
    assert "Expected the same tree and stem" in caught.value.hint


def test_masks_without_a_picture_are_named(tmp_path: Path) -> None:
    touch(tmp_path / "photos", "a/1.jpg", "b/1.jpg")
    touch(tmp_path / "masks", "a/1.png", "a/2.png", "c/1.png")
    dataset = attach_masks(open_dataset(tmp_path / "photos", None), tmp_path / "masks")
    assert dataset.unused_masks == ("a/2.png", "c/1.png")


class TestSavedByDatasets:
    """Folders that `save_to_disk` of the library `datasets` writes, with the names of its version 5.2."""

    FILES = ("data-00000-of-00001.arrow", "dataset_info.json", "state.json")

    def test_a_data_set(self, tmp_path: Path) -> None:
        said = refused(touch(tmp_path, *self.FILES))
        assert said.message.startswith(f"{str(tmp_path)!r} holds Arrow files of the library `datasets` (save_to_disk)")
        loaded = f"datasets.load_from_disk({str(tmp_path)!r})"
        assert f"bias_audit.audit(model, {loaded})" in said.hint
        assert f"{loaded}.to_parquet('test.parquet')" in said.hint

    def test_a_dictionary_of_them(self, tmp_path: Path) -> None:
        parts = [f"{part}/{name}" for part in ("train", "test") for name in self.FILES]
        said = refused(touch(tmp_path, "dataset_dict.json", *parts))
        assert f"audit(model, datasets.load_from_disk({str(tmp_path)!r})['test'])" in said.hint

    def test_an_arrow_file(self, tmp_path: Path) -> None:
        touch(tmp_path, self.FILES[0])
        for place in (tmp_path, tmp_path / self.FILES[0]):
            said = refused(place)
            assert f"datasets.Dataset.from_file({str(tmp_path / self.FILES[0])!r})" in said.hint

    def test_beside_classes_they_are_other_files(self, tmp_path: Path) -> None:
        touch(tmp_path, *self.FILES, "husky/1.jpg", "wolf/1.jpg")
        assert open_dataset(tmp_path, None).class_names == ("husky", "wolf")
