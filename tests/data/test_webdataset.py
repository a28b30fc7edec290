"""WebDataset shards -> samples: the members of one stem, and what is missing or twice."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest
from packed import as_folder, as_tar, as_zip, failing, refused, told

from bias_audit.data.batches import Geometry, load
from bias_audit.data.locations import read_location
from bias_audit.data.masks import MaskReading
from bias_audit.data.sources import open_dataset
from bias_audit.data.sources.attach import attach_masks
from bias_audit.data.sources.options import SourceOptions
from bias_audit.limits.bounds import Limits
from bias_audit.run.statuses import SKIPPED

PHOTOS = {f"{label}/{number}.jpg": f"{label} {number}".encode() for label in ("husky", "wolf") for number in range(4)}
MASKS = {name.replace(".jpg", ".png"): b"mask " + data for name, data in PHOTOS.items()}


def shard(photos: dict[str, bytes], label: str = "cls") -> dict[str, bytes]:
    """Members of a shard: pictures, labels of one kind, masks."""
    members = {}
    for name, data in photos.items():
        stem, _, suffix = name.rpartition(".")
        text = stem.partition("/")[0]
        members[f"{stem}.{suffix}"] = data
        members[f"{stem}.{label}"] = (json.dumps({"label": text}) if label == "json" else text).encode()
        members[f"{stem}.mask.png"] = MASKS[f"{stem}.png"]
    return members


class TestAsTheFolder:
    @pytest.mark.parametrize("label", ["cls", "json"])
    @pytest.mark.parametrize("shards", [1, 2])
    def test_the_form_changes_nothing(self, tmp_path: Path, label: str, shards: int) -> None:
        plain = open_dataset(as_folder(tmp_path / "plain", PHOTOS), None)
        expected = told(attach_masks(plain, as_folder(tmp_path / "masks", MASKS)))
        (tmp_path / "shards").mkdir()
        names = sorted(PHOTOS)
        for number in range(shards):
            part = {name: PHOTOS[name] for name in names[number * 8 // shards : (number + 1) * 8 // shards]}
            as_tar(tmp_path / f"shards/{number:03}.tar", shard(part, label))
        dataset = open_dataset(tmp_path / "shards" if shards > 1 else tmp_path / "shards/000.tar", None)
        assert (dataset.source, dataset.class_names) == ("webdataset", ("husky", "wolf"))
        assert told(dataset) == expected

    def test_a_tar_of_folders_is_none(self, tmp_path: Path) -> None:
        notes = {"husky/0.json": b'{"shapes": []}', "husky/0.txt": b"0 1 1 1 1", "wolf/1.json": b"no json"}
        assert open_dataset(as_tar(tmp_path / "p.tar", {**PHOTOS, **notes}), None).source == "folder"
        as_folder(tmp_path / "photos", PHOTOS)
        as_tar(tmp_path / "photos/copy.tar", shard(PHOTOS))
        assert open_dataset(tmp_path / "photos", None).source == "folder"
        assert open_dataset(as_zip(tmp_path / "p.zip", shard(PHOTOS)), None).source == "folder"


class TestSamples:
    def test_kinds_of_members(self, tmp_path: Path) -> None:
        files = {
            "1.image.png": b"1", "1.cls": b"3\n", "1.seg.png": b"s", "1.mask.png": b"m",
            "1.json": b'{"age": 4, "label": 9}',
            "2.JPG": b"2", "2.json": b'{"label": 10, "age": 5, "caption": ["x"]}',
            "3.webp": b"3", "3.txt": b"2", "3.depth.png": b"d", "3.npy": b"n",
            "__meta__.json": b"{}", "4.jpeg": b"4", "4.cls": b"x" * 1_000_001, "5.cls": b"1",
            "6.png": b"6", "6.jpg": b"7", "6.cls": b"2", "7.jpg": b"7", "7.json": b"{",
        }  # fmt: skip
        dataset = open_dataset(as_tar(tmp_path / "s.tar", files), None)
        found = {
            sample.image_id: (dataset.class_names[sample.label], dict(sample.columns)) for sample in dataset.samples
        }
        assert found == {
            "1.image.png": ("3", {"age": 4}), "2.JPG": ("10", {"age": 5}), "3.webp": ("2", {"age": None}),
            "6.jpg": ("2", {"age": None}),
        }  # fmt: skip
        assert dataset.class_names == tuple(map(str, range(11)))
        assert dataset.left_out == {"have no label": 2, "are missing: there are labels of them alone": 1}
        assert read_location(dataset.samples[0].mask) == b"m"
        two = load(dataset.samples[-1], Geometry((8, 8), 3, "stretch", "nearest", MaskReading()))
        assert (two.status, two.reason) == (SKIPPED, "its sample holds several pictures: 6.jpg, 6.png")

    def test_numbers_are_positions_in_the_class_map(self, tmp_path: Path) -> None:
        path = as_tar(tmp_path / "s.tar", {"1.jpg": b"1", "1.cls": b"1", "2.jpg": b"2", "2.cls": b"0"})
        dataset = open_dataset(path, ("zero", "one"))
        assert [(sample.image_id, sample.label) for sample in dataset.samples] == [("1.jpg", 1), ("2.jpg", 0)]
        refused(lambda: open_dataset(path, ("zero",)), "s.tar'", "the label 1 is no class of the class map", "'zero'")

    def test_ids_of_shards_that_share_names(self, tmp_path: Path) -> None:
        for number in range(2):
            as_tar(tmp_path / f"{number}.tar", {"1.jpg": b"%d" % number, "1.cls": b"%d" % number})
        dataset = open_dataset(tmp_path, None)
        assert [sample.image_id for sample in dataset.samples] == ["0.tar/1.jpg", "1.tar/1.jpg"]
        assert [read_location(sample.path) for sample in dataset.samples] == [b"0", b"1"]

    def test_parts(self, tmp_path: Path) -> None:
        (tmp_path / "val").mkdir()
        for name in ("x-train-000.tar", "x-test-000.tar", "val/000.tar"):
            as_tar(tmp_path / name, {f"{name[:5]}.jpg": b"1", f"{name[:5]}.cls": b"0"})
        dataset = open_dataset(tmp_path, None)
        assert [sample.image_id for sample in dataset.samples] == ["x-tes.jpg"]
        assert dataset.left_out == {"are of other parts than test (train, validation), see --split": 2}
        assert dataset.splits == {"test": 1, "train": 1, "validation": 1}
        assert len(open_dataset(tmp_path, None, SourceOptions(split="val")).samples) == 1

    def test_what_cannot_be_read_is_said(self, tmp_path: Path) -> None:
        for name in ("0.tar", "1.tar"):
            as_tar(
                tmp_path / name,
                shard({f"{label}/{name}.jpg".replace(".tar", ""): b"x" * 600 for label in ("husky", "wolf")}),
            )
        with tarfile.open(tmp_path / "0.tar", "a") as packed:
            link = tarfile.TarInfo("wolf/2.jpg")
            link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
            packed.addfile(link)
        data = (tmp_path / "1.tar").read_bytes()
        (tmp_path / "1.tar").write_bytes(data[:2000])
        dataset = open_dataset(tmp_path, None, SourceOptions(limits=Limits(member_bytes=599)))
        assert dataset.ignored_files == ("wolf/2.jpg (a link)",)
        assert dataset.unread_folders[0].startswith("1.tar (what follows the first 1 files")
        assert dataset.left_out["have no label"] == 1
        assert "limit member_bytes" in failing(dataset.samples[0].path)
        (tmp_path / "1.tar").write_bytes(b"x" * 700)
        refused(lambda: open_dataset(tmp_path, None), "1.tar", "no tar archive")

    def test_a_member_that_is_listed_twice_is_a_row(self, tmp_path: Path) -> None:
        path = as_tar(tmp_path / "s.tar", {"1.jpg": b"1", "1.cls": b"a", "2.jpg": b"2", "2.cls": b"b"})
        with tarfile.open(path, "a") as packed:
            packed.addfile(tarfile.TarInfo("1.jpg"))
        assert "more than one file" in failing(open_dataset(path, None).samples[0].path)
