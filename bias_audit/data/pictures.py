"""Decodes pictures: what their headers declare first, then their pixels.

OpenCV decodes, unless another decoder is handed in: OpenCV releases the GIL, and on JPEG it is bit-identical to Pillow
and so to `keras.utils.load_img`. Pillow reads the header first, because it names what is wrong with a file and refuses
decompression bombs.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from bias_audit.data.contents import content_of
from bias_audit.data.locations import Location, read_location
from bias_audit.data.opening import TooManyPixels, open_picture, png_cut_short
from bias_audit.errors import reason_of
from bias_audit.limits.bounds import Limits, beyond
from bias_audit.limits.room import decoding
from bias_audit.run.statuses import CHANGED

Decoder = Callable[[bytes, int], NDArray[np.uint8]]
"""(bytes of a file, channels 3 or 1) -> (H, W, channels); raises ValueError where it cannot decode the bytes."""

# Pillow warns at half the size that it refuses. Set once at import: warning filters are not safe to change in threads.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


def decode(
    path: Location, channels: int, decoder: Decoder | None = None, most: int = Limits.pixels, content: str = ""
) -> tuple[NDArray[np.uint8] | None, str]:
    """Read a picture as uint8 RGB or grey, without applying its EXIF orientation (as `load_img` does).

    Args:
        path: where the picture lies.
        channels: 3 or 1.
        decoder: decodes the bytes instead of OpenCV; None = OpenCV.
        most: most pixels, see `Limits`.
        content: what the file must hold; "" = anything.

    Returns:
        ((H, W, channels) in the picture's own size, "") or (None, what is wrong with the file).
    """
    data, reason = read_picture(path)
    if data is None:
        return None, reason
    if content and content_of(data) != content:
        return None, CHANGED
    header, reason = declared(data, decoder, most)
    return (None, reason) if header is None else decoded(data, header, channels, decoder)


def read_picture(location: Location) -> tuple[bytes | None, str]:
    """(bytes, "") of a picture or a mask, or (None, why they cannot be read)."""
    try:
        data = read_location(location)
    except (OSError, ValueError) as error:  # ValueError: a NUL character in the name
        return None, f"cannot be opened: {reason_of(error)}"
    return (data, "") if data else (None, "the file is empty (0 bytes)")


@dataclass(frozen=True)
class Header:
    """What a file says about itself before its pixels are decoded: the format, and the shape in pixels."""

    kind: str
    height: int
    width: int


def declared(data: bytes, decoder: Decoder | None, most: int) -> tuple[Header | None, str]:
    """(header, "") of a picture of at most `most` pixels, or (None, what is wrong with the file)."""
    try:
        with open_picture(io.BytesIO(data), most) as image:
            kind, mode, (width, height) = str(image.format), image.mode, image.size
            if mode.startswith(("I", "F")):  # 16 bit and float: OpenCV scales them, Pillow and Keras clip
                return None, f"{kind} with more than 8 bits per channel ({mode}); convert it to 8 bits"
            if kind == "GIF" and decoder is not None:  # TensorFlow unpacks every frame to show the first
                frames = int(getattr(image, "n_frames", 1))
                if (total := frames * width * height) > most:
                    return (
                        None,
                        f"too many pixels: {frames} frames of {height}x{width} are {beyond('pixels', total, most)}",
                    )
            if kind == "PNG" and (reason := png_cut_short(data)):
                return None, f"damaged PNG: {reason}"
            if kind == "JPEG" and b"\xff\xd9" not in data[-1024:]:
                with decoding.taken(4 * height * width):
                    image.load()  # raises where the data end too early; OpenCV before 5 fills up with grey
            return Header(kind, height, width), ""
    except TooManyPixels as error:
        return None, f"too many pixels: {error}"
    except UnidentifiedImageError:
        return None, "not a picture of a kind that is read, whatever its name says"
    except Exception as error:  # Pillow's decoders raise anything on damaged files
        return None, f"damaged: {' '.join(str(error).split()) or type(error).__name__}"


def decoded(
    data: bytes, header: Header, channels: int, decoder: Decoder | None
) -> tuple[NDArray[np.uint8] | None, str]:
    """((H, W, channels) uint8, "") of a picture whose header is known, or (None, what is wrong with the file)."""
    kind = header.kind
    if decoder is not None:
        try:
            return decoder(data, channels), ""
        except ValueError as error:
            return None, f"cannot decode this {kind}: {error}"
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        bgr = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        return None, f"OpenCV cannot decode this {kind}: {error.err}"
    if bgr is None:
        return None, f"damaged {kind}: the data end too early or are corrupt"
    pixels = np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)
    return (pixels, "") if channels == 3 else (_grey(pixels), "")


def _grey(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(H, W, 3) RGB -> (H, W, 1) grey as Pillow's mode "L": ITU-R 601-2 luma in 16-bit fixed point."""
    grey = np.empty((*rgb.shape[:2], 1), np.uint8)
    rows = max(1, _GREY_AT_ONCE // max(1, rgb.shape[1]))  # at once the sums would take 20 bytes a pixel
    for top in range(0, len(rgb), rows):
        weighted = rgb[top : top + rows].astype(np.uint32) @ np.array([19595, 38470, 7471], np.uint32)
        grey[top : top + rows, :, 0] = (weighted + 0x8000) >> 16
    return grey


_GREY_AT_ONCE = 1_000_000
