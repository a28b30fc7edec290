"""Reads what an audit kept of each column of numbers of the images table, so that a gate need not read the table.

A column X of a large run lies in gate-numbers/X.numbers: two lines of JSON, and numbers in binary. The first line is
the SHA-256 of all that follows, the second says of each class how many images it has. A column of many values has the
values of each class in ascending order, as 64-bit floats; one of few values has a byte for each image, which says which
value it has. Both answer every question about a bound exactly, as the rows would. Whatever is not there is read from
the table; `image_numbers_written` writes the files.
"""

from __future__ import annotations

import array
import functools
import math
import sys
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bias_audit.errors import ResultError
from bias_audit.files.text import parse_json, read_bytes
from bias_audit.run.digests import digest_of
from bias_audit.run.number_pairs import Pairs

FOLDER, SUFFIX = "gate-numbers", ".numbers"
FORMAT = 2
"""Version of the files; a reader leaves others aside and reads the table. Those of version 1 have another suffix."""

MOST_VALUES = 255
"""Most values of a column that has a byte for each image, by which images are paired with those of a baseline."""

MISSING = 0
"""Byte of an image without a number; that of the value of index i is i + 1."""

SHOWN = 3
"""How many of the highest and of the lowest images are kept with their names."""

HASHED = 64_000_000
"""Largest table, in bytes, that is hashed whenever its numbers are used. Of a larger one size and time are compared."""

_FEW = 32
"""Most pairs of codes that are counted one after the other."""

_HINT = "Delete this file: the gate then reads the table. Or restore the folder from a copy."


@dataclass(frozen=True)
class OfClass:
    """The numbers of the images of one class.

    Attributes:
        images: number of images, with and without a number.
        known: number of images with a number.
        values: the numbers of those in ascending order; where there are codes, those of the column, each once.
        codes: a byte for each image, in the order of their names (see MISSING); None where the column has many values.
        highest, lowest: name and value of the SHOWN most extreme images, the most extreme first; of equal ones those
            whose names come last.
    """

    images: int
    known: int
    values: Sequence[float]
    codes: memoryview | None
    highest: Sequence[tuple[str, float]]
    lowest: Sequence[tuple[str, float]]

    @functools.cached_property
    def _counts(self) -> Sequence[int]:
        """How many images have each of the column's values."""
        tally = Counter(self.codes or ())
        return [tally[code] for code in range(MISSING + 1, MISSING + 1 + len(self.values))]

    def beyond(self, far: Callable[[float], bool], *, above: bool) -> tuple[int, list[tuple[str, float]]]:
        """Number of images that lie beyond a bound, and name and value of the SHOWN most extreme of them.

        Args:
            far: whether a value lies beyond the bound; true for all values above (below) some value.
            above: whether the values above are those beyond.
        """
        if above:
            place = bisect_left(self.values, True, key=far)
            number = self.known - self._until(place)
        else:
            place = bisect_left(self.values, True, key=lambda value: not far(value))
            number = self._until(place)
        return number, [one for one in (self.highest if above else self.lowest) if far(one[1])]

    def _until(self, place: int) -> int:
        return place if self.codes is None else sum(self._counts[:place])


@dataclass(frozen=True)
class Numbers:
    """The numbers of a column.

    Attributes:
        names: SHA-256 over the classes and the names of their images: where it is equal, so are the places in `codes`.
        coded: whether the column has so few values that there are codes.
        classes: class -> its numbers, in the order of the table.
    """

    names: str
    coded: bool
    classes: Mapping[str, OfClass]


def numbers_of(folder: Path, column: str, table: Path, digests: Sequence[str]) -> Numbers | None:
    """The numbers of a column of the images table.

    Args:
        folder: the run folder.
        column: name of the column.
        table: the CSV file of the images.
        digests: digests that audit.json allows this file to have.

    Returns:
        the numbers; None where the run has none of this column, or has some of another table than the one that is
        there: then the table says what is true, and whether it was changed.

    Raises:
        ResultError: the file of the numbers is damaged.
    """
    file = folder / FOLDER / f"{column}{SUFFIX}"
    try:
        about = [(path.stat().st_mtime_ns, path.stat().st_size) for path in (file, table, folder / "audit.json")]
    except OSError:
        return None
    return _numbers(file, column, table, tuple(digests), tuple(about))


