"""Decode pictures and masks in threads, ahead of the model, in the order and grouping of the data set.

OpenCV decodes, unless another decoder is handed in: OpenCV releases the GIL, and on JPEG it is bit-identical to Pillow
and so to `keras.utils.load_img`. Pillow reads the header first, because it names what is wrong with a file and refuses
decompression bombs.
"""

from __future__ import annotations

import dataclasses
import io
import os
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from bias_audit.data.contents import Contents, content_of
from bias_audit.data.dataset import Sample
from bias_audit.data.geometry import fit_image, fit_mask, largest_shape
from bias_audit.data.mask_estimates import Estimate
from bias_audit.data.masks import ESTIMATED, Mask, MaskReading, load_mask
from bias_audit.data.opening import TooManyPixels, open_picture, png_cut_short
from bias_audit.errors import reason_of
from bias_audit.files.regular import read_regular
from bias_audit.limits.bounds import DEFAULTS, Limits, beyond
from bias_audit.limits.memory import at_once
from bias_audit.limits.room import decoding
from bias_audit.run.statuses import CHANGED, NO_MASK, OK, SKIPPED, UNREADABLE

Pixels = NDArray[np.float32]

Made = TypeVar("Made")

Decoder = Callable[[bytes, int], NDArray[np.uint8]]
"""(bytes of a file, channels 3 or 1) -> (H, W, channels); raises ValueError where it cannot decode the bytes."""

# Pillow warns at half the size that it refuses. Set once at import: warning filters are not safe to change in threads.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)

PIXEL_BYTES = {3: 19, 1: 11}
"""Channels -> bytes that decoding and resizing take for each pixel of a picture at most."""


@dataclass(frozen=True)
class Geometry:
    """How pictures and their masks become inputs of a model.

    Attributes:
        size: (height, width) of the input in pixels.
        channels: 3 (RGB) or 1 (grey, ITU-R 601 as Pillow's "L").
        resize, interpolation: see `AuditConfig`.
        masks: how mask values are read.
        decoder: decodes the files; None = OpenCV, equal to Pillow. See `models.decoding`.
        estimate: estimates the mask of a picture that has neither mask nor box; None = such a picture has no mask.
        limits: what a picture may cost: its pixels, before and after padding or enlarging.
        contents: what files held when they were first read; None = files are not compared with what they were.
    """

    size: tuple[int, int]
    channels: int
    resize: str
    interpolation: str
    masks: MaskReading
    decoder: Decoder | None = None
    estimate: Estimate | None = None
    limits: Limits = DEFAULTS
    contents: Contents | None = None


@dataclass(frozen=True)
class Loaded:
    """One picture after decoding: pixels and mask in input size, or the reason why not.

    Attributes:
        status: OK, UNREADABLE, SKIPPED, or CHANGED where the file or its mask is another than when it was first read.
        reason: why the picture was not read; "" where it was.
        pixels: (height, width, channels) float32 in [0, 255], before preprocessing; None unless OK.
        mask: (height, width) uint8 of BACKGROUND, FOREGROUND, VOID; without a usable mask all BACKGROUND, VOID where
            the picture was padded.
        mask_status, mask_kind: see `masks.load_mask`; kind "estimated" where nobody drew it.
        content: first 16 hex digits of the SHA-256 of the file's bytes, "" where they could not be read. A reviewer's
            decisions about a picture are stored under this key, since it outlives file names and runs.
        mask_content: the same of the mask's file; "" also where there is none.
    """

    status: str
    reason: str = ""
    pixels: Pixels | None = None
    mask: NDArray[np.uint8] | None = None
    mask_status: str = ""
    mask_kind: str = ""
    content: str = ""
    mask_content: str = ""

    @property
    def drawn(self) -> bool:
        """Whether the picture has a usable mask or box that somebody drew, so that it is no estimate."""
        return self.mask_status == OK and self.mask_kind != ESTIMATED


