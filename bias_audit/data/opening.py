"""Opens picture and mask files by an allowlist of decoders, chosen by content; no file is opened in another way."""

from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import IO

from PIL import Image

from bias_audit.limits.bounds import Limits, beyond

DECODERS = (
    "JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF", "PPM", "JPEG2000", "AVIF", "SUN",
    # Masks only: OpenCV, which decodes photos, does not know them.
    "DIB", "TGA", "PCX", "DCX", "ICO", "CUR", "ICNS", "PSD", "SGI", "QOI", "DDS", "FTEX", "BLP", "IM", "MSP", "XBM",
    "XPM", "FITS", "FLI", "GBR", "PIXAR", "PCD", "XVTHUMB", "SPIDER", "IMT", "MCIDAS",
)  # fmt: skip
"""Allowed decoders of Pillow: they read pixels in this process and open nothing else.

Left out are EPS, which starts Ghostscript; IPTC, which opens its content by any decoder, even EPS; decoders that hand
the file to a program's handler (BUFR, GRIB, HDF5, WMF); and MPEG, which reads no pixels.
"""


# At import and not at the first call: files are opened in threads, and one could see a half-filled list of decoders.
Image.init()
_INSTALLED = tuple(name for name in DECODERS if name in Image.OPEN)
"""Allowed decoders that this Pillow was built with: it fails on the name of one that it lacks."""


class TooManyPixels(ValueError):
    """A picture whose header declares more pixels than the limit allows; its text is the end of a sentence."""


def open_picture(source: Path | IO[bytes], most: int = Limits.pixels) -> Image.Image:
    """Open a file as `PIL.Image.open` does: the header is read, pixels follow when they are asked for.

    Args:
        source: the file.
        most: most pixels that the header may declare: of a photo, the first page of a TIFF, the canvas of an animation.

    Raises:
        TooManyPixels: the header declares more.
        UnidentifiedImageError: no picture, or a format that is not in DECODERS.
        OSError, ValueError, SyntaxError: a damaged file, or one that cannot be read.
    """
    # Pillow refuses from twice its own limit on, which must not lie below the one here. It holds for the process, so it
    # is raised where a picture may have more and never lowered.
    if Image.MAX_IMAGE_PIXELS is not None and most > 2 * Image.MAX_IMAGE_PIXELS:
        Image.MAX_IMAGE_PIXELS = most
    try:
        image = Image.open(source, formats=_INSTALLED)
    except Image.DecompressionBombError as error:
        named = re.search(r"\((\d+) pixels\)", str(error))
        raise TooManyPixels(beyond("pixels", int(named[1]) if named else most + 1, most)) from error
    width, height = image.size
    if width * height > most:
        image.close()
        raise TooManyPixels(f"{height}x{width} are {beyond('pixels', width * height, most)}")
    return image


def png_cut_short(data: bytes) -> str:
    """What is wrong with a PNG of which a chunk declares more bytes than the file holds; "" where none does.

    OpenCV makes room for what a chunk declares before it reads it: a PNG of 6 KB took 2 GB for each thread.
    """
    at = 8
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        if kind == b"IEND":
            break
        at += 12 + length
        if at > len(data):
            return f"a chunk declares {length:,} bytes, {at - len(data):,} more than the file has"
    return ""
