"""Keeps the rows of finished cases beside the report, so that a benchmark goes on where its trained models are gone.

The folder with models and audits has gigabytes and stays on the machine; these two tables can be committed.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import pandas as pd

from bias_audit.errors import ResultError
from bias_audit.planted.benchmark.grid import Case
from bias_audit.planted.benchmark.unit import HINT
from bias_audit.run.atomic import write_atomically

CLASSES, FINDINGS = "units.parquet", "findings.parquet"
"""Files with the two tables of `units.read_units`."""

Tables = tuple[pd.DataFrame, pd.DataFrame]
"""The tables of `units.read_units`: a row per class of every case, and a row per finding."""


def read_records(out: Path, cases: Sequence[Case], package: str) -> Tables | None:
    """The rows of those cases that the present package audited and judged; None = there is none.

    Args:
        out: folder of the report.
        cases: the cases that are asked for.
        package: digest of the present package (`judging.package_digest`): rows of another one are no answer.

    Raises:
        ResultError: a damaged file.
    """
    if not (out / CLASSES).is_file() or not (out / FINDINGS).is_file():
        return None
    try:
        classes, findings = (pd.read_parquet(out / name) for name in (CLASSES, FINDINGS))
        digests = {case.digest() for case in cases}
        classes = classes[classes["case"].isin(digests) & (classes["package"] == package)]
        findings = findings[findings["model"].isin(classes["model"])]
    except (OSError, ValueError, KeyError) as error:
        raise ResultError(
            f"{str(out / CLASSES)!r} or {FINDINGS!r} beside it is damaged: {error}", "Delete both: their cases are run."
        ) from error
    return (classes, findings) if len(classes) else None


def write_records(out: Path, tables: Tables) -> None:
    """Write the rows of finished cases, in place of those that were there.

    Raises:
        ResultError: the folder cannot be written.
    """
    for name, frame in zip((CLASSES, FINDINGS), tables, strict=True):
        write_atomically(out / name, frame.to_parquet(index=False, compression="zstd"), HINT)


def joined(parts: Collection[Tables]) -> Tables:
    """All rows of several pairs of tables; `parts` must not be empty."""
    classes, findings = zip(*parts, strict=True)
    return pd.concat(classes, ignore_index=True), pd.concat([each for each in findings if len(each)] or findings[:1])


def without(cases: Sequence[Case], tables: Tables | None) -> list[Case]:
    """The cases that have no row."""
    known = set() if tables is None else set(tables[0]["case"])
    return [case for case in cases if case.digest() not in known]
