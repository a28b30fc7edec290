"""A run that the code of format version 2 wrote: read, judged, compared, decided about and named as one of today."""

from __future__ import annotations

import datetime
import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import jsonschema
import pandas as pd
import pytest
from agreeing import forge
from made_run import HUSKY
from older_run import OTHER, PROVED, TODAY, write

from bias_audit.checks.recurring_cues.measure import why_not
from bias_audit.checks.registry import not_installed
from bias_audit.compare.compared import compare
from bias_audit.config import AuditConfig
from bias_audit.data.manifest import differences
from bias_audit.errors import ResultError
from bias_audit.gate.running import gate_run
from bias_audit.pipeline.name_cue import name_in_run
from bias_audit.pipeline.reopen import config_of
from bias_audit.pipeline.rescore import _carry
from bias_audit.report.page import write_report
from bias_audit.review.decisions import read_decisions
from bias_audit.review.targets import findings_and_cues
from bias_audit.run.audit_schema import audit_schema
from bias_audit.run.digests import digest_of
from bias_audit.run.folder import KEPT, Run
from bias_audit.run.result import AuditResult, load

DAY = datetime.date(2026, 2, 1)
NOW = {"cluster": "cue"}
TABLES = ("images", "classes", "confusion", "cues", "cue_spots", "whole_photo", "slices", "hypotheses", "leakage")


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("older") / "run"
    with zipfile.ZipFile(Path(__file__).with_name("version_2.zip")) as archive:
        archive.extractall(folder)
    return folder


@pytest.fixture
def old(kept: Path, tmp_path: Path) -> Path:
    return shutil.copytree(kept, tmp_path / "older" / "run")


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> AuditResult:
    return load(write(tmp_path_factory.mktemp("today") / "run", TODAY))


@pytest.fixture
def said(kept: Path) -> dict[str, Any]:
    """What the code of version 2 said of the run."""
    return json.loads((kept / "said.json").read_text())


def test_it_is_an_older_run_and_fits_its_schema(kept: Path) -> None:
    content = json.loads((kept / "audit.json").read_text())
    assert (content["format_version"], load(kept).version) == (2, 2)
    jsonschema.validate(content, audit_schema(2))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**content, "format_version": 3}, audit_schema())


def test_it_reads_as_the_same_run_of_today(kept: Path, twin: AuditResult, said: dict[str, Any]) -> None:
    result = load(kept)
    assert (result.level, result.verdict) == (said["level"], said["verdict"])
    assert result.info == twin.info
    assert result.outcomes == twin.outcomes
    assert result.rules == twin.rules
    for name in TABLES:
        pd.testing.assert_frame_equal(result.table(name), twin.table(name), check_like=True)  # columns added since
    assert result.cues.index.tolist() == [PROVED, OTHER]
    assert result.classes["n_units"].tolist() == [4, 4, 4]
    assert config_of(result.info).group_by == "patient"
    assert result.metrics() == twin.metrics()


def test_the_gate_says_what_it_said_and_finds_the_decisions(kept: Path, said: dict[str, Any]) -> None:
    rows = gate_run(load(kept), today=DAY).rows
    assert [[NOW.get(scope, scope), *rest] for scope, *rest in said["gate"]] == [
        [r.scope, r.subject, r.check, r.measured, r.low, r.high, r.status, r.finding_id] for r in rows
    ]
    assert [(r.scope, r.status) for r in rows if r.check == "BA302"] == [("cue", "waived")]


def test_decisions_are_found_under_the_keys_of_then(kept: Path, said: dict[str, Any]) -> None:
    targets = findings_and_cues(load(kept))
    assert [[t.kind, t.key, t.subject] for t in targets.values()] == [
        [NOW.get(kind, kind), *rest] for kind, *rest in said["targets"]
    ]
    decided = read_decisions(kept)
    assert {(each.target_kind, targets[each.target_key].cue_id) for each in decided} == {
        ("cue", PROVED),
        ("cue", OTHER),
    }


