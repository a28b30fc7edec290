"""`bias-audit gate` from a first file to the end of a waiver: --init, --baseline, --today, --prune."""

from __future__ import annotations

import dataclasses
import itertools
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from agreeing import write_audit_json

from bias_audit.checks.outcomes import RuleOutcome
from bias_audit.run.digests import content_digest
from bias_audit.run.result import AuditResult, RunInfo, load, to_json

_MINUTES = itertools.count()


def write_run(folder: Path, level: str | None = "SUSPICIOUS", *, husky: str | None = None, content: str = "ab") -> Path:
    """A run in which wolves, and huskies, have a finding of this level or none."""
    folder.mkdir()
    info = RunInfo(
        name="m on d", model="m.keras", data="d", masks=None, model_sha256="0", fingerprint="0", version="0",
        created=f"2026-01-01T00:{next(_MINUTES):02}:00+00:00", seconds={}, config={}, thresholds={},
        class_names=("husky", "wolf"),
        layer="l", grid=(7, 7), method="hires_cam", head="softmax", input_size=(8, 8, 3),
        counts={"images": 20, "read": 20}, statuses={}, mask_kind="mask", content=content,
    )  # fmt: skip
    passed = RuleOutcome("BA201", "prediction follows the background", "class", "husky", "passed", "Nothing lost.")
    lost: dict[str, Any] = {"sentence": "They are lost.", "measured": 0.76, "threshold": 0.05, "low": 0.5, "high": 0.9}
    outcomes = [
        dataclasses.replace(passed, subject=name, **({"status": "found", "level": one, **lost} if one else {}))
        for name, one in (("husky", husky), ("wolf", level))
    ]
    classes = tuple({"class_name": name, "n": 10, "n_read": 10} for name in info.class_names)
    write_audit_json(AuditResult(folder, info, "v", tuple(outcomes), (), classes))
    return folder


