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

from bias_audit.data import dicom
from bias_audit.data.contents import content_of
from bias_audit.data.deep import Levels, Values, decode_deep, depth_of, in_channels, is_deep, refusal
from bias_audit.data.locations import Location, Stored, open_location, read_location
from bias_audit.data.opening import TooManyPixels, open_picture, png_cut_short
from bias_audit.errors import reason_of
from bias_audit.input_texts import PixelRange
from bias_audit.limits.bounds import Limits, beyond
from bias_audit.limits.room import decoding
from bias_audit.run.statuses import CHANGED

Decoder = Callable[[bytes, int], NDArray[np.uint8]]
"""(bytes of a file, channels 3 or 1) -> (H, W, channels); raises ValueError where it cannot decode the bytes."""

# Pillow warns at half the size that it refuses. Set once at import: warning filters are not safe to change in threads.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


Decoded = NDArray[np.uint8] | Values
"""(H, W, channels) in [0, 255]: uint8; float32 of a picture of more than 8 bits and of a DICOM file."""


def decode(
    path: Location,
    channels: int,
    decoder: Decoder | None = None,
    most: int = Limits.pixels,
    content: str = "",
    pixel_range: PixelRange | None = None,
) -> tuple[Decoded | None, str]:
    """Read a picture as RGB or grey, without applying its EXIF orientation (as `load_img` does).

    Args:
        path: where the picture lies.
        channels: 3 or 1.
        decoder: decodes the bytes instead of OpenCV; None = OpenCV.
        most: most pixels, see `Limits`.
        content: what the file must hold; "" = anything.
        pixel_range: values of pictures of more than 8 bits that are black and white, see `data.deep`.

    Returns:
        ((H, W, channels) in the picture's own size, "") or (None, what is wrong with the file).
    """
    data, reason = read_picture(path, pixel_range)
    if data is None:
        return None, reason
    if content and content_of(data) != content:
        return None, CHANGED
    header, reason = declared(data, decoder, most, pixel_range)
    return (None, reason) if header is None else decoded(data, header, channels, decoder, pixel_range)


def read_picture(location: Location, pixel_range: PixelRange | None = None) -> tuple[bytes | None, str]:
    """(bytes, "") of a picture or a mask, or (None, why they cannot be read). For the range see `data.deep`."""
    try:
        data = location.picture(pixel_range) if isinstance(location, Stored) else read_location(location)
    except (OSError, ValueError) as error:  # ValueError: a NUL character in the name
        return None, f"cannot be opened: {reason_of(error)}"
    return (data, "") if data else (None, "the file is empty (0 bytes)")


def size_of(location: Location, most: int) -> tuple[tuple[int, int] | None, str]:
    """((H, W), "") of a picture by its header alone, or (None, what is wrong with the file)."""
    try:
        opened = open_location(location)
    except (OSError, ValueError) as error:  # ValueError: a NUL character in the name
        return None, f"cannot be opened: {reason_of(error)}"
    try:
        with opened:
            begin = opened.read(dicom.BEGIN)
            if dicom.is_dicom(begin):
                return dicom.shape(begin + opened.read(), most), ""
            opened.seek(0)
            with open_picture(opened, most) as image:
                return (image.height, image.width), ""
    except Exception as error:  # Pillow's decoders raise anything on damaged files
        return None, _wrong(error)


@dataclass(frozen=True)
class Header:
    """What a file says about itself before its pixels are decoded.

    Attributes:
        kind: its format, as Pillow names it.
        height, width: its shape in pixels.
        deep: whether more than 8 bits of its channels are used.
    """

    kind: str
    height: int
    width: int
    deep: bool = False


def declared(
    data: bytes, decoder: Decoder | None, most: int, pixel_range: PixelRange | None = None
) -> tuple[Header | None, str]:
    """(header, "") of a picture of at most `most` pixels, or (None, what is wrong with the file)."""
    if isinstance(data, Levels):
        return Header("part", data.shape[0], data.shape[1], deep=True), ""
    if dicom.is_dicom(data):
        try:
            return Header(dicom.KIND, *dicom.shape(data, most), deep=True), ""
        except (TooManyPixels, dicom.Unread) as error:
            return None, _wrong(error)
    try:
        with open_picture(io.BytesIO(data), most) as image:
            kind, mode, (width, height) = str(image.format), image.mode, image.size
            depth = depth_of(image, data)
            # image_dataset_from_directory takes the higher 8 of 16 bits of a PNG; OpenCV scales, Pillow and Keras clip.
            read = kind == "PNG" and decoder is not None and pixel_range is None
            if depth and not read and (reason := refusal(kind, mode, depth, pixel_range)):
                return None, reason
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
            return Header(kind, height, width, is_deep(kind, mode, depth, pixel_range)), ""
    except Exception as error:  # Pillow's decoders raise anything on damaged files
        return None, _wrong(error)


def _wrong(error: Exception) -> str:
    """What is wrong with a file on whose header an exception was raised."""
    if isinstance(error, TooManyPixels):
        return f"too many pixels: {error}"
    if isinstance(error, dicom.Unread):
        return f"{dicom.KIND}: {error}"
    if isinstance(error, UnidentifiedImageError):
        return "not a picture of a kind that is read, whatever its name says"
    return f"damaged: {' '.join(str(error).split()) or type(error).__name__}"


def decoded(
    data: bytes, header: Header, channels: int, decoder: Decoder | None, pixel_range: PixelRange | None = None
) -> tuple[Decoded | None, str]:
    """((H, W, channels), "") of a picture whose header is known, or (None, what is wrong with the file)."""
    kind = header.kind
    if header.deep:
        pixels, reason = decoded_deep(data, header, pixel_range)
        return (None, reason) if pixels is None else (_in_channels(pixels, channels), "")
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
    return _in_channels(np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8), channels), ""


def decoded_deep(data: bytes, header: Header, pixel_range: PixelRange | None) -> tuple[Decoded | None, str]:
    """((H, W, 1 or 3), "") of a picture whose header is deep, in its own channels, or (None, what is wrong with it)."""
    try:
        if isinstance(data, Levels):
            return data.values(), ""
        if header.kind == dicom.KIND:
            return dicom.decode_dicom(data, pixel_range, header.height * header.width), ""
        assert pixel_range is not None  # else its header was refused
        return decode_deep(data, pixel_range), ""
    except ValueError as error:
        return None, f"cannot decode this {header.kind}: {error}"


def _in_channels(pixels: Decoded, channels: int) -> Decoded:
    """(H, W, 1 or 3) as (H, W, channels)."""
    if pixels.dtype != np.uint8:
        return in_channels(pixels, channels)  # type: ignore[arg-type]
    return pixels if channels == 3 else _grey(pixels)  # type: ignore[arg-type]


def _grey(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(H, W, 3) RGB -> (H, W, 1) grey as Pillow's mode "L": ITU-R 601-2 luma in 16-bit fixed point."""
    grey = np.empty((*rgb.shape[:2], 1), np.uint8)
    rows = max(1, _GREY_AT_ONCE // max(1, rgb.shape[1]))  # at once the sums would take 20 bytes a pixel
    for top in range(0, len(rgb), rows):
        weighted = rgb[top : top + rows].astype(np.uint32) @ np.array([19595, 38470, 7471], np.uint32)
        grey[top : top + rows, :, 0] = (weighted + 0x8000) >> 16
    return grey


_GREY_AT_ONCE = 1_000_000
