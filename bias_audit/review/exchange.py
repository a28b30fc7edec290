"""Exports the decisions about a run as JSON and CSV, and imports such files or another run's decisions."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bias_audit.errors import BiasAuditError, ConfigError
from bias_audit.files.text import parse_json
from bias_audit.review.agreement import DISAGREEMENT, by_target, state_of
from bias_audit.review.decisions import FIELDS, Decision, checked, history, take, utc
from bias_audit.review.written import past
from bias_audit.run.csv_text import csv_of_records, unquoted

FORMAT_VERSION = 1
MOST_BYTES = 200_000_000
"""Most bytes of a file to import: a larger one is not a file of decisions."""

_CSV_FIELDS = (*FIELDS, "data")


@dataclass(frozen=True)
class Imported:
    """Result of an import: how many decisions were taken.

    Attributes:
        total: decisions in the file, or in the other run.
        added: decisions that were not stored here before.
        withdrawn: decisions stored here that the import took back.
        foreign: decisions about other data, which were not taken.
    """

    total: int
    added: int
    withdrawn: int
    foreign: tuple[Decision, ...]


def export_json(run_folder: str | Path, data: str) -> str:
    """The standing decisions, the targets that reviewers disagree about, and the decisions taken back, as JSON.

    Args:
        run_folder: folder of the run.
        data: content hash of its data set.

    Raises:
        ResultError: the store of decisions is damaged, locked, or of a newer version.
    """
    events = history(run_folder)
    standing = [event.decision for event in events if event.standing]
    content = {
        "format_version": FORMAT_VERSION,
        "data": data,
        "decisions": [dataclasses.asdict(decision) for decision in standing],
        "disagreements": [key for key, made in by_target(standing).items() if state_of(made) == DISAGREEMENT],
        "withdrawn": {event.decision.id: event.withdrawn for event in events if event.withdrawn},
    }
    return json.dumps(content, ensure_ascii=False, indent=1) + "\n"


def export_csv(run_folder: str | Path, data: str) -> str:
    """The standing decisions as a CSV table that is safe to open in a spreadsheet, see `run.csv_text`.

    The column `state` says whether the target of a decision is decided or in disagreement; an import ignores the
    column.

    Args:
        run_folder: folder of the run.
        data: content hash of its data set.

    Raises:
        ResultError: the store of decisions is damaged, locked, or of a newer version.
    """
    standing = [event.decision for event in history(run_folder) if event.standing]
    states = {key: state_of(made) for key, made in by_target(standing).items()}
    rows = [{**dataclasses.asdict(each), "data": data, "state": states[each.target_key]} for each in standing]
    return csv_of_records((*_CSV_FIELDS, "state"), rows)


def import_json(run_folder: str | Path, text: str, data: str, images: Collection[str], name: str = "it") -> Imported:
    """Take decisions, all or none, from a JSON document of `export_json` or of the download in a report.

    Args:
        run_folder: folder of the run.
        text: the document.
        data: content hash of the run's data set.
        images: content hashes of the run's images. Decisions about these images are taken from other data sets, too.
        name: name of the file, for messages.

    Raises:
        ConfigError: the text is no such document, or a decision in it is wrong; nothing was taken.
        ResultError: the store of decisions is damaged, locked, or cannot be written.
    """
    try:
        content = parse_json(text, ConfigError, "it is")
    except ConfigError as error:
        raise _damaged(name, f"no JSON ({error.message.removeprefix('it is not valid JSON: ')})") from error
    if not isinstance(content, Mapping) or not isinstance(content.get("decisions"), list):
        raise _damaged(name, "it has no list 'decisions'")
    version, origin = content.get("format_version"), content.get("data")
    if not isinstance(version, int) or not isinstance(origin, str):
        raise _damaged(name, "'format_version' or 'data' is missing")
    if version > FORMAT_VERSION:
        raise ConfigError(
            f"{name!r} has format version {version}, this bias-audit reads up to {FORMAT_VERSION}",
            "Upgrade bias-audit.",
        )
    rows = [(row, origin) for row in content["decisions"]]
    withdrawn = content.get("withdrawn", {})
    if not isinstance(withdrawn, Mapping) or not all(isinstance(time, str) for time in withdrawn.values()):
        raise _damaged(name, "'withdrawn' is no table of times")
    try:
        times = {str(each): past(utc(time)) for each, time in withdrawn.items()}
    except ConfigError as error:
        raise _damaged(name, error.message) from error
    return _import(run_folder, rows, times, data, images, name)


def import_csv(run_folder: str | Path, text: str, data: str, images: Collection[str], name: str = "it") -> Imported:
    """Take decisions, all or none, from a CSV table of `export_csv`.

    Args:
        run_folder, data, images, name: as for `import_json`.
        text: the table.

    Raises:
        ConfigError: the text is no such table, or a decision in it is wrong; nothing was taken.
        ResultError: the store of decisions is damaged, locked, or cannot be written.
    """
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    rows = []
    try:
        if missing := [column for column in _CSV_FIELDS if column not in (reader.fieldnames or ())]:
            raise _damaged(name, f"column {missing[0]!r} is missing")
        for row in reader:
            if None in row or None in row.values():
                raise _damaged(name, f"line {reader.line_num} has another number of cells than the head")
            rows.append(({column: _value(column, row[column]) for column in FIELDS}, row["data"]))
    except (csv.Error, ValueError) as error:
        raise _damaged(name, f"line {reader.line_num}: {error}") from error
    return _import(run_folder, rows, {}, data, images, name)


def import_file(run_folder: str | Path, file: Path, data: str, images: Collection[str]) -> Imported:
    """Take decisions, all or none, from a file: CSV if its name ends in .csv, else JSON.

    Args:
        run_folder, data, images: as for `import_json`.
        file: path of the file.

    Raises:
        ConfigError: the file cannot be read, or holds no decisions; nothing was taken.
        ResultError: the store of decisions is damaged, locked, or cannot be written.
    """
    try:
        if file.stat().st_size > MOST_BYTES:
            raise _damaged(str(file), f"{file.stat().st_size:,} bytes are too many")
        text = file.read_bytes().decode("utf-8-sig")  # spreadsheets put a mark before the first byte
    except OSError as error:
        raise ConfigError(f"cannot read {str(file)!r}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise _damaged(str(file), f"no UTF-8 text ({error.reason} at byte {error.start})") from error
    take_text = import_csv if file.suffix.lower() == ".csv" else import_json
    return take_text(run_folder, text, data, images, str(file))


def take_over(run_folder: str | Path, older: str | Path, data: str, images: Collection[str]) -> Imported:
    """Take decisions and withdrawals from another run, as far as they are about this run's data.

    Args:
        run_folder, data, images: as for `import_json`.
        older: folder of the other run.

    Raises:
        ResultError: a store of decisions is damaged, locked, or cannot be written.
    """
    events = history(older)
    own = [event for event in events if _belongs(event.decision, event.data, data, images)]
    foreign = [
        event.decision for event in events if event.standing and not _belongs(event.decision, event.data, data, images)
    ]
    added, back = take(
        run_folder,
        {event.decision.id: (event.decision, event.data) for event in own},
        {event.decision.id: event.withdrawn for event in own if event.withdrawn},
    )
    return Imported(len(events), added, back, tuple(foreign))


def _belongs(decision: Decision, origin: str, data: str, images: Collection[str]) -> bool:
    """Whether a decision made on the data set `origin` holds for this run.

    On other data only decisions about an image do, if the run has the same image: the key of a finding depends on the
    data.
    """
    return origin == data or (decision.target_kind == "image" and decision.target_key in images)


def _import(
    run_folder: str | Path,
    rows: list[tuple[Any, str]],
    withdrawn: dict[str, str],
    data: str,
    images: Collection[str],
    name: str,
) -> Imported:
    own: dict[str, tuple[Decision, str]] = {}
    foreign = []
    for place, (row, origin) in enumerate(rows, 1):
        try:
            if not isinstance(row, Mapping):
                raise ConfigError(f"it is {type(row).__name__}, not a table of fields")
            decision = checked(row)
            if not decision.id or not decision.time:
                raise ConfigError("'id' and 'time' must be given")
        except BiasAuditError as error:
            raise _damaged(name, f"decision {place}: {error.message}") from error
        if _belongs(decision, origin, data, images):
            own[decision.id] = decision, origin
        else:
            foreign.append(decision)
    added, back = take(run_folder, own, withdrawn)
    return Imported(len(rows), added, back, tuple(foreign))


def _damaged(name: str, why: str) -> ConfigError:
    return ConfigError(
        f"{name!r} holds no decisions that can be read: {why}; nothing was taken",
        "Give a file that `bias-audit review --export` or the report's download wrote.",
    )


def _value(column: str, cell: str) -> Any:
    if column in ("measured", "low", "high"):
        return float(cell) if cell else None
    return unquoted(cell)
