"""Pictures of more than 8 bits and DICOM files: changed bytes, lying headers, and frames that unpack to very much."""

from __future__ import annotations

import importlib.util
import struct
import zlib
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from .beside import module
from .changing import changed_bytes
from .trying import HARMLESS, LOST, REFUSED, WRONG, Attempt, Kind, in_child


def deep_bytes(attempt: Attempt) -> str:
    """Changes of a PNG or TIFF of 16 or 32 bits, or of a DICOM file: a row with its pixels, or with its reason."""
    rng = attempt.rng
    name = rng.choice(sorted(path.name for path in attempt.world.iterdir()))
    data, done = (attempt.world / name).read_bytes(), []
    # The preamble of DICOM is not read: changes are made behind it.
    at = 132 if name.endswith(".dcm") else 0
    for _ in range(rng.choice((1, 1, 2, 3))):
        changed, said = changed_bytes(data[at:], rng)
        data = data[:at] + changed
        done.append(said)
    attempt.what = f"{name}: {'; '.join(done)}"
    return _loaded(attempt, data)


def deep_bombs(attempt: Attempt) -> str:
    """Small files that say, or are, very many values."""
    data, attempt.what = _bomb(attempt.rng)
    return in_child(lambda: _loaded(attempt, data), 60)


def _bomb(rng: Random) -> tuple[bytes, str]:
    kinds = ["a TIFF of 32 bits", "a PNG of 16 bits"]
    if importlib.util.find_spec("pydicom") is not None:
        kinds += ["frames", "rows", "runs", "a JPEG in DICOM", "deflated"]
    kind = rng.choice(kinds)
    width, height = rng.choice(((9_900, 9_900), (13_000, 13_000), (65_000, 65_000), (65_535, 2)))
    if kind == "a TIFF of 32 bits":
        tags = ((256, 4, width), (257, 4, height), (258, 3, 32), (259, 3, 1), (262, 3, 1), (273, 4, 8), (277, 3, 1),
                (278, 4, height), (279, 4, 2**32 - 1), (339, 3, rng.choice((1, 2, 3))))  # fmt: skip
        entries = b"".join(struct.pack("<HHII", tag, form, 1, value) for tag, form, value in tags)
        return b"II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + entries + bytes(100), f"{kind}, {width}x{height}"
    if kind == "a PNG of 16 bits":
        body = zlib.compress(bytes(20_000_000), 9)
        parts = (b"IHDR", struct.pack(">IIBBBBB", width, height, 16, 0, 0, 0, 0)), (b"IDAT", body), (b"IEND", b"")
        return b"\x89PNG\r\n\x1a\n" + b"".join(
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
            for name, data in parts
        ), f"{kind}, {width}x{height}"
    files = module("data", "dicom_files")
    small = np.zeros((8, 8), np.uint16)
    window = {"WindowCenter": 9, "WindowWidth": 99}
    if kind == "frames":
        return files.dicom(small, NumberOfFrames=2**31 - 1, **window), kind
    if kind == "rows":
        return files.dicom(small, Rows=min(height, 65_535), Columns=width, **window), kind
    if kind == "runs":
        frame = files.rle([bytes([129, 7]) * 2_000_000] * 2)
        return files.dicom(small, files.RLE, frame=frame, **window), kind
    if kind == "a JPEG in DICOM":
        frame = files.compressed(np.zeros((9_000, 9_000), np.uint8), "JPEG")
        return files.dicom(small.astype(np.uint8), files.JPEG, frame=frame), kind
    whole = files.dicom(small)
    bomb = zlib.compressobj(9, zlib.DEFLATED, -15)
    body = b"".join(bomb.compress(bytes(1_000_000)) for _ in range(3_000)) + bomb.flush()
    syntax = files.DEFLATED.encode()
    return whole[:132] + b"\x02\0\x10\0UI" + struct.pack("<H", len(syntax)) + syntax + body, kind


