"""The data set as a list of samples; no picture is decoded here."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from bias_audit.data.locations import Location, Stored, read_location, stamp

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Box = tuple[float, float, float, float]
"""x_min, y_min, x_max, y_max in pixels of the original picture, the maxima exclusive."""


class Drawn(Protocol):
    """A mask that is no picture: shapes that an annotation lists, drawn when they are needed."""

    @property
    def content(self) -> str:
        """Text that identifies the shapes, as the content of a file does a mask."""

    @property
    def kind(self) -> str:
        """What its object is drawn of: "mask" = its outline, or "box" = boxes around it."""

    def draw(self, size: tuple[int, int]) -> tuple[NDArray[np.uint8] | None, str]:
        """Draw the mask in the size of its picture.

        Args:
            size: (H, W) of the decoded picture.

        Returns:
            ((H, W) of BACKGROUND, FOREGROUND, VOID, OK), or (None, a status of `masks.load_mask`).
        """


@dataclass(frozen=True)
class Part:
    """A part of a picture that is a picture of its own.

    Attributes:
        left, top, width, height: where it lies, in pixels.
        size: (H, W) of the whole picture.
    """

    left: int
    top: int
    width: int
    height: int
    size: tuple[int, int]

    def of(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """The part (height, width, ...) of the whole picture (H, W, ...)."""
        return pixels[self.top : self.top + self.height, self.left : self.left + self.width]

    def __str__(self) -> str:
        return f"({self.left}, {self.top}) on, {self.width}x{self.height}"


@dataclass(frozen=True)
class Indexed(Stored):
    """A mask file that shows several objects or classes, some of which are the object of one picture.

    Attributes:
        file: where it lies.
        foreground: its values that are the object; 0 is background, and every other value VOID.
        part: the part of the file's picture that is the picture; None = all of it.
    """

    file: Location
    foreground: tuple[int, ...]
    part: Part | None = None

    def read(self) -> bytes:
        return read_location(self.file)

    def stamp(self) -> str:
        return f"{stamp(self.file)} {self.foreground} {self.part}"

    def __str__(self) -> str:
        return str(self.file)

    @property
    def name(self) -> str:
        return self.file.name


@dataclass(frozen=True)
class Sample:
    """One picture and what is known about it.

    Attributes:
        image_id: path relative to the data folder, with /.
        path: where the picture lies.
        label: index into `Dataset.class_names`.
        mask: where its mask lies, or the shapes that it is drawn of; None = it has none.
        boxes: boxes around the object; empty where there are none.
        columns: further columns of the user's table, by name.
        skip: why the picture is not decoded, "" = it is: training would not have read a file of this format, or what
            the data say of it contradicts itself.
    """

    image_id: str
    path: Location
    label: int
    mask: Location | Drawn | None = None
    boxes: tuple[Box, ...] = ()
    columns: Mapping[str, object] = field(default_factory=dict)
    skip: str = ""

    @property
    def annotated(self) -> bool:
        """Whether a mask or boxes say where its object is."""
        return self.mask is not None or bool(self.boxes)

    @property
    def outlined(self) -> bool:
        """Whether it has a mask of its object's outline that somebody drew; boxes are none."""
        return self.mask is not None and (isinstance(self.mask, Location) or self.mask.kind == "mask")


@dataclass(frozen=True)
class Dataset:
    """Samples in a fixed order, and the classes in the order of the model's outputs.

    Attributes:
        samples: from a table in the order of image_id; from a folder by class, then subfolder, then file name.
        class_names: alphabetical, as Keras sorts them, or the order of the class map.
        source: name of the kind of source, see `sources.SOURCES`.
        ignored_files: files that are no images, as paths relative to root (README.txt, Thumbs.db, ...).
        unread_folders: folders that could not be listed, relative to root (those of masks to the folder of masks), each
            with the reason.
        columns: names of the further columns of the user's table.
        notes: sentences that a reader of the result must know.
        left_out: why pictures of the source are no samples -> how many; the reason completes "N pictures ...".
        sampled_from: number of samples of which these are a sample (`sources.sample`); 0 = they are all.
        splits: names of the parts that the source knows -> number of pictures in each, whether they are taken or not.
        unused_masks: files in a folder of masks that belong to no picture, as paths relative to it.
    """

    samples: Sequence[Sample]
    class_names: tuple[str, ...]
    source: str
    ignored_files: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    unread_folders: tuple[str, ...] = ()
    left_out: Mapping[str, int] = field(default_factory=dict)
    sampled_from: int = 0
    splits: Mapping[str, int] = field(default_factory=dict)
    unused_masks: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def fingerprint(self) -> str:
        """SHA-256 over class names, image ids, labels, boxes, and sizes and times of picture and mask files.

        The contents of the files are not read: resuming a run must start at once on a million photos.
        """
        digest = hashlib.sha256(repr(self.class_names).encode())
        for sample in self.samples:
            digest.update(repr((sample.image_id, sample.label, sample.boxes, sample.skip)).encode())
            digest.update(stamp(sample.path).encode())
            mask = sample.mask
            digest.update((stamp(mask) if mask is None or isinstance(mask, Location) else mask.content).encode())
        return digest.hexdigest()


def printable_path(path: Path, root: Path) -> str:
    """Text of `path` relative to `root`, with / on every system; bytes that are not UTF-8 are escaped."""
    return path.relative_to(root).as_posix().encode("utf-8", "backslashreplace").decode()
