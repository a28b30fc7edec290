"""Pictures without labels (training pictures, strangers, scenes): in an archive they are those of the folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from packed import as_folder, as_tar, as_zip, failing, refused

from bias_audit.checks.background.scenes import open_scenes
from bias_audit.checks.data_leaks.measure import training_pictures
from bias_audit.checks.strangers.measure import open_strangers
from bias_audit.cli.command_line import _parser, main
from bias_audit.data.addresses import Url
from bias_audit.data.dataset import Dataset, Sample
from bias_audit.data.locations import read_location
from bias_audit.data.sources.attach import table_of_boxes
from bias_audit.data.sources.loose import pictures_at, pictures_below
from bias_audit.data.trees import Folder
from bias_audit.heatmaps.unlabelled import pictures_in

PICTURES = {
    "lynx/2.jpg": b"2", "lynx/deep/1.png": b"1", "lynx-x/3.jpg": b"3", "loose.png": b"l", "notes.txt": b"n",
    "lynx/.hidden.png": b"h", ".git/4.png": b"g", "__MACOSX/lynx/._2.jpg": b"m",
}  # fmt: skip
SEEN = {"loose.png": b"l", "lynx/2.jpg": b"2", "lynx/deep/1.png": b"1", "lynx-x/3.jpg": b"3"}


class TestPictures:
    def test_wherever_they_lie(self, tmp_path: Path) -> None:
        places = {
            "folder": as_folder(tmp_path / "a" / "odd", PICTURES), "zip": as_zip(tmp_path / "odd.zip", PICTURES),
            "tar": as_tar(tmp_path / "odd.tar", PICTURES),
            "a folder in one": as_zip(tmp_path / "all.zip", PICTURES, below="x/odd/") / "x/odd",
        }  # fmt: skip
        for kind, place in places.items():
            name, found = pictures_at(place, "folder of strangers")
            assert (kind, name) == (kind, "odd")
            assert [(each, read_location(path)) for each, path in found.items()] == list(SEEN.items())

    def test_paths_of_a_folder_stay_in_their_order(self, tmp_path: Path) -> None:
        as_folder(tmp_path, {f"{name}.png": b"x" for name in ("a/b", "a-b", "a.b/c", "a/b/c", "b", "A")})
        expected = sorted(path for path in tmp_path.rglob("*.png"))
        assert pictures_in(tmp_path) == expected

    def test_one_folder_that_holds_all_is_taken_off(self, tmp_path: Path) -> None:
        packed = as_zip(tmp_path / "strangers.zip", dict.fromkeys(("lynx/1.png", "fox/1.png"), b"x"), below="odd/")
        assert list(pictures_at(packed, "x")[1]) == ["fox/1.png", "lynx/1.png"]

    @pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="its user may read everything")
    def test_a_folder_that_cannot_be_listed_is_a_row(self, tmp_path: Path) -> None:
        as_folder(tmp_path, {"a/1.png": b"1", "b/2.png": b"2"})
        (tmp_path / "b").chmod(0)
        try:
            assert list(pictures_below(Folder(tmp_path))) == ["a/1.png", "b"]
        finally:
            (tmp_path / "b").chmod(0o700)

    def test_what_an_archive_cannot_give_is_a_row(self, tmp_path: Path) -> None:
        found = pictures_at(as_zip(tmp_path / "p.zip", {"a/1.png": b"1", "../secret.png": b"s"}), "x")[1]
        assert list(found) == ["../secret.png", "a/1.png"]
        assert failing(found["../secret.png"]) == "no such file in the archive"
        packed = as_tar(tmp_path / "p.tar", {"a/1.png": b"1", "a/2.png": b"2"})
        packed.write_bytes(packed.read_bytes()[:1100])
        cut = pictures_at(packed, "x")[1]
        assert "what follows the first 1 files is not read" in failing(cut["p.tar"])

    def test_what_is_no_folder_is_one_sentence(self, tmp_path: Path) -> None:
        table = tmp_path / "t.csv"
        table.write_text("image\n")
        as_zip(tmp_path / "p.zip", {"a/1.txt": b"1", "t.csv": b"image"})
        refused(lambda: pictures_at(tmp_path / "none", "training folder"), "no training folder at", "none'")
        refused(lambda: pictures_at(table, "training folder"), "no training folder at", "t.csv'")
        refused(lambda: pictures_at(tmp_path / "p.zip/t.csv", "training folder"), "is a file, and no archive")
        refused(lambda: pictures_at(tmp_path / "p.zip", "training folder"), "the training folder", "holds no pictures")


class TestWhatTakesThem:
    def test_strangers(self, tmp_path: Path) -> None:
        folder, packed = as_folder(tmp_path / "odd", PICTURES), as_zip(tmp_path / "odd.zip", PICTURES)
        here, there = open_strangers(folder), open_strangers(packed)
        assert here.class_names == there.class_names == ("lynx", "lynx-x", "odd")
        assert [(s.image_id, s.label) for s in there.samples] == [(s.image_id, s.label) for s in here.samples]

    def test_training_pictures(self, tmp_path: Path) -> None:
        packed = as_tar(tmp_path / "train.tar", PICTURES)
        assert list(training_pictures(packed)) == list(training_pictures(as_folder(tmp_path / "t", PICTURES)))

    def test_scenes(self, tmp_path: Path) -> None:
        dataset = Dataset((Sample("1", tmp_path, 0), Sample("2", tmp_path, 1)), ("fox", "lynx"), "folder")
        files = {f"{name}/{number}.png": b"x" for name in ("lynx", "fox") for number in range(2)}
        here = open_scenes(as_folder(tmp_path / "s", files), dataset)
        there = open_scenes(as_zip(tmp_path / "s.zip", files), dataset)
        assert [(s.image_id, s.label) for s in there.samples] == [(s.image_id, s.label) for s in here.samples]
        refused(lambda: open_scenes(as_zip(tmp_path / "few.zip", {"lynx/1.png": b"x"}), dataset), "none of fox")


class TestFlags:
    def test_addresses_are_taken_as_they_are(self) -> None:
        flags = {"--train": "s3://b/train.zip", "--strangers": "gs://b/odd", "--backgrounds": "https://host/scenes.tar"}
        given = ["audit", "m.keras", "photos", *(part for flag in flags.items() for part in flag)]
        parsed = _parser(given).parse_args(given)
        for flag, value in flags.items():
            found = getattr(parsed, flag[2:])
            assert isinstance(found, Url)
            assert str(found) == value

    def test_boxes_elsewhere_are_one_sentence(self, tmp_path: Path) -> None:
        packed = as_zip(tmp_path / "b.zip", {"b.csv": b"x"}) / "b.csv"
        for given in ("s3://bucket/boxes.csv", "https://host/boxes.csv", packed):
            error = refused(
                lambda given=given: table_of_boxes(given), "boxes are read from a file on this disk", str(given)
            )
            assert "the column box" in error.hint
        assert table_of_boxes("boxes.csv") == Path("boxes.csv")

    def test_composites_take_a_class_map(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        photos = as_folder(tmp_path / "photos", {"husky/1.jpg": b"x", "wolf/1.jpg": b"x"})
        (tmp_path / "map.json").write_text('{"wolf": [0], "fox": [1]}')
        command = ["composites", str(photos), "--class-map", str(tmp_path / "map.json"), "--out", str(tmp_path / "out")]
        assert main(command) == 2
        assert "class folders that the class map does not name: 'husky'" in capsys.readouterr().err
