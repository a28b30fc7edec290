"""Further columns of what lists pictures row by row, in the form in which tables have them: one kind of value each."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from bias_audit.errors import DataError
from bias_audit.limits.bounds import beyond


def user_columns(
    rows: Sequence[Mapping[str, object]], leave: Collection[str], most: int, said: str
) -> dict[str, list[object]]:
    """Columns of texts, numbers or truth values -> value of each row, None where a row has none.

    Lists and objects are not kept. Where a column holds texts and numbers, all of it is text.

    Args:
        rows: name -> value of each row.
        leave: names that are no further columns.
        most: most columns, see `Limits`.
        said: what the rows are of, for the message.

    Raises:
        DataError: more columns than that.
    """
    names = list(dict.fromkeys(name for row in rows for name in row if name not in leave))
    if len(names) > most:
        raise DataError(
            f"{said} has {beyond('columns', len(names), most)}", "Leave out those that say nothing about the photos."
        )
    found: dict[str, list[object]] = {}
    for name in names:
        values = [row.get(name) for row in rows]
        kinds = {_kind(value) for value in values if value is not None}
        if not kinds or dict in kinds:
            continue
        text = str in kinds or len(kinds) > 1
        found[name] = [None if value is None else str(value) if text else value for value in values]
    return found


def _kind(value: object) -> type:
    if isinstance(value, bool | str):
        return type(value)
    if isinstance(value, int | float):
        # Integers of more than 64 bits are no numbers of a table.
        return str if isinstance(value, int) and abs(value) >= 2**63 else float
    return dict
