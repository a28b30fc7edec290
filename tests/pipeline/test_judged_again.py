"""Replacing a table of a finished run: its digest is renewed, and being killed on the way damages nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from agreeing import write_audit_json
from made_run import made_parts, table, write_parts

from bias_audit.checks.base import Check, Measured
from bias_audit.errors import ResultError
from bias_audit.pipeline.finish import judge_again
from bias_audit.run.folder import Run
from bias_audit.run.result import AuditResult, load


class Killed(BaseException):
    pass


class Nothing(Check):
    """A check without rules: only the writing is looked at."""

    name = "nothing"
    title = "Nothing"


NEW = [{"label": "husky", "predicted": "husky", "n": 5, "share": 1.0}]


def made(tmp_path: Path) -> Path:
    """A run with the files that are to be replaced."""
    run = write_parts(made_parts(), tmp_path / "run")
    (run / "confusion.csv").write_text("label,predicted,n,share\n")
    write_audit_json(load(run))
    return run


def replace(run: Path) -> AuditResult:
    return judge_again(Run(run), load(run), Nothing(), Measured(), {"confusion": table("confusion", NEW)})


def test_the_digests_are_those_of_the_new_files(tmp_path: Path) -> None:
    run = made(tmp_path)
    before = load(run)
    again = replace(run)
    read = load(run)
    assert read.digest == again.digest != before.digest
    assert read.confusion["n"].tolist() == [5]
    assert all(len(digests) == 1 for digests in (read.digests or {}).values())
    changed = {name for name, digests in (read.digests or {}).items() if digests != (before.digests or {}).get(name)}
    assert changed == {"confusion.parquet", "confusion.csv"}


@pytest.mark.parametrize("writes", range(6))
def test_killed_after_any_write_it_can_be_read_and_done_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writes: int
) -> None:
    run = made(tmp_path)
    left = iter(range(writes))

    def write(self: Run, name: str, content: bytes, real: Any = Run.write) -> Path:
        if next(left, None) is None:
            raise Killed
        return real(self, name, content)

    with monkeypatch.context() as patched:
        patched.setattr(Run, "write", write)
        try:
            replace(run)
        except Killed:
            assert writes < 4
        else:
            assert writes >= 4, "audit.json, two files of the table, audit.json"
    assert load(run).confusion["n"].tolist() in ([5], [8, 1, 7, 8])
    assert replace(run).confusion is not None
    assert load(run).confusion["n"].tolist() == [5]


def test_what_was_damaged_before_is_not_vouched_for(tmp_path: Path) -> None:
    run = made(tmp_path)
    file = run / "slices.parquet"
    file.write_bytes(file.read_bytes() + b"\n")
    with pytest.raises(ResultError, match=r"slices\.parquet' was changed"):
        replace(run)  # the page shows that table
    assert load(run).confusion["n"].tolist() == [5]
    with pytest.raises(ResultError, match=r"slices\.parquet' was changed"):
        _ = load(run).slices
