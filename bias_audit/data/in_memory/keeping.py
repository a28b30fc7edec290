"""Writes photos that are in memory to disk, once, and the list of them that an audit reads."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bias_audit.data.class_numbers import ClassMap
from bias_audit.data.in_memory.kinds import KINDS, kind_of
from bias_audit.data.in_memory.labels import Label, named, plain
from bias_audit.data.in_memory.listing import ID, SKIP, refuse_id, write_listing
from bias_audit.data.in_memory.photos import Asked, Photo, Photos
from bias_audit.data.in_memory.pixels import Unusable, Values, as_array, mask_of, pixels_of, stored
from bias_audit.data.in_memory.store import Store, refuse_beyond
from bias_audit.data.sources.table import parse_boxes
from bias_audit.data.tables import told_names
from bias_audit.errors import DataError
from bias_audit.limits.bounds import Limits
from bias_audit.users_code import running

MOST_PHOTOS = 5_000_000
"""Most photos of a data set in memory: what gives more repeats itself."""


@dataclass(frozen=True)
class Given:
    """What a caller gave in memory, and said of it.

    Attributes:
        data: an object of one of KINDS.
        masks: a mask for each photo in their order, as an array (N, H, W) or a list; None = as the data hold them.
        ids: image ids, one for each photo in their order, or the name of the column that holds them; None = the paths
            of files below the folder that they share, else the places of the photos, or the beginnings of the hashes of
            their contents where the order may be another each time.
        value_range: (0, 1) or (0, 255): what floats mean; None = seen from their values.
        split: part of the data that is audited; None = all.
    """

    data: Any
    masks: Any = None
    ids: Any = None
    value_range: Any = None
    split: str | None = None


@dataclass(frozen=True)
class Kept:
    """Photos on disk.

    Attributes:
        listing: the list of them, which `sources.in_memory` reads.
        outside: whether it names files that lie elsewhere, as the caller did.
        used: names of the files beside the list that it names, and its own.
    """

    listing: Path
    outside: bool
    used: frozenset[str]


def keep(
    given: Given,
    folder: Path,
    *,
    most: int | None,
    class_map: ClassMap = None,
    pixels: int = Limits.pixels,
    advance: Callable[[int], None] = lambda count: None,
) -> Kept:
    """Write photos that are in memory to a folder, and the list of them.

    Files that lie there already are not written again. What was written is removed where the data are refused.

    Args:
        given: the photos.
        folder: where they are kept; it is made.
        most: most bytes of pictures at 8 bits, before they are packed; None = as many as the disk holds.
        class_map: class map of the audit, by which numbers are named where the data know no names.
        pixels: most pixels of a picture that is decoded here, see `Limits`.
        advance: called with the number of photos that were kept since the last call.

    Raises:
        DataError: an object of no such kind, or photos, masks, labels or ids that make no test set.
        ConfigError: another value range, more bytes than that, or code of the user that fails.
        ResultError: the folder cannot be written.
    """
    with running("what the data in memory are cannot be told"):
        kind = kind_of(given.data)
    told = KINDS[kind].told
    values = Values(given.value_range)
    asked = Asked(given.ids, given.split)
    with running(f"the data in memory ({told}) cannot be read"):
        photos = KINDS[kind].read(given.data, asked)
        ids = None if given.ids is None or asked.id_column else [_text(each) for each in given.ids]
        masks = None if given.masks is None else list(given.masks)
    if photos.size is not None:
        refuse_beyond(photos.size, most)
    if photos.largest is not None:
        values.decide(photos.largest)
    store = Store(folder, most)
    try:
        writer = _Writer(store, values, photos, pixels)
        count = 0
        for place, photo in enumerate(_each(photos, told)):
            count += 1
            if count > MOST_PHOTOS:
                raise DataError(f"the data in memory hold more than {MOST_PHOTOS:,} photos: do they repeat themselves?")
            if masks is not None and place < len(masks):
                photo = _masked(photo, masks[place], place)
            if ids is not None:
                photo = _called(photo, ids[place] if place < len(ids) else "")
            if given.split is not None and _text(photo.split) != given.split:
                writer.other_splits.add(_text(photo.split))
                continue
            with running(f"photo {place} of the data in memory cannot be read"):
                writer.add(photo, place)
            advance(1)
        for name, each in (("ids", ids), ("masks", masks)):
            if each is not None and len(each) != count:
                raise DataError(
                    f"there are {count} photos and {len(each)} {name}", "Give one for each, in their order."
                )
        return writer.finished(kind, told, given.split, class_map, count)
    except BaseException:
        store.undo()
        raise


def _each(photos: Photos, told: str) -> Iterator[Photo]:
    """The photos one by one; whatever the user's object raises becomes a sentence."""
    with running(f"the data in memory ({told}) cannot be read"):
        iterator = iter(photos.photos)
    place = 0
    while True:
        with running(f"photo {place} of the data in memory cannot be read"):
            try:
                photo = next(iterator)
            except StopIteration:
                return
        yield photo
        place += 1