def load(sample: Sample, geometry: Geometry) -> Loaded:
    """Decode one sample and its mask, and bring both to the input size.

    A bad file raises nothing: an unreadable picture is a row with its reason, not the end of an audit. Nor does a file
    that changes while the audit runs: from then on it has no pixels, for they are not those of its other numbers. A
    thread gives the picture back before it decodes the mask, so that it never waits for room while it holds some.
    """
    if sample.skip:
        return Loaded(SKIPPED, sample.skip)
    data, reason = _read(sample.path)
    content = "" if data is None else content_of(data)
    mask_data, mask_reason = (None, "") if sample.mask is None else _read(sample.mask)
    mask_content = "" if mask_data is None else content_of(mask_data)
    if geometry.contents is not None:
        changed = geometry.contents.changed(sample, (content, reason), (mask_content, mask_reason))
        if changed:
            return Loaded(CHANGED, changed, content=content, mask_content=mask_content)
    loaded = Loaded(UNREADABLE, reason) if data is None else _loaded(sample, geometry, data, mask_data, content)
    return dataclasses.replace(loaded, mask_content=mask_content)


def _loaded(sample: Sample, geometry: Geometry, data: bytes, mask_data: bytes | None, content: str) -> Loaded:
    header, reason = _declared(data, geometry.decoder, geometry.limits.pixels)
    if header is None or (reason := _grown_too_large(header, geometry)):
        return Loaded(UNREADABLE, reason, content=content)
    mask: Mask | None = None
    mask_status, mask_kind = NO_MASK, ""
    with decoding.taken(_need(header, geometry)):
        pixels, reason = _decoded(data, header, geometry.channels, geometry.decoder)
        if pixels is None:
            return Loaded(UNREADABLE, reason, content=content)
        shape = pixels.shape[:2]
        image = fit_image(pixels, geometry.size, geometry.resize, geometry.interpolation)
        if sample.mask is None and not sample.boxes and geometry.estimate is not None:
            mask, mask_status = geometry.estimate(content, pixels)
            mask_kind = ESTIMATED
        del pixels
    if not mask_kind:
        mask, mask_status, mask_kind = load_mask(sample, shape, geometry.masks, mask_data)
    if mask is None:
        mask = np.zeros(shape, np.uint8)
    return Loaded(OK, "", image, fit_mask(mask, geometry.size, geometry.resize), mask_status, mask_kind, content)


def decode(
    path: Path, channels: int, decoder: Decoder | None = None, most: int = Limits.pixels, content: str = ""
) -> tuple[NDArray[np.uint8] | None, str]:
    """Read a picture as uint8 RGB or grey, without applying its EXIF orientation (as `load_img` does).

    Args:
        path: picture file.
        channels: 3 or 1.
        decoder: decodes the bytes instead of OpenCV; None = OpenCV.
        most: most pixels, see `Limits`.
        content: what the file must hold; "" = anything.

    Returns:
        ((H, W, channels) in the picture's own size, "") or (None, what is wrong with the file).
    """
    data, reason = _read(path)
    if data is None:
        return None, reason
    if content and content_of(data) != content:
        return None, CHANGED
    header, reason = _declared(data, decoder, most)
    return (None, reason) if header is None else _decoded(data, header, channels, decoder)


def reduced(path: Path, geometry: Geometry, reduce: Callable[[NDArray[np.uint8]], Made]) -> Made | None:
    """Read a picture as `decode` does and make something small of it, while there is room for its pixels.

    Args:
        path: picture file.
        geometry: how pictures become inputs of the model, and how large they may be.
        reduce: pixels (H, W, channels) -> what is made of them.

    Returns:
        what `reduce` made; None where the file cannot be read.
    """
    data, _ = _read(path)
    header = None if data is None else _declared(data, geometry.decoder, geometry.limits.pixels)[0]
    if data is None or header is None or _grown_too_large(header, geometry):
        return None
    with decoding.taken(_need(header, geometry)):
        pixels, _ = _decoded(data, header, geometry.channels, geometry.decoder)
        return None if pixels is None else reduce(pixels)


def _read(path: Path) -> tuple[bytes | None, str]:
    try:
        data = read_regular(path)
    except (OSError, ValueError) as error:  # ValueError: a NUL character in the name
        return None, f"cannot be opened: {reason_of(error)}"
    return (data, "") if data else (None, "the file is empty (0 bytes)")


