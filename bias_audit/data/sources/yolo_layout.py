"""Reads a data.yaml of YOLO, as Ultralytics has it, and finds the pictures and label files that it leads to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bias_audit.data.locations import read_annotations
from bias_audit.data.sources.folder import is_image
from bias_audit.data.tables import told_names
from bias_audit.data.trees import Folder, Tree, printable_name
from bias_audit.errors import DataError, reason_of
from bias_audit.files.yaml_text import parse_yaml
from bias_audit.packages import needed

SPLITS = ("test", "val", "train")
"""Parts of a data set that a data.yaml names."""

LARGEST, LARGEST_LIST = 400_000, 100_000_000
"""Most bytes of a data.yaml, of which 13,000 classes take 270,000, and of a list of pictures."""

_NOTHING = ("", "~", "null", "Null", "NULL")
"""How YAML writes nothing."""


@dataclass(frozen=True)
class Found:
    """A file or folder that a data.yaml leads to: its name in a tree, which is another one for what lies outside."""

    tree: Tree
    name: str

    def label(self) -> Found:
        """The label file of a picture: the last folder `images` of its path is `labels`; without one, beside it."""
        before, images, after = f"/{self.name}".rpartition("/images/")
        path = f"{before}/labels/{after}" if images else f"/{self.name}"
        folder, _, file = path.rpartition("/")
        return Found(self.tree, f"{folder}/{file.rpartition('.')[0] or file}.txt".removeprefix("/"))


@dataclass(frozen=True)
class DataYaml:
    """What a data.yaml says.

    Attributes:
        said: the file, for messages.
        home: its folder.
        base: the folder that its names are relative to.
        names: classes by their number.
        keypoints: numbers behind each box in a label file that place key points.
        parts: part of the data set -> what is named as its pictures: folders, and lists of pictures (.txt).
        outside: whether they may lie outside of its folder.
    """

    said: str
    home: Tree
    base: Found
    names: tuple[str, ...]
    keypoints: int
    parts: Mapping[str, tuple[str, ...]]
    outside: bool

    def photos(self, split: str) -> list[Found]:
        """The pictures of a part, each once; [] where what is named is not there.

        Raises:
            DataError: it leaves the folder, or a list of pictures cannot be read.
        """
        found = [photo for value in self.parts.get(split, ()) for photo in self._named(value, f"{self.said}, {split}")]
        return list(dict.fromkeys(found))

    def image_ids(self, photos: list[Found]) -> list[str]:
        """Names of pictures below the base; below the root of their tree where one of them lies elsewhere."""
        below = f"{self.base.name}/" if self.base.name else ""
        if not all(photo.tree == self.base.tree and photo.name.startswith(below) for photo in photos):
            below = ""
        ids = (photo.name if photo.tree == self.home else str(photo.tree.location(photo.name)) for photo in photos)
        if below:
            ids = (photo.name.removeprefix(below) for photo in photos)
        return [printable_name(name) for name in ids]

    def _named(self, value: str, where: str) -> Iterator[Found]:
        # Ultralytics looks for ../train/images in the folder itself, too: so several tools write what lies beside.
        refused = None
        for name in dict.fromkeys((value, value.removeprefix("../"))):
            try:
                there = _find(self.base.tree, name, where, self.base.name, self.outside)
            except DataError as error:
                refused = refused or error
                continue
            if there.name.endswith(".txt"):
                if there.tree.has(there.name):
                    yield from self._listed(there)
                    return
            elif photos := [file for file in there.tree.files(there.name).files if is_image(file.rpartition("/")[2])]:
                yield from (Found(there.tree, file) for file in photos)
                return
        if refused is not None:
            raise refused

    def _listed(self, listed: Found) -> Iterator[Found]:
        """Pictures of a list, whose names are relative to its folder."""
        said = str(listed.tree.location(listed.name))
        lines = _text(listed, LARGEST_LIST, f"the list of pictures {said!r}").splitlines()
        below = listed.name.rpartition("/")[0]
        for number, line in enumerate(lines, 1):
            if name := line.strip():
                yield _find(listed.tree, name, f"{said!r} line {number}", below, self.outside)


def read_data_yaml(home: Tree, file: str, *, outside: bool) -> DataYaml:
    """What a data.yaml says, whose `path` may be missing, or name a folder of another machine: then it is its own.

    Args:
        home: its folder.
        file: its name there.
        outside: whether what it names may lie outside of its folder.

    Raises:
        DataError: it cannot be read, or is no data.yaml: no names, or others than numbered from 0.
        PackageError: PyYAML is not installed.
    """
    said = f"{home}/{file}"
    text = _text(Found(home, file), LARGEST, repr(said))
    with needed(repr(said)):
        content = parse_yaml(text, DataError, f"{said!r} is")
    if not isinstance(content, dict) or "names" not in content:
        raise DataError(
            f"{said!r} is no data.yaml of YOLO: it has no names",
            "Expected are names (the classes), and val or test (a folder or a list of pictures).",
        )
    names = _names(content["names"], said)
    count = content.get("nc", len(names))
    if str(count) != str(len(names)):
        raise DataError(f"{said!r} names {len(names)} classes, but says that there are nc: {str(count)[:40]}")
    parts = {split: _values(content.get(split), f"{said!r}, {split}") for split in SPLITS}
    base = Found(home, "")
    path = content.get("path")
    if isinstance(path, str) and path not in _NOTHING:
        try:
            there = _find(home, path, repr(said), "", outside)
        except DataError:
            there = base
        if there.tree.files(there.name).files:
            base = there
    return DataYaml(repr(said), home, base, names, _keypoints(content.get("kpt_shape")), parts, outside)


def _find(tree: Tree, value: str, where: str, below: str, outside: bool) -> Found:
    name, _ = tree.named(value, where, below=below, outside=outside)
    if (path := Path(name)).is_absolute():
        return Found(Folder(Path(path.anchor)), path.relative_to(path.anchor).as_posix())
    return Found(tree, "" if name == "." else name)


def _text(file: Found, most: int, said: str) -> str:
    try:
        return read_annotations(file.tree.location(file.name), most)
    except (OSError, ValueError) as error:
        raise DataError(f"cannot read {said}: {reason_of(error)}") from error


def _names(value: Any, said: str) -> tuple[str, ...]:
    """Classes by their number, of a list, or of a mapping from numbers."""
    names = value
    if isinstance(value, dict):
        names = [value.get(str(number)) for number in range(len(value))]
        if None in names:
            raise DataError(f"{said!r} numbers its names in another way than from 0 to {len(names) - 1}")
    if not isinstance(names, list) or not names or not all(isinstance(name, str) and name for name in names):
        raise DataError(f"{said!r} has no list of names, which are the classes")
    if twice := sorted(name for name, count in Counter(names).items() if count > 1):
        raise DataError(f"{said!r} names a class twice: {told_names(twice)}")
    return tuple(names)


def _values(value: Any, where: str) -> tuple[str, ...]:
    values = value if isinstance(value, list) else [value]
    if not all(isinstance(each, str | None) for each in values):
        raise DataError(f"{where} is neither a folder, nor a list of pictures, nor several of these")
    return tuple(each for each in values if each is not None and each not in _NOTHING)


def _keypoints(shape: Any) -> int:
    """Numbers of the key points of an object, by `kpt_shape: [17, 3]`; 0 = there are none."""
    if not isinstance(shape, list) or len(shape) != 2 or not all(str(each).isdecimal() for each in shape):
        return 0
    points, each = (int(str(text)[:6]) for text in shape)
    return points * each