class _Writer:
    """Makes rows of photos, and writes what they hold."""

    def __init__(self, store: Store, values: Values, photos: Photos, pixels: int) -> None:
        self.other_splits: set[str] = set()
        self._store, self._values, self._photos, self._pixels = store, values, photos, pixels
        self._rows: list[dict[str, Any]] = []
        self._labels: list[Label] = []
        self._named: list[str | None] = []
        self._paths: list[Path | None] = []
        self._outside = False

    def add(self, photo: Photo, place: int) -> None:
        where = f"photo {place}" + (f" ({_text(photo.name)[:80]})" if photo.name is not None else "")
        label = plain(photo.label, where)
        path, skip, image, mask = None, "", "", ""
        try:
            image, path = self._image(photo.image, where)
            mask = self._mask(photo.mask, where)
        except Unusable as error:
            skip = str(error)
        box = _box_text(photo.box)
        parse_boxes(box, where)
        self._labels.append(label)
        self._named.append(None if photo.name is None else _text(photo.name).replace("\\", "/"))
        self._paths.append(path)
        self._rows.append(
            {
                ID: self._made_id(place, image),
                "image": image,
                "mask": mask,
                "box": box,
                "split": None if photo.split is None else _text(photo.split),
                SKIP: skip,
                "columns": photo.columns,
            }
        )

    def _image(self, value: Any, where: str) -> tuple[str, Path | None]:
        """(name of the picture's file, its path where the caller gave one)."""
        if value is None:
            raise Unusable("there is no picture")
        file = stored(value)
        if isinstance(file, Path):
            return self._path(file), file
        if file is not None:
            return self._store.file(file), None
        array = pixels_of(value, where, self._pixels, channels_first=self._photos.channels_first)
        return self._store.picture(self._values.eight_bits(array, where)), None

    def _mask(self, value: Any, where: str) -> str:
        if value is None or (isinstance(value, str) and not value):
            return ""
        file = stored(value)
        if isinstance(file, Path):
            return self._path(file)
        mask = file if file is not None else mask_of(value, where)
        return self._store.file(mask) if isinstance(mask, bytes) else self._store.picture(mask)

    def _path(self, path: Path) -> str:
        self._outside = True
        try:
            str(path).encode()
        except UnicodeEncodeError as error:
            raise Unusable("the name of its file is not UTF-8, which no table holds") from error
        return str(path)

    def _made_id(self, place: int, image: str) -> str:
        if self._photos.in_order or not image:
            return f"{place:06d}"
        return Path(image).name[:12]

    def finished(self, kind: str, told: str, split: str | None, class_map: ClassMap, count: int) -> Kept:
        if not self._rows:
            if split is not None and count:
                there = told_names(sorted(self.other_splits))
                raise DataError(f"the data in memory hold no photo of the split {split!r}; they have {there}")
            raise DataError(f"the data in memory ({told}) hold no photos")
        names, class_names = named(self._labels, self._photos.class_names, class_map)
        notes = [f"The photos were given in memory, as {told}.", *self._values.notes()]
        expected = self._photos.expected
        if expected is not None and count != expected:
            notes.append(f"{count} photos came of a data set of {expected}.")
        self._name()
        rows = [{**row, "label": name} for row, name in zip(self._rows, names, strict=True)]
        listing = write_listing(self._store.folder, kind, rows, self._photos.columns, class_names, notes)
        files = {row[name] for row in rows for name in ("image", "mask")}
        return Kept(listing, self._outside, frozenset({listing.name, *files}))

    def _name(self) -> None:
        """Give every row its id: the one that was given, the path below the folder that all share, or the one made."""
        paths = [path for path in self._paths if path is not None]
        if paths and not any(os.path.exists(path) for path in paths):
            raise DataError(
                f"none of {len(paths)} paths leads to a file; the first is {str(paths[0])!r}",
                f"Relative paths are looked up from the working folder, {os.getcwd()!r}.",
            )
        shared = _shared_folder(paths)
        seen: set[str] = set()
        twice: dict[str, int] = {}
        for place, (row, given, path) in enumerate(zip(self._rows, self._named, self._paths, strict=True)):
            if given is None and path is not None:
                row[ID] = os.path.relpath(path, shared).replace(os.sep, "/") if shared else path.name
            elif given is not None:
                row[ID] = given
            elif row[ID] in seen:  # a content that comes twice
                twice[row[ID]] = twice.get(row[ID], 1) + 1
                row[ID] = f"{row[ID]}-{twice[row[ID]]}"
            refuse_id(row[ID], f"photo {place}")
            if row[ID] in seen:
                raise DataError(
                    f"photo {place}: the image id {row[ID]!r} was there before",
                    "Give ids that differ, or leave out ids=",
                )
            seen.add(row[ID])


def _shared_folder(paths: Sequence[Path]) -> str:
    """The deepest folder that holds all files; "" where there is none, as on two drives of Windows."""
    try:
        return os.path.commonpath([path.parent for path in paths]) if paths else ""
    except ValueError:
        return ""


def _masked(photo: Photo, mask: Any, place: int) -> Photo:
    if photo.mask is not None:
        raise DataError(f"photo {place} has a mask in the data and one in masks=", "Leave one of them out.")
    return Photo(photo.image, photo.label, mask, photo.box, photo.split, photo.name, photo.columns)


def _called(photo: Photo, name: str) -> Photo:
    return Photo(photo.image, photo.label, photo.mask, photo.box, photo.split, name, photo.columns)


def _text(value: Any) -> str:
    """An id or a split as text; a number in an array is one."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    text = "" if value is None else str(value.item() if hasattr(value, "item") else value)
    return text.encode("utf-8", "backslashreplace").decode()


def _box_text(value: Any) -> str | None:
    """Boxes as a table holds them: "x_min,y_min,x_max,y_max", several separated by ";"."""
    if value is None or isinstance(value, str):
        return value or None
    boxes = as_array(value)
    rows: Iterable[Any] = [boxes] if boxes.ndim == 1 and boxes.size else boxes
    return ";".join(",".join(repr(float(each)) for each in row) for row in rows) or None
