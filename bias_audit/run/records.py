"""What an audit knows of each photo, by column: a dict for each would take 3 KB a photo."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterator, Mapping, MutableMapping, MutableSequence, Sequence
from typing import Any, overload

OWN_TEXTS = frozenset({"image_id", "content", "mask_content", "#hash"})
"""Columns whose text is another for nearly every photo. The texts of all others are few, and each is kept once."""

Record = MutableMapping[str, Any]
"""What is known of a photo: name of a column, or of something that is no column -> value."""

_ABSENT, _NONE, _KNOWN = range(3)
_ENCODING = "utf-8", "surrogatepass"


class Records(Sequence[Record]):
    """A record per photo, by position. What is written into one that was asked for is kept.

    Args:
        count: number of photos, of which nothing is known at first.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._columns: dict[str, _Column] = {}

    def put(self, position: int, row: Mapping[str, Any]) -> None:
        """Write values into the record at a position."""
        for name, value in row.items():
            self.write(position, name, value)

    def write(self, position: int, name: str, value: Any) -> None:
        """Write one value: a float, a text, or anything else, also None."""
        column = self._columns.get(name)
        if column is None:
            column = self._columns[name] = _Column(self._count, own=name in OWN_TEXTS)
        column.write(position, value)

    def remove(self, position: int, name: str) -> None:
        """Remove one value; KeyError where there is none."""
        self._columns[name].remove(position)

    def read(self, position: int, name: str, default: Any = None) -> Any:
        """One value; `default` where the record has none of this name."""
        column = self._columns.get(name)
        return default if column is None else column.read(position, default)

    def has(self, position: int, name: str) -> bool:
        """Whether a record has a value of this name, which may be None."""
        return name in self._columns and self._columns[name].has(position)

    def column(self, name: str) -> list[Any]:
        """The values of one name, None where a record has none."""
        column = self._columns.get(name)
        return [None] * self._count if column is None else [column.read(i, None) for i in range(self._count)]

    @property
    def names(self) -> Sequence[str]:
        """The names of which any record has a value, or had one."""
        return tuple(self._columns)

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, position: int) -> Record: ...

    @overload
    def __getitem__(self, position: slice) -> list[Record]: ...

    def __getitem__(self, position: int | slice) -> Record | list[Record]:
        if isinstance(position, slice):
            return [_Record(self, i) for i in range(self._count)[position]]
        return _Record(self, range(self._count)[position])

    def __iter__(self) -> Iterator[Record]:
        return (_Record(self, i) for i in range(self._count))


class _Record(MutableMapping[str, Any]):
    """The record at a position of `Records`."""

    __slots__ = ("_position", "_records")

    def __init__(self, records: Records, position: int) -> None:
        self._records, self._position = records, position

    def __getitem__(self, name: str) -> Any:
        value = self._records.read(self._position, name, _MISSING)
        if value is _MISSING:
            raise KeyError(name)
        return value

    def get(self, name: str, default: Any = None) -> Any:
        return self._records.read(self._position, name, default)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self._records.has(self._position, name)

    def __setitem__(self, name: str, value: Any) -> None:
        self._records.write(self._position, name, value)

    def __delitem__(self, name: str) -> None:
        self._records.remove(self._position, name)

    def __iter__(self) -> Iterator[str]:
        return (name for name in self._records.names if name in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __repr__(self) -> str:
        return repr(dict(self))


_MISSING = object()


class _Column:
    """The values of one name: floats as they are in memory, own texts end to end in a buffer, all others as objects."""

    def __init__(self, count: int, *, own: bool) -> None:
        self._there = bytearray(count)
        self._own = own
        self._values: MutableSequence[Any] | _OwnTexts | None = None

    def write(self, position: int, value: Any) -> None:
        if value is None:
            self._there[position] = _NONE
            return
        own = self._own and isinstance(value, str)
        if self._values is None:
            self._values = self._started(value, own=own)
        elif isinstance(self._values, array) and not isinstance(value, float):
            self._values = list(self._values)
        elif isinstance(self._values, _OwnTexts) and not own:
            self._values = [self.read(i, None) for i in range(len(self._there))]
        self._values[position] = sys.intern(value) if type(value) is str and not own else value
        self._there[position] = _KNOWN

    def _started(self, value: Any, *, own: bool) -> MutableSequence[Any] | _OwnTexts:
        count = len(self._there)
        if own:
            return _OwnTexts(count)
        return array("d", bytes(8 * count)) if isinstance(value, float) else [None] * count

    def read(self, position: int, default: Any) -> Any:
        there = self._there[position]
        if there == _KNOWN and self._values is not None:
            return self._values[position]
        return None if there == _NONE else default

    def has(self, position: int) -> bool:
        return self._there[position] != _ABSENT

    def remove(self, position: int) -> None:
        if not self.has(position):
            raise KeyError(position)
        self._there[position] = _ABSENT


class _OwnTexts:
    """Texts of all lengths, in one buffer."""

    def __init__(self, count: int) -> None:
        self._bytes = bytearray()
        self._starts, self._ends = array("Q", bytes(8 * count)), array("Q", bytes(8 * count))

    def __setitem__(self, position: int, text: str) -> None:
        self._starts[position] = len(self._bytes)
        self._bytes += text.encode(*_ENCODING)
        self._ends[position] = len(self._bytes)

    def __getitem__(self, position: int) -> str:
        return self._bytes[self._starts[position] : self._ends[position]].decode(*_ENCODING)
