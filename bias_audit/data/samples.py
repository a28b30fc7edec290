"""Samples of a data set by column: a list of a million objects would take 600 MB before the first photo is read."""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from bias_audit.data.dataset import Box, Drawn, Sample
from bias_audit.data.locations import Location

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_ENCODING = "utf-8", "surrogatepass"
"""Names of files may hold bytes that are no UTF-8, which Python keeps as surrogates."""

_NOTHING = -1
"""Code of a sample without a mask."""

_PATH = type(Path())


class Texts(Sequence[str]):
    """Texts, end to end in one buffer."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._ends = array("Q", [0])

    def append(self, text: str) -> None:
        self._bytes += text.encode(*_ENCODING)
        self._ends.append(len(self._bytes))

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, position: Any) -> Any:
        start, end = self._ends[position], self._ends[position + 1]
        return self._bytes[start:end].decode(*_ENCODING)


class _Places:
    """Where files lie, or shapes are described: paths as folder and name, everything else as the objects they are.

    A name that ends the image id, as that of most photos does, is kept there alone.
    """

    def __init__(self) -> None:
        self._codes = array("i")  # of the folder, from 0; _NOTHING; below it, of the object
        self._names = Texts()
        self._folders: list[str] = []
        self._known: dict[str, int] = {}
        self._objects: list[Any] = []

    def put(self, position: int, place: Location | Drawn | None, image_id: str) -> None:
        """Set the place of a sample, after those of all before it; nothing where there is none."""
        if place is None:
            return
        while len(self._names) < position:
            self._codes.append(_NOTHING)
            self._names.append("")
        end = _end_of(image_id)
        folder, name = os.path.split(str(place)) if type(place) is _PATH else ("", "")
        if name:
            code = self._known.setdefault(folder, len(self._folders))
            if code == len(self._folders):
                self._folders.append(folder)
        else:
            code = _NOTHING - 1 - len(self._objects)
            self._objects.append(place)
        self._codes.append(code)
        self._names.append("" if name == end else name)

    def at(self, position: int, image_id: str) -> Any:
        """The place of a sample; None where there is none."""
        code = self._codes[position] if position < len(self._codes) else _NOTHING
        if code >= 0:
            return Path(os.path.join(self._folders[code], self._names[position] or _end_of(image_id)))
        return None if code == _NOTHING else self._objects[_NOTHING - 1 - code]


def _end_of(image_id: str) -> str:
    return image_id.rpartition("/")[2]


class _Indexed(Sequence[Sample]):
    """Samples by position, each of which is made when it is asked for."""

    def _at(self, position: int) -> Sample:
        """The sample at a position from 0 to the number of samples - 1."""
        raise NotImplementedError

    @overload
    def __getitem__(self, position: int) -> Sample: ...

    @overload
    def __getitem__(self, position: slice) -> tuple[Sample, ...]: ...

    def __getitem__(self, position: int | slice) -> Sample | tuple[Sample, ...]:
        if isinstance(position, slice):
            return tuple(map(self._at, range(len(self))[position]))
        return self._at(range(len(self))[position])

    def __iter__(self) -> Iterator[Sample]:
        return map(self._at, range(len(self)))


class Samples(_Indexed):
    """Samples in a fixed order. Each is made when it is asked for, equal to the one that was given.

    Args:
        samples: the samples, which are taken one after another.
    """

    def __init__(self, samples: Iterable[Sample] = ()) -> None:
        self._ids, self._labels, self._paths, self._masks = Texts(), array("i"), _Places(), _Places()
        self._boxes: dict[int, tuple[Box, ...]] = {}
        self._skips: dict[int, str] = {}
        self._names: tuple[str, ...] | None = None
        self._values: list[object] = []
        self._others: dict[int, Mapping[str, object]] = {}
        for sample in samples:
            self.append(sample)

    def append(self, sample: Sample) -> None:
        """Add a sample at the end, while the samples are listed."""
        position = len(self)
        self._ids.append(sample.image_id)
        self._labels.append(sample.label)
        self._paths.put(position, sample.path, sample.image_id)
        self._masks.put(position, sample.mask, sample.image_id)
        if sample.boxes:
            self._boxes[position] = sample.boxes
        if sample.skip:
            self._skips[position] = sample.skip
        names = tuple(sample.columns)
        if self._names is None:
            self._names = names
        if names == self._names:
            self._values.extend(sample.columns.values())
        else:  # a scene behind photos of a table
            self._values.extend([None] * len(self._names))
            self._others[position] = sample.columns

    def __len__(self) -> int:
        return len(self._labels)

    def _at(self, position: int) -> Sample:
        image_id = self._ids[position]
        return Sample(
            image_id,
            self._paths.at(position, image_id),
            self._labels[position],
            self._masks.at(position, image_id),
            self._boxes.get(position, ()),
            self._others[position] if position in self._others else self._columns(position),
            self._skips.get(position, ""),
        )

    def _columns(self, position: int) -> dict[str, object]:
        count = len(self._names or ())
        return dict(zip(self._names or (), self._values[position * count : (position + 1) * count], strict=True))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and all(mine == its for mine, its in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]


class Chosen(_Indexed):
    """Some of the samples, by position, without a copy of them.

    Args:
        samples: all samples.
        positions: (n,) those that are chosen.
    """

    def __init__(self, samples: Sequence[Sample], positions: NDArray[np.intp]) -> None:
        self._samples, self._positions = samples, positions

    def __len__(self) -> int:
        return len(self._positions)

    def _at(self, position: int) -> Sample:
        return self._samples[int(self._positions[position])]
