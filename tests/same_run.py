"""Are two run folders the same? For changes that must change no number: audit before, audit after, compare.

    python tests/same_run.py BEFORE AFTER

Tables are compared cell by cell, shards byte for byte, JSON by its values. Left out are the page and the gate's files,
which are made from the rest; in audit.json what differs from one run to the next: when, how long, and by which version;
and codes of reasons, which came later.
"""

from __future__ import annotations

import csv
import json
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet

MADE_FROM_THE_REST = ("report.html", "gate.json", "gate.md", "gate.junit.xml", "gate.sarif")
OF_THE_RUN = ("created", "seconds", "version")
ADDED = ("reason_code",)
"""Keys of outcomes that came with a later version, and columns that are called or end so."""


def differences(before: Path, after: Path) -> Iterator[str]:
    """What differs, a line each; nothing where the runs are the same."""
    for folder in (before, after):
        if not (folder / "audit.json").is_file():
            yield f"{folder} holds no finished run"
    old, new = files(before), files(after)
    yield from (f"only in {before}: {name}" for name in sorted(old - new))
    yield from (f"only in {after}: {name}" for name in sorted(new - old))
    for name in sorted(old & new):
        one, other = before / name, after / name
        if name.endswith(".json"):
            values = (plain(name, json.loads(path.read_text(encoding="utf-8"))) for path in (one, other))
            yield from (f"{name}: {said}" for said in unlike(*values))
        elif name.endswith(".npz"):  # archives hold the time at which they were made
            if arrays(one) != arrays(other):
                yield f"{name}: arrays differ"
        elif name.endswith(".parquet"):
            if columns(one) != columns(other):
                yield f"{name}: columns or values differ"
        elif name.endswith(".csv"):
            if rows(one) != rows(other):
                yield f"{name}: cells differ"
        elif one.read_bytes() != other.read_bytes():
            yield f"{name}: bytes differ"


def files(folder: Path) -> set[str]:
    """Names of the files of a run that are compared."""
    found = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return {name for name in found if name not in MADE_FROM_THE_REST}


def rows(path: Path) -> list[list[str]]:
    """Cells of a CSV file, without the columns of codes."""
    with path.open(encoding="utf-8", newline="") as lines:
        table = list(csv.reader(lines))
    kept = [place for place, name in enumerate(table[0]) if not is_code(name)]
    return [[row[place] for place in kept] for row in table]


def columns(path: Path) -> list[tuple[str, str, list[Any]]]:
    """Name, type and values of the columns of a Parquet file, without those of codes."""
    table = pyarrow.parquet.read_table(path)
    kept = [name for name in table.column_names if not is_code(name)]
    return [(name, str(table.schema.field(name).type), [repr(v) for v in table[name].to_pylist()]) for name in kept]


def is_code(column: str) -> bool:
    return column in ADDED or column.endswith(tuple(f"_{name}" for name in ADDED))


def plain(name: str, content: Any) -> Any:
    """The values of a JSON file without those that no two runs share."""
    if name == "audit.json":
        content["classes"] = [
            {key: value for key, value in row.items() if not is_code(key)} for row in content.get("classes", [])
        ]
        content["info"] = {key: value for key, value in content["info"].items() if key not in OF_THE_RUN}
        for outcome in content["outcomes"]:
            for key in ADDED:
                outcome.pop(key, None)
    if name in ("run.json", "key.json") and isinstance(content, dict):
        content.pop("version", None)
    return content


def unlike(one: Any, other: Any, where: str = "") -> Iterator[str]:
    """Paths of values that differ."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in {**one, **other}:
            yield from unlike(one.get(key, "(missing)"), other.get(key, "(missing)"), f"{where}/{key}")
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for place, pair in enumerate(zip(one, other, strict=True)):
            yield from unlike(*pair, f"{where}/{place}")
    elif one != other and not (one != one and other != other):  # NaN is like NaN
        yield f"{where or '/'}: {str(one)[:80]!r} and {str(other)[:80]!r}"


def arrays(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def main() -> int:
    before, after = map(Path, sys.argv[1:3])
    found = list(differences(before, after))
    print("\n".join(found) if found else f"the same: {len(files(before))} files")
    return int(bool(found))


if __name__ == "__main__":
    raise SystemExit(main())
