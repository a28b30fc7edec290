"""Units are made once, whole or not at all; the command refuses what it must."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bias_audit.cli import main
from bias_audit.errors import ConfigError
from bias_audit.planted.benchmark import grid, unit
from bias_audit.planted.benchmark.command import benchmark
from bias_audit.planted.benchmark.run import WORK, run_cases
from bias_audit.planted.benchmark.unit import UNIT, audit_key, finished_unit, forget_audits, make_unit, unit_folder
from bias_audit.run.progress import QUIET, Progress

CASES = grid.cases(5)[:4]


def record(case, work):
    """What a worker does, without the work; runs in a process of its own."""
    folder = unit_folder(case, work)
    folder.mkdir(parents=True)
    content = {"case": case.digest(), "audit": audit_key(), "seconds": {"train": 1.0, "audit": 0.5}}
    (folder / UNIT).write_text(json.dumps(content))
    return content


def refuse(case, work):
    if case == CASES[1]:
        raise ValueError("no such thing")
    return record(case, work)


@pytest.fixture
def seen():
    return []


def test_only_what_is_missing_is_made(tmp_path, seen):
    for case in CASES[:3]:
        record(case, tmp_path / WORK)
    failed = run_cases(CASES, tmp_path, workers=1, done=lambda *call: seen.append(call), make=record)
    assert failed == {}
    assert seen == [(CASES[0], 0.0), (CASES[1], 0.0), (CASES[2], 0.0), (CASES[3], 1.5)]


def test_a_case_that_fails_stops_no_other_and_is_named(tmp_path, seen):
    failed = run_cases(CASES, tmp_path, workers=1, done=lambda case, _: seen.append(case), make=refuse)
    assert failed == {CASES[1].name: "ValueError: no such thing"}
    assert set(seen) == {CASES[0], CASES[2], CASES[3]}


def test_a_finished_unit_is_taken_as_it_is(tmp_path, monkeypatch):
    made = record(CASES[0], tmp_path)
    monkeypatch.setattr(unit, "_trained", lambda *_: pytest.fail("trained again"))
    monkeypatch.setattr(unit, "_audit", lambda *_: pytest.fail("audited again"))
    assert make_unit(CASES[0], tmp_path) == made


@pytest.mark.parametrize("changed", ["case", "audit"])
def test_a_unit_of_other_settings_is_not_taken(tmp_path, changed):
    made = record(CASES[0], tmp_path)
    assert finished_unit(CASES[0], tmp_path) == made
    path = unit_folder(CASES[0], tmp_path) / UNIT
    path.write_text(json.dumps({**made, changed: "of yesterday"}))
    assert finished_unit(CASES[0], tmp_path) is None


@pytest.mark.parametrize("content", ["", "{"])
def test_a_damaged_unit_is_made_again(tmp_path, content):
    record(CASES[0], tmp_path)
    (unit_folder(CASES[0], tmp_path) / UNIT).write_text(content)
    assert finished_unit(CASES[0], tmp_path) is None


def test_forgetting_audits_keeps_models(tmp_path):
    record(CASES[0], tmp_path)
    model = unit_folder(CASES[0], tmp_path) / unit.MODEL
    model.write_bytes(b"weights")
    forget_audits(tmp_path)
    assert finished_unit(CASES[0], tmp_path) is None
    assert model.exists()


@pytest.mark.parametrize(
    "options",
    [{"quick": True, "tune": True}, {"seeds": 0}, {"seeds": 6}, {"workers": 0}],
)
def test_options_that_make_no_sense_are_refused(tmp_path: Path, options):
    given = {"quick": False, "tune": False, "seeds": 5, "workers": 2, "reaudit": False, **options}
    with pytest.raises(ConfigError):
        benchmark(tmp_path, **given, progress=Progress(QUIET))
    assert not list(tmp_path.iterdir())


def test_help(capsys):
    with pytest.raises(SystemExit) as left:
        main(["benchmark", "--help"])
    assert left.value.code == 0
    shown = capsys.readouterr().out
    assert all(option in shown for option in ("--quick", "--tune", "--seeds", "--workers", "--reaudit", "--out"))
