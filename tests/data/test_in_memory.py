"""Photos in memory -> files and a list of them: what is kept, how it is called, and what is refused in a sentence."""

from __future__ import annotations

import io
import os
import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from bias_audit.data.dataset import Dataset
from bias_audit.data.in_memory import keeping, store
from bias_audit.data.in_memory.keeping import Given, Kept, keep
from bias_audit.data.in_memory.pixels import Values
from bias_audit.data.pictures import decode
from bias_audit.data.sources import open_dataset
from bias_audit.data.sources.attach import attach_masks
from bias_audit.data.sources.options import SourceOptions
from bias_audit.errors import BiasAuditError, ConfigError, DataError

CLASS_MAP = (("cat", (281, 282)), ("dog", (151,)))


def pictures(count: int = 4, size: tuple[int, ...] = (6, 5, 3)) -> np.ndarray:
    return np.random.default_rng(count).integers(0, 256, (count, *size)).astype(np.uint8)


def labels(count: int = 4) -> list[str]:
    return [("ant", "bee")[place % 2] for place in range(count)]


def kept(folder: Path, data: Any, *, class_map: Any = None, most: int | None = None, **said: Any) -> Kept:
    return keep(Given(data, **said), folder, most=most, class_map=class_map)


def opened(listing: Kept, class_names: Any = None, *, split: str | None = None) -> Dataset:
    return open_dataset(listing.listing, class_names, SourceOptions(split=split, outside=listing.outside))


def read(dataset: Dataset, channels: int = 3) -> dict[str, np.ndarray]:
    """Image id -> pixels, as an audit reads them."""
    found = {}
    for sample in dataset.samples:
        pixels, reason = decode(sample.path, channels)
        assert pixels is not None, reason
        found[sample.image_id] = pixels
    return found


def refused(folder: Path, data: Any, *says: str, kind: type[BiasAuditError] = DataError, **said: Any) -> None:
    """The data are refused in one sentence, and nothing is left of them."""
    before = sorted(folder.parent.rglob("*"))
    with pytest.raises(kind) as caught:
        kept(folder, data, **said)
    for part in says:
        assert part in str(caught.value)
    assert "\n" not in caught.value.message
    assert sorted(folder.parent.rglob("*")) == before


def encoded(pixels: np.ndarray, suffix: str = ".png") -> bytes:
    return cv2.imencode(suffix, pixels[..., ::-1])[1].tobytes()


