"""`bias-audit gate` from a first file to the end of a waiver: --init, --baseline, --today, --prune."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from bias_audit.result import AuditResult, RuleOutcome, RunInfo, to_json


def write_run(folder: Path, level: str | None = "SUSPICIOUS", *, husky: str | None = None, content: str = "ab") -> Path:
    """A run in which wolves, and huskies, have a finding of this level or none."""
    folder.mkdir()
    info = RunInfo(
        name="m on d", model="m.keras", data="d", masks=None, model_sha256="0", fingerprint="0", version="0",
        created="2026-01-01T00:00:00+00:00", seconds={}, config={}, thresholds={}, class_names=("husky", "wolf"),
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
    (folder / "audit.json").write_text(
        json.dumps(to_json(AuditResult(folder, info, "v", tuple(outcomes), (), classes)))
    )
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
    assert (code, "is there already" in err) == (2, True)

    text = file.read_text()
    block = text[text.index("# [[waive]]") :].split("\n\n")[0]
    file.write_text(text.replace(block, block.replace("# ", "")))
    code, _, err = command("gate", run, "--gate", file)
    assert (code, "not valid TOML" in err, "line" in err) == (2, True, True)
    filled = file.read_text().replace("reason =", 'reason = "wolves live in snow"').replace("owner =", 'owner = "Ada"')
    file.write_text(filled.replace("expires =", "expires = 2027-01-31"))

    for day, expected, word in (
        ("2026-11-25", 0, "Accepted by Ada (wolves live in snow) until 2027-01-31."),
        ("2027-01-20", 0, "ends in 11 days, on 2027-01-31"),
        ("2027-02-01", 1, "expired on 2027-01-31"),
    ):
        code, out, _ = command("gate", run, "--gate", file, "--today", day)
        assert code == expected
        assert word in " ".join(out.replace("│", " ").split())

    before = file.read_bytes()
    code, out, _ = command("gate", run, "--prune", file, "--today", "2027-01-31")
    assert (code, "nothing was removed" in out, file.read_bytes()) == (0, True, before)
    code, out, _ = command("gate", run, "--prune", file, "--today", "2027-02-01")
    assert (code, "expired on 2027-01-31" in out, b"[[waive]]" in file.read_bytes()) == (0, True, False)


def test_a_worse_model_fails_against_the_baseline_and_names_the_class(command, tmp_path):
    old, new = write_run(tmp_path / "old"), write_run(tmp_path / "new", husky="CONFIRMED")
    code, out, _ = command("gate", old, "--baseline", old)
    assert (code, "known" in out) == (0, True)
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
    text = (run / "audit.json").read_text().replace('"wolf"', json.dumps("[red]wolf[/red]"))
    (run / "audit.json").write_text(text)
    code, out, _ = command("gate", run)
    assert (code, "[red]wolf[/red]" in out) == (1, True)
