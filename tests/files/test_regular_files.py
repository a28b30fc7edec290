"""Pipes, devices and links without end under the names of pictures, masks and tables: none of them is waited for."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from bias_audit.config import read_config
from bias_audit.data.batches import Geometry, load
from bias_audit.data.dataset import Sample
from bias_audit.data.masks import MaskReading
from bias_audit.data.pictures import decode
from bias_audit.data.sources import open_dataset
from bias_audit.data.sources.attach import attach_boxes
from bias_audit.data.sources.table import read_records
from bias_audit.errors import BiasAuditError, ConfigError, DataError
from bias_audit.files.regular import read_regular
from bias_audit.models.doors import check_model
from bias_audit.run.statuses import MASK_UNREADABLE, UNREADABLE

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names on this system")
PLAIN = Geometry((8, 8), 3, "stretch", "bilinear", MaskReading())


@pytest.fixture(params=["pipe", "device", "endless", "folder", "loop"])
def odd(request, tmp_path: Path):
    def make(name: str) -> Path:
        path = tmp_path / name
        if request.param == "pipe":
            os.mkfifo(path)
        elif request.param == "device":
            path.symlink_to("/dev/null")
        elif request.param == "endless":
            path.symlink_to("/dev/zero")
        elif request.param == "folder":
            path.mkdir()
        else:
            path.symlink_to(path)
        return path

    return make


def test_a_photo_is_a_row(odd):
    path = odd("a.jpg")
    loaded = load(Sample("a.jpg", path, 0), PLAIN)
    assert loaded.status == UNREADABLE
    assert "not a regular file" in loaded.reason or "levels of symbolic links" in loaded.reason
    assert decode(path, 3) == (None, loaded.reason)


def test_a_mask_is_a_row(odd, tmp_path: Path):
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((8, 8, 3), np.uint8))
    assert load(Sample("a.png", tmp_path / "a.png", 0, mask=odd("m.png")), PLAIN).mask_status == MASK_UNREADABLE


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_table_is_a_sentence(odd, suffix):
    with pytest.raises(DataError, match="cannot read the table"):
        read_records(odd(f"t.{suffix}"))


def test_a_configuration_is_a_sentence(odd):
    with pytest.raises(ConfigError, match="cannot read"):
        read_config(odd("c.toml"))


def test_a_model_is_a_sentence(odd):
    with pytest.raises(BiasAuditError):
        check_model(odd("m.keras"))


def test_a_link_to_a_regular_file_counts_as_one(tmp_path: Path):
    (tmp_path / "a").write_bytes(b"x")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    assert read_regular(tmp_path / "b") == b"x"


def test_names_that_no_system_takes(tmp_path: Path):
    long = tmp_path / ("x" * 300)
    assert load(Sample("x", long, 0), PLAIN).reason == "cannot be opened: File name too long"
    assert load(Sample("x", Path("a\0b"), 0), PLAIN).status == UNREADABLE
    with pytest.raises(DataError, match="File name too long"):
        open_dataset(long, None)
    with pytest.raises(BiasAuditError, match="File name too long"):
        check_model(long.with_name("x" * 300 + ".keras"))
    (tmp_path / "t.csv").write_text(f"image,label\n{'x' * 300}.png,a\n{'y' * 9000}.png,b\n")
    assert len(open_dataset(tmp_path / "t.csv", None).samples) == 2


@pytest.mark.parametrize(
    "content",
    [b"image,label\na\xff.png,x\n", b"image,\xff\xfe\na.png,x\n", b"image,label,note\na.png,x,\xff\n", b"\xff"],
)
def test_a_table_that_is_no_text_is_a_sentence(tmp_path: Path, content: bytes):
    table = tmp_path / "t.csv"
    table.write_bytes(content)
    with pytest.raises(DataError, match=r"t\.csv"):
        open_dataset(table, None)


def test_parquet_that_python_has_no_value_for(tmp_path: Path):
    import pyarrow as pa
    import pyarrow.parquet

    bad = pa.Array.from_buffers(pa.string(), 1, [None, pa.py_buffer(b"\0\0\0\0\1\0\0\0"), pa.py_buffer(b"\xff")])
    late = pa.array([2**60], pa.timestamp("us"))
    for name, column in (("text", bad), ("time", late)):
        file = tmp_path / f"{name}.parquet"
        pyarrow.parquet.write_table(pa.table({"image": ["a.png"], "label": ["x"], name: column}), file)
        with pytest.raises(DataError, match=f"{name}.parquet"):
            read_records(file)


class TestFoldersThatCannotBeListed:
    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        for name in ("data/a", "data/a/deep", "data/b", "masks/a", "masks/b"):
            (tmp_path / name).mkdir(parents=True, exist_ok=True)
            (tmp_path / name / "1.png").write_bytes(b"x")
        return tmp_path

    def refuse(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        """A permission that even root lacks."""
        scan = os.scandir

        def scandir(path="."):
            if Path(path) == folder:
                raise PermissionError(13, "Permission denied", str(path))
            return scan(path)

        monkeypatch.setattr(os, "scandir", scandir)

    def test_part_of_a_class_is_named(self, root: Path, monkeypatch):
        self.refuse(monkeypatch, root / "data" / "a" / "deep")
        dataset = open_dataset(root / "data", None)
        assert dataset.unread_folders == ("a/deep (Permission denied)",)
        assert [sample.image_id for sample in dataset.samples] == ["a/1.png", "b/1.png"]

    def test_a_link_to_a_folder_is_named(self, root: Path):
        (root / "data" / "a" / "link").symlink_to(root / "masks")
        dataset = open_dataset(root / "data", None)
        assert dataset.unread_folders == ("a/link (a link to a folder, which is not followed)",)

    @pytest.mark.parametrize("lost", ["data/b", "data"])
    def test_a_class_that_is_gone_is_a_sentence(self, root: Path, monkeypatch, lost):
        self.refuse(monkeypatch, root / lost)
        with pytest.raises(DataError, match="Permission denied"):
            open_dataset(root / "data", None)

    @pytest.mark.parametrize("lost", ["masks/b", "masks"])
    def test_masks_of_a_class_that_are_gone_are_a_sentence(self, root: Path, monkeypatch, lost):
        from bias_audit.data.sources.attach import attach_masks

        dataset = open_dataset(root / "data", None)
        self.refuse(monkeypatch, root / lost)
        with pytest.raises(DataError, match="Permission denied"):
            attach_masks(dataset, root / "masks")

    def test_a_folder_of_pictures_without_labels_is_a_row(self, root: Path, monkeypatch):
        from bias_audit.heatmaps.unlabelled import pictures_in

        self.refuse(monkeypatch, root / "data" / "b")
        found = pictures_in(root / "data")
        assert found == [root / "data" / name for name in ("a/1.png", "a/deep/1.png", "b")]
        assert load(Sample("b", found[-1], 0), PLAIN).status == UNREADABLE


def test_training_pictures_that_lead_nowhere_or_have_odd_names(tmp_path: Path):
    from bias_audit.checks.data_leaks.measure import fingerprint

    (tmp_path / "a.png").symlink_to(tmp_path / "gone.png")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.png")).write_bytes(b"x")
    assert len(fingerprint(tmp_path)) == 64


def test_a_box_table_that_is_no_text(tmp_path: Path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "1.png").write_bytes(b"x")
    dataset = open_dataset(tmp_path, None)
    (tmp_path / "boxes.csv").write_bytes(b"image,x_min,y_min,x_max,y_max\na/\xff.png,1,2,3,4\n")
    with pytest.raises(DataError, match=r"boxes\.csv"):
        attach_boxes(dataset, tmp_path / "boxes.csv")
