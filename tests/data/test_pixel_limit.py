"""Pictures beyond the limit of pixels are rows with a reason that names limit and flag; nothing of them is decoded."""

from __future__ import annotations

import dataclasses
import struct
import threading
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bias_audit.data import batches, masks, opening, pictures
from bias_audit.data.batches import Geometry, load, load_in_order, reduced
from bias_audit.data.dataset import Sample
from bias_audit.data.masks import MaskReading, read_mask
from bias_audit.data.opening import TooManyPixels, open_picture
from bias_audit.data.pictures import decode
from bias_audit.errors import DataError
from bias_audit.limits.bounds import Limits
from bias_audit.limits.room import Room
from bias_audit.run import statuses

FEW = Limits(pixels=100)
SMALL = Geometry((4, 4), 3, "stretch", "bilinear", MaskReading(pixels=100), limits=FEW)


def png_header(width: int, height: int) -> bytes:
    """A PNG that declares a size and holds no pixels: whoever decodes it finds it damaged."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = b"IHDR" + head, b"IDATnone"
    parts = (struct.pack(">I", len(each) - 4) + each + struct.pack(">I", zlib.crc32(each)) for each in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def picture(path: Path, height: int = 20, width: int = 10, **options: object) -> Path:
    Image.fromarray(np.full((height, width, 3), 90, np.uint8)).save(path, **options)
    return path


@pytest.mark.parametrize("kind", ["png", "jpg", "gif", "bmp", "webp", "tiff"])
def test_a_photo_beyond_is_a_row_that_names_limit_and_flag(tmp_path: Path, kind: str) -> None:
    path = picture(tmp_path / f"p.{kind}")
    loaded = load(Sample("p", path, 0), SMALL)
    assert loaded.status == statuses.UNREADABLE
    assert loaded.reason == (
        "too many pixels: 20x10 are 200 pixels, beyond the limit pixels of 100 (raise it with --limit pixels=200)"
    )
    assert loaded.content
    raised = dataclasses.replace(SMALL, limits=Limits(pixels=200))
    assert load(Sample("p", path, 0), raised).status == statuses.OK


def test_nothing_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "p.png"
    path.write_bytes(png_header(13_000, 13_000))
    monkeypatch.setattr(pictures.cv2, "imdecode", None)  # whoever calls it fails
    plain = dataclasses.replace(SMALL, limits=Limits())
    assert "13000x13000 are 169,000,000 pixels" in load(Sample("p", path, 0), plain).reason
    assert decode(path, 3)[0] is None
    assert reduced(path, plain, lambda pixels: pixels.shape) is None


@pytest.mark.parametrize("side", [15_000, 60_000])
def test_pillow_does_not_contradict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, side: int) -> None:
    """Pillow refuses from 178,956,970 pixels on, whatever the user allows, unless it is told."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)
    path = tmp_path / "p.png"
    path.write_bytes(png_header(side, side))
    before = Image.MAX_IMAGE_PIXELS
    with pytest.raises(TooManyPixels, match=f"--limit pixels={side * side}"):
        open_picture(path)
    assert before == Image.MAX_IMAGE_PIXELS
    assert open_picture(path, side * side).size == (side, side)
    with pytest.raises(TooManyPixels):
        open_picture(path, side * side - 1)


def test_a_mask_beyond_costs_the_mask_only(tmp_path: Path) -> None:
    photo = picture(tmp_path / "p.png", 10, 10)
    for kind in ("png", "gif", "tif", "jpg"):
        mask = picture(tmp_path / f"m.{kind}", 20, 20)
        loaded = load(Sample("p", photo, 0, mask=mask), SMALL)
        assert (loaded.status, loaded.mask_status) == (statuses.OK, statuses.MASK_TOO_LARGE)
        assert read_mask(mask.read_bytes(), MaskReading(pixels=400))[1] == statuses.OK