class TestArrays:
    def test_pixels_are_kept_as_they_are(self, tmp_path: Path) -> None:
        images = pictures()
        dataset = opened(kept(tmp_path, (images, labels())))
        assert [sample.image_id for sample in dataset.samples] == [f"{place:06d}" for place in range(4)]
        for got, expected in zip(read(dataset).values(), images, strict=True):
            np.testing.assert_array_equal(got, expected)
        assert [dataset.class_names[sample.label] for sample in dataset.samples] == labels()
        assert dataset.notes == ("The photos were given in memory, as arrays (images, labels).",)

    def test_a_second_time_nothing_is_written(self, tmp_path: Path) -> None:
        first = kept(tmp_path, (pictures(), labels()))
        before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
        fingerprint = opened(first).fingerprint()
        assert kept(tmp_path, (pictures(), labels())) == first
        assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before
        assert opened(first).fingerprint() == fingerprint
        other = kept(tmp_path, (pictures(), labels()[::-1]))
        assert other.listing != first.listing
        assert other.used - {other.listing.name} == first.used - {first.listing.name}

    def test_a_file_that_was_cut_is_written_again(self, tmp_path: Path) -> None:
        listing = kept(tmp_path, (pictures(), labels()))
        victim = opened(listing).samples[2].path
        whole = victim.read_bytes()
        for cut in (b"", whole[:-12], whole[:-12] + bytes(12)):
            victim.write_bytes(cut)
            kept(tmp_path, (pictures(), labels()))
            assert victim.read_bytes() == whole

    def test_grey_pictures(self, tmp_path: Path) -> None:
        grey = pictures(4, (6, 5))
        for data in (grey, grey[..., None]):
            for got, expected in zip(read(opened(kept(tmp_path, (data, labels()))), 1).values(), grey, strict=True):
                np.testing.assert_array_equal(got[..., 0], expected)

    def test_one_content_twice_is_two_photos(self, tmp_path: Path) -> None:
        images = pictures(2)[[0, 1, 0, 1]]
        dataset = opened(kept(tmp_path, (images, labels())))
        assert len(dataset.samples) == 4
        assert len({sample.path for sample in dataset.samples}) == 2

    def test_ids(self, tmp_path: Path) -> None:
        names = ["wolf/2.png", "wolf/1.png", "a", "b.c/d"]
        dataset = opened(kept(tmp_path, (pictures(), labels()), ids=names))
        assert [sample.image_id for sample in dataset.samples] == sorted(names)
        np.testing.assert_array_equal(read(dataset)["wolf/1.png"], pictures()[1])
        assert opened(kept(tmp_path, (pictures(), labels()), ids=np.arange(4))).samples[3].image_id == "3"
        for odd in ("", "/etc/passwd", "../up", "a/../b", "a//b", "a\0b", ".", "C:/x"):
            refused(tmp_path / "odd", (pictures(), labels()), "is no image id", ids=["a", "b", "c", odd])
        refused(tmp_path / "odd", (pictures(), labels()), "'a' was there before", ids=["a", "b", "c", "a"])
        refused(tmp_path / "odd", (pictures(), labels()), "4 photos and 3 ids", ids=["a", "b", "c"])
        refused(tmp_path / "odd", (pictures(), labels()), "4 photos and 5 ids", ids=list("abcde"))
        refused(tmp_path / "odd", (pictures(), labels()), "no column of ids", ids="name")

    def test_masks(self, tmp_path: Path) -> None:
        masks = np.zeros((4, 6, 5), bool)
        masks[:, 2:4] = True
        for data, said in (
            ((pictures(), labels(), masks), {}),
            ((pictures(), labels()), {"masks": masks}),
            ((pictures(), labels()), {"masks": list(masks[..., None])}),
        ):
            for sample in opened(kept(tmp_path, data, **said)).samples:
                np.testing.assert_array_equal(cv2.imread(str(sample.mask), cv2.IMREAD_UNCHANGED), masks[0] * 255)
        values = masks.astype(np.int64) * 3
        sample = opened(kept(tmp_path, (pictures(), labels()), masks=[values[0], None, None, None])).samples[0]
        assert sorted(np.unique(cv2.imread(str(sample.mask), cv2.IMREAD_UNCHANGED))) == [0, 3]
        two = {"masks": masks}
        refused(tmp_path / "odd", (pictures(), labels(), masks), "a mask in the data and one in masks=", **two)
        refused(tmp_path / "odd", (pictures(), labels()), "4 photos and 3 masks", masks=masks[:3])
        refused(tmp_path / "odd", (pictures(), labels()), "no whole numbers in 0..255", masks=masks * 0.5)
        refused(tmp_path / "odd", (pictures(), labels()), "has the shape (6,)", masks=masks[..., 0])

    def test_masks_of_a_folder_go_by_the_ids(self, tmp_path: Path) -> None:
        (tmp_path / "masks").mkdir()
        (tmp_path / "masks" / "000002.png").write_bytes(encoded(pictures(1)[0]))
        dataset = attach_masks(opened(kept(tmp_path / "kept", (pictures(), labels()))), tmp_path / "masks")
        assert [sample.mask is not None for sample in dataset.samples] == [False, False, True, False]

    @pytest.mark.parametrize(
        ("images", "says"),
        [
            (pictures(4, (3, 8, 8)), "channels seem to come first"),
            (pictures(4, (8, 8, 4)), "no picture of 3 channels or 1"),
            (pictures(4, (2, 6, 5, 3)), "(4, 2, 6, 5, 3)"),
            (pictures(4, (5,)), "(4, 5)"),
            (pictures(4, (0, 5, 3)), "it has no pixels"),
            (pictures(3), "there are 3 images and 4 labels"),
            (pictures() > 9, "the type bool"),
            (pictures().astype(str), "the type <U"),
            (pictures().astype(complex), "the type complex"),
            (pictures().astype(np.uint16) * 257, "beyond 255"),
            (np.full((4, 8, 8, 3), -9), "negative values (down to -9)"),
            (pictures() // 200, "no value of any photo is above 1"),
        ],
    )
    def test_what_are_no_photos(self, tmp_path: Path, images: np.ndarray, says: str) -> None:
        refused(tmp_path / "odd", (images, labels()), says)


class TestValues:
    @pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
    def test_every_step_of_0_to_1_comes_back(self, kind: type) -> None:
        steps = np.arange(256)
        np.testing.assert_array_equal(Values().eight_bits((steps / 255).astype(kind), "it"), steps)
        np.testing.assert_array_equal(Values().eight_bits(steps.astype(kind), "it"), steps)

    def test_rounding(self) -> None:
        """0.2 of 255 is 51; 0.1 is 25.5, which goes to the even neighbour as everywhere in NumPy."""
        assert Values().eight_bits(np.array([0.2, 0.1, 1.0, 0.0019, 0.002]), "it").tolist() == [51, 26, 255, 0, 1]
        assert Values().eight_bits(np.array([254.4, 254.6, 0.4, 100.0]), "it").tolist() == [254, 255, 0, 100]

    def test_the_range_is_decided_once_and_said(self, tmp_path: Path) -> None:
        dark = np.full((4, 6, 5, 3), 0.5)
        bright = pictures().astype(float)
        dataset = opened(kept(tmp_path, (dark, labels())))
        assert next(iter(read(dataset).values())).max() == 128
        assert "floats in 0..1 (seen from their values" in dataset.notes[1]
        set_by_hand = opened(kept(tmp_path, (dark, labels()), value_range=(0, 255)))
        assert next(iter(read(set_by_hand).values())).max() == 0
        assert "floats in 0..255 (as value_range says" in set_by_hand.notes[1]
        # An array is seen as a whole: the first photo of 0..255 may be black.
        bright[0] = 0
        assert read(opened(kept(tmp_path, (bright, labels()))))["000001"].max() > 200
        # What comes one by one is not.
        refused(tmp_path / "odd", list(zip(bright, labels(), strict=True)), "photos before it lie in 0..1")
        assert kept(tmp_path, list(zip(bright, labels(), strict=True)), value_range=(0, 255))

    @pytest.mark.parametrize(
        ("values", "says"),
        [
            ([-0.4, 0.9], "negative values (down to -0.4): is it normalised already?"),
            ([0.0, 256.0], "up to 256, beyond 255"),
            ([0.0, np.nan], "NaN or infinite"),
            ([0.0, np.inf], "NaN or infinite"),
            ([0.1, 2.6], "neither in 0..1 nor in 0..255"),
        ],
    )
    def test_what_no_picture_holds(self, tmp_path: Path, values: list[float], says: str) -> None:
        images = np.random.default_rng(0).choice(values, (4, 6, 5, 3))
        refused(tmp_path / "odd", (images, labels()), says)
        assert "before the model's normalisation" in _hint(tmp_path, images) or "NaN" in says

    def test_a_range_that_does_not_fit(self, tmp_path: Path) -> None:
        refused(tmp_path / "odd", (pictures() / 255 * 2, labels()), "beyond 1", value_range=(0, 1))
        refused(tmp_path / "odd", (pictures(), labels()), "whole numbers", value_range=(0, 1))
        for odd in ((0, 2), (-1, 1), "unit", 1, np.array([0, 1])):
            refused(tmp_path / "odd", (pictures(), labels()), "value_range is", kind=ConfigError, value_range=odd)

    def test_rounding_in_half_precision_is_no_other_range(self) -> None:
        assert Values().eight_bits(np.array([-1e-6, 1.00001]), "it").tolist() == [0, 255]


def _hint(folder: Path, images: np.ndarray) -> str:
    with pytest.raises(DataError) as caught:
        kept(folder / "odd", (images, labels()))
    return caught.value.hint


class TestLabels:
    def test_numbers_name_themselves_in_their_order(self, tmp_path: Path) -> None:
        dataset = opened(kept(tmp_path, (pictures(3), [10, 2, 0])))
        assert dataset.class_names == tuple(map(str, range(11)))
        assert [sample.label for sample in dataset.samples] == [10, 2, 0]

    def test_numbers_in_other_clothes(self, tmp_path: Path) -> None:
        expected = [1, 0, 2]
        one_hot = np.eye(3)[expected]
        for given in (
            np.array(expected, np.uint8), np.array(expected, float), np.array(expected)[:, None], one_hot,
            one_hot.astype(bool), list(one_hot.astype(int)), np.array(["1", "0", "2"]), [b"1", b"0", b"2"],
        ):  # fmt: skip
            dataset = opened(kept(tmp_path, (pictures(3), given)))
            assert [dataset.class_names[sample.label] for sample in dataset.samples] == ["1", "0", "2"]

    def test_a_class_map_names_numbers(self, tmp_path: Path) -> None:
        for numbers in ([281, 151, 282, 151], [0, 1, 0, 1]):
            listing = kept(tmp_path, (pictures(), numbers), class_map=CLASS_MAP)
            dataset = opened(listing, ("cat", "dog"))
            assert [dataset.class_names[sample.label] for sample in dataset.samples] == ["cat", "dog"] * 2
        refused(tmp_path / "odd", (pictures(), [0, 1, 2, 0]), "the label 2 is no class", class_map=CLASS_MAP)
        crossed = (("a", (1,)), ("b", (0,)))
        refused(tmp_path / "odd", (pictures(), [0, 1, 1, 0]), "the two disagree", class_map=crossed)

    @pytest.mark.parametrize(
        ("given", "says"),
        [
            ([0, -1, 1, 0], "the label -1 is below 0"),
            ([0, 0.5, 1, 0], "no whole number"),
            ([0, np.nan, 1, 0], "photo 1 has no label"),
            (["a", "", "b", "a"], "photo 1 has no label"),
            (np.array(["a", None, "b", "a"], object), "photo 1 has no label"),
            (np.array(["a", 1, "b", "a"], object), "some labels are names"),
            (np.full((4, 3), 0.5), "not one-hot"),
            (np.zeros((4, 3)), "not one-hot"),
            (np.zeros((4, 3, 2)), "the shape (3, 2)"),
            ([0, 1, 10**9, 0], "is no class"),
            ([0, 1, 10**30, 0], "no whole number"),
            (np.array([1j, 0, 0, 0]), "the type complex128"),
        ],
    )
    def test_what_is_no_label(self, tmp_path: Path, given: Any, says: str) -> None:
        refused(tmp_path / "odd", (pictures(), given), says)


class TestFrame:
    def test_the_columns_of_a_table(self, tmp_path: Path) -> None:
        frame = pd.DataFrame(
            {
                "image": list(pictures()),
                "label": labels(),
                "mask": [None, np.ones((6, 5), bool), None, None],
                "box": ["0,0,2,2", None, (1, 1, 3, 3), [(0, 0, 1, 1), (2, 2, 3, 4)]],
                "split": ["test", "test", "train", "test"],
                "patient": ["007", "007", "x", None],
                "age": [1.5, np.nan, 3, 4],
                "taken": pd.to_datetime(["2020-01-01"] * 4),
            },
            index=[5, 5, 7, 9],
        )
        listing = kept(tmp_path, frame, ids=None)
        dataset = opened(listing)
        assert dataset.columns == ("patient", "age", "taken")
        assert [sample.columns["patient"] for sample in dataset.samples] == ["007", "007", "x", None]
        assert [sample.columns["age"] for sample in dataset.samples] == [1.5, None, 3, 4]
        assert [sample.boxes for sample in dataset.samples] == [
            ((0, 0, 2, 2),), (), ((1, 1, 3, 3),), ((0, 0, 1, 1), (2, 2, 3, 4)),
        ]  # fmt: skip
        assert [sample.mask is None for sample in dataset.samples] == [True, False, True, True]
        assert [sample.image_id for sample in opened(listing, split="train").samples] == ["000002"]
        assert opened(listing, split="train").splits == {"test": 3, "train": 1}
        only = kept(tmp_path / "only", frame, split="test")
        assert [sample.image_id for sample in opened(only).samples] == ["000000", "000001", "000003"]
        refused(tmp_path / "odd", frame, "no photo of the split 'dev'; they have 'test', 'train'", split="dev")

    def test_it_is_what_the_same_table_is(self, tmp_path: Path) -> None:
        """A Parquet table of files, and the DataFrame that it is read as."""
        for name, pixels in zip(("a/1.png", "a/2.png", "b/1.png"), pictures(3), strict=True):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_bytes(encoded(pixels))
        frame = pd.DataFrame(
            {
                "image": ["a/1.png", "a/2.png", "b/1.png"],
                "label": ["x", "y", "x"],
                "n": [1, 2, 3],
                "s": ["01", "", None],
            }
        )
        frame.to_parquet(tmp_path / "photos.parquet")
        table = open_dataset(tmp_path / "photos.parquet", None)
        frame["image"] = [str(tmp_path / name) for name in frame["image"]]
        listing = kept(tmp_path / "kept", frame)
        same = opened(listing)
        assert same.samples == table.samples
        assert (same.class_names, same.columns) == (table.class_names, table.columns)
        assert same.fingerprint() == table.fingerprint()
        assert sorted(path.name for path in (tmp_path / "kept").iterdir()) == [listing.listing.name], "files stay"

    def test_ids_by_a_column(self, tmp_path: Path) -> None:
        frame = pd.DataFrame({"image": list(pictures()), "label": labels(), "name": list("dcba")})
        assert [sample.image_id for sample in opened(kept(tmp_path, frame, ids="name")).samples] == list("abcd")
        refused(tmp_path / "odd", frame, "no column 'file'", ids="file")

    @pytest.mark.parametrize(
        ("change", "says"),
        [
            (lambda frame: frame.drop(columns="label"), "no column 'label'"),
            (lambda frame: frame.rename(columns={"extra": 7}), "a column 7"),
            (lambda frame: frame.rename(columns={"extra": "#id"}), "a column '#id'"),
            (lambda frame: pd.concat([frame, frame["extra"]], axis=1), "two columns of one name"),
            (lambda frame: frame.assign(extra=[1, "a", {}, object()]), "the column 'extra'"),
            (lambda frame: frame.assign(box="1,2,3"), "a box needs four numbers"),
            (lambda frame: frame.assign(label=None), "photo 0 has no label"),
            (lambda frame: frame.iloc[:0], "hold no photos"),
        ],
    )
    def test_what_is_no_table(self, tmp_path: Path, change: Any, says: str) -> None:
        frame = pd.DataFrame({"image": list(pictures()), "label": labels(), "extra": range(4)})
        refused(tmp_path / "odd", change(frame), says)


class TestPairs:
    def test_paths_stay_where_they_are(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        names = ("ant/1.png", "ant/2.png", "bee/deep/3.png")
        for name, pixels in zip(names, pictures(3), strict=True):
            (tmp_path / "data" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "data" / name).write_bytes(encoded(pixels))
        monkeypatch.chdir(tmp_path)
        pairs = [(Path("data") / name, name[:3]) for name in names]
        listing = kept(tmp_path / "kept", pairs)
        dataset = opened(listing)
        assert [sample.image_id for sample in dataset.samples] == list(names)
        assert [sample.path for sample in dataset.samples] == [tmp_path / "data" / name for name in names]
        assert len(listing.used - {listing.listing.name}) == 4, "three paths and no mask"
        with pytest.raises(DataError, match="leaves the folder"):
            open_dataset(listing.listing, None)
        gone = [*pairs, ("data/ant/none.png", "ant")]
        assert "missing" not in opened(kept(tmp_path / "kept", gone)).fingerprint()
        refused(tmp_path / "odd", [("nowhere/1.png", "a"), ("nowhere/2.png", "b")], "none of 2 paths leads to a file")

    def test_files_in_memory_are_not_coded_again(self, tmp_path: Path) -> None:
        jpeg = encoded(pictures(1, (40, 40, 3))[0], ".jpg")
        pairs = [(jpeg, "a"), ({"bytes": jpeg[:-1], "path": None}, "b"), (bytearray(jpeg), "a"), (b"no picture", "b")]
        dataset = opened(kept(tmp_path, pairs))
        assert [sample.path.read_bytes() for sample in dataset.samples] == [jpeg, jpeg[:-1], jpeg, b"no picture"]
        assert [sample.path.suffix for sample in dataset.samples] == [".jpg", ".jpg", ".jpg", ".bin"]

    def test_pictures_of_pillow(self, tmp_path: Path) -> None:
        pixels = pictures(1)[0]
        rgb = Image.fromarray(pixels)
        cut = Image.open(io.BytesIO(encoded(pictures(1, (90, 90, 3))[0], ".jpg")[:900]))
        deep = Image.fromarray(pixels[..., 0].astype(np.int32))
        pairs = [(rgb, "a"), (rgb.convert("RGBA"), "b"), (rgb.convert("L"), "a"), (cut, "b"), (deep, "a"), (None, "b")]
        dataset = opened(kept(tmp_path, pairs))
        np.testing.assert_array_equal(decode(dataset.samples[0].path, 3)[0], pixels)
        np.testing.assert_array_equal(decode(dataset.samples[1].path, 3)[0], pixels)
        np.testing.assert_array_equal(decode(dataset.samples[2].path, 1)[0][..., 0], np.asarray(rgb.convert("L")))
        skipped = [sample.skip for sample in dataset.samples]
        assert skipped[:3] == ["", "", ""]
        assert skipped[3].startswith("damaged: ")
        assert "more than 8 bits" in skipped[4]
        assert skipped[5] == "there is no picture"

    def test_a_palette_mask_stays_one(self, tmp_path: Path) -> None:
        mask = Image.fromarray(np.array([[0, 1], [255, 1]], np.uint8)).convert("P")
        sample = opened(kept(tmp_path, [(pictures(1)[0], "a", mask)])).samples[0]
        with Image.open(sample.mask) as found:
            assert found.mode == "P"
            np.testing.assert_array_equal(np.asarray(found), np.asarray(mask))

    def test_what_comes_in_another_order_has_the_same_ids(self, tmp_path: Path) -> None:
        pairs = list(zip(pictures(), labels(), strict=True))
        first = opened(kept(tmp_path, iter(pairs)))
        other = opened(kept(tmp_path, iter(pairs[::-1])))
        assert first.fingerprint() == other.fingerprint()
        assert all(re.fullmatch(r"[0-9a-f]{12}", sample.image_id) for sample in first.samples)
        twice = opened(kept(tmp_path, iter(pairs + pairs[:1])))
        assert sum(sample.image_id.endswith("-2") for sample in twice.samples) == 1

    @pytest.mark.parametrize(
        ("data", "says"),
        [
            ([], "hold no photos"),
            ([("a",)], "element 0 of the data is a tuple of 1"),
            ([("a", "b", "c", "d")], "is a tuple of 4"),
            ([{"picture": 1, "label": 2}], "has the keys"),
            (pictures(), "got ndarray"),
            ({"a": 1}, "got dict"),
            (None, "got NoneType"),
            (7, "got int"),
        ],
    )
    def test_what_is_no_list(self, tmp_path: Path, data: Any, says: str) -> None:
        refused(tmp_path / "odd", data, says)


class TestRoom:
    def test_above_2_gb_only_with_a_cache(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Known from the shapes of arrays: nothing is written, not even for a moment."""
        monkeypatch.setattr(store.Store, "picture", lambda *_: pytest.fail("something was written"))
        image = np.broadcast_to(np.uint8(7), (1000, 3000, 1000, 3))
        refused(
            tmp_path / "odd",
            (image, np.zeros(1000)),
            "9.00 GB",
            "cache=DIR",
            kind=ConfigError,
            most=store.WITHOUT_CACHE,
        )

    def test_what_shows_too_late_is_removed(self, tmp_path: Path) -> None:
        pairs = list(zip(pictures(9), labels(9), strict=True))
        kept(tmp_path / "odd", pairs[:2], most=200)
        refused(tmp_path / "odd", pairs, "at least", kind=ConfigError, most=800)
        assert kept(tmp_path / "odd", pairs, most=810)

    def test_the_disk_is_not_filled(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(store, "LEFT_FREE", 10**18)
        refused(tmp_path / "odd", (pictures(), labels()), "is full but for", kind=BiasAuditError)

    def test_what_never_ends(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(keeping, "MOST_PHOTOS", 50)
        refused(tmp_path / "odd", ((pictures(1)[0], "a") for _ in iter(int, 1)), "do they repeat themselves")

    def test_pruning_removes_what_it_wrote_and_nothing_else(self, tmp_path: Path) -> None:
        first, second = kept(tmp_path, (pictures(), labels())), kept(tmp_path, (pictures(5), labels(5)))
        for name in ("mine.png", "photos.photos.parquet", f"{'a' * 31}.png"):
            (tmp_path / name).write_text("mine")
        (tmp_path / f"{'b' * 32}.png").mkdir()
        store.prune(tmp_path, second.used)
        left = {path.name for path in tmp_path.iterdir()}
        assert left == {*second.used, "mine.png", "photos.photos.parquet", f"{'a' * 31}.png", f"{'b' * 32}.png"} - {""}
        assert not first.listing.exists()
        assert len(opened(second).samples) == 5


class TestListing:
    @pytest.mark.parametrize(
        ("change", "says"),
        [
            (lambda table: table.drop_columns(["#id"]), "no list of photos that were in memory"),
            (lambda table: table.replace_schema_metadata({}), "not valid JSON"),
            (lambda table: table.replace_schema_metadata({b"bias_audit": b"[]"}), "no list of photos"),
            (lambda table: _with(table, "image", "/etc/hostname"), "leaves the folder"),
            (lambda table: _with(table, "mask", "../x.png"), "leaves the folder"),
            (lambda table: _with(table, "#id", "../../x"), "is no image id"),
            (lambda table: _with(table, "label", "wasp"), "has the label 'wasp'"),
            (lambda table: _with(table, "label", None), "has the label None"),
            (lambda table: _with(table, "box", "1,2"), "a box needs four numbers"),
            (lambda table: _with(table, "#id", "000001"), "is there twice"),
            (lambda table: table.slice(0, 0), "no list of photos"),
        ],
    )
    def test_a_list_of_somebody_else_leads_nowhere(self, tmp_path: Path, change: Any, says: str) -> None:
        import pyarrow.parquet

        listing = kept(tmp_path, (pictures(), labels())).listing
        pyarrow.parquet.write_table(change(pyarrow.parquet.read_table(listing)), listing)
        with pytest.raises(DataError) as caught:
            open_dataset(listing, None)
        assert says in caught.value.message

    def test_nothing_is_written_through_a_link(self, tmp_path: Path) -> None:
        listing = kept(tmp_path / "kept", (pictures(), labels())).listing
        content = listing.read_bytes()
        picture = opened(Kept(listing, False, frozenset())).samples[0].path
        for path in (listing, picture):
            (tmp_path / "victim").write_text("mine")
            path.unlink()
            path.symlink_to(tmp_path / "victim")
        kept(tmp_path / "kept", (pictures(), labels()))
        assert (tmp_path / "victim").read_text() == "mine"
        assert not listing.is_symlink()
        assert listing.read_bytes() == content

    def test_a_damaged_file_is_one_sentence(self, tmp_path: Path) -> None:
        file = tmp_path / "x.photos.parquet"
        for content in (b"", b"PAR1", os.urandom(200)):
            file.write_bytes(content)
            with pytest.raises(DataError, match="cannot read the table"):
                open_dataset(file, None)


def _with(table: Any, column: str, value: str | None) -> Any:
    import pyarrow

    values = table.column(column).to_pylist()
    values[0] = value
    return table.set_column(table.column_names.index(column), column, pyarrow.array(values, pyarrow.string()))
