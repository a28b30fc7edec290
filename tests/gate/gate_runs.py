"""Runs built by hand for the gate: values, and folders with the tables that it reads."""

from __future__ import annotations

import csv
import dataclasses
import itertools
import json
from pathlib import Path
from typing import Any

from agreeing import agreeing

from bias_audit.checks.outcomes import RuleOutcome, count
from bias_audit.gate import GateResult, GateRow, judge, read_gate
from bias_audit.gate.settings import GateConfig
from bias_audit.run.digests import digest_of
from bias_audit.run.result import AuditResult, RunInfo, load, to_json
from bias_audit.run.schema import TABLES

WOLF: dict[str, Any] = {
    "class_name": "wolf",
    "n": 20,
    "n_read": 20,
    "accuracy": 0.9,
    "accuracy_low": 0.7,
    "accuracy_high": 0.97,
    "n_attention": 20,
    "attention_reason": "ok",
    "background_excess": 0.6,
    "excess_low": 0.5,
    "excess_high": 0.7,
    "pointing_game": 0.4,
    "reliance_reason": "ok",
    "n_interventions": 10,
    "other_background_accuracy": 0.2,
    "other_low": 0.05,
    "other_high": 0.5,
    "background_gap": 0.8,
    "gap_low": 0.4,
    "gap_high": 0.95,
    "p_fdr": 0.2,
    "background_only_accuracy": 0.7,
    "background_only_low": 0.4,
    "background_only_high": 0.9,
    "n_rests_on_background": 6,
}
HUSKY = {**WOLF, "class_name": "husky"}
EMPTY: dict[str, Any] = {column.name: None for column in TABLES["classes"]} | {
    "class_name": "wolf",
    "n": 20,
    "n_interventions": 0,
    "n_rests_on_background": 0,
    "n_read": 0,
    "attention_reason": "no mask",
    "reliance_reason": "object too small to paste",
}
"""A class of which nothing could be measured."""


_MINUTES = itertools.cycle(range(60))


def outcome(status: str = "passed", level: str | None = None, **changed: Any) -> RuleOutcome:
    """BA201 of the wolf, unless changed."""
    values = {"code": "BA201", "title": "t", "scope": "class", "subject": "wolf", "sentence": "What happened."}
    return RuleOutcome(**{**values, "status": status, "level": level, **changed})


def run_of(
    *outcomes: RuleOutcome,
    classes: tuple[dict[str, Any], ...] = (WOLF,),
    counts: dict[str, int] | None = None,
    path: Path = Path("run"),
    **info: Any,
) -> AuditResult:
    """A finished run that says what the test needs; where it says nothing of BA201, every class passed it."""
    if not any(one.code == "BA201" for one in outcomes):
        names = [row["class_name"] for row in classes] or ["wolf"]
        outcomes = (*outcomes, *(outcome(subject=name) for name in names))
    images = dict.fromkeys(("images", "read", "with_mask"), sum(row.get("n", 0) for row in classes) or 40)
    about = RunInfo(
        name="model on data",
        model="model.keras",
        data="data",
        masks=None,
        model_sha256="0",
        fingerprint="0",
        version="0",
        created=f"2025-01-01T00:{next(_MINUTES):02}:00Z",  # else it would be the run that it is compared with
        seconds={},
        config={},
        thresholds={},
        class_names=tuple(row["class_name"] for row in classes),
        layer="conv",
        grid=(7, 7),
        method="hires_cam",
        head="softmax",
        input_size=(224, 224, 3),
        counts=images if counts is None else counts,
        statuses={},
        mask_kind="mask",
        content="c0ffee",
    )
    return AuditResult(
        path, dataclasses.replace(about, **info), "verdict", outcomes, count(outcomes), classes, digests={}
    )


def stored(folder: Path, run: AuditResult, **tables: list[dict[str, Any]]) -> AuditResult:
    """The run as it is read back from a folder, with these tables as CSV."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in tables.items():
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]) if rows else ["nothing"])
            writer.writeheader()
            writer.writerows(rows)
    files = {file.name: (digest_of(file.read_bytes()),) for file in folder.glob("*.csv")}
    content = to_json(dataclasses.replace(agreeing(run), digests=files))
    (folder / "audit.json").write_text(json.dumps(content), encoding="utf-8")
    return load(folder)


def read(tmp_path: Path, text: str) -> GateConfig:
    """A gate.toml with this text."""
    file = tmp_path / "gate.toml"
    file.write_text(text, encoding="utf-8")
    return read_gate(file)


def judged(tmp_path: Path, run: AuditResult, text: str = "", **more: Any) -> GateResult:
    """A run held against a gate.toml with this text."""
    return judge(run, read(tmp_path, text), **more)


def row_of(gate: GateResult, check: str, subject: str | None = None) -> GateRow:
    """The only row of a check."""
    (row,) = [row for row in gate.rows if row.check == check and subject in (None, row.subject)]
    return row
