"""How often the rules of triage (WATCH of BA101, BA102, BA202, BA204) speak in clean worlds, with all rules on.

Trains the clean and null worlds of the benchmark's tuning seeds (no report seed is touched), audits them as a user
would, and counts. What is trained and audited stays in the folder; audits are judged again by the present code.

    OMP_NUM_THREADS=1 python tests/measurements/clean_watch.py FOLDER
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import bias_audit
from bias_audit import stats
from bias_audit.pipeline.rescore import rescore
from bias_audit.planted.benchmark import grid, unit
from bias_audit.planted.shapes import draw_split

WATCHED = ("BA101", "BA102", "BA202", "BA204")
KINDS = ("clean", "null", "two_classes_null", "tiny")


def chosen() -> list[grid.Case]:
    """The clean worlds of the tuning seeds; of the null twins two per seed, so that every cue is among them."""
    cases = []
    for seed in grid.TUNING_SEEDS:
        cues = [grid.CUES[(seed + step) % len(grid.CUES)] for step in (0, 2)]
        cases += [
            case
            for case in grid.cases(seed)
            if case.kind in KINDS and (case.kind != "null" or case.plan.cue in cues)
        ]  # fmt: skip
    return cases


def audited(case: grid.Case, folder: Path) -> Path:
    """The run folder of a case; trains and audits where that was not done."""
    run = folder / "run"
    if not (run / "audit.json").exists():
        folder.mkdir(parents=True, exist_ok=True)
        unit._trained(case, folder)
        if not (folder / "images").exists():
            unit.write_photos(
                draw_split(case.plan, "test", grid.SETTINGS["test"], seed=case.seed), case.plan.classes, folder
            )
        bias_audit.audit(folder / unit.MODEL, folder / "images", masks=folder / "masks", out=run, overwrite=True)
    return run


def main(folder: Path) -> None:
    spoke: Counter[str] = Counter()
    cases = chosen()
    for case in cases:
        run = audited(case, folder / case.name)
        result = rescore(run, out=folder / case.name / "again", overwrite=True)
        codes = {each.code for each in result.found() if each.code in WATCHED and each.level == "WATCH"}
        spoke.update([*codes, *(["any"] if codes else [])])
        print(case.name, *sorted(codes), flush=True)
    low, high = stats.wilson(spoke["any"], len(cases))
    print(f"any of {', '.join(WATCHED)}: {spoke['any']} of {len(cases)} [{low:.2f}, {high:.2f}]; {dict(spoke)}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
