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

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from bias_audit.data.contents import Contents, content_of
from bias_audit.data.dataset import Sample
from bias_audit.data.geometry import fit_image, fit_mask, largest_shape
from bias_audit.data.mask_estimates import Estimate
from bias_audit.data.masks import ESTIMATED, MaskReading, load_mask
from bias_audit.data.opening import open_picture
from bias_audit.regular_files import read_regular
from bias_audit.run.statuses import CHANGED, NO_MASK, OK, SKIPPED, UNREADABLE

Pixels = NDArray[np.float32]

Decoder = Callable[[bytes, int], NDArray[np.uint8]]
"""(bytes of a file, channels 3 or 1) -> (H, W, channels); raises ValueError where it cannot decode the bytes."""

# Pillow warns at half the size that it refuses. Set once at import: warning filters are not safe to change in threads.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)

MAX_PIXELS = 90_000_000
"""Most pixels of a picture after padding or enlarging; a file that has more itself may have as many as before.

Without a limit a strip of 4 x 40000 pixels would be padded to a square of 1.6 billion, and end the audit.
"""


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
        contents: what files held when they were first read; None = files are not compared with what they were.
    """

    size: tuple[int, int]
    channels: int
    resize: str
    interpolation: str
    masks: MaskReading
    decoder: Decoder | None = None
    estimate: Estimate | None = None
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
    that changes while the audit runs: from then on it has no pixels, for they are not those of its other numbers.
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
    pixels, reason = _decoded(data, geometry.channels, geometry.decoder)
    if pixels is None:
        return Loaded(UNREADABLE, reason, content=content)
    height, width = largest_shape(pixels.shape, geometry.size, geometry.resize)
    if height * width > max(MAX_PIXELS, pixels.shape[0] * pixels.shape[1]):
        shape, done = f"{pixels.shape[0]}x{pixels.shape[1]}", "padded" if geometry.resize == "pad" else "resized"
        return Loaded(UNREADABLE, f"too many pixels: {shape} would be {done} to {height}x{width}", content=content)
    mask, mask_status, mask_kind = load_mask(sample, pixels.shape[:2], geometry.masks, mask_data)
    if mask_status == NO_MASK and geometry.estimate is not None:
        mask, mask_status = geometry.estimate(content, pixels)
        mask_kind = ESTIMATED
    if mask is None:
        mask = np.zeros(pixels.shape[:2], np.uint8)
    image = fit_image(pixels, geometry.size, geometry.resize, geometry.interpolation)
    return Loaded(OK, "", image, fit_mask(mask, geometry.size, geometry.resize), mask_status, mask_kind, content)


def decode(
    path: Path, channels: int, decoder: Decoder | None = None, content: str = ""
) -> tuple[NDArray[np.uint8] | None, str]:
    """Read a picture as uint8 RGB or grey, without applying its EXIF orientation (as `load_img` does).

    Args:
        path: picture file.
        channels: 3 or 1.
        decoder: decodes the bytes instead of OpenCV; None = OpenCV.
        content: what the file must hold; "" = anything.

    Returns:
        ((H, W, channels) in the picture's own size, "") or (None, what is wrong with the file).
    """
    data, reason = _read(path)
    if data is not None and content and content_of(data) != content:
        return None, CHANGED
    return (None, reason) if data is None else _decoded(data, channels, decoder)


def _read(path: Path) -> tuple[bytes | None, str]:
    try:
        data = read_regular(path)
    except (OSError, ValueError) as error:  # ValueError: a NUL character in the name
        return None, f"cannot be opened: {getattr(error, 'strerror', None) or error}"
    return (data, "") if data else (None, "the file is empty (0 bytes)")


def _decoded(data: bytes, channels: int, decoder: Decoder | None) -> tuple[NDArray[np.uint8] | None, str]:
    try:
        with open_picture(io.BytesIO(data)) as header:
            kind, mode = header.format, header.mode
            if mode.startswith(("I", "F")):  # 16 bit and float: OpenCV scales them, Pillow and Keras clip
                return None, f"{kind} with more than 8 bits per channel ({mode}); convert it to 8 bits"
            if kind == "JPEG" and b"\xff\xd9" not in data[-1024:]:
                header.load()  # raises where the data end too early; OpenCV before 5 fills up with grey
    except Image.DecompressionBombError as error:
        return None, f"too many pixels: {error}"
    except UnidentifiedImageError:
        return None, "not a picture of a kind that is read, whatever its name says"
    except Exception as error:  # Pillow's decoders raise anything on damaged files
        return None, f"damaged: {' '.join(str(error).split()) or type(error).__name__}"
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
        ahead: groups decoded in advance; bounds the memory.

    Yields:
        (position of the group's first sample in `samples`, the group's loaded samples in order).
    """
    starts = iter(range(0, len(samples), group))
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


def _grey(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(H, W, 3) RGB -> (H, W, 1) grey as Pillow's mode "L": ITU-R 601-2 luma in 16-bit fixed point."""
    weighted = rgb.astype(np.uint32) @ np.array([19595, 38470, 7471], np.uint32)
    return ((weighted + 0x8000) >> 16).astype(np.uint8)[..., None]
