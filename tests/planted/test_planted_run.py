"""Units are made once, whole or not at all; the command refuses what it must."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pandas as pd
import pytest

from bias_audit.checks.outcomes import RuleOutcome
from bias_audit.cli import main
from bias_audit.errors import ConfigError, ResultError
from bias_audit.planted.benchmark import catalogue, command, grid, records, unit, units
from bias_audit.planted.benchmark.command import benchmark
from bias_audit.planted.benchmark.judging import Judged, package_digest
from bias_audit.planted.benchmark.run import WORK, run_cases
from bias_audit.planted.benchmark.unit import (
    OUTCOMES,
    RUN,
    UNIT,
    audit_key,
    audited_unit,
    finished_unit,
    forget_audits,
    make_unit,
    outcomes_of,
    unit_folder,
)
from bias_audit.run.progress import QUIET, Progress

OPTIONS = {
    "quick": False, "tune": False, "seeds": None, "worlds": [], "units": [], "workers": 2, "reaudit": False,
    "commit": "",
}  # fmt: skip
CASES = grid.cases(10)[:4]


def record(case, work):
    """What a worker does, without the work; runs in a process of its own."""
    folder = unit_folder(case, work)
    folder.mkdir(parents=True)
    content = {"case": case.digest(), "audit": audit_key(), "seconds": {"train": 1.0, "audit": 0.5}}
    (folder / UNIT).write_text(json.dumps(content))
    (folder / RUN).write_bytes(b"")
    (folder / OUTCOMES).write_text(
        json.dumps({"package": package_digest(), "outcomes": [], "classes": [], "gate_passes": True})
    )
    return content


def refuse(case, work):
    if case == CASES[1]:
        raise ValueError("no such thing")
    return record(case, work)


@pytest.fixture
def rows_of(model, found):
    """In the place of `read_units`: four innocent classes of every case, judged by the present package."""

    def rows(cases, work):
        made = [
            model(
                case.name, case.kind, unit=catalogue.unit_of(case), seed=case.seed, case=case.digest(),
                package=package_digest(),
            )
            for case in cases
        ]  # fmt: skip
        return pd.concat(made, ignore_index=True), found()

    return rows


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


@pytest.mark.parametrize("name", [UNIT, RUN, OUTCOMES])
def test_a_unit_without_one_of_its_files_is_not_taken(tmp_path, name):
    record(CASES[0], tmp_path)
    (unit_folder(CASES[0], tmp_path) / name).unlink()
    assert finished_unit(CASES[0], tmp_path) is None
    with pytest.raises(ResultError, match="no finished audit"):
        outcomes_of(CASES[0], tmp_path)


def test_where_the_package_changed_the_kept_audit_is_judged_again_and_nothing_else(tmp_path, monkeypatch):
    made = record(CASES[0], tmp_path)
    path = unit_folder(CASES[0], tmp_path) / OUTCOMES
    path.write_text(json.dumps({"package": "of yesterday", "outcomes": [], "classes": []}))
    assert finished_unit(CASES[0], tmp_path) is None
    assert audited_unit(CASES[0], tmp_path) == made
    monkeypatch.setattr(unit, "_trained", lambda *_: pytest.fail("trained again"))
    monkeypatch.setattr(unit, "_audit", lambda *_: pytest.fail("audited again"))
    said = RuleOutcome("BA201", "", "class", "bar", "found", "words", "WATCH", image_ids=("a.png",), evidence={"a": 1})
    monkeypatch.setattr(unit, "judged_again", lambda archive: Judged((said,), ({"class_name": "bar"},), True))
    assert make_unit(CASES[0], tmp_path) == finished_unit(CASES[0], tmp_path) == made
    assert outcomes_of(CASES[0], tmp_path) == Judged(
        (dataclasses.replace(said, image_ids=()),), ({"class_name": "bar"},), True
    )


@pytest.mark.parametrize("content", ["", "{", "[]"])
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
    [
        {"quick": True, "tune": True},
        {"seeds": 0},
        {"seeds": 11},
        {"seeds": 6, "tune": True},
        {"workers": 0},
        {"worlds": ["clean"]},
        {"worlds": ["no such world"], "tune": True},
        {"units": ["no such unit"]},
        {"units": ["weak"], "quick": True},
        {"units": ["weak"], "worlds": ["clean"], "tune": True},
        {"commit": "HEAD"},
    ],
)
def test_options_that_make_no_sense_are_refused(tmp_path: Path, options):
    with pytest.raises(ConfigError):
        benchmark(tmp_path, **{**OPTIONS, **options}, progress=Progress(QUIET))
    assert not list(tmp_path.iterdir())


def test_a_part_of_the_worlds_is_run_on_tuning_seeds(tmp_path: Path, monkeypatch):
    chosen = []
    monkeypatch.setattr(
        command, "run_cases", lambda cases, *_, **__: chosen.extend(cases) or {case.name: "no" for case in cases}
    )
    with pytest.raises(ResultError, match="every case"):
        benchmark(
            tmp_path,
            **{**OPTIONS, "tune": True, "seeds": 2, "worlds": ["clean", "two_classes_null"]},
            progress=Progress(QUIET),
        )
    assert [(case.seed, case.kind) for case in chosen] == [
        (0, "clean"), (0, "two_classes_null"), (1, "clean"), (1, "two_classes_null"),
    ]  # fmt: skip


def test_what_is_finished_is_scored_with_the_code_that_made_it(tmp_path: Path, monkeypatch, model, found):
    made = model("seed0-clean", "clean", seed=0, package="another")
    asked = []
    monkeypatch.setattr(command, "run_cases", lambda *_, **__: {"seed0-tiny": "ValueError: no such thing"})
    monkeypatch.setattr(units, "read_units", lambda cases, work: asked.extend(cases) or (made, found()))
    given = {**OPTIONS, "tune": True, "seeds": 1, "worlds": ["clean", "tiny"], "commit": "d24a023"}
    text = benchmark(tmp_path, **given, progress=Progress(QUIET))
    assert [case.name for case in asked] == ["seed0-clean"]
    assert text.startswith("TUNING SEEDS 0")
    assert f"Commit d24a023, package {package_digest()}." in text
    assert "**Audited by other packages than the one that judged: another.**" in text
    assert not list(tmp_path.iterdir())  # tuning seeds make no report


def test_help(capsys):
    with pytest.raises(SystemExit) as left:
        main(["benchmark", "--help"])
    assert left.value.code == 0
    shown = capsys.readouterr().out
    assert all(
        option in shown
        for option in (
            "--quick",
            "--tune",
            "--seeds",
            "--worlds",
            "--units",
            "--commit",
            "--workers",
            "--reaudit",
            "--out",
        )
    )


def test_units_are_run_on_seeds_of_their_own(tmp_path: Path, monkeypatch):
    chosen: list[list] = []
    monkeypatch.setattr(
        command, "run_cases", lambda cases, *_, **__: chosen[-1].extend(cases) or {case.name: "no" for case in cases}
    )
    for given in ({"units": ["weak", "two_culprits"]}, {"units": ["weak"], "tune": True}, {"units": ["all"]}, {}):
        chosen.append([])
        with pytest.raises(ResultError, match="every case"):
            benchmark(tmp_path, **{**OPTIONS, "seeds": 2, **given}, progress=Progress(QUIET))
    seeds = [{case.seed for case in cases} for cases in chosen]
    assert seeds == [{20, 21}, {0, 1}, {20, 21}, {10, 11}]
    ran = [{catalogue.unit_of(case) for case in cases} for cases in chosen]
    assert ran == [{"two_culprits", "weak"}, {"weak"}, set(catalogue.UNITS), {"complete_masks"}]


def test_a_report_of_some_units_has_no_picture_of_the_others(tmp_path: Path, monkeypatch, rows_of):
    monkeypatch.setattr(command, "run_cases", lambda *_, **__: {})
    monkeypatch.setattr(units, "read_units", rows_of)
    text = benchmark(tmp_path, **{**OPTIONS, "units": ["weak"], "seeds": 1}, progress=Progress(QUIET))
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"benchmark.md", "benchmark.json", "units.parquet", "findings.parquet"}
    assert "Units without a model here: complete_masks" in text
    content = json.loads((tmp_path / "benchmark.json").read_text())
    assert [unit["name"] for unit in content["by_unit"]["units"]] == ["weak"]
    assert content["by_unit"]["units"][0]["figures"]["innocents"]["n"] == 4 * len(catalogue.cases_of(20, ["weak"]))


def test_it_goes_on_from_the_rows_that_were_kept_after_each_seed(tmp_path: Path, monkeypatch, rows_of):
    ran: list[str] = []

    def run(cases, *_, **__):
        if cases[0].seed == 21 and not ran.count("again"):
            raise KeyboardInterrupt
        ran.extend(case.name for case in cases)
        return {}

    monkeypatch.setattr(command, "run_cases", run)
    monkeypatch.setattr(units, "read_units", rows_of)
    given = {**OPTIONS, "units": ["weak"], "seeds": 2}
    with pytest.raises(KeyboardInterrupt):
        benchmark(tmp_path, **given, progress=Progress(QUIET))
    first = [case.name for case in catalogue.cases_of(20, ["weak"])]
    assert ran == first
    ran.append("again")
    benchmark(tmp_path, **given, progress=Progress(QUIET))
    assert ran == [*first, "again", *(case.name for case in catalogue.cases_of(21, ["weak"]))]
    content = json.loads((tmp_path / "benchmark.json").read_text())
    assert (content["by_unit"]["seeds"], content["by_unit"]["models"]) == ([20, 21], len(ran) - 1)
    # Rows of another package are no answer; damage is said.
    cases = catalogue.cases_of(20, ["weak"])
    assert records.read_records(tmp_path, cases, "another") is None
    (tmp_path / "units.parquet").write_bytes(b"PAR1")
    with pytest.raises(ResultError, match="damaged"):
        records.read_records(tmp_path, cases, package_digest())