def test_from_a_first_file_to_the_end_of_a_waiver(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = write_run(tmp_path / "run")
    code, out, err = command("gate", run, "--init")
    assert (code, err) == (0, "")
    assert "gate.toml: thresholds from" in out
    file = tmp_path / "gate.toml"
    code, out, _ = command("gate", run, "--gate", file)
    assert code == 1, "the file accepts nothing by itself"
    code, _, err = command("gate", run, "--init")
    assert (code, "exists already" in err) == (2, True)

    text = file.read_text()
    block = text[text.index("# [[waive]]") :].split("\n\n")[0]
    file.write_text(text.replace(block, block.replace("# ", "")))
    for key, value in (("reason", '"wolves live in snow"'), ("owner", '"Ada"'), ("expires", "2027-01-31")):
        line = file.read_text().splitlines().index(f'{key} = ""') + 1
        code, out, err = command("gate", run, "--gate", file)
        sentence = f"bias-audit: {file}, line {line}: [[waive]] {key} must not be empty"
        assert (code, out, err.splitlines()[0].startswith(sentence)) == (2, "", True), err
        file.write_text(file.read_text().replace(f'{key} = ""', f"{key} = {value}"))

    for day, expected, word in (
        ("2026-11-25", 0, "Accepted by Ada (wolves live in snow) until 2027-01-31."),
        ("2027-01-20", 0, "ends in 11 days, on 2027-01-31"),
        ("2027-02-01", 1, "expired on 2027-01-31"),
    ):
        code, out, _ = command("gate", run, "--gate", file, "--today", day)
        assert code == expected
        assert word in " ".join(out.split())

    before = file.read_bytes()
    code, out, _ = command("gate", run, "--prune", file, "--today", "2027-01-31")
    assert (code, "nothing was removed" in out, file.read_bytes()) == (0, True, before)
    code, out, _ = command("gate", run, "--prune", file, "--today", "2027-02-01")
    assert (code, "expired on 2027-01-31" in out, b"[[waive]]" in file.read_bytes()) == (0, True, False)


def test_a_worse_model_fails_against_the_baseline_and_names_the_class(command, tmp_path):
    old, new = write_run(tmp_path / "old"), write_run(tmp_path / "new", husky="CONFIRMED")
    code, out, _ = command("gate", write_run(tmp_path / "again"), "--baseline", old)
    assert (code, "known" in out) == (0, True)
    code, out, _ = command("gate", old, "--baseline", shutil.copytree(old, tmp_path / "copy"))
    assert (code, "baseline is this run" in out) == (1, True)
    code, out, _ = command("gate", new, "--baseline", old)
    assert code == 1
    assert "husky: BA201" in out
    rows = json.loads((new / "gate.json").read_text())["rows"]
    assert {row["subject"]: row["change"] for row in rows if row["check"] == "BA201"} == {
        "husky": "new",
        "wolf": "known",
    }
    code, out, _ = command("gate", write_run(tmp_path / "clean", None), "--baseline", old)
    assert (code, "Resolved: BA201 SUSPICIOUS of wolf" in out) == (0, True)


def test_a_baseline_that_is_missing_or_about_other_data(command, tmp_path):
    run = write_run(tmp_path / "run", None)
    assert command("gate", run)[0] == 0
    code, out, _ = command("gate", run, "--baseline", tmp_path / "nowhere")
    assert (code, "missing baseline" in out) == (1, True)
    code, out, _ = command("gate", run, "--baseline", write_run(tmp_path / "other", None, content="cd"))
    assert (code, "different data" in out) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--today", "tomorrow"], "2027-01-31"),
        (["--init", "--prune", "gate.toml"], "not allowed with"),
        (["--prune", "nowhere.toml"], "cannot read the gate file"),
        (["--gate", "x.toml", "--prune", "x.toml"], "--prune names the gate file itself"),
    ],
)
def test_wrong_use_is_one_sentence(command, tmp_path, monkeypatch, arguments, word):
    monkeypatch.chdir(tmp_path)
    code, _, err = command("gate", write_run(tmp_path / "run"), *arguments)
    assert (code, word in err, "Traceback" in err) == (2, True, False)


def test_names_with_markup_are_shown_as_they_are(command, tmp_path):
    run = write_run(tmp_path / "run")
    content = json.loads(json.dumps(to_json(load(run))).replace('"wolf"', json.dumps("[red]wolf[/red]")))
    (run / "audit.json").write_text(json.dumps({**content, "digest": content_digest(content)}))
    code, out, _ = command("gate", run)
    assert (code, "[red]wolf[/red]" in out) == (1, True)


def rows(run: Path) -> dict[tuple[str, str], dict[str, Any]]:
    return {(row["check"], row["subject"]): row for row in json.loads((run / "gate.json").read_text())["rows"]}


