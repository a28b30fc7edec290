"""Makes runs built by hand agree with themselves, and writes them so that they are read back as those of an audit."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bias_audit.checks.outcomes import count
from bias_audit.run.digests import content_digest, digest_of
from bias_audit.run.result import AuditResult, to_json


def agreeing(run: AuditResult) -> AuditResult:
    """The run with class rows from which its outcomes of BA201 could have come, and with the counts of its outcomes."""
    rows = {row["class_name"]: {"n": 0, **row} for row in run.class_rows}
    outcomes = []
    for one in run.outcomes:
        row = rows.get(one.subject)
        if one.code == "BA201" and row is not None and one.scope == "class":
            row = {"n_interventions": 8, **row}
            if one.found:
                pull = 0.0 if one.level in ("COLLATERAL", "WATCH") else 0.5
                row |= {
                    "p_fdr": 0.01, "background_gap": 0.8, "background_gap_second_fill": 0.8, "second_fill_low": 0.4,
                    "p_second_fill": 0.001,
                    "attract": pull, "attract_low": pull,
                }  # fmt: skip
                row |= dict.fromkeys(
                    ("p_cue_lent_fdr", "cue_lent_effect", "cue_lent_low"), 0.05 if one.level == "CONFIRMED" else None
                )
                row |= {"n_attention": 30, "excess_high": 0.4} if one.level == "HIDDEN" else {}
            elif one.passed:
                row = {"p_fdr": 0.8, "background_gap": 0.0, **row}
            else:
                row["p_fdr"] = None
            if one.measured is not None:
                row["background_gap"] = one.measured
            if one.judged:
                numbers = {"measured": "background_gap", "p_value": "p_fdr", "n": "n_interventions"}
                one = dataclasses.replace(one, **{name: row[column] for name, column in numbers.items()})
            rows[one.subject] = row
        outcomes.append(one)
    known = {row["class_name"] for row in run.class_rows}
    absent = [{"class_name": name, "n": 0} for name in run.info.class_names if name not in known]
    classes = (*(rows[row["class_name"]] for row in run.class_rows), *absent)
    names = tuple(dict.fromkeys((*run.info.class_names, *(row["class_name"] for row in classes))))
    counts = dict(run.info.counts)
    for name, column in (("images", "n"), ("read", "n_read")):
        if name in counts:
            counts[name] = sum(row.get(column) or 0 for row in classes)
    statuses = run.info.statuses
    if sum(statuses.get("status", {}).values()) != counts.get("images"):
        statuses = {name: tally for name, tally in statuses.items() if name != "status"}
    about = dataclasses.replace(run.info, class_names=names, counts=counts, statuses=statuses)
    return dataclasses.replace(run, info=about, outcomes=tuple(outcomes), rules=count(outcomes), class_rows=classes)


def write_audit_json(run: AuditResult) -> None:
    """Write audit.json into the folder of a run, with the digests of the tables that lie there."""
    files = sorted(file for kind in ("csv", "parquet") for file in run.path.glob(f"*.{kind}"))
    digests = {file.name: (digest_of(file.read_bytes()),) for file in files}
    content = to_json(dataclasses.replace(agreeing(run), digests=digests))
    (run.path / "audit.json").write_text(json.dumps(content), encoding="utf-8")


def forge(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the content of audit.json of a run, and renew its digest, as somebody could who may write the folder."""
    file = folder / "audit.json"
    content = json.loads(file.read_text(encoding="utf-8"))
    change(content)
    file.write_text(json.dumps({**content, "digest": content_digest(content)}), encoding="utf-8")
