"""Damaged pictures and masks, bombs, and things that are no files but are called like pictures."""

from __future__ import annotations

import io
import os
import socket
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from .changing import changed_bytes
from .trying import HARMLESS, LOST, REFUSED, WRONG, Attempt, Kind, in_child, sentence


def base_pictures() -> dict[str, bytes]:
    """Pictures of every kind that is read, by name: small, so that a change often hits what matters."""
    rng = np.random.default_rng(0)
    grey = Image.fromarray(rng.integers(0, 256, (20, 24), np.uint8))
    rgb = Image.fromarray(rng.integers(0, 256, (20, 24, 3), np.uint8))
    more = [rgb.rotate(90 * turn) for turn in range(1, 3)]
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "x" * 200
    palette = rgb.quantize(7)
    kinds: list[tuple[str, Image.Image, dict[str, Any]]] = [
        ("rgb.jpg", rgb, {"quality": 80}),
        ("progressive.jpg", rgb, {"progressive": True}),
        ("grey.jpg", grey, {}),
        ("cmyk.jpg", rgb.convert("CMYK"), {}),
        ("exif.jpg", rgb, {"exif": exif}),
        ("rgb.png", rgb, {}),
        ("grey.png", grey, {}),
        ("bits.png", grey.convert("1"), {}),
        ("palette.png", palette, {"transparency": 1}),
        ("alpha.png", rgb.convert("RGBA"), {}),
        ("grey_alpha.png", grey.convert("LA"), {}),
        ("16.png", Image.fromarray(np.arange(480, dtype=np.uint16).reshape(20, 24) * 99), {}),
        ("animated.png", rgb, {"save_all": True, "append_images": more}),
        ("palette.gif", palette, {}),
        ("animated.gif", rgb, {"save_all": True, "append_images": more, "loop": 0}),
        ("rgb.webp", rgb, {}),
        ("lossless.webp", rgb.convert("RGBA"), {"lossless": True}),
        ("animated.webp", rgb, {"save_all": True, "append_images": more}),
        ("rgb.tiff", rgb, {}),
        ("lzw.tiff", rgb, {"compression": "tiff_lzw"}),
        ("deflate.tiff", rgb, {"compression": "tiff_adobe_deflate"}),
        ("jpeg.tiff", rgb, {"compression": "jpeg"}),
        ("fax.tiff", grey.convert("1"), {"compression": "group4"}),
        ("cmyk.tiff", rgb.convert("CMYK"), {}),
        ("float.tiff", grey.convert("F"), {}),
        ("pages.tiff", rgb, {"save_all": True, "append_images": more}),
        ("rgb.bmp", rgb, {}),
        ("palette.bmp", palette, {}),
        ("rgb.ppm", rgb, {}),
        ("rgb.jp2", rgb, {}),
        ("rgb.avif", rgb, {}),
        ("rgb.tga", rgb, {"compression": "tga_rle"}),
        ("rgb.ico", rgb, {}),
        ("rgb.pcx", rgb, {}),
        ("rgb.sgi", rgb, {}),
        ("rgb.dds", rgb, {}),
    ]
    made = {}
    for name, picture, options in kinds:
        buffer = io.BytesIO()
        try:
            picture.save(buffer, Image.registered_extensions()[Path(name).suffix], **options)
        except (OSError, KeyError):  # a Pillow that was built without this format
            continue
        made[name] = buffer.getvalue()
    return made


def picture_bytes(attempt: Attempt) -> str:
    """One to three changes of a picture's bytes: a row with its pixels, or with its reason."""
    path, _ = _changed(attempt, attempt.rng.choice(sorted(_bases(attempt.world))))
    return _loaded(attempt, path, None)


def mask_bytes(attempt: Attempt) -> str:
    """The same of a mask, beside a whole picture."""
    path, _ = _changed(attempt, attempt.rng.choice(sorted(_bases(attempt.world))))
    return _loaded(attempt, attempt.world / "rgb.png", path)


def _bases(world: Path) -> list[str]:
    return [name for name in os.listdir(world) if "." in name]


