"""Where the time of an audit went (`--profile`): a table by stage, and what held it up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bias_audit.limits.spent import Spent
from bias_audit.run.csv_text import csv_text
from bias_audit.run.folder import PROFILE, Run
from bias_audit.run.quantities import duration

BETWEEN = "between stages"
"""Row of what belongs to no stage: listing the data, and the interpreter itself."""

BRAKES = {
    "reading": "reading and decoding files",
    "model": "the model",
    "host": "arithmetic on the host: masks, composites, scores, tables, the page",
}
"""Name of a column of seconds -> what it is, in words."""

COLUMNS = ("stage", "seconds", *BRAKES, "photos_read", "bytes_read", "pictures_asked", "brake")


@dataclass(frozen=True)
class Row:
    """A stage, or the whole audit.

    Attributes:
        stage: its title.
        seconds: wall-clock time.
        spent: what the main thread did in that time.
    """

    stage: str
    seconds: float
    spent: Spent

    @property
    def parts(self) -> dict[str, float]:
        """Name of BRAKES -> seconds; together they are all of the time."""
        model, reading = min(self.spent.model, self.seconds), min(self.spent.waited, self.seconds)
        return {"reading": reading, "model": model, "host": max(0.0, self.seconds - model - reading)}

    @property
    def brake(self) -> str:
        """Name of the largest part."""
        return max(self.parts, key=self.parts.__getitem__)


def table(seconds: Mapping[str, float], spent: Mapping[str, Spent], whole: Row) -> list[Row]:
    """A row for each stage in the order of their beginnings, one for what lies between them, and the whole audit.

    Args:
        seconds, spent: of each stage, as of `progress.Progress`.
        whole: the whole audit.
    """
    rows = [Row(title, taken, spent.get(title, Spent())) for title, taken in seconds.items()]
    inside = sum((row.spent for row in rows), Spent())
    rest = Row(BETWEEN, max(0.0, whole.seconds - sum(seconds.values())), whole.spent - inside)
    return [*rows, rest, whole]


def write(run: Run, rows: Sequence[Row]) -> None:
    """Write the table as PROFILE into the run folder."""
    cells = []
    for row in rows:
        parts = [f"{each:z.3f}" for each in row.parts.values()]
        counted = row.spent.read, row.spent.size, row.spent.asked
        cells.append([row.stage, f"{row.seconds:z.3f}", *parts, *counted, row.brake])
    run.write(PROFILE, csv_text(COLUMNS, cells).encode())


def in_words(rows: Sequence[Row]) -> list[str]:
    """The table for people, a line each, and below it what held the audit up."""
    wide = max(len(row.stage) for row in rows)
    lines = [f"{'seconds':>{wide + 8}} reading  model   host  photos     MB   asked"]
    lines += [
        f"{row.stage:{wide}}{row.seconds:z8.1f}{row.parts['reading']:z8.1f}{row.parts['model']:z7.1f}"
        f"{row.parts['host']:z7.1f}{row.spent.read:8,}{row.spent.size / 1e6:z7,.0f}{row.spent.asked:8,}"
        for row in rows
    ]
    whole = rows[-1]
    share = 100 * whole.parts[whole.brake] / whole.seconds if whole.seconds else 0
    taken = f"{share:z.0f}% of {duration(whole.seconds)}"
    return [*lines, f"What held it up most: {BRAKES[whole.brake]} ({taken})."]
