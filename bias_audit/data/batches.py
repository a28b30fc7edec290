"""Loads pictures and masks in threads, ahead of the model, in the order and grouping of the data set."""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from bias_audit.data import deep
from bias_audit.data.contents import Contents, content_of
from bias_audit.data.dataset import Sample
from bias_audit.data.geometry import fit_image, fit_mask, largest_shape
from bias_audit.data.locations import Location
from bias_audit.data.mask_estimates import Estimate
from bias_audit.data.masks import ESTIMATED, Mask, MaskReading, load_mask, read_mask_file
from bias_audit.data.pictures import Decoded, Decoder, Header, declared, decoded, read_picture
from bias_audit.input_texts import PixelRange
from bias_audit.limits.bounds import DEFAULTS, Limits, beyond
from bias_audit.limits.memory import at_once
from bias_audit.limits.room import decoders, decoding
from bias_audit.limits.spent import note_read, waiting
from bias_audit.run.statuses import CHANGED, NO_MASK, OK, SKIPPED, UNREADABLE

Pixels = NDArray[np.float32]

Made = TypeVar("Made")

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
        pixel_range: values of pictures of more than 8 bits that are black and white; None = they are not read.
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
    pixel_range: PixelRange | None = None


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
        mask_content: the same of the mask's file, or what identifies the shapes of its mask; "" also without a mask.
        shape: (height, width) of the picture in its file; None unless OK.
        size: bytes of the files that were read, the picture's and its mask's.
        more: what was made of the pixels in the same thread, see `load_in_order`; None unless OK.
    """

    status: str
    reason: str = ""
    pixels: Pixels | None = None
    mask: NDArray[np.uint8] | None = None
    mask_status: str = ""
    mask_kind: str = ""
    content: str = ""
    mask_content: str = ""
    shape: tuple[int, int] | None = None
    size: int = 0
    more: Any = None

    @property
    def drawn(self) -> bool:
        """Whether the picture has a usable mask or box that somebody drew, so that it is no estimate."""
        return self.mask_status == OK and self.mask_kind != ESTIMATED


class Group(list[Loaded]):
    """Loaded samples in their order, whose pixels and masks lie in one array each.

    Args:
        count: number of samples.
        geometry: model input geometry.
    """

    def __init__(self, count: int, geometry: Geometry) -> None:
        super().__init__()
        self._pixels = np.empty((count, *geometry.size, geometry.channels), np.float32)
        self._masks = np.empty((count, *geometry.size), np.uint8)

    def load(self, place: int, sample: Sample, geometry: Geometry, then: Callable[[Pixels], Any] | None) -> Loaded:
        """Load a sample into its place of the arrays; `Loaded.pixels` and `.mask` are views of them."""
        pixels, mask = self._pixels[place], self._masks[place]
        loaded = load(sample, geometry, pixels)
        if loaded.pixels is None or loaded.mask is None:
            return loaded
        mask[...] = loaded.mask
        return dataclasses.replace(loaded, mask=mask, more=None if then is None else then(pixels))

    @property
    def read(self) -> list[int]:
        """Places of the samples that could be read, ascending."""
        return [place for place, loaded in enumerate(self) if loaded.status == OK]

    @property
    def pixels(self) -> Pixels:
        """(n, H, W, C) pixels of the samples that could be read."""
        return self._pixels if len(read := self.read) == len(self._pixels) else self._pixels[read]

    @property
    def masks(self) -> NDArray[np.uint8]:
        """(n, H, W) masks of the samples that could be read."""
        return self._masks if len(read := self.read) == len(self._masks) else self._masks[read]


def load(sample: Sample, geometry: Geometry, into: Pixels | None = None) -> Loaded:
    """Decode one sample and its mask, and bring both to the input size.

    A bad file raises nothing: an unreadable picture is a row with its reason, not the end of an audit. Nor does a file
    that changes while the audit runs: from then on it has no pixels, for they are not those of its other numbers. A
    thread gives the picture back before it decodes the mask, so that it never waits for room while it holds some.

    Args:
        sample: the sample.
        geometry: model input geometry.
        into: array that takes the pixels, see `geometry.fit_image`; None = a new one.
    """
    if sample.skip:
        return Loaded(SKIPPED, sample.skip)
    data, reason = read_picture(sample.path, geometry.pixel_range)
    content = "" if data is None else content_of(data)
    mask_data, mask_content, mask_reason = read_mask_file(sample)
    if geometry.contents is not None:
        changed = geometry.contents.changed(sample, (content, reason), (mask_content, mask_reason))
        if changed:
            return Loaded(CHANGED, changed, content=content, mask_content=mask_content)
    loaded = Loaded(UNREADABLE, reason) if data is None else _loaded(sample, geometry, data, mask_data, content, into)
    return dataclasses.replace(loaded, mask_content=mask_content, size=len(data or b"") + len(mask_data or b""))


def _loaded(
    sample: Sample, geometry: Geometry, data: bytes, mask_data: bytes | None, content: str, into: Pixels | None
) -> Loaded:
    header, reason = declared(data, geometry.decoder, geometry.limits.pixels, geometry.pixel_range)
    if header is None or (reason := _grown_too_large(header, geometry)):
        return Loaded(UNREADABLE, reason, content=content)
    mask: Mask | None = None
    mask_status, mask_kind = NO_MASK, ""
    with decoding.taken(_need(header, geometry)):
        pixels, reason = decoded(data, header, geometry.channels, geometry.decoder, geometry.pixel_range)
        if pixels is None:
            return Loaded(UNREADABLE, reason, content=content)
        shape = pixels.shape[0], pixels.shape[1]
        image = fit_image(pixels, geometry.size, geometry.resize, geometry.interpolation, into)
        if not sample.annotated and geometry.estimate is not None:
            mask, mask_status = geometry.estimate(content, _in_8_bits(pixels))
            mask_kind = ESTIMATED
        del pixels
    if not mask_kind:
        mask, mask_status, mask_kind = load_mask(sample, shape, geometry.masks, mask_data)
    if mask is None:
        mask = np.zeros(shape, np.uint8)
    fitted = fit_mask(mask, geometry.size, geometry.resize)
    return Loaded(OK, "", image, fitted, mask_status, mask_kind, content, shape=shape)


def reduced(path: Location, geometry: Geometry, reduce: Callable[[Decoded], Made]) -> Made | None:
    """Read a picture as `decode` does and make something small of it, while there is room for its pixels.

    Args:
        path: where the picture lies.
        geometry: how pictures become inputs of the model, and how large they may be.
        reduce: pixels (H, W, channels) -> what is made of them.

    Returns:
        what `reduce` made; None where the file cannot be read.
    """
    data, _ = read_picture(path, geometry.pixel_range)
    header = None
    if data is not None:
        header, _ = declared(data, geometry.decoder, geometry.limits.pixels, geometry.pixel_range)
    if data is None or header is None or _grown_too_large(header, geometry):
        return None
    with decoding.taken(_need(header, geometry)):
        pixels, _ = decoded(data, header, geometry.channels, geometry.decoder, geometry.pixel_range)
        return None if pixels is None else reduce(pixels)


def _in_8_bits(pixels: Decoded) -> NDArray[np.uint8]:
    """Pixels as segmenters get them: rounded, where a picture has more than 8 bits."""
    return pixels if pixels.dtype == np.uint8 else np.rint(pixels).astype(np.uint8)  # type: ignore[return-value]


def _grown_too_large(header: Header, geometry: Geometry) -> str:
    """What is wrong with a picture that padding or enlarging takes beyond the limit; "" where it does not.

    A strip of 4 x 40000 pixels would be padded to a square of 1.6 billion, and end the audit.
    """
    height, width = largest_shape((header.height, header.width), geometry.size, geometry.resize)
    most = max(geometry.limits.pixels, header.height * header.width)
    if height * width <= most:
        return ""
    shape, done = f"{header.height}x{header.width}", "padded" if geometry.resize == "pad" else "resized"
    return f"too many pixels: {shape} would be {done} to {height}x{width}: {beyond('pixels', height * width, most)}"


def _need(header: Header, geometry: Geometry) -> int:
    """Bytes that a picture takes at most while it is decoded and brought to the input size."""
    height, width = largest_shape((header.height, header.width), geometry.size, geometry.resize)
    each = (deep.PIXEL_BYTES if header.deep else PIXEL_BYTES)[geometry.channels]
    return each * max(header.height * header.width, height * width)


def load_in_order(
    samples: Sequence[Sample],
    geometry: Geometry,
    group: int,
    *,
    ahead: int = 2,
    then: Callable[[Pixels], Any] | None = None,
) -> Iterator[tuple[int, Group]]:
    """Decode groups of samples in threads, `ahead` groups before they are asked for.

    Args:
        samples: what to load.
        geometry: model input geometry.
        group: samples per group; the last one may be smaller.
        ahead: most groups decoded in advance, fewer where so many would take more memory than a batch may.
        then: makes something small of the pixels (H, W, C) of a sample, in its thread: `Loaded.more`.

    Yields:
        (position of the group's first sample in `samples`, the group's loaded samples in order).
    """
    starts = iter(range(0, len(samples), group))
    held = at_once(min(group, len(samples)) * input_bytes(geometry), ahead + 2, geometry.limits)
    ahead = max(0, held - 2)  # besides the group that is asked for, and the one that is worked on
    pending: deque[tuple[int, Group, list[Future[Loaded]]]] = deque()
    with ThreadPoolExecutor(decoders(), "decode") as pool:
        try:
            while True:
                while len(pending) <= ahead and (start := next(starts, None)) is not None:
                    part = samples[start : start + group]
                    made = Group(len(part), geometry)
                    futures = [pool.submit(made.load, at, each, geometry, then) for at, each in enumerate(part)]
                    pending.append((start, made, futures))
                if not pending:
                    return
                start, made, futures = pending.popleft()
                with waiting():
                    made.extend(future.result() for future in futures)
                note_read(len(made), sum(loaded.size for loaded in made))
                yield start, made
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def input_bytes(geometry: Geometry) -> int:
    """Bytes of one decoded picture in the model's input size, with its mask."""
    return geometry.size[0] * geometry.size[1] * (4 * geometry.channels + 1)