def _changed(attempt: Attempt, name: str) -> tuple[Path, bytes]:
    data = (attempt.world / name).read_bytes()
    done = []
    for _ in range(attempt.rng.choice((1, 1, 2, 3))):
        data, said = changed_bytes(data, attempt.rng)
        done.append(said)
    ending = name if attempt.rng.random() < 0.8 else attempt.rng.choice(sorted(_bases(attempt.world)))
    attempt.what = f"{name} called {Path(ending).suffix}: {'; '.join(done)}"
    path = attempt.folder / f"x{Path(ending).suffix}"
    path.write_bytes(data)
    return path, data


def _loaded(attempt: Attempt, picture: Path, mask: Path | None) -> str:
    """Decode as an audit does, at each way to fit a picture; what is read has the right shape and finite values."""
    from bias_audit.data.batches import Geometry, load
    from bias_audit.data.dataset import Sample
    from bias_audit.data.masks import MaskReading

    rng = attempt.rng
    channels, resize = rng.choice((3, 3, 3, 1)), rng.choice(("stretch", "crop", "pad"))
    reading = MaskReading(rng.choice((None, (1,), (255, 3))), rng.choice((None, 255, 0)))
    size = (16, 16)
    geometry = Geometry(size, channels, resize, rng.choice(("bilinear", "nearest", "bicubic")), reading)
    loaded = load(Sample("a/x", picture, 0, mask=mask), geometry)
    if loaded.status != "ok":
        if not loaded.reason or "\n" in loaded.reason or loaded.pixels is not None:
            attempt.bad(WRONG, f"status {loaded.status!r}, reason {loaded.reason!r}")
        return REFUSED
    if loaded.pixels is None or loaded.pixels.shape != (*size, channels) or not loaded.content:
        attempt.bad(WRONG, f"pixels {None if loaded.pixels is None else loaded.pixels.shape}")
    # Bicubic interpolation overshoots, by less than half of the range.
    if not (np.isfinite(loaded.pixels).all() and loaded.pixels.min() > -128 and loaded.pixels.max() < 384):
        attempt.bad(WRONG, f"values {loaded.pixels.min()}..{loaded.pixels.max()}")
    if loaded.mask is None or loaded.mask.shape != size or loaded.mask.max() > 2:
        attempt.bad(WRONG, "the mask's shape or values")
    return HARMLESS if mask is None or loaded.mask_status == "ok" else REFUSED


# -- bombs --------------------------------------------------------------------------------------------


def bombs(attempt: Attempt) -> str:
    """Small files that say, or are, a picture of very many pixels, as picture or as mask."""
    rng = attempt.rng
    width, height = rng.choice(((9_900, 9_900), (13_000, 13_000), (20_000, 8_000), (65_000, 2_700), (3, 40_000),
                                (200_000, 10), (60_000, 60_000), (2**31 - 1, 2**31 - 1), (1, 2**31 - 1)))  # fmt: skip
    how = rng.choice(("png", "png of 16 bits", "gif", "bmp", "tiff", "ppm", "png text"))
    as_mask = rng.random() < 0.4
    attempt.what = f"{how} of {width} x {height} as {'mask' if as_mask else 'picture'}"
    path = attempt.folder / f"x.{how.split()[0]}"
    path.write_bytes(_bomb(how, width, height))

    def load() -> str:
        return _loaded(attempt, attempt.world / "rgb.png" if as_mask else path, path if as_mask else None)

    return in_child(load, 60)


