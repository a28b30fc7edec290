"""What every kind of data in memory becomes: photos, one after another, with what is known of all of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Photo:
    """One photo as the user's object holds it; nothing of it is checked yet.

    Attributes:
        image: an array or a tensor, a picture of Pillow, the bytes of a file, a path, or {"bytes": ..., "path": ...}.
        label: a whole number, a text, or a one-hot row.
        mask: in the forms of an image, (H, W); None = it has none.
        box: text as in a table, or x_min, y_min, x_max, y_max, or several of these; None = it has none.
        split: part of the data that it belongs to; None = not said.
        name: its image id; None = it is made.
        columns: further columns by name.
    """

    image: Any
    label: Any
    mask: Any = None
    box: Any = None
    split: Any = None
    name: Any = None
    columns: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Photos:
    """A data set in memory.

    Attributes:
        photos: all of them; going through them may run code of the user.
        class_names: names of the classes in the order of their numbers, where the object knows them.
        columns: names of the further columns.
        size: bytes of all pictures at 8 bits, where their shapes are known before they are read; else None.
        largest: largest value of all pictures, where it is known before they are written; else None.
        channels_first: whether pictures may be (C, H, W), as those of PyTorch are.
        in_order: whether the place of a photo means something, so that it makes its id; else its content does.
        expected: number of photos that there should be; None = not known.
    """

    photos: Iterable[Photo]
    class_names: tuple[str, ...] | None = None
    columns: tuple[str, ...] = ()
    size: int | None = None
    largest: float | None = None
    channels_first: bool = False
    in_order: bool = True
    expected: int | None = None


@dataclass(frozen=True)
class Asked:
    """What else the user said of data in memory.

    Attributes:
        ids: image ids in the order of the photos, or the name of the column that holds them.
        split: part of the data that is audited; None = all.
    """

    ids: Any = None
    split: str | None = None

    @property
    def id_column(self) -> str | None:
        """The column that holds the ids; None where they are made, or given one by one."""
        return self.ids if isinstance(self.ids, str) else None


def types_of(data: Any) -> set[str]:
    """Full names of the classes of an object, by which it is told without importing what it is of."""
    return {f"{cls.__module__}.{cls.__qualname__}" for cls in type(data).__mro__}


def names_in(names: Any) -> tuple[str, ...] | None:
    """Names of the classes as an object holds them, in order; None where it holds none."""
    if isinstance(names, str | bytes) or names is None:
        return None
    listed = tuple(names) if isinstance(names, Iterable) else ()
    if not listed or not all(isinstance(name, str) for name in listed):
        return None
    return tuple(name.encode("utf-8", "backslashreplace").decode() for name in listed)