def test_frames_that_tensorflow_would_unpack_are_counted(tmp_path: Path) -> None:
    frames = [Image.fromarray(np.full((5, 5, 3), 10 * i, np.uint8)) for i in range(6)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    animated = Sample("a", tmp_path / "a.gif", 0)
    assert load(animated, SMALL).status == statuses.OK
    shows = dataclasses.replace(SMALL, decoder=lambda data, channels: np.zeros((5, 5, channels), np.uint8))
    assert "6 frames of 5x5 are 150 pixels, beyond the limit pixels of 100" in load(animated, shows).reason


def test_pages_after_the_first_are_not_read(tmp_path: Path) -> None:
    pages = [Image.new("RGB", (10, 10)), Image.new("RGB", (500, 500))]
    pages[0].save(tmp_path / "t.tiff", save_all=True, append_images=pages[1:])
    assert load(Sample("t", tmp_path / "t.tiff", 0), SMALL).status == statuses.OK
    pages[1].save(tmp_path / "t.tiff", save_all=True, append_images=pages[:1])
    assert "250,000 pixels" in load(Sample("t", tmp_path / "t.tiff", 0), SMALL).reason


@pytest.mark.parametrize("masked", [False, True])
def test_threads_decode_within_their_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, masked: bool) -> None:
    """Eight threads, and room for two pictures of 16 x 16: never three at once, and nothing waits for ever."""
    room = Room(2 * batches.PIXEL_BYTES[3] * 256)
    monkeypatch.setattr("bias_audit.limits.room.UNCOUNTED", 0)
    monkeypatch.setattr(batches, "decoding", room)
    monkeypatch.setattr(masks, "decoding", room)
    monkeypatch.setattr(batches, "decoders", lambda: 8)
    at_once, most, lock = 0, 0, threading.Lock()
    fit = batches.fit_image

    def counting(*arguments: object) -> object:
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        threading.Event().wait(0.01)
        with lock:
            at_once -= 1
        return fit(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(batches, "fit_image", counting)
    path = picture(tmp_path / "p.png", 16, 16)
    mask = picture(tmp_path / "m.png", 16, 16) if masked else None
    geometry = dataclasses.replace(SMALL, limits=Limits(), masks=MaskReading())
    done = list(load_in_order([Sample(f"{i}", path, 0, mask=mask) for i in range(24)], geometry, 8))
    assert [loaded.status for _, group in done for loaded in group] == [statuses.OK] * 24
    assert most == 2
    assert room._taken == 0


def test_fewer_groups_are_decoded_ahead_where_they_are_large(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def refused(*_given: object) -> batches.Loaded:
        asked.append(1)
        return batches.Loaded("unreadable")

    monkeypatch.setattr(batches, "load", refused)
    samples = [Sample(f"{i}", Path("x"), 0) for i in range(20)]
    each = batches.input_bytes(SMALL)
    for groups, expected in ((4, 6), (3, 4), (1, 2)):
        asked.clear()
        limited = dataclasses.replace(SMALL, limits=Limits(batch_bytes=2 * groups * each))
        running = load_in_order(samples, limited, 2)
        next(running)
        running.close()
        assert len(asked) <= expected


def test_columns_of_a_table(tmp_path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    from bias_audit.data.sources import open_dataset
    from bias_audit.data.sources.attach import attach_boxes
    from bias_audit.data.sources.options import SourceOptions

    names = ["image", "label", *(f"c{i}" for i in range(8))]
    (tmp_path / "t.csv").write_text(",".join(names) + "\n" + ",".join("x" * 10) + "\n")
    pyarrow.parquet.write_table(pyarrow.table({name: ["x"] for name in names}), tmp_path / "t.parquet")
    for file in ("t.csv", "t.parquet"):
        assert len(open_dataset(tmp_path / file, None, SourceOptions(limits=Limits(columns=10))).columns) == 8
        with pytest.raises(DataError, match=r"has 10 columns, beyond the limit columns of 9 .*--limit columns=10"):
            open_dataset(tmp_path / file, None, SourceOptions(limits=Limits(columns=9)))
    data = open_dataset(tmp_path / "t.csv", None)
    with pytest.raises(DataError, match="limit columns of 3"):
        attach_boxes(data, tmp_path / "t.csv", 3)


def test_a_reader_that_names_no_limit_has_the_default() -> None:
    assert opening.open_picture.__defaults__ == (Limits.pixels,)
