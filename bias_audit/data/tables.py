"""Opens CSV and Parquet tables that others wrote: regular files of so many columns, refused in one sentence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, BinaryIO, TypeVar

from bias_audit.data.locations import Location, open_location, suffix_of
from bias_audit.errors import DataError, reason_line
from bias_audit.limits.bounds import beyond

T = TypeVar("T")


def read_table(
    file: Location,
    build: Callable[[Any], T],
    *,
    columns: int,
    text: Collection[str] = (),
    numbers: Collection[str] = (),
) -> T:
    """Read a CSV or Parquet file.

    Args:
        file: the table; Parquet by its suffix, else CSV.
        build: makes what is returned of the `pyarrow.Table`; whatever it raises means that the table cannot be read.
        columns: most columns, see `Limits`; those of `numbers` do not count.
        text: columns of a CSV file that stay text, whatever they look like.
        numbers: columns of a CSV file that are numbers: an empty cell is missing, any other text is an error.

    Raises:
        DataError: a file that cannot be read, more columns than that, or two columns of one name; or from `build`.
    """
    import pyarrow
    import pyarrow.csv
    import pyarrow.parquet

    def read(opened: BinaryIO) -> T:
        if suffix_of(file) == ".parquet":
            parquet = pyarrow.parquet.ParquetFile(opened)
            # Leaves of nested columns count: they are what is read.
            known = sum(name in numbers for name in parquet.schema_arrow.names)
            _refuse_wide(file, parquet.metadata.num_columns - known, columns)
            table = pyarrow.parquet.read_table(opened)
        else:
            options = pyarrow.csv.ParseOptions(newlines_in_values=True)
            # Paths and labels stay text: a label 007 must not become 7, and a class may be called NA or null.
            types = {**dict.fromkeys(numbers, pyarrow.float64()), **dict.fromkeys(text, pyarrow.string())}
            convert = pyarrow.csv.ConvertOptions(column_types=types, strings_can_be_null=False)
            with (
                open_location(file) as beginning,
                pyarrow.csv.open_csv(beginning, parse_options=options, convert_options=convert) as begun,
            ):
                _refuse_wide(file, sum(name not in numbers for name in begun.schema.names), columns)
            table = pyarrow.csv.read_csv(opened, parse_options=options, convert_options=convert)
            # Read as bytes is what is no text: no column of a CSV file means to be that.
            if binary := [field.name for field in table.schema if pyarrow.types.is_binary(field.type)]:
                raise DataError(
                    f"{str(file)!r} is not UTF-8 text in the columns {told_names(binary)}", "Save it as UTF-8."
                )
        if twice := sorted(name for name, times in Counter(table.column_names).items() if times > 1):
            raise DataError(f"{str(file)!r} has more than one column {told_names(twice)}")
        return build(table)

    try:
        with open_location(file) as opened:
            return read(opened)
    except DataError:
        raise
    except UnicodeDecodeError as error:
        raise DataError(f"the table {str(file)!r} is not UTF-8 text: {error.reason}", "Save it as UTF-8.") from error
    except Exception as error:  # a table holds anything: times out of range, depths, types that Python has no value for
        raise unreadable_table(file, error) from error


def unreadable_table(file: Location, error: Exception) -> DataError:
    """The error of a table that cannot be read because of another error."""
    return DataError(f"cannot read the table {str(file)!r}: {reason_line(error)[:500]}")


def _refuse_wide(file: Location, found: int, most: int) -> None:
    if found > most:
        raise DataError(
            f"the table {str(file)!r} has {beyond('columns', found, most)}",
            "Leave out the columns that say nothing about the photos.",
        )


def told_names(names: Iterable[str] | Mapping[str, Any], most: int = 8) -> str:
    """Names in quotes, the first few of them; "#row", which no table has, is left out."""
    names = [name for name in names if name != "#row"]
    return ", ".join(repr(name) for name in names[:most]) + (
        f" and {len(names) - most} more" if len(names) > most else ""
    )