def test_the_file_that_init_writes_is_found_by_itself(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = write_run(tmp_path / "run")
    code, out, _ = command("gate", run)
    assert (code, out.splitlines()[0]) == (1, "Thresholds: defaults; no gate.toml in the working folder")
    assert {row["origin"] for row in rows(run).values()} == {"default"}

    assert command("gate", run, "--init")[0] == 0
    file = tmp_path / "gate.toml"
    file.write_text(file.read_text().replace('class = "SUSPICIOUS"', 'class = "CONFIRMED"'))
    line = file.read_text().splitlines().index('class = "CONFIRMED"') + 1
    code, out, _ = command("gate", run)
    first, rest = out.split("\n", 1)
    assert (code, first) == (0, "Thresholds: gate.toml, found in the working folder (--gate none: not to use it)")
    assert f"gate.toml:{line}" in rest, "the level that lets it pass is named where the finding is shown"
    assert rows(run)["BA201", "wolf"]["origin"] == f"gate.toml:{line}"
    assert json.loads((run / "gate.json").read_text())["source"] == "gate.toml"
    assert f"| gate.toml:{line} |" in (run / "gate.md").read_text()

    code, out, _ = command("gate", run, "--gate", "none")
    assert (code, out.splitlines()[0]) == (1, "Thresholds: defaults (--gate none)")
    code, out, err = command("gate", run, "--format", "json")
    assert (code, json.loads(out)["source"], err.splitlines()[0]) == (0, "gate.toml", first)
    code, _, err = command("gate", run, "--init")
    assert (code, "'gate.toml' exists already" in err) == (2, True)


def test_every_bound_says_where_it_comes_from(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run, old = write_run(tmp_path / "run"), write_run(tmp_path / "old")
    (tmp_path / "ci").mkdir()
    file = tmp_path / "ci" / "strict.toml"
    file.write_text(
        '[class]\nmin_accuracy = 0.5\n[[metric]]\ntable = "class"\nname = "background_gap"\nmax = 0.1\n'
        '[warn]\nclass = "WATCH"\n[provenance]\n[[waive]]\nrule = "BA201"\nclass = "wolf"\nreason = "snow"\n'
        'owner = "Ada"\nexpires = 2027-01-31\n[[metric]]\ntable = "class"\nname = "accuracy"\nmax = 1\n'
        "[metric.classes.wolf]\nmax = 0.9\n"
    )
    _code, out, _ = command("gate", run, "--gate", file, "--baseline", old, "--today", "2026-11-25")
    assert "".join(out.split()).startswith(f"Thresholds:{file}")  # a path is folded where the line ends
    found = rows(run)
    origins = {key: row["origin"] for key, row in found.items()}
    assert origins["min_accuracy", "wolf"] == "strict.toml:2"
    assert origins["max_background_gap", "husky"] == "strict.toml:3"
    assert origins["max_accuracy", "husky"] == "strict.toml:16"
    assert origins["max_accuracy", "wolf"] == "strict.toml:20"
    assert origins["BA201", "husky"] == "default", "no level of the file is about it"
    assert (found["BA201", "wolf"]["status"], found["BA201", "wolf"]["line"]) == ("waived", 10)
    assert origins["BA201", "wolf"] == "default", "the waiver is of the file, the level is not"
    assert origins["baseline", ""] == "default", "a table without the key leaves it at its default"
    assert "strict.toml:2" in out


def test_a_found_file_that_is_wrong_is_one_sentence(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run, file = write_run(tmp_path / "run", None), tmp_path / "gate.toml"
    file.write_text('\n[fail]\nclass = "SUSPICIUS"\n')
    code, out, err = command("gate", run)
    assert (code, out, "gate.toml, line 3" in err, "Traceback" in err) == (2, "", True, False)
    file.unlink()
    file.symlink_to(tmp_path / "nowhere.toml")
    code, out, err = command("gate", run)
    assert (code, out, "cannot read the gate file 'gate.toml'" in err) == (2, "", True), "no silent default"
    assert command("gate", run, "--gate", "none")[0] == 0


def test_none_is_no_file_and_dot_none_is_one(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = write_run(tmp_path / "run", None)
    Path("none").write_text("[[metric]]\n")
    assert command("gate", run, "--gate", "none")[0] == 0
    code, _, err = command("gate", run, "--gate", "./none")
    assert (code, "none, line 1: [[metric]] has no table" in err) == (2, True)
    code, _, err = command("gate", run, "--init", "--gate", "none")
    assert (code, "--gate none stands for none" in err) == (2, True)


def test_only_the_command_looks_for_a_file(tmp_path, monkeypatch):
    from bias_audit.cli.gate import judge_folder
    from bias_audit.run.result import load
    from bias_audit.testing import assert_no_background_bias

    monkeypatch.chdir(tmp_path)
    run = write_run(tmp_path / "run", None)
    Path("gate.toml").write_text('classes = ["fox"]\n')
    assert load(run).gate().passed
    assert assert_no_background_bias(run).passed
    assert judge_folder(run, None) == 0, "as `audit --baseline` calls it"