def test_numbers_of_its_csv_files_are_judged(kept: Path, twin: AuditResult, tmp_path: Path) -> None:
    file = tmp_path / "gate.toml"
    file.write_text(
        '[[metric]]\ntable = "cue"\nname = "odds_ratio"\nmax = 1\nseverity = "warn"\n'
        '[[metric]]\ntable = "class"\nname = "n_units"\nmin = 5\n'
    )
    mine, other = (
        [
            (r.scope, r.subject, r.title, r.measured, r.low, r.high, r.status, r.sentence)
            for r in gate_run(result, file, today=DAY).rows
            if r.check in ("odds_ratio", "n_units") or "odds" in r.check or "n_units" in r.check
        ]
        for result in (load(kept), twin)
    )
    assert mine == other
    assert ("cue", PROVED, f"cue 1 of {HUSKY}", 6.0, 2.0, 18.0) in {each[:6] for each in mine}
    assert [each[3] for each in mine if each[0] == "class"] == [4, 4, 4]


def test_it_compares_with_a_run_of_today_without_a_difference(
    kept: Path, twin: AuditResult, said: dict[str, Any]
) -> None:
    both = compare(load(kept), twin)
    assert both.headline == said["compared"]
    assert both.pairs.enough
    assert {change.kind for change in both.findings} == {"known"}
    rows = gate_run(twin, baseline=load(kept), today=DAY).rows
    assert {r.change for r in rows if r.check in ("BA301", "BA302")} == {"known"}


def test_its_page_is_that_of_the_same_run_of_today(old: Path, twin: AuditResult) -> None:
    (old / "decisions.sqlite").unlink()
    pages = [write_report(result).read_text(encoding="utf-8") for result in (load(old), twin)]
    assert f"cue 1 of {HUSKY}" in pages[0]
    assert pages[0] == pages[1]


def test_a_named_cue_is_written_under_the_names_of_its_version(old: Path) -> None:
    before = {file.name for file in old.iterdir()}
    result = name_in_run(old, f"cue 1 of {HUSKY}", "snow", "legitimate")
    assert result.cues.loc[PROVED, "name"] == "snow"
    again = load(old)
    assert (again.version, again.cues.loc[PROVED, "name"]) == (2, "snow")
    raw = pd.read_parquet(old / "clusters.parquet")
    assert raw.loc[raw["cluster_id"] == PROVED, "name"].tolist() == ["snow"]
    assert (old / "clusters.csv").read_text().startswith("cluster_id,")
    content = json.loads((old / "audit.json").read_text())
    assert {each["scope"] for each in content["outcomes"] if each["code"] == "BA302"} <= {"cluster", "dataset"}
    assert content["info"]["config"]["cluster"] == "patient"
    assert {file.name for file in old.iterdir()} - before <= {"report.html", ".lock"}


def test_its_shards_are_found_also_by_a_run_that_is_scored_again(old: Path, tmp_path: Path, twin: AuditResult) -> None:
    assert why_not(load(old)) == why_not(twin) == "no heatmaps"
    new = tmp_path / "scored"
    (new / "shards").mkdir(parents=True)
    _carry(Run(old), Run(new))
    assert [file.name for file in (new / "shards").iterdir()] == ["cues.json"]
    (new / "audit.json").write_bytes((twin.path / "audit.json").read_bytes())
    for file in twin.path.glob("*.parquet"):
        shutil.copy2(file, new)
    for file in twin.path.glob("*.csv"):
        shutil.copy2(file, new)
    assert why_not(load(new)) == "no heatmaps"


def test_its_tables_are_those_of_no_other_package(kept: Path, old: Path) -> None:
    assert not_installed(kept) == []
    for suffix in ("parquet", "csv"):  # beside the table of today, it is another package's
        shutil.copy2(old / f"clusters.{suffix}", old / f"cues.{suffix}")
    assert not_installed(old) == ["clusters"]


def test_overwriting_it_deletes_its_files(old: Path) -> None:
    Run(old).discard()
    assert {file.name for file in old.iterdir()} <= {*KEPT, "said.json"}