def _bomb(how: str, width: int, height: int) -> bytes:
    if how.startswith("png"):
        bits = 16 if "16" in how else 8
        row = 1 + width * bits // 8
        rows = min(height, max(1, 40_000_000 // row)) if row * height > 400_000_000 else height
        squeeze = zlib.compressobj(1)
        body = b""
        if row < 100_000_000:
            blank = bytes(row) * max(1, 1_000_000 // row)
            left = rows * row
            while left > 0:
                body += squeeze.compress(blank[:left])
                left -= len(blank)
        head = struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0)
        text = _chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(200_000_000), 1)) if "text" in how else b""
        parts = _chunk(b"IHDR", head) + text + _chunk(b"IDAT", body + squeeze.flush()) + _chunk(b"IEND", b"")
        return b"\x89PNG\r\n\x1a\n" + parts
    if how == "gif":
        sides = struct.pack("<HH", width & 0xFFFF, height & 0xFFFF)
        return b"GIF89a" + sides + b"\x80\0\0" + bytes(6) + b"," + bytes(4) + sides + b"\0\x02\x02L\x01\0;"
    if how == "bmp":
        return (
            b"BM"
            + struct.pack("<IHHIIiiHHIIIIII", 99, 0, 0, 54, 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)
            + b"\0" * 9
        )
    if how == "ppm":
        return f"P6 {width} {height} 255\n".encode() + bytes(100)
    entries = ((256, 4, width), (257, 4, height), (258, 3, 8), (259, 3, 1), (262, 3, 1), (273, 4, 8), (277, 3, 1),
               (278, 4, height), (279, 4, min(2**32 - 1, width * height)))  # fmt: skip
    directory = struct.pack("<H", len(entries))
    directory += b"".join(struct.pack("<HHII", tag, kind, 1, value & 0xFFFFFFFF) for tag, kind, value in entries)
    return b"II*\0" + struct.pack("<I", 16) + bytes(8) + directory + bytes(4)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


# -- no files ---------------------------------------------------------------------------------------------


def odd_files(attempt: Attempt) -> str:
    """A data folder, and one of masks, with what is no regular file and with names that nobody gives."""
    rng = attempt.rng
    picture = (attempt.world / "rgb.png").read_bytes()
    roots = {name: attempt.folder / name for name in ("data", "masks")}
    for root in roots.values():
        for label in ("a", "b"):
            (root / label).mkdir(parents=True)
            for number in range(2):
                (root / label / f"{number}.png").write_bytes(picture)
    for _ in range(rng.choice((1, 2, 3))):
        where = roots[rng.choice(("data", "data", "masks"))] / rng.choice("ab")
        attempt.what += f"{_odd(rng, where, picture)} in {where.relative_to(attempt.folder)}; "

    def load() -> str:
        from bias_audit.data import sources
        from bias_audit.data.batches import Geometry
        from bias_audit.data.batches import load as load_sample
        from bias_audit.data.masks import MaskReading
        from bias_audit.data.sources import attach

        there: list[Any] = []

        def listed() -> None:
            dataset = attach.attach_masks(sources.open_dataset(roots["data"], None), roots["masks"])
            dataset.fingerprint()
            for sample in dataset.samples:
                loaded = load_sample(sample, Geometry((8, 8), 3, "stretch", "bilinear", MaskReading()))
                there.append((sample.image_id, loaded.status, loaded.reason))

        answer = sentence(listed)
        whole = {f"{label}/{number}.png" for label in "ab" for number in range(2)}
        lost = whole - {image_id for image_id, *_ in there}
        if answer == HARMLESS and lost:
            attempt.bad(LOST, f"images {sorted(lost)}")
        return answer

    return in_child(load, 8, 600_000_000)


