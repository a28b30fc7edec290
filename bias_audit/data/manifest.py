"""The folder of changed pictures that are to be predicted elsewhere: PNG files, and a manifest that says what each is.

composites.json   what the pictures were made with and of; names the digest of the manifest once all are there
manifest.csv      image_id, source, set, fill, donor: a line per picture, written when all are there
original/ ...     a folder per set of pictures
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, field
from pathlib import Path
from typing import Any

from bias_audit.data.dataset import Dataset
from bias_audit.data.tables import read_table, told_names
from bias_audit.errors import ConfigError, DataError
from bias_audit.files.regular import read_regular, unreachable
from bias_audit.files.text import read_json
from bias_audit.limits.bounds import Limits
from bias_audit.run import versions
from bias_audit.run.atomic import guarded, write_atomically
from bias_audit.run.csv_text import csv_text, unquoted

MANIFEST, ABOUT = "manifest.csv", "composites.json"
COLUMNS = ("image_id", "source", "set", "fill", "donor")

ORIGINAL, BLACK = "original", "black"
"""Sets beside those of the changed photos: the photos as they are, and one black picture."""

VERSION = 1
"""Version of the folder; a reader refuses others."""

_HINT = "Free space, or choose another folder."
_AGAIN = "Write the pictures again with bias-audit composites."
_FILE = re.compile(r"[a-z_]{1,40}(?:/\d{6,12}(?:-[a-z_]{1,40}-\d{1,6})?)?\.png")


@dataclass(frozen=True)
class Picture:
    """A picture of the folder, as the manifest lists it.

    Attributes:
        image_id: its path in the folder, with /: the id of its row in a table of predictions.
        source: id of the photo that it was made of, "" for the black picture.
        set: kind of picture: ORIGINAL, BLACK, or how the photo was changed.
        fill: how a hole was filled or what is behind the object, "" where neither.
        donor: id of the photo or scene whose background it has, "" where there is none.
    """

    image_id: str
    source: str
    set: str
    fill: str = ""
    donor: str = ""


@dataclass(frozen=True)
class Manifest:
    """A finished folder of changed pictures.

    Attributes:
        folder: where the pictures lie.
        pictures: every picture, those of one photo together.
        settings: what the pictures were made with, by name of a setting.
        contents: id of each photo -> hashes of its file and of its mask's, as `Loaded.content` and `.mask_content`.
        sha256: SHA-256 of the manifest.
    """

    folder: Path
    pictures: tuple[Picture, ...]
    settings: Mapping[str, Any]
    contents: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    sha256: str = ""


def file_of(kind: str, number: int, fill: str = "", place: int = 0) -> str:
    """Name of a picture in the folder: original/000012.png, same/000012-inpaint-0.png.

    Args:
        kind: set of the picture.
        number: position of its photo in the data set.
        fill: its fill, "" for none.
        place: number of the picture among those of this photo, set and fill.
    """
    return f"{kind}/{number:06d}.png" if kind == ORIGINAL else f"{kind}/{number:06d}-{fill or 'none'}-{place}.png"


def listing(dataset: Dataset) -> str:
    """SHA-256 over classes, image ids, labels and boxes, from which together with the settings the choice follows."""
    digest = hashlib.sha256(repr(dataset.class_names).encode())
    for sample in dataset.samples:
        digest.update(repr((sample.image_id, sample.label, sample.boxes)).encode())
    return digest.hexdigest()


def begin(folder: Path, settings: Mapping[str, Any], of: str) -> bool:
    """Make the folder, or go on with one that was begun with the same settings and photos.

    Args:
        folder: an empty or missing folder, or one that was begun.
        settings: what the pictures are made with.
        of: `listing` of the data set.

    Returns:
        whether it was begun before.

    Raises:
        ConfigError: the folder is finished, was begun with other settings or photos, or holds something else.
        ResultError: it cannot be written.
    """
    if os.path.lexists(folder) and not os.path.isdir(folder):
        raise ConfigError(f"{str(folder)!r} is a file, not a folder for pictures")
    guarded(lambda: folder.mkdir(parents=True, exist_ok=True), folder, _HINT)
    about = read_json(folder / ABOUT, DataError)
    if about is None:
        if any(not name.startswith(".") for name in os.listdir(folder)):
            raise ConfigError(
                f"{str(folder)!r} is not empty and holds no composites; nothing in it was touched",
                "Choose another folder with --out.",
            )
        _write_about(folder, {"version": VERSION, "settings": dict(settings), "listing": of})
        return False
    if not isinstance(about, dict) or about.get("version") != VERSION:
        raise ConfigError(f"{str(folder / ABOUT)!r} is not of this version", "Choose another folder with --out.")
    changed = differences(about.get("settings"), settings)
    if changed or about.get("listing") != of:
        what = "; ".join(changed) or "the photos, their labels or their boxes are others"
        state = "finished" if about.get("manifest") else "unfinished"
        raise ConfigError(
            f"{str(folder)!r} holds {state} composites that were made otherwise: {what}; nothing in it was touched",
            "Choose another folder with --out, or delete this one.",
        )
    if about.get("manifest"):
        raise ConfigError(
            f"{str(folder)!r} holds these composites already; nothing in it was touched",
            f"Predict the pictures that {MANIFEST} lists, or choose another folder with --out.",
        )
    return True


def finish(
    folder: Path,
    settings: Mapping[str, Any],
    of: str,
    pictures: Sequence[Picture],
    contents: Mapping[str, tuple[str, str]],
) -> None:
    """Write the manifest, and then its digest, which marks the folder as finished; arguments as of `Manifest`."""
    data = csv_text(COLUMNS, map(astuple, pictures)).encode("utf-8", "backslashreplace")
    write_atomically(folder / MANIFEST, data, _HINT, own=True)
    about = {
        "version": VERSION,
        "settings": dict(settings),
        "listing": of,
        "manifest": hashlib.sha256(data).hexdigest(),
    }
    _write_about(folder, {**about, "photos": {name: list(each) for name, each in contents.items()}})


def read_manifest(folder: Path, settings: Mapping[str, Any], dataset: Dataset, limits: Limits) -> Manifest:
    """Read a finished folder, and check that it was made of these photos with these settings.

    Args:
        folder: what `bias-audit composites --out` wrote.
        settings: those of the audit; of a setting that is None there the folder's counts.
        dataset: the photos of the audit.
        limits: what a table may cost.

    Raises:
        DataError: there is no such folder, it is unfinished or damaged, or it is of other photos.
        ConfigError: it was made with other settings than the audit has.
    """
    if not os.path.isdir(folder):
        raise DataError(f"no folder of composites at {str(folder)!r}{unreachable(folder)}", _AGAIN)
    file = folder / ABOUT
    about = read_json(file, DataError, hint=_AGAIN)
    if about is None:
        raise DataError(f"{str(folder)!r} holds no {ABOUT}, so it is no folder of composites", _AGAIN)
    try:
        version, made, of = about["version"], dict(about["settings"]), str(about["listing"])
        digest = about.get("manifest")
        contents = {str(name): (str(a), str(b)) for name, (a, b) in about.get("photos", {}).items()}
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise DataError(f"{str(file)!r} is damaged", _AGAIN) from error
    if version != VERSION:
        raise DataError(f"{str(file)!r} is not of this version of bias-audit", _AGAIN)
    if not digest:
        raise DataError(
            f"the composites in {str(folder)!r} are unfinished",
            "The same `bias-audit composites` command goes on with them.",
        )
    if of != listing(dataset):
        raise DataError(
            f"the composites in {str(folder)!r} were made of other photos, labels or boxes than those of the audit",
            "Audit the same data, or write the pictures again.",
        )
    asked = {name: value for name, value in settings.items() if value is not None or name != "image_size"}
    if changed := differences(made, asked):
        raise ConfigError(
            f"the composites in {str(folder)!r} were made with other settings: {'; '.join(changed)}",
            "Give the audit the same options, or write the pictures again.",
        )
    path = folder / MANIFEST
    if hashlib.sha256(_bytes(path)).hexdigest() != digest:
        raise DataError(f"{str(path)!r} is not the file that was written with the pictures", _AGAIN)
    pictures = read_table(path, lambda table: _pictures(path, table), columns=limits.columns, text=COLUMNS)
    return Manifest(folder, pictures, made, contents, str(digest))


def differences(before: Any, now: Mapping[str, Any]) -> list[str]:
    """What of the settings is another than before, in words; those that are not named now do not count."""
    before = versions.renamed(before, versions.SETTINGS) if isinstance(before, Mapping) else {}
    kept = json.loads(json.dumps(dict(now)))  # tuples are lists in a file
    return [
        f"--{name.replace('_', '-')} {_short(before.get(name))} there, {_short(value)} here"
        for name, value in kept.items()
        if before.get(name) != value
    ]


def _short(value: Any) -> str:
    text = "not given" if value is None else "x".join(map(str, value)) if isinstance(value, list) else str(value)
    return text[:60]


def _bytes(path: Path) -> bytes:
    try:
        return read_regular(path)
    except (OSError, ValueError) as error:
        raise DataError(f"cannot read {str(path)!r}: {getattr(error, 'strerror', None) or error}", _AGAIN) from error


def _pictures(path: Path, table: Any) -> tuple[Picture, ...]:
    if missing := [name for name in COLUMNS if name not in table.column_names]:
        raise DataError(f"{str(path)!r} has no column {told_names(missing)}", _AGAIN)
    columns = [[unquoted(str(cell or "")) for cell in table.column(name).to_pylist()] for name in COLUMNS]
    pictures = tuple(Picture(*cells) for cells in zip(*columns, strict=True))
    seen: set[str] = set()
    for row, picture in enumerate(pictures, start=2):
        if not _FILE.fullmatch(picture.image_id) or picture.image_id in seen:
            raise DataError(f"{str(path)!r} row {row}: {picture.image_id[:200]!r} is no picture of the folder", _AGAIN)
        seen.add(picture.image_id)
    return pictures


def _write_about(folder: Path, about: Mapping[str, Any]) -> None:
    text = json.dumps(about, indent=1, ensure_ascii=False)
    write_atomically(folder / ABOUT, text.encode("utf-8", "backslashreplace"), _HINT, own=True)
