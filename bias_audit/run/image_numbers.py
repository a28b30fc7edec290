"""Reads what an audit kept of each column of numbers of the images table, so that a gate need not read the table.

A column X of a large run lies in gate-numbers/X.jsonl, two lines of JSON: the SHA-256 of the second, and the numbers.
Counts of distinct values and sorted values answer every question about a bound exactly, as the rows would. Whatever is
not there is read from the table; `image_numbers_written` writes the files.
"""

from __future__ import annotations

import array
import base64
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
from bias_audit.files.text import parse_json, read_text
from bias_audit.run.digests import digest_of

FOLDER = "gate-numbers"
FORMAT = 1
"""Version of the files; a reader leaves others aside and reads the table."""

MISSING = 0x30
"""Code point that stands for an image without a number; that of the value of index i is MISSING + 1 + i."""

SHOWN = 3
"""How many of the highest and of the lowest images are kept with their names."""

HASHED = 64_000_000
"""Largest table, in bytes, that is hashed whenever its numbers are used. Of a larger one size and time are compared."""

_HINT = "Delete this file: the gate then reads the table. Or restore the folder from a copy."


@dataclass(frozen=True)
class OfClass:
    """The numbers of the images of one class.

    Attributes:
        images: number of images, with and without a number.
        values: the numbers in ascending order; each once where there are counts.
        counts: how many images have each value; None = one for each entry of `values`.
        codes: a character per image, in the order of their names (see MISSING); "" where the column has many values.
        highest, lowest: name and value of the SHOWN most extreme images, the most extreme first; of equal ones those
            whose names come last.
    """

    images: int
    values: Sequence[float]
    counts: Sequence[int] | None
    codes: str
    highest: tuple[tuple[str, float], ...]
    lowest: tuple[tuple[str, float], ...]

    @property
    def known(self) -> int:
        """Number of images with a number."""
        return len(self.values) if self.counts is None else sum(self.counts)

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
        return place if self.counts is None else sum(self.counts[:place])


@dataclass(frozen=True)
class Numbers:
    """The numbers of a column.

    Attributes:
        names: SHA-256 over the classes and the names of their images: where it is equal, so are the places in `codes`.
        coded: whether the numbers of single images are kept (`OfClass.codes`).
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
    file = folder / FOLDER / f"{column}.jsonl"
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
    text = read_text(file, ResultError, hint=_HINT)
    if text is None:
        return None
    begin = f"{str(file)!r} is damaged:"
    head, _, body = text.partition("\n")
    if head != f'{{"sha256": "{digest_of(body.encode())}"}}':
        raise ResultError(f"{begin} its content does not have the digest that it names", _HINT)
    content = parse_json(body, ResultError, begin, hint=_HINT)
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
        classes = {name: _of_class(one) for name, one in content["classes"].items()}
        return Numbers(str(content["names"]), all(one.codes for one in classes.values()), classes)
    except (ArithmeticError, AttributeError, LookupError, OSError, TypeError, ValueError) as error:
        raise ResultError(f"{begin} it does not hold the numbers of a column", _HINT) from error


def _of_class(content: Mapping[str, Any]) -> OfClass:
    """The numbers of a class; raises KeyError, TypeError or ValueError where they do not fit together."""
    images, codes = int(content["images"]), str(content.get("codes", ""))
    values: Sequence[float]
    counts: list[int] | None = None
    if "sorted" in content:
        values = packed = array.array("d")
        packed.frombytes(base64.b64decode(content["sorted"], validate=True))
        if sys.byteorder == "big":
            packed.byteswap()
    else:
        values, counts = [float(value) for value in content["values"]], [int(count) for count in content["counts"]]
        if len(values) != len(counts) or min(counts, default=1) < 1:
            raise ValueError("values and counts")
    highest, lowest = (
        tuple((str(name), float(value)) for name, value in content[end]) for end in ("highest", "lowest")
    )
    if not all(map(math.isfinite, (*(values if counts else ()), *(value for _, value in (*highest, *lowest))))):
        raise ValueError("no numbers")
    one = OfClass(images, values, counts, codes, highest, lowest)
    if codes:
        signs, missing, last = set(codes), chr(MISSING), chr(MISSING + len(values))
        fits = counts is not None and len(codes) == images and missing <= min(signs) and max(signs) <= last
        if not fits or images - codes.count(missing) != one.known:
            raise ValueError("codes")
    if one.known > images or min(len(highest), len(lowest)) < min(SHOWN, one.known):
        raise ValueError("images")
    return one


def paired(new: Numbers, old: Numbers, class_name: str) -> Counter[tuple[float, float]]:
    """How often the images of a class have each pair of a new and an old number; images that lack one are left out.

    Args:
        new, old: numbers of the same images (equal `names`), both `coded`.
        class_name: the class; one that is not there has no pairs.
    """
    one, other = new.classes.get(class_name), old.classes.get(class_name)
    if one is None or other is None:
        return Counter()
    missing, first = chr(MISSING), MISSING + 1
    return Counter(
        {
            (one.values[ord(new_code) - first], other.values[ord(old_code) - first]): count
            for (new_code, old_code), count in Counter(zip(one.codes, other.codes, strict=True)).items()
            if missing not in (new_code, old_code)
        }
    )