def _odd(rng: Any, where: Path, picture: bytes) -> str:
    """Put one odd thing into a folder, and say what."""
    name = rng.choice(("9.png", "9.jpg", "9.gif", "0.jpg"))
    path = where / name
    kind = rng.choice(("a FIFO", "a socket", "a device", "a folder", "a link to itself", "a link to nothing",
                       "a link to its folder", "links in a circle", "a link to a FIFO", "a link to a device",
                       "an odd name", "a long name", "an empty file", "a link to a picture"))  # fmt: skip
    if path.is_dir() and not path.is_symlink():
        path.rmdir()
    path.unlink(missing_ok=True)
    if kind == "a FIFO":
        os.mkfifo(path)
    elif kind == "a socket":
        here = os.open(".", os.O_RDONLY)
        try:  # a socket's path may have 107 bytes at most
            os.chdir(where)
            with socket.socket(socket.AF_UNIX) as opened:
                opened.bind(name)
        finally:
            os.chdir(here)
            os.close(here)
    elif kind == "a device":
        try:
            os.mknod(path, 0o666 | 0o020000, os.makedev(1, 5))  # zeros without end; only root may
        except PermissionError:
            path.symlink_to("/dev/zero")
    elif kind == "a folder":
        path.mkdir()
    elif kind == "a link to itself":
        path.symlink_to(name)
    elif kind == "a link to nothing":
        path.symlink_to(where / "nothing.png")
    elif kind == "a link to its folder":
        if not (deeper := where / f"deeper {name}").is_symlink():
            deeper.symlink_to(where)
    elif kind == "links in a circle":
        path.symlink_to(f"8{name}")
        (where / f"8{name}").unlink(missing_ok=True)
        (where / f"8{name}").symlink_to(name)
    elif kind == "a link to a FIFO":
        if not (where / f"fifo of {name}").exists():
            os.mkfifo(where / f"fifo of {name}")
        path.symlink_to(f"fifo of {name}")
    elif kind == "a link to a device":
        path.symlink_to("/dev/zero")
    elif kind == "an odd name":
        odd = rng.choice(
            (b"\xff\xfe", b"\x1b]0;x\x07", b"a\nb", b"=cmd()", b"\xe2\x80\xae", b"..", b"'\"", b"\t", b"-rf")
        )
        with open(os.fsencode(where) + b"/" + odd + b".png", "wb") as file:
            file.write(picture)
        return f"the name {odd!r}"
    elif kind == "a long name":
        (where / ("x" * 251 + ".png")).write_bytes(picture)
    elif kind == "an empty file":
        path.touch()
    else:
        path.symlink_to("0.png")
    return f"{kind} called {path.name}"


def unreadable_folders(attempt: Attempt) -> str:
    """Folders that the user who audits must not read: named, never left out in silence."""
    rng = attempt.rng
    picture = (attempt.world / "rgb.png").read_bytes()
    root = attempt.folder / "data"
    for label in ("a", "b"):
        for deeper in ("", "x", "x/y"):
            (root / label / deeper).mkdir(parents=True, exist_ok=True)
            (root / label / deeper / "0.png").write_bytes(picture)
    closed = root / rng.choice(("a", "b")) / rng.choice(("", "x", "x/y"))
    closed = rng.choice((closed, closed, closed, root, attempt.folder))
    closed.chmod(rng.choice((0o000, 0o111, 0o200)))
    attempt.what = f"{closed.relative_to(attempt.folder)} may not be listed"

    def load() -> str:
        from bias_audit.data import sources

        os.setuid(65534)
        found: list[Any] = []
        answer = sentence(lambda: found.append(sources.open_dataset(root, None)))
        if answer == HARMLESS:
            dataset = found[0]
            said = repr([vars(dataset), *(vars(sample) for sample in dataset.samples if sample.skip)])
            # Six photos are there; what is not listed must at least be named.
            if len(dataset.samples) < 6 and f"{closed.relative_to(root)}" not in said.replace("/0.png", ""):
                attempt.bad(LOST, f"{6 - len(dataset.samples)} of 6 photos, and nobody says so")
        return answer

    for folder in {attempt.folder, root} - {closed}:
        folder.chmod(0o755)
    try:
        if os.getuid():
            return HARMLESS  # only root can become somebody else
        return in_child(load, 20)
    finally:
        closed.chmod(0o755)


def prepare(folder: Path) -> None:
    for name, data in base_pictures().items():
        (folder / name).write_bytes(data)


KINDS = {
    "bytes of pictures": Kind(picture_bytes, prepare, 330, 350),
    "bytes of masks": Kind(mask_bytes, prepare, 100, 150),
    "bombs": Kind(bombs, prepare, 2, 3, seconds=90),
    "no files and odd names": Kind(odd_files, prepare, 12, 15),
    "folders that cannot be read": Kind(unreadable_folders, prepare, 5, 6),
}