@dataclass(frozen=True)
class _Header:
    """What a file says about itself before its pixels are decoded: the format, and the shape in pixels."""

    kind: str
    height: int
    width: int


def _declared(data: bytes, decoder: Decoder | None, most: int) -> tuple[_Header | None, str]:
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
            return _Header(kind, height, width), ""
    except TooManyPixels as error:
        return None, f"too many pixels: {error}"
    except UnidentifiedImageError:
        return None, "not a picture of a kind that is read, whatever its name says"
    except Exception as error:  # Pillow's decoders raise anything on damaged files
        return None, f"damaged: {' '.join(str(error).split()) or type(error).__name__}"


def _grown_too_large(header: _Header, geometry: Geometry) -> str:
    """What is wrong with a picture that padding or enlarging takes beyond the limit; "" where it does not.

    A strip of 4 x 40000 pixels would be padded to a square of 1.6 billion, and end the audit.
    """
    height, width = largest_shape((header.height, header.width), geometry.size, geometry.resize)
    most = max(geometry.limits.pixels, header.height * header.width)
    if height * width <= most:
        return ""
    shape, done = f"{header.height}x{header.width}", "padded" if geometry.resize == "pad" else "resized"
    return f"too many pixels: {shape} would be {done} to {height}x{width}: {beyond('pixels', height * width, most)}"


def _need(header: _Header, geometry: Geometry) -> int:
    """Bytes that a picture takes at most while it is decoded and brought to the input size."""
    height, width = largest_shape((header.height, header.width), geometry.size, geometry.resize)
    return PIXEL_BYTES[geometry.channels] * max(header.height * header.width, height * width)


def _decoded(
    data: bytes, header: _Header, channels: int, decoder: Decoder | None
) -> tuple[NDArray[np.uint8] | None, str]:
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


def load_in_order(
    samples: Sequence[Sample], geometry: Geometry, group: int, *, ahead: int = 2
) -> Iterator[tuple[int, list[Loaded]]]:
    """Decode groups of samples in threads, `ahead` groups before they are asked for.

    Args:
        samples: what to load.
        geometry: model input geometry.
        group: samples per group; the last one may be smaller.
        ahead: most groups decoded in advance, fewer where so many would take more memory than a batch may.

    Yields:
        (position of the group's first sample in `samples`, the group's loaded samples in order).
    """
    starts = iter(range(0, len(samples), group))
    held = at_once(min(group, len(samples)) * input_bytes(geometry), ahead + 2, geometry.limits)
    ahead = max(0, held - 2)  # besides the group that is asked for, and the one that is worked on
    pending: deque[tuple[int, list[Future[Loaded]]]] = deque()
    with ThreadPoolExecutor(max(2, os.cpu_count() or 2), "decode") as pool:
        try:
            while True:
                while len(pending) <= ahead and (start := next(starts, None)) is not None:
                    futures = [pool.submit(load, sample, geometry) for sample in samples[start : start + group]]
                    pending.append((start, futures))
                if not pending:
                    return
                start, futures = pending.popleft()
                yield start, [future.result() for future in futures]
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def input_bytes(geometry: Geometry) -> int:
    """Bytes of one decoded picture in the model's input size, with its mask."""
    return geometry.size[0] * geometry.size[1] * (4 * geometry.channels + 1)


def _grey(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(H, W, 3) RGB -> (H, W, 1) grey as Pillow's mode "L": ITU-R 601-2 luma in 16-bit fixed point."""
    grey = np.empty((*rgb.shape[:2], 1), np.uint8)
    rows = max(1, _GREY_AT_ONCE // max(1, rgb.shape[1]))  # at once the sums would take 20 bytes a pixel
    for top in range(0, len(rgb), rows):
        weighted = rgb[top : top + rows].astype(np.uint32) @ np.array([19595, 38470, 7471], np.uint32)
        grey[top : top + rows, :, 0] = (weighted + 0x8000) >> 16
    return grey


_GREY_AT_ONCE = 1_000_000
