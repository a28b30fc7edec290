"""Pictures in cells of a Parquet file as places of bytes: a row group is read when one of its rows is asked for."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field

from bias_audit.data.locations import File, Stored, open_file, stamp
from bias_audit.errors import reason_of
from bias_audit.limits.bounds import Limits, beyond
from bias_audit.limits.memory import UNKNOWN, main_memory

SHARE = 0.1
"""Share of the memory that row groups take which were read; the last one is kept whatever it takes."""

AT_ONCE = 4
"""Rows that are unpacked before their bytes are counted: a picture that is stored once may stand in every row."""


@dataclass(frozen=True)
class Cell(Stored):
    """The bytes in a column of structs {bytes, path}, the form in which `datasets` writes pictures.

    Attributes:
        file: the Parquet file.
        column: name of the column.
        row: its row in the file, from 0.
        group, place: its row group, and its row in that.
        listed: what `open_file` said of the file when it was listed.
        shown: name of the picture, which tells its kind; "" = the file does not say it.
        most: most bytes of a row group, see `Limits.member_bytes`.
    """

    file: File
    column: str
    row: int
    group: int = field(compare=False)
    place: int = field(compare=False)
    listed: str = field(compare=False)
    shown: str = field(default="", compare=False)
    most: int = field(default=Limits.member_bytes, compare=False)

    def read(self) -> bytes:
        data = GROUPS.rows(self.file, self.column, self.group, self.listed, self.most)[self.place]
        if data is None:
            raise ValueError("its cell holds no bytes")
        return data

    def stamp(self) -> str:
        state = stamp(self.file)
        return state if state == "missing" else f"{state}:{self.row}"

    def __str__(self) -> str:
        return f"{self.file}#{self.row} ({self.column})"

    @property
    def name(self) -> str:
        return self.shown or f"{self.file.name}#{self.row}"


class RowGroups:
    """Columns of row groups that were read last. Used by several threads; one reads at a time.

    Args:
        size: bytes that they take at most, the last one aside; None = SHARE of the memory.
    """

    def __init__(self, size: int | None = None) -> None:
        self._size, self._taken = size, 0
        self._kept: OrderedDict[tuple[object, ...], list[bytes | None]] = OrderedDict()
        self._lock = threading.Lock()

    def rows(self, file: File, column: str, group: int, listed: str, most: int) -> list[bytes | None]:
        """Bytes in each row of a row group; None where a row has none.

        Raises:
            OSError, ValueError: they cannot be read, or take more than `most` bytes.
        """
        key = (file, column, group, listed, most)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
            found = _read(file, column, group, listed, most)
            if self._size is None:
                self._size = int(SHARE * (main_memory() or UNKNOWN))
            self._taken += _bytes(found)
            while self._kept and self._taken > self._size:
                self._taken -= _bytes(self._kept.popitem(last=False)[1])
            self._kept[key] = found
            return found


GROUPS = RowGroups()
"""The row groups of this process."""


def _bytes(rows: list[bytes | None]) -> int:
    return sum(len(each) for each in rows if each is not None)


def _read(file: File, column: str, group: int, listed: str, most: int) -> list[bytes | None]:
    import pyarrow.compute
    import pyarrow.parquet

    rows: list[bytes | None] = []
    taken = 0
    opened, state = open_file(file)
    with opened:
        if state != listed:
            raise ValueError("the Parquet file was changed after it was listed")
        try:
            parquet = pyarrow.parquet.ParquetFile(opened)
            for batch in parquet.iter_batches(AT_ONCE, [group], [f"{column}.bytes"], use_threads=False):
                part = pyarrow.compute.struct_field(batch.column(0), "bytes").to_pylist()
                taken += _bytes(part)
                if taken > most:
                    raise ValueError(f"its row group takes {beyond('member_bytes', taken, most)}")
                rows.extend(part)
            expected = parquet.metadata.row_group(group).num_rows
        except (OSError, ValueError):
            raise
        except Exception as error:  # a Parquet file holds anything
            raise ValueError(reason_of(error)) from error
    if len(rows) != expected:
        raise ValueError(f"its row group holds {len(rows):,} rows, and declares {expected:,}")
    return rows
