"""The list of photos that were in memory: a Parquet table beside their files, read by `data.sources.in_memory`.

Columns: #id (image id), image (file beside the list, or a path), label, mask, box, split, #skip (why the photo is not
read) and the further columns of the user. Names of the classes in the order of the model's outputs, and notes for the
reader, are JSON in its metadata.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bias_audit.errors import DataError
from bias_audit.run.atomic import write_atomically

SUFFIX = ".photos.parquet"
"""End of the names of lists; a table that is called so is read as one."""

NAME = re.compile(rf"[\w-]+-[0-9a-f]{{12}}{re.escape(SUFFIX)}")

METADATA = b"bias_audit"
ID, SKIP = "#id", "#skip"
OWN = (ID, "image", "label", "mask", "box", "split", SKIP)


def refuse_id(image_id: str, where: str) -> None:
    """Refuse an image id that is no relative path without detours, since files are named after ids.

    Raises:
        DataError: it is none.
    """
    parts = image_id.split("/")
    if "\0" in image_id or "\\" in image_id or any(part in ("", ".", "..") for part in parts) or ":" in parts[0]:
        raise DataError(
            f"{where}: {image_id[:80]!r} is no image id",
            "An id is a relative path with /, such as wolf/1.jpg, or any text without / and \\.",
        )


def write_listing(
    folder: Path,
    kind: str,
    rows: Sequence[Mapping[str, Any]],
    columns: Iterable[str],
    class_names: Sequence[str],
    notes: Sequence[str],
) -> Path:
    """Write the list of photos, named after its content; one that is there already is not touched.

    Args:
        folder: where the photos lie.
        kind: name of a kind, with which the file's name begins.
        rows: a mapping of the columns OWN per photo, in which those of the user are under their names.
        columns: names of the columns of the user.
        class_names: all classes in the order of the model's outputs.
        notes: sentences for the reader.

    Returns:
        the file.

    Raises:
        DataError: a column of the user that no table can hold.
        ResultError: it cannot be written.
    """
    import pyarrow
    import pyarrow.parquet

    about = json.dumps({"class_names": list(class_names), "notes": list(notes)})
    file = io.BytesIO()
    name = ID
    try:
        arrays = {name: pyarrow.array([row.get(name) for row in rows], pyarrow.string()) for name in OWN}
        for name in columns:
            arrays[name] = pyarrow.array([row["columns"][name] for row in rows], from_pandas=True)
            pyarrow.parquet.write_table(pyarrow.table({name: arrays[name]}), io.BytesIO())
        table = pyarrow.table(arrays).replace_schema_metadata({METADATA: about.encode()})
        pyarrow.parquet.write_table(table, file)
    except Exception as error:  # values of two types, or of one that Arrow or Parquet has no word for
        what = "the data in memory hold" if name == ID else f"the column {name!r} holds"
        raise DataError(
            f"{what} values that no table holds: {' '.join(str(error).split())[:200]}",
            "Leave them out, or make texts of them.",
        ) from error
    content = file.getvalue()
    path = folder / f"{kind}-{hashlib.sha256(content).hexdigest()[:12]}{SUFFIX}"
    try:
        there = path.is_file() and not path.is_symlink() and path.read_bytes() == content
    except OSError:
        there = False
    if not there:
        write_atomically(path, content, "Free space, or choose another folder with cache=DIR.", own=True)
    return path
