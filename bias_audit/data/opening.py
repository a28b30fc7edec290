"""Picture and mask files are opened here and nowhere else: by an allowlist of decoders, chosen by content."""

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
"""Of Pillow's decoders those that read pixels in this process and open nothing else.

Left out are EPS, which starts Ghostscript; IPTC, which opens whatever it contains by any decoder, so an EPS again; and
those that hand the file to a program's handler (BUFR, GRIB, HDF5, WMF) or read no pixels (MPEG).
"""


# Here and not at the first call: files are read in threads, and Pillow's list of decoders fills while it is made.
Image.init()
_INSTALLED = tuple(name for name in DECODERS if name in Image.OPEN)
"""Pillow fails on the name of a decoder that it was built without."""


def open_picture(source: Path | IO[bytes]) -> Image.Image:
    """Open a file as `PIL.Image.open` does: the header is read, pixels follow when they are asked for.

    Raises:
        UnidentifiedImageError: no picture, or one of a kind that is not in DECODERS.
        OSError, ValueError, SyntaxError: damaged.
        DecompressionBombError: too many pixels.
    """
    return Image.open(source, formats=_INSTALLED)