@functools.lru_cache(maxsize=4)
def _numbers(
    file: Path, column: str, table: Path, digests: tuple[str, ...], about: tuple[tuple[int, int], ...]
) -> Numbers | None:
    """As `numbers_of`; `about` are time and size of the file, the table and audit.json, so that a change is noticed."""
    data = read_bytes(file, ResultError, hint=_HINT)
    if data is None:
        return None
    begin = f"{str(file)!r} is damaged:"
    first = data.find(b"\n") + 1
    second = data.find(b"\n", first) + 1
    rest = memoryview(data)[first:]
    if not first or not second or data[:first] != b'{"sha256": "%s"}\n' % digest_of(rest).encode():
        raise ResultError(f"{begin} its content does not have the digest that it names", _HINT)
    content = parse_json(data[first:second].decode("utf-8", "replace"), ResultError, begin, hint=_HINT)
    try:
        if content["format"] != FORMAT or content["column"] != column:
            return None
        (_, (written, size), (finished, _)) = about
        digest = content["sha256"]
        if digest not in digests or size != content["bytes"]:
            return None
        # audit.json is written last: a table that is older was not edited since. A copied folder costs the hash.
        if (size <= HASHED or written > finished) and digest_of(table.read_bytes()) != digest:
            return None
        return _parsed(content, memoryview(data)[second:])
    except (ArithmeticError, AttributeError, LookupError, OSError, TypeError, ValueError) as error:
        raise ResultError(f"{begin} it does not hold the numbers of a column", _HINT) from error


def _parsed(content: Mapping[str, Any], packed: memoryview) -> Numbers:
    """The numbers of a column; raises KeyError, TypeError or ValueError where they do not fit together."""
    coded = "values" in content
    values = [float(value) for value in content["values"]] if coded else _floats(packed)
    if coded:
        if values != sorted(set(values)) or not all(map(math.isfinite, values)):
            raise ValueError("values")
        if packed.tobytes().translate(None, bytes(range(MISSING + 1 + len(values)))):
            raise ValueError("codes")
    classes, at, length = {}, 0, len(packed if coded else values)
    for name, (images, known, *ends) in content["classes"].items():
        end = at + (images if coded else known)
        if not 0 <= known <= images or end > length:
            raise ValueError("images")
        highest, lowest = ([(str(image), float(value)) for image, value in extremes] for extremes in ends)
        if min(len(highest), len(lowest)) < min(SHOWN, known):
            raise ValueError("extremes")
        codes = packed[at:end] if coded else None
        if codes is not None and codes.tobytes().count(MISSING) != images - known:
            raise ValueError("missing")
        classes[name] = OfClass(images, known, values if coded else values[at:end], codes, highest, lowest)
        at = end
    if at != length:
        raise ValueError("length")
    return Numbers(str(content["names"]), coded, classes)


def _floats(packed: memoryview) -> Sequence[float]:
    """Little-endian 64-bit floats; TypeError or ValueError where they are none."""
    if sys.byteorder == "little":
        return packed.cast("d")  # not copied
    values = array.array("d", packed)
    values.byteswap()
    return values


def paired(new: Numbers, old: Numbers, class_name: str) -> Pairs:
    """How often the images of a class have each pair of a new and an old number; images that lack one are left out.

    Args:
        new, old: numbers of the same images (equal `names`), both `coded`.
        class_name: the class; one that is not there has no pairs.
    """
    one, other = new.classes.get(class_name), old.classes.get(class_name)
    if one is None or other is None or one.codes is None or other.codes is None:
        return Pairs((), (), ())
    first, second = one.codes.tobytes(), other.codes.tobytes()
    step = len(other.values) + 1
    if step * (len(one.values) + 1) <= _FEW:
        # Both codes fit into a byte, code * step + former, and bytes are counted ten times as fast as pairs.
        together = int.from_bytes(first, "big") * step + int.from_bytes(second, "big")
        both = together.to_bytes(len(first), "big")
        rows = range(MISSING + 1, len(one.values) + 1)
        return Pairs(one.values, other.values, [[both.count(row * step + i) for i in range(1, step)] for row in rows])
    counts = [[0] * len(other.values) for _ in one.values]
    for (code, former), count in Counter(zip(first, second, strict=True)).items():
        if code != MISSING and former != MISSING:
            counts[code - 1][former - 1] = count
    return Pairs(one.values, other.values, counts)