def _loaded(attempt: Attempt, data: bytes) -> str:
    """Read as an audit does: a reason of one line that holds nothing of a patient, or pixels that are in range."""
    from bias_audit.data.batches import Geometry, load
    from bias_audit.data.crops import Crop
    from bias_audit.data.dataset import Part, Sample
    from bias_audit.data.locations import Location
    from bias_audit.data.masks import MaskReading
    from bias_audit.data.pictures import size_of

    rng = attempt.rng
    path: Location = attempt.folder / "x"
    (attempt.folder / "x").write_bytes(data)
    size, _ = size_of(path, 1_000_000)
    if size is not None and rng.random() < 0.3:
        path = Crop(path, Part(0, size[0] // 2, (size[1] + 1) // 2, (size[0] + 1) // 2, size))
    wanted: Any = rng.choice((None, "full", "file", (0.0, 4095.0), (-1000.0, 400.0)))
    shape, channels, how = (16, 16), rng.choice((3, 3, 1)), rng.choice(("bilinear", "nearest", "antialias"))
    geometry = Geometry(shape, channels, "stretch", how, MaskReading(), pixel_range=wanted)
    loaded = load(Sample("a/x", path, 0), geometry)
    if loaded.status != "ok":
        if not loaded.reason or "\n" in loaded.reason or loaded.pixels is not None:
            attempt.bad(WRONG, f"status {loaded.status!r}, reason {loaded.reason!r}")
        if any(secret in loaded.reason for secret in ("Jane", "4711", "1951", "Nowhere")):
            attempt.bad(LOST, f"a patient is named: {loaded.reason!r}")
        return REFUSED
    if loaded.pixels is None or loaded.pixels.shape != (*shape, channels) or not loaded.content:
        attempt.bad(WRONG, f"pixels {None if loaded.pixels is None else loaded.pixels.shape}")
    if not (np.isfinite(loaded.pixels).all() and loaded.pixels.min() >= 0 and loaded.pixels.max() <= 255.01):
        attempt.bad(WRONG, f"values {loaded.pixels.min()}..{loaded.pixels.max()}")
    return HARMLESS


def prepare(folder: Path) -> None:
    import cv2
    from PIL import Image

    rng = np.random.default_rng(0)
    grey = rng.integers(0, 4096, (20, 24)).astype(np.uint16)
    colours = rng.integers(0, 65536, (20, 24, 3)).astype(np.uint16)
    for name, values in (
        ("grey.png", grey),
        ("colour.png", colours),
        ("grey.tiff", grey),
        ("colour.tiff", colours),
        ("float.tiff", grey.astype(np.float32) / 9),
        ("signed.tiff", grey.astype(np.int32) - 900),
    ):
        (folder / name).write_bytes(cv2.imencode(Path(name).suffix, values)[1].tobytes())
    for squeezed in ("tiff_lzw", "tiff_adobe_deflate"):
        Image.fromarray(grey).save(folder / f"{squeezed}.tiff", compression=squeezed)
    if importlib.util.find_spec("pydicom") is None:
        return
    files = module("data", "dicom_files")
    window = {"WindowCenter": 2000, "WindowWidth": 3000}
    halves = [files.literal(half.astype(np.uint8).tobytes()) for half in (grey >> 8, grey & 255)]
    bytes_of = (colours >> 8).astype(np.uint8)
    for name, data in (
        ("window", files.dicom(grey, **window, RescaleSlope=1, RescaleIntercept=-1024)),
        ("implicit", files.dicom(grey, files.IMPLICIT, **window)),
        ("big", files.dicom(grey, files.BIG, **window)),
        ("rle", files.dicom(grey, files.RLE, frame=files.rle(halves), **window)),
        ("colours", files.dicom(bytes_of)),
        ("jpeg", files.dicom(bytes_of, files.JPEG, frame=files.compressed(bytes_of, "JPEG"))),
        ("jp2", files.dicom(grey, files.J2K, frame=files.compressed(grey, "JPEG2000", no_jp2=True), **window)),
    ):
        (folder / f"{name}.dcm").write_bytes(data)


KINDS = {
    "bytes of deep pictures and DICOM files": Kind(deep_bytes, prepare, 80, 150),
    "bombs of more than 8 bits": Kind(deep_bombs, prepare, 2, 4, seconds=90),
}
