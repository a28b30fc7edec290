"""Mask files and boxes -> background, foreground and void, for every file kind that annotation tools write."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from bias_audit.data.dataset import Sample
from bias_audit.data.masks import MaskReading, boxes_to_mask, load_mask, read_mask, resize_nearest
from bias_audit.run import statuses

ANY = MaskReading()
GRID = np.array([[0, 1, 1], [0, 1, 0]], np.uint8)
"""A 2 x 3 mask with three foreground pixels."""


def _save(folder: Path, image: Image.Image, name: str = "m.png", **options: object) -> Path:
    path = folder / name
    image.save(path, **options)
    return path


def _palette(values: np.ndarray) -> Image.Image:
    image = Image.fromarray(values, mode=None).convert("L")
    indexed = Image.new("P", image.size)
    indexed.putdata(list(values.ravel().tolist()))
    indexed.putpalette([channel for i in range(256) for channel in ((i * 37) % 256, (i * 91) % 256, (i * 53) % 256)])
    return indexed


def _read(path: Path, reading: MaskReading = ANY) -> list[list[int]]:
    mask, status = read_mask(path.read_bytes(), reading)
    assert status == statuses.OK
    assert mask is not None
    assert mask.dtype == np.uint8
    return mask.tolist()


def _load(sample: Sample, size: tuple[int, int], reading: MaskReading) -> tuple[np.ndarray | None, str, str]:
    there = sample.mask is not None and sample.mask.exists()
    return load_mask(sample, size, reading, sample.mask.read_bytes() if there else None)


class TestFileKinds:
    def test_zero_one_and_zero_255_and_one_bit(self, tmp_path: Path) -> None:
        expected = GRID.tolist()
        assert _read(_save(tmp_path, Image.fromarray(GRID), "a.png")) == expected
        assert _read(_save(tmp_path, Image.fromarray(GRID * 255), "b.png")) == expected
        assert _read(_save(tmp_path, Image.fromarray(GRID.astype(bool)), "c.png")) == expected
        assert _read(_save(tmp_path, Image.fromarray(GRID * 255), "d.bmp")) == expected
        assert _read(_save(tmp_path, Image.fromarray(GRID.astype(np.uint16) * 900), "e.png")) == expected

    def test_zero_one_255_needs_the_ignore_value(self, tmp_path: Path) -> None:
        path = _save(tmp_path, Image.fromarray(np.array([[0, 1, 255]], np.uint8)))
        assert _read(path) == [[0, 1, 1]]
        assert _read(path, MaskReading(ignore=255)) == [[0, 1, 2]]

    def test_trimap_of_oxford_pet(self, tmp_path: Path) -> None:
        path = _save(tmp_path, Image.fromarray(np.array([[1, 2, 3]], np.uint8)))  # pet, background, ring
        assert _read(path, MaskReading(foreground=(1,), ignore=3)) == [[1, 0, 2]]

    def test_ignore_goes_before_foreground_and_may_be_zero(self, tmp_path: Path) -> None:
        path = _save(tmp_path, Image.fromarray(np.array([[0, 4, 7]], np.uint8)))
        assert _read(path, MaskReading(foreground=(4, 7), ignore=7)) == [[0, 1, 2]]
        assert _read(path, MaskReading(ignore=0)) == [[2, 1, 1]]

    def test_palette_gives_indices_and_255_is_void(self, tmp_path: Path) -> None:
        path = _save(tmp_path, _palette(np.array([[0, 15, 12, 255]], np.uint8)))
        assert _read(path) == [[0, 1, 1, 2]]
        assert _read(path, MaskReading(foreground=(12,))) == [[0, 0, 1, 2]]
        assert _read(path, MaskReading(foreground=(12,), ignore=15)) == [[0, 2, 1, 0]]

    def test_alpha_is_the_mask_where_it_says_something(self, tmp_path: Path) -> None:
        colours = np.full((2, 3, 3), 200, np.uint8)
        cut_out = np.dstack([colours, GRID * 255])
        assert _read(_save(tmp_path, Image.fromarray(cut_out), "rgba.png")) == GRID.tolist()
        grey = np.dstack([np.full((2, 3), 90, np.uint8), GRID * 128])
        assert _read(_save(tmp_path, Image.fromarray(grey, "LA"), "la.png")) == GRID.tolist()

    def test_opaque_alpha_leaves_the_colours(self, tmp_path: Path) -> None:
        drawn = np.dstack([GRID * 255, GRID * 255, GRID * 255, np.full((2, 3), 255, np.uint8)])
        assert _read(_save(tmp_path, Image.fromarray(drawn), "rgba.png")) == GRID.tolist()
        drawn[0, 1] = (255, 0, 0, 255)
        assert read_mask(_save(tmp_path, Image.fromarray(drawn), "red.png").read_bytes(), ANY) == (
            None,
            statuses.COLOURED,
        )

    def test_jpeg_rings_do_not_become_foreground(self, tmp_path: Path) -> None:
        sharp = np.zeros((32, 32), np.uint8)
        sharp[5:21, 6:27] = 255  # not on the 8 x 8 blocks
        path = _save(tmp_path, Image.fromarray(sharp), "m.jpg", quality=75)
        with Image.open(path) as image:
            assert len(np.unique(np.asarray(image))) > 2  # the file does ring, or this test shows nothing
        assert _read(path) == (sharp // 255).tolist()
        coloured = Image.fromarray(np.dstack([sharp] * 3))
        assert _read(_save(tmp_path, coloured, "rgb.jpg", quality=75)) == (sharp // 255).tolist()

    def test_grey_in_rgb_is_taken_and_colour_refused(self, tmp_path: Path) -> None:
        assert _read(_save(tmp_path, Image.fromarray(np.dstack([GRID * 255] * 3)))) == GRID.tolist()
        colour = np.dstack([GRID * 255, GRID * 0, GRID * 0])
        assert read_mask(_save(tmp_path, Image.fromarray(colour)).read_bytes(), ANY) == (None, statuses.COLOURED)


class TestUnreadable:
    @pytest.mark.parametrize("content", [b"", b"not a mask", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"BM"])
    def test_no_picture(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "m.png").write_bytes(content)
        assert read_mask((tmp_path / "m.png").read_bytes(), ANY) == (None, statuses.MASK_UNREADABLE)

    def test_missing_and_folder(self, tmp_path: Path) -> None:
        assert read_mask(b"", ANY) == (None, statuses.MASK_UNREADABLE)

    @pytest.mark.filterwarnings("ignore::UserWarning:PIL")
    @pytest.mark.parametrize("kind", ["PNG", "GIF", "TIFF", "BMP", "JPEG", "WEBP"])
    def test_no_damage_raises(self, tmp_path: Path, kind: str) -> None:
        buffer = io.BytesIO()
        Image.fromarray(np.kron(GRID, np.full((8, 8), 255, np.uint8))).save(buffer, kind)
        whole = buffer.getvalue()
        rng = np.random.default_rng(5)
        path = tmp_path / "m.png"
        for _ in range(60):
            broken = bytearray(whole[: rng.integers(1, len(whole) + 1)])
            for place in rng.integers(0, len(broken), 4):
                broken[place] = rng.integers(256)
            path.write_bytes(broken)
            mask, status = read_mask(path.read_bytes(), ANY)
            assert (mask is None) == (status != statuses.OK)


class TestLoadMask:
    def _sample(self, mask: Path | None = None, boxes: tuple = ()) -> Sample:
        return Sample("a.jpg", Path("a.jpg"), 0, mask=mask, boxes=boxes)

    def test_no_mask_and_no_box(self) -> None:
        assert _load(self._sample(), (4, 4), ANY) == (None, statuses.NO_MASK, "")

    def test_a_mask_goes_before_boxes(self, tmp_path: Path) -> None:
        path = _save(tmp_path, Image.fromarray(GRID))
        mask, status, kind = _load(self._sample(path, ((0, 0, 1, 1),)), (2, 3), ANY)
        assert (status, kind) == (statuses.OK, "mask")
        assert mask is not None
        assert mask.tolist() == GRID.tolist()

    def test_boxes_alone(self) -> None:
        mask, status, kind = _load(self._sample(boxes=((1, 0, 3, 1),)), (2, 3), ANY)
        assert (status, kind) == (statuses.OK, "box")
        assert mask is not None
        assert mask.tolist() == [[0, 1, 1], [0, 0, 0]]

    def test_a_box_outside_the_picture_is_empty(self) -> None:
        assert _load(self._sample(boxes=((10, 10, 20, 20),)), (4, 4), ANY) == (None, statuses.EMPTY, "box")
        assert _load(self._sample(boxes=((-9, -9, -1, -1),)), (4, 4), ANY) == (None, statuses.EMPTY, "box")

    def test_a_smaller_mask_of_the_same_shape_is_enlarged(self, tmp_path: Path) -> None:
        path = _save(tmp_path, Image.fromarray(GRID))
        mask, status, _ = _load(self._sample(path), (4, 6), ANY)
        assert status == statuses.OK
        assert mask is not None
        assert mask.tolist() == np.kron(GRID, np.ones((2, 2), int)).tolist()

    @pytest.mark.parametrize("size", [(3, 2), (4, 5), (2, 4)])
    def test_another_shape_is_refused(self, tmp_path: Path, size: tuple[int, int]) -> None:
        path = _save(tmp_path, Image.fromarray(GRID))
        assert _load(self._sample(path), size, ANY) == (None, statuses.WRONG_SIZE, "mask")

    def test_a_rounding_of_one_pixel_is_the_same_shape(self, tmp_path: Path) -> None:
        path = _save(tmp_path, Image.fromarray(np.ones((100, 133), np.uint8)))  # exported from 400 x 533
        assert _load(self._sample(path), (400, 533), ANY)[1] == statuses.OK

    def test_empty_unreadable_and_all_void(self, tmp_path: Path) -> None:
        empty = _save(tmp_path, Image.fromarray(np.zeros((2, 3), np.uint8)))
        assert _load(self._sample(empty), (2, 3), ANY) == (None, statuses.EMPTY, "mask")
        void = _save(tmp_path, _palette(np.full((2, 3), 255, np.uint8)), "void.png")
        assert _load(self._sample(void), (2, 3), ANY) == (None, statuses.EMPTY, "mask")
        assert _load(self._sample(tmp_path / "no.png"), (2, 3), ANY) == (None, statuses.MASK_UNREADABLE, "mask")


class TestBoxesToMask:
    def test_by_hand(self) -> None:
        # columns 1..2 of rows 0..1, and the corner pixel (2, 3)
        mask = boxes_to_mask(((1, 0, 3, 2), (3, 2, 4, 3)), (3, 4))
        assert mask.tolist() == [[0, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 1]]

    number = st.one_of(st.floats(-3, 9), st.integers(-6, 18).map(lambda n: n / 2))

    @given(st.lists(st.tuples(number, number, number, number), max_size=3), st.integers(1, 6), st.integers(1, 7))
    def test_a_pixel_belongs_when_its_centre_does(self, corners: list, height: int, width: int) -> None:
        boxes = tuple((min(a, c), min(b, d), max(a, c), max(b, d)) for a, b, c, d in corners)
        mask = boxes_to_mask(boxes, (height, width))
        for row in range(height):
            for column in range(width):
                inside = any(x0 <= column + 0.5 < x1 and y0 <= row + 0.5 < y1 for x0, y0, x1, y1 in boxes)
                assert mask[row, column] == inside


class TestResizeNearest:
    @pytest.mark.parametrize("size", [(1, 1), (3, 9), (10, 4), (5, 7), (14, 2), (31, 23)])
    def test_equals_pillow(self, size: tuple[int, int]) -> None:
        values = np.random.default_rng(1).integers(0, 3, (10, 14)).astype(np.uint8)
        expected = np.asarray(Image.fromarray(values).resize(size[::-1], Image.Resampling.NEAREST))
        assert resize_nearest(values, size).tolist() == expected.tolist()
