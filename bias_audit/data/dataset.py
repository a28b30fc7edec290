"""The data set as a list of samples; no picture is decoded here."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

Box = tuple[float, float, float, float]
"""x_min, y_min, x_max, y_max in pixels of the original picture, the maxima exclusive."""


@dataclass(frozen=True)
class Sample:
    """One picture and what is known about it.

    Attributes:
        image_id: path relative to the data folder, with /.
        path: where the picture lies.
        label: index into `Dataset.class_names`.
        mask: path of its mask file, or None.
        boxes: boxes around the object; empty where there are none.
        columns: further columns of the user's table, by name.
        skip: why the picture is not decoded, "" = it is: training would not have read a file of this format.
    """

    image_id: str
    path: Path
    label: int
    mask: Path | None = None
    boxes: tuple[Box, ...] = ()
    columns: Mapping[str, object] = field(default_factory=dict)
    skip: str = ""


@dataclass(frozen=True)
class Dataset:
    """Samples in a fixed order, and the classes in the order of the model's outputs.

    Attributes:
        root: the data folder, or the folder of the table.
        samples: from a table in the order of image_id; from a folder by class, then subfolder, then file name.
        class_names: alphabetical, as Keras sorts them, or the order of the class map.
        source: "folder" or "table".
        ignored_files: files that are no images, as paths relative to root (README.txt, Thumbs.db, ...).
        unread_folders: folders that could not be listed, relative to root (those of masks to the folder of masks), each
            with the reason.
        columns: names of the further columns of the user's table.
    """

    root: Path
    samples: tuple[Sample, ...]
    class_names: tuple[str, ...]
    source: str
    ignored_files: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    unread_folders: tuple[str, ...] = ()

    def fingerprint(self) -> str:
        """SHA-256 over class names, image ids, labels, boxes, and sizes and times of picture and mask files.

        The contents of the files are not read: resuming a run must start at once on a million photos.
        """
        digest = hashlib.sha256(repr(self.class_names).encode())
        for sample in self.samples:
            digest.update(repr((sample.image_id, sample.label, sample.boxes, sample.skip)).encode())
            for path in (sample.path, sample.mask):
                digest.update(stamp(path).encode())
        return digest.hexdigest()


def printable_path(path: Path, root: Path) -> str:
    """Text of `path` relative to `root`, with / on every system; bytes that are not UTF-8 are escaped."""
    return path.relative_to(root).as_posix().encode("utf-8", "backslashreplace").decode()


def stamp(path: Path | None) -> str:
    """Size and modification time of a file as text; "missing" where it cannot be looked at, "-" for None."""
    if path is None:
        return "-"
    try:
        status = path.stat()
    except OSError:
        return "missing"
    return f"{status.st_size}:{status.st_mtime_ns}"