def test_without_digests_it_is_a_run_of_version_1(old: Path, twin: AuditResult) -> None:
    content = json.loads((old / "audit.json").read_text())
    content = {name: value for name, value in content.items() if name not in ("tables", "shards", "digest")}
    (old / "audit.json").write_text(json.dumps({**content, "format_version": 1}))
    result = load(old)
    assert (result.version, result.digests, result.outcomes) == (1, None, twin.outcomes)
    pd.testing.assert_frame_equal(result.cues, twin.cues)
    name_in_run(old, OTHER, "tag", "")
    assert load(old).cues.loc[OTHER, "name"] == "tag"
    assert json.loads((old / "audit.json").read_text())["format_version"] == 1


def test_composites_of_then_were_made_with_the_setting_of_today() -> None:
    assert differences({"cluster": "patient"}, {"group_by": "patient"}) == []
    assert differences({"cluster": None}, {"group_by": "patient"}) == ["--group-by not given there, patient here"]


# -- damage ---------------------------------------------------------------------------------


def test_a_name_of_today_in_it_is_damage(old: Path) -> None:
    def today(content: dict[str, Any]) -> None:
        content["outcomes"][-1]["scope"] = "cue"

    forge(old, today)
    with pytest.raises(ResultError, match=r"scope must be one of dataset, class, image, slice, cluster") as error:
        load(old)
    assert "\n" not in error.value.message


def test_a_damaged_table_is_named_as_its_file_is(old: Path) -> None:
    file = old / "clusters.parquet"
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(ResultError, match=r"clusters\.parquet' was changed after"):
        _ = load(old).cues
    file.unlink()
    with pytest.raises(ResultError, match=r"the table 'clusters\.parquet' is missing"):
        load(old)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda frame: frame.drop(columns="cluster_id"), r"clusters\.parquet' lacks the columns cluster_id"),
        (lambda frame: frame.rename(columns={"cluster_id": "cue_id"}), r"lacks the columns cluster_id"),
    ],
)
def test_a_column_that_is_missing_is_told_by_its_name_of_then(old: Path, change: Any, told: str) -> None:
    file = old / "clusters.parquet"
    change(pd.read_parquet(file)).to_parquet(file, index=False)
    forge(old, lambda content: content["tables"].update({file.name: [digest_of(file.read_bytes())]}))
    with pytest.raises(ResultError, match=told):
        _ = load(old).cues


def test_a_column_under_both_names_is_read_as_its_version_says(old: Path, twin: AuditResult) -> None:
    file = old / "clusters.parquet"
    pd.read_parquet(file).assign(cue_id="x").to_parquet(file, index=False)
    forge(old, lambda content: content["tables"].update({file.name: [digest_of(file.read_bytes())]}))
    assert load(old).cues.index.tolist() == twin.cues.index.tolist()


def test_a_value_under_a_name_of_today_is_none_of_its_version(old: Path) -> None:
    before = load(old)

    def both(content: dict[str, Any]) -> None:
        content["info"]["config"]["group_by"] = ["x"]
        content["classes"][0]["n_units"] = "many"
        for row in content["outcomes"]:
            row["evidence"]["properties" if row["code"] == "BA301" else "probe"] = 1

    forge(old, both)
    now = load(old)
    assert (now.info, now.class_rows) == (before.info, before.class_rows)
    for row, kept in zip(now.outcomes, before.outcomes, strict=True):
        others = {} if row.code == "BA301" else {"probe": 1}  # a word of that rule's own
        assert row.evidence == {**kept.evidence, **others}


def test_a_finding_without_its_evidence_has_a_page(old: Path) -> None:
    forge(old, lambda content: [row.update(evidence={}) for row in content["outcomes"]])
    assert write_report(load(old)).is_file()


def test_settings_have_the_hash_that_they_had() -> None:
    """An unfinished audit and the records of the benchmark go on: hashes by the code of commit 96a9046."""
    then = "42c120d6641bd94c4331ee177436cdc378e8104640dd1496a3c63dcea85b4a76"
    assert AuditConfig().digest() == then
    then = "93b6db55f6127fce3582b05130bccfc4047df5c77b47972a8b0df44aedfdab6a"
    assert AuditConfig(group_by="patient", probes=5).digest() == then
