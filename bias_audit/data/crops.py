"""A part of a photo as a picture of its own: cut out of the decoded photo, and handed on without loss."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import cv2
import numpy as np

from bias_audit.data import deep
from bias_audit.data.dataset import Part
from bias_audit.data.locations import Location, Stored, stamp
from bias_audit.data.pictures import Decoded, Header, declared, decoded, decoded_deep, read_picture
from bias_audit.input_texts import PixelRange
from bias_audit.limits.bounds import Limits
from bias_audit.limits.room import decoding, kept_bytes

_PIXEL_BYTES = 12
"""Bytes that decoding and cutting take for each pixel of a photo of 8 bits at most."""


@dataclass(frozen=True)
class Crop(Stored):
    """A part of a photo, as an uncompressed BMP of 8-bit RGB: equal pixels have equal bytes on every machine.

    The photo is decoded as OpenCV and Pillow do, without its EXIF orientation, whatever decoder the audit uses. Of a
    photo of more than 8 bits the part is `deep.Levels`: black and white are those of the whole photo.

    Attributes:
        photo: where the photo lies.
        part: the part, within the photo; its size is the one that the photo must have, else it is one of another.
        most: most pixels of the photo, see `Limits`.
    """

    photo: Location
    part: Part
    most: int = Limits.pixels

    def read(self) -> bytes:
        return self.picture(None)

    def picture(self, pixel_range: PixelRange | None) -> bytes:
        data, reason = read_picture(self.photo, pixel_range)
        if data is None:
            raise OSError(reason)
        header, reason = declared(data, None, self.most, pixel_range)
        if header is None:
            raise ValueError(reason)
        if (header.height, header.width) != self.part.size:
            said = f"{header.width}x{header.height}, not {self.part.size[1]}x{self.part.size[0]} as its annotations say"
            raise ValueError(f"the photo has {said}")
        each = deep.PIXEL_BYTES[3] if header.deep else _PIXEL_BYTES
        with decoding.taken(each * header.height * header.width):
            part = self.part.of(_last.pixels_of(data, header, pixel_range))
            if part.dtype != np.uint8:
                return deep.Levels.of(part)
            return bytes(cv2.imencode(".bmp", np.ascontiguousarray(part[..., ::-1]))[1])

    def stamp(self) -> str:
        return f"{stamp(self.photo)} {self.part}"

    def __str__(self) -> str:
        return f"{self.photo} from {self.part}"

    @property
    def name(self) -> str:
        return f"{self.photo.name}.bmp"


class _Last(threading.local):
    """The photo that a thread decoded last, for the crops of one photo follow each other.

    It is known by its bytes, which are read for every crop: a photo that changes is another one.
    """

    data = b""
    pixel_range: PixelRange | None = None
    pixels: Decoded | None = None

    def pixels_of(self, data: bytes, header: Header, pixel_range: PixelRange | None) -> Decoded:
        """A photo (H, W, 3), or (H, W, 1) where it is a grey one of more than 8 bits; it is not to be written to."""
        if self.pixels is not None and (self.data, self.pixel_range) == (data, pixel_range):
            return self.pixels
        self.data, self.pixels = b"", None  # so that there are never two
        if header.deep:
            pixels, reason = decoded_deep(data, header, pixel_range)
        else:
            pixels, reason = decoded(data, header, 3, None)
        if pixels is None:
            raise ValueError(reason)
        if len(data) + pixels.nbytes <= kept_bytes():
            self.data, self.pixel_range, self.pixels = data, pixel_range, pixels
        return pixels


_last = _Last()
