"""The run that `tests/run/version_2.zip` holds, as the code of format version 2 wrote it, and its twin of today.

The zip was made by this file, run with the code of commit 96a9046, the last one of that version:
`PYTHONPATH=OLD:OLD/tests python tests/older_run.py tests/run/version_2.zip`.
"""

from __future__ import annotations

import datetime
import json
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from agreeing import write_audit_json
from made_run import HUSKY, NAMES, Parts, info, made_parts, write_parts

from bias_audit.checks.outcomes import RuleOutcome
from bias_audit.run import tables
from bias_audit.run.result import load

TODAY = {
    "cues": "cues", "cue_spots": "cue_spots", "cue_id": "cue_id", "whole_photo": "whole_photo", "property": "property",
    "properties": "properties", "cue": "cue", "group_by": "group_by", "invalid_exchanges": "invalid_exchanges",
    "n_units": "n_units", "cues.json": "cues.json", "whole_photo.npz": "whole_photo.npz",
}  # fmt: skip
THEN = {
    "cues": "clusters", "cue_spots": "cluster_spots", "cue_id": "cluster_id", "whole_photo": "probes",
    "property": "probe", "properties": "probes", "cue": "cluster", "group_by": "cluster",
    "invalid_exchanges": "invalid_probes", "n_units": "n_clusters", "cues.json": "clusters.json",
    "whole_photo.npz": "probes.npz",
}  # fmt: skip
"""Name of today -> the name in a run, written by hand from the code of then."""

PROVED, OTHER = "husky-abc123", "husky-def456"
IMAGES = tuple(f"{HUSKY}/{NAMES[i]}" for i in (0, 1, 7))
NUMBERS = {
    "n": 12, "class_share": 0.75, "class_share_low": 0.5, "class_share_high": 0.9, "proof_status": "ok", "n_proof": 20,
    "erase_effect": 0.3, "erase_low": 0.2, "erase_high": 0.4, "p_erase_fdr": 0.001, "odds_ratio": 6.0,
    "odds_ratio_low": 2.0, "odds_ratio_high": 18.0,
}  # fmt: skip


def parts(name: dict[str, str]) -> Parts:
    """Patients, two recurring cues of which one is proved, and a property of the whole photo."""
    made = made_parts()
    for number, row in enumerate(made.images):
        row["content"], row["patient"] = f"{number:016x}", f"p{number // 2}"
    for row in made.classes:
        row[name["n_units"]] = 4
        row[f"{name['n_units']}_grown_holes"] = None if row["class_name"] == HUSKY else 3
    counts = {**info().counts, name["invalid_exchanges"]: 2}
    made.info = info(content="da7a" * 16, config={**info().config, name["group_by"]: "patient"}, counts=counts)
    about: list[dict[str, Any]] = [
        {name["cue_id"]: PROVED, "class_name": HUSKY, **NUMBERS},
        {name["cue_id"]: OTHER, "class_name": HUSKY, "n": 4, "proof_status": "not tied to a class"},
    ]
    spots = [
        {name["cue_id"]: cue, "image_id": image, "rank": rank, "x": 0.1, "y": 0.9, "width": 0.2, "height": 0.2}
        for cue in (PROVED, OTHER)
        for rank, image in enumerate(IMAGES, start=1)
    ]
    exchanged = [
        {name["property"]: "colour", "class_name": HUSKY, "n": 8, "attract": 0.4, "attract_low": 0.2, "reason": "ok"}
    ]
    for table, rows in (("cues", about), ("cue_spots", spots), ("whole_photo", exchanged)):
        setattr(made, name[table], rows)
    made.outcomes = (
        *made.outcomes,
        RuleOutcome(
            "BA301", "global cue", "class", HUSKY, "found", "It follows the colour.", "SUSPICIOUS", measured=0.4,
            low=0.2, high=0.6, n=8,
            evidence={"class_name": HUSKY, name["property"]: "colour", name["properties"]: "colour"},
        ),
        RuleOutcome(
            "BA302", "recurring cue", name["cue"], PROVED, "found", "It moves.", "CONFIRMED", measured=0.3,
            low=0.2, high=0.4, n=20, image_ids=IMAGES, evidence={"class_name": HUSKY, "title": f"cue 1 of {HUSKY}"},
        ),
    )  # fmt: skip
    assert made.pictures is not None
    crop = {**made.pictures["images"][IMAGES[0]], "image_id": IMAGES[0]}
    made.pictures[name["cues"]] = {PROVED: {"crops": [crop], "shots": [], "hosts": 0}}
    return made


def write(folder: Path, name: dict[str, str]) -> Path:
    """Write the run with its CSV files, and the shard of the cues, as an audit does."""
    write_parts(parts(name), folder)
    result = load(folder)
    for table in ("images", "classes", name["cues"], name["cue_spots"], name["whole_photo"]):
        for file, data in tables.table_files(table, result.table(table)).items():
            (folder / file).write_bytes(data)
    (folder / "shards").mkdir()
    rows: dict[str, Any] = {"cues": [{name["cue_id"]: PROVED}], "spots": [{name["cue_id"]: PROVED}]}
    found = {name["cues"]: rows["cues"], "spots": rows["spots"], "pictures": {}, "reason": "no heatmaps", "invalid": 0}
    (folder / "shards" / name["cues.json"]).write_text(json.dumps(found))
    write_audit_json(load(folder))
    return folder


def _main(out: Path) -> None:
    """Write the zip: the run of then, decisions about its cues, and what the code of then said of it."""
    from bias_audit.compare.compared import compare
    from bias_audit.gate.running import gate_run
    from bias_audit.review.decisions import Decision, add
    from bias_audit.review.targets import findings_and_cues

    with tempfile.TemporaryDirectory() as temporary:
        folder = write(Path(temporary) / "run", THEN)
        result = load(folder)
        targets = findings_and_cues(result)
        for target in targets.values():
            if target.kind == THEN["cue"]:
                decision = Decision(
                    target.kind, target.key, "legitimate context", "snow", "Ada", "2026-01-03T00:00:00+00:00",
                    target.subject, "2026-06-01", target.code, target.measured, target.low, target.high,
                )  # fmt: skip
                add(folder, decision, data=result.info.content)
        again = load(folder)
        rows = gate_run(again, today=datetime.date(2026, 2, 1)).rows
        said = {
            "level": again.level,
            "verdict": again.verdict,
            "gate": [[r.scope, r.subject, r.check, r.measured, r.low, r.high, r.status, r.finding_id] for r in rows],
            "targets": [[t.kind, t.key, t.subject] for t in targets.values()],
            "compared": compare(again, again).headline,
        }
        (folder / "said.json").write_text(json.dumps(said, indent=1))
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in sorted(path for path in folder.rglob("*") if path.is_file()):
                archive.write(file, file.relative_to(folder))


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
