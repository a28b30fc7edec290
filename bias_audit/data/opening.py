"""Opens picture and mask files by an allowlist of decoders, chosen by content; no file is opened in another way."""

from __future__ import annotations

from pathlib import Path
from typing import IO

from PIL import Image

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


def open_picture(source: Path | IO[bytes]) -> Image.Image:
    """Open a file as `PIL.Image.open` does: the header is read, pixels follow when they are asked for.

    Raises:
        UnidentifiedImageError: no picture, or a format that is not in DECODERS.
        OSError, ValueError, SyntaxError: a damaged file, or one that cannot be read.
        DecompressionBombError: a picture of too many pixels.
    """
    return Image.open(source, formats=_INSTALLED)
