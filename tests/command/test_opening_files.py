"""Item 5: photos and masks are opened by an allowlist of decoders, chosen by content, and none starts a program."""

from __future__ import annotations

import io
import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import EpsImagePlugin, Image

import bias_audit
from bias_audit.data.masks import MaskReading, read_mask
from bias_audit.data.opening import DECODERS
from bias_audit.data.pictures import decode

GRID = np.kron(np.eye(2, dtype=np.uint8), np.full((20, 20), 255, np.uint8))


def eps() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.dstack([GRID] * 3)).save(buffer, "EPS")
    return buffer.getvalue()


def iptc(content: bytes) -> bytes:
    """An IPTC file that holds another file as its pixels, which Pillow opens by whatever decoder fits."""

    def field(section: int, tag: int, data: bytes) -> bytes:
        return bytes([0x1C, section, tag]) + len(data).to_bytes(2, "big") + data

    head = field(3, 60, b"\1\0") + field(3, 20, b"\0\x28") + field(3, 30, b"\0\x28") + field(3, 120, b"\5")
    pieces = [content[start : start + 30000] for start in range(0, len(content), 30000)]
    return head + b"".join(field(8, 10, piece) for piece in pieces)


@pytest.fixture
def ghostscript(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `gs` on the path; the file that it leaves behind when it is started."""
    program, mark = tmp_path / "bin" / "gs", tmp_path / "gs-ran"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\necho \"$@\" >> '{mark}'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(EpsImagePlugin, "gs_binary", None)
    return mark


@pytest.mark.parametrize("content", [eps(), iptc(eps())], ids=["eps", "eps in iptc"])
def test_pillow_alone_would_start_it(ghostscript: Path, content: bytes):
    with pytest.raises(OSError), Image.open(io.BytesIO(content)) as image:  # noqa: PT011 - the fake makes no picture
        image.load()
    assert ghostscript.exists()


def test_an_audit_starts_no_program_and_names_the_files(tiny, command, tmp_path, ghostscript):
    images, masks, train = tmp_path / "images", tmp_path / "masks", tmp_path / "train"
    shutil.copytree(tiny.images, images)
    shutil.copytree(tiny.masks, masks)
    shutil.copytree(tiny.images, train)
    (masks / "a" / "a_00.png").write_bytes(eps())
    (masks / "a" / "a_01.png").write_bytes(iptc(eps()))
    (images / "b" / "b_00.png").write_bytes(eps())
    (images / "b" / "b_01.png").write_bytes(iptc(eps()))
    (train / "b" / "b_00.png").write_bytes(eps())
    run = tmp_path / "run"
    arguments = ("--masks", masks, "--train", train, "--out", run, "--batch-size", 4, "--interventions", 4, "--quiet")
    code, _, err = command("audit", tiny.follows_background, images, *arguments)
    assert (code, ghostscript.exists()) == (0, False), err
    table = pd.read_csv(run / "images.csv", index_col="image_id")
    assert list(table.loc[["a/a_00.png", "a/a_01.png"], "mask_status"]) == ["mask unreadable"] * 2
    assert list(table.loc[["b/b_00.png", "b/b_01.png"], "status"]) == ["unreadable"] * 2
    assert table.loc["b/b_00.png", "status_reason"].startswith("not a picture of a kind that is read")
    masks_of_old = tmp_path / "new masks"
    shutil.copytree(masks, masks_of_old)
    assert command("rescore", run, "--masks", masks_of_old, "--quiet")[0] == 0
    assert command("explain", tiny.follows_background, images / "b", "--out", tmp_path / "explained", "--quiet")[0] == 0
    assert not ghostscript.exists()


# What Pillow writes itself, and what d24a023 read of it as photo and as mask.
PHOTOS = ("AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "MPO", "PNG", "PPM", "TIFF", "WEBP")
MASKS = (*PHOTOS, "BLP", "DDS", "DIB", "ICNS", "ICO", "IM", "MSP", "PCX", "QOI", "SGI", "SPIDER", "TGA", "XBM")
MODES = {"BLP": "P", "MSP": "1", "XBM": "1", "DDS": "RGB", "QOI": "RGB", "ICNS": "RGBA"}


@pytest.mark.filterwarnings("ignore::DeprecationWarning:PIL")
@pytest.mark.parametrize("kind", MASKS)
def test_what_was_read_is_still_read(tmp_path: Path, kind: str):
    Image.init()
    if kind not in Image.SAVE:
        pytest.skip(f"this Pillow writes no {kind}")
    grid = np.kron(GRID, np.ones((2, 2), np.uint8))
    path, buffer = tmp_path / "file.png", io.BytesIO()
    Image.fromarray(grid).convert(MODES.get(kind, "L")).save(buffer, kind)  # to a path, SPIDER would make .png its own
    path.write_bytes(buffer.getvalue())
    mask, status = read_mask(path.read_bytes(), MaskReading())
    assert status == "ok"
    assert mask is not None
    if kind not in ("ICNS", "ICO", "BLP"):  # icons have sizes of their own, BLP a palette of its own
        assert (mask == (grid > 0)).mean() > 0.99
    pixels, reason = decode(path, 3)
    assert (pixels is not None) == (kind in PHOTOS), reason


def test_no_other_file_opens_pictures():
    package = Path(bias_audit.__file__).parent
    users = [path.name for path in package.rglob("*.py") if "Image.open(" in path.read_text(encoding="utf-8")]
    assert users == ["opening.py"]
    assert not {"EPS", "IPTC", "WMF", "BUFR", "GRIB", "HDF5"} & set(DECODERS)


@pytest.mark.filterwarnings("ignore::UserWarning:PIL", "ignore::DeprecationWarning:PIL")
def test_a_damaged_file_of_any_kind_is_a_reason(tmp_path: Path):
    """Pillow's decoders raise anything on damaged files; here nothing leaves them."""
    Image.init()
    rng = np.random.default_rng(0)
    path = tmp_path / "file.png"
    for kind in (kind for kind in MASKS if kind in Image.SAVE):
        buffer = io.BytesIO()
        Image.fromarray(GRID).convert(MODES.get(kind, "RGB")).save(buffer, kind)
        whole = buffer.getvalue()
        for _ in range(25):
            broken = bytearray(whole[: rng.integers(1, len(whole) + 1)])
            for place in rng.integers(0, min(len(broken), 200), 3):
                broken[place] = rng.integers(256)
            path.write_bytes(broken)
            assert (read_mask(path.read_bytes(), MaskReading())[0] is None) == (
                read_mask(path.read_bytes(), MaskReading())[1] != "ok"
            )
            pixels, reason = decode(path, 3)
            assert (pixels is None) == bool(reason)
            assert "\n" not in reason
