"""Networks of planted worlds before and after a repair: the benchmark's own truth, not only what the audits say.

    python tests/measurements/repaired_units.py WORK [--seeds 10 ... 19] [--most 16] [--train 60] [--cues CUE ...]
    python tests/measurements/repaired_units.py WORK --honest [--most 20]

WORK is the folder `work` that `bias-audit benchmark` leaves. Networks that rely on a planted cue (by their
`truth.json`) are audited on the benchmark's test photos and, where that convicts them, repaired with the first photos
of each class that they were trained on. Cues take turns, in an order that the hash of each case gives. With --honest it
takes networks of worlds without any cue of a class, and repairs by force: what is lost where nothing was to be
repaired?

The truth (`planted.benchmark.truth`): the share of other classes' scenes that the cue turns into the class
(sufficiency), and the recall that the class loses without it (necessity), on scenes that neither refit nor audit saw.
A line of JSON per network, then the rates, and the networks from the worst on.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

import bias_audit
from bias_audit.checks.outcomes import class_of
from bias_audit.data.sampling import in_turn
from bias_audit.models.doors import load_model
from bias_audit.planted import shapes
from bias_audit.planted.benchmark import grid, truth
from bias_audit.planted.benchmark.unit import MODEL, SETTINGS, TRUTH, unit_folder, write_photos
from bias_audit.repair.evidence import accusing
from bias_audit.repair.proof import IMPROVED, NOT_REPAIRED, NOTHING, REPAIRED
from bias_audit.run.result import AuditResult
from bias_audit.stats import wilson

RUNS = ("before", "control", "after")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("work", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(grid.REPORT_SEEDS))
    parser.add_argument("--most", type=int, default=10**6, help="networks")
    parser.add_argument("--skip", type=int, default=0, help="networks at the beginning that are left out")
    parser.add_argument("--train", type=int, default=60, help="training photos of each class")
    parser.add_argument("--cues", nargs="+", help="only networks of worlds with one of these cues")
    parser.add_argument("--honest", action="store_true", help="networks without a cue, by force")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    rows: list[dict[str, Any]] = []
    for case in chosen(options):
        rows.append(one(case, options))
        print(json.dumps(rows[-1]), flush=True)
    (report_honest if options.honest else report)([row for row in rows if "after" in row["accuracy"]])


def chosen(options: argparse.Namespace) -> list[grid.Case]:
    """The networks, cues in turn."""
    cases = sorted(candidates(options), key=grid.Case.digest)
    kinds = sorted({f"{case.kind} {case.plan.cue}" for case in cases})
    codes = np.array([kinds.index(f"{case.kind} {case.plan.cue}") for case in cases], np.intp)
    return [cases[place] for place in in_turn(list(range(len(cases))), codes)][options.skip :][: options.most]


def candidates(options: argparse.Namespace) -> Iterator[grid.Case]:
    for case in (each for seed in options.seeds for each in grid.cases(seed)):
        if options.cues and case.plan.cue not in options.cues:
            continue
        folder = unit_folder(case, options.work)
        if not (folder / MODEL).is_file():
            continue
        if options.honest:
            if case.kind in grid.TWIN_KINDS:
                yield case
        elif case.kind not in (*grid.CLEAN_KINDS, *grid.SEPARATE):
            told = json.loads((folder / TRUTH).read_text(encoding="utf-8"))["reliance"]
            own = [max(each["sufficiency"], each["necessity"]) for each in told if each["label"] in case.plan.culprits]
            if max(own) >= truth.POSITIVE:
                yield case


def one(case: grid.Case, options: argparse.Namespace) -> dict[str, Any]:
    """What a repair did to one network."""
    model, start = unit_folder(case, options.work) / MODEL, time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        for split, count in (("test", case.test), ("train", options.train)):
            write_photos(shapes.draw_split(case.plan, split, count, seed=case.seed), case.plan.classes, root / split)
        run = bias_audit.audit(model, root / "test" / "images", masks=root / "test" / "masks", out=root / "run")
        made = run.repair(model, root / "train" / "images", root / "train" / "masks", force=options.honest)
        audits = {"before": run} | ({} if made.control is None else {"control": made.control, "after": made.run})
        accused = sorted({class_of(each) for each in accusing(run.outcomes)} & set(case.plan.classes))
        said: dict[str, Any] = {
            "name": case.name,
            "verdict": made.verdict,
            "said": made.sentence,
            "accused": accused,
            "accuracy": {name: round(float(each.images["correct"].mean()), 4) for name, each in audits.items()},
            "gap": {name: gap(each, accused) for name, each in audits.items()},
            "findings": {
                name: sorted(f"{found.code} {class_of(found)} {found.level}" for found in accusing(each.outcomes))
                for name, each in audits.items()
            },
            "truth": {"before": effect(case, model)},
        }
        if made.model is not None and made.made is not None:
            said["truth"]["after"] = effect(case, made.model)
            said |= {"against": made.made.against, "strength": made.made.strength, "notes": made.made.notes}
    return said | {"seconds": round(time.monotonic() - start)}


def gap(run: AuditResult, accused: list[str]) -> float | None:
    """Mean background gap of the classes with a finding above WATCH before; None where none of them has one."""
    found = [row["background_gap"] for row in run.class_rows if row["class_name"] in accused]
    known = [float(each) for each in found if each is not None and np.isfinite(float(each))]
    return round(float(np.mean(known)), 3) if known else None


def effect(case: grid.Case, file: Path) -> dict[str, float]:
    """Largest sufficiency and necessity over the guilty classes; {} in a world without any."""
    if not case.plan.culprits:
        return {}
    model = load_model(file, bias_audit.AuditConfig(), case.plan.classes)

    def predict(images: np.ndarray) -> np.ndarray:
        return model.predict(images.astype(np.float32)).best

    found = truth.measure(case.plan, predict, per_class=SETTINGS["probe"], seed=case.seed)
    own = [each for each in found if each.label in case.plan.culprits]
    return {
        name: round(max(getattr(each, name) for each in own), 3)
        for name in ("sufficiency", "necessity", "victim_loss", "without_cue")
    }


def report(rows: list[dict[str, Any]]) -> None:
    """Rates over the convicted networks, and all of them from the worst on."""
    counts = Counter(row["verdict"] for row in rows)
    print(f"\n{len(rows)} convicted networks")
    for verdict in (REPAIRED, IMPROVED, NOT_REPAIRED, NOTHING):
        if counts[verdict] or verdict != NOTHING:
            print(f"{verdict}: {rate(counts[verdict], len(rows))}")
    gaps = [row["gap"] for row in rows if all(row["gap"].get(name) is not None for name in RUNS)]
    print(f"mean gap of the classes with a finding above WATCH ({len(gaps)} networks): {means(gaps)}")
    print(f"accuracy: {means([row['accuracy'] for row in rows])}")
    for name in ("sufficiency", "necessity", "without_cue"):
        pairs = [{when: row["truth"][when][name] for when in ("before", "after")} for row in rows]
        print(f"{name}: {means(pairs)}")
    halved = [reliance(row, "after") <= 0.5 * reliance(row, "before") for row in rows]
    print(f"true reliance at most half: {rate(sum(halved), len(halved))}")
    for row in sorted(rows, key=badness, reverse=True):
        true = " -> ".join(f"{reliance(row, when):.2f}" for when in ("before", "after"))
        accuracy = " / ".join(f"{row['accuracy'][name]:.3f}" for name in RUNS)
        print(f"{row['name']}: {row['verdict']}; true reliance {true}; accuracy {accuracy}; {row['findings']['after']}")


def reliance(row: dict[str, Any], when: str) -> float:
    return max(row["truth"][when]["sufficiency"], row["truth"][when]["necessity"])


def badness(row: dict[str, Any]) -> tuple[int, float]:
    order = [REPAIRED, IMPROVED, NOT_REPAIRED]
    return order.index(row["verdict"]) if row["verdict"] in order else -1, reliance(row, "after")


def report_honest(rows: list[dict[str, Any]]) -> None:
    """What a forced repair of networks without any cue of a class costs."""
    clear = [not set(row["findings"]["after"]) - set(row["findings"]["before"]) for row in rows]
    changes = [row["accuracy"]["after"] - row["accuracy"]["before"] for row in rows]
    print(f"\n{len(rows)} networks that rely on no cue of a class, repaired by force")
    print(f"no new finding above WATCH: {rate(sum(clear), len(clear))}")
    print(f"accuracy: {means([row['accuracy'] for row in rows])}; change {min(changes):+.3f} to {max(changes):+.3f}")
    print(f"accuracy at most one point lower: {rate(sum(round(each, 4) >= -0.01 for each in changes), len(changes))}")
    for row in sorted(rows, key=lambda each: each["accuracy"]["after"] - each["accuracy"]["before"]):
        accuracy = " / ".join(f"{row['accuracy'][name]:.3f}" for name in RUNS)
        print(f"{row['name']}: accuracy {accuracy}; {row['findings']['after']}")


def means(found: list[dict[str, float]]) -> str:
    names = [name for name in RUNS if found and name in found[0]]
    return ", ".join(f"{name} {np.mean([each[name] for each in found]):.3f}" for name in names)


def rate(hits: int, n: int) -> str:
    low, high = wilson(hits, n)
    return f"{hits} of {n} [{low:.2f}, {high:.2f}]"


if __name__ == "__main__":
    main()
