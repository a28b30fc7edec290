"""A part of a photo as a picture of its own: cut out of the decoded photo, and handed on without loss."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from bias_audit.data.dataset import Part
from bias_audit.data.locations import Location, Stored, stamp
from bias_audit.data.pictures import declared, decoded, read_picture
from bias_audit.limits.bounds import Limits
from bias_audit.limits.room import decoding

_PIXEL_BYTES = 12
"""Bytes that decoding and cutting take for each pixel of the photo at most."""


@dataclass(frozen=True)
class Crop(Stored):
    """A part of a photo, as an uncompressed BMP of 8-bit RGB: equal pixels have equal bytes on every machine.

    The photo is decoded as OpenCV and Pillow do, without its EXIF orientation, whatever decoder the audit uses.

    Attributes:
        photo: where the photo lies.
        part: the part, within the photo; its size is the one that the photo must have, else it is one of another.
        most: most pixels of the photo, see `Limits`.
    """

    photo: Location
    part: Part
    most: int = Limits.pixels

    def read(self) -> bytes:
        data, reason = read_picture(self.photo)
        if data is None:
            raise OSError(reason)
        header, reason = declared(data, None, self.most)
        if header is None:
            raise ValueError(reason)
        if (header.height, header.width) != self.part.size:
            said = f"{header.width}x{header.height}, not {self.part.size[1]}x{self.part.size[0]} as its annotations say"
            raise ValueError(f"the photo has {said}")
        with decoding.taken(_PIXEL_BYTES * header.height * header.width):
            pixels, reason = decoded(data, header, 3, None)
            if pixels is None:
                raise ValueError(reason)
            part = np.ascontiguousarray(self.part.of(pixels)[..., ::-1], np.uint8)
            return bytes(cv2.imencode(".bmp", part)[1])

    def stamp(self) -> str:
        return f"{stamp(self.photo)} {self.part}"

    def __str__(self) -> str:
        return f"{self.photo} from {self.part}"

    @property
    def name(self) -> str:
        return f"{self.photo.name}.bmp"
