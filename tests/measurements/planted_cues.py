"""Recurring cues in planted worlds: are they found, pure, tied to the right class and proved? Are clean nets spared?

    python tests/measurements/planted_cues.py WORK [--seeds 5 6 7 8 9] [--without-masks]

WORK is the folder `work` that `bias-audit benchmark` leaves: its networks are audited again, with discovery and without
the interventions on objects. Worlds: a tag in the corner or anywhere and a ruler at rho >= .9, their null twins, clean
nets. A spot is on the cue when at least 8 pixels of its square differ from the same scene without cue. The average
precision is that of the 20 most typical spots of the strongest cue of the guilty class.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from bias_audit.pipeline.audit import audit
from bias_audit.planted import shapes
from bias_audit.planted.benchmark import grid
from bias_audit.planted.benchmark.truth import POSITIVE
from bias_audit.planted.benchmark.unit import MODEL, SETTINGS, TRUTH, unit_folder, write_photos
from bias_audit.stats import wilson

CUES = ("corner_tag", "wandering_tag", "ruler")
TYPICAL, LEAST_PIXELS, DIFFERENT = 20, 8, 12


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("work", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(grid.REPORT_SEEDS))
    parser.add_argument("--without-masks", action="store_true")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    rows = []
    for seed in options.seeds:
        for case in grid.cases(seed):
            if (kind := kind_of(case)) and (unit_folder(case, options.work) / MODEL).is_file():
                rows.append({"kind": kind, **one(case, options.work, not options.without_masks)})
                print(json.dumps(rows[-1]), flush=True)
    report(rows, "without masks" if options.without_masks else "with masks")


def kind_of(case: grid.Case) -> str:
    """ "planted", "innocent" or "" for a world that says nothing here."""
    if case.kind == "planted" and case.plan.cue in CUES and case.plan.rho >= 0.9:
        return "planted"
    innocent = case.kind == "clean" or (case.kind in ("null", "two_classes_null") and case.plan.cue in CUES)
    return "innocent" if innocent else ""


def one(case: grid.Case, work: Path, masked: bool) -> dict[str, Any]:
    """What the audit says about the cues of one network."""
    folder = unit_folder(case, work)
    split = shapes.draw_split(case.plan, "test", SETTINGS["test"], seed=case.seed)
    names = case.plan.classes
    reliance = json.loads((folder / TRUTH).read_text(encoding="utf-8"))["reliance"]
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        write_photos(split, names, Path(scratch))
        masks = Path(scratch) / "masks" if masked else None
        run = audit(
            folder / MODEL, Path(scratch) / "images", masks=masks, out=Path(scratch) / "run",
            interventions=0, probes=0, leakage=0,
        )  # fmt: skip
        cues, spots = run.cues, run.cue_spots
        found = [outcome for outcome in run.outcomes if outcome.code == "BA302" and outcome.status == "found"]
    guilty = [names[label] for label in case.plan.guilty]
    own = cues[cues["class_name"].isin(guilty)]
    on = on_cue(case, split, spots[spots["cue_id"] == own.index[0]].head(TYPICAL)) if len(own) else []
    confirmed = [str(outcome.evidence["class_name"]) for outcome in found]
    return {
        "name": case.name,
        "reliance": max((max(each["sufficiency"], each["necessity"]) for each in reliance), default=0.0),
        "guilty": guilty,
        "cues": len(cues),
        "first": str(cues["class_name"].iloc[0]) if len(cues) else None,
        "precision": float(np.mean(on)) if on else None,
        "confirmed": confirmed,
        "seconds": round(time.monotonic() - start, 1),
    }


def on_cue(case: grid.Case, split: shapes.Split, spots: Any) -> list[bool]:
    """Whether each spot shows the planted cue."""
    hits = []
    for spot in spots.itertuples():
        place = int(Path(spot.image_id).stem)
        if split.owners[place] < 0:
            hits.append(False)
            continue
        label = int(split.labels[place])
        bare, _ = shapes.expose(shapes.base_scene(case.plan, "test", label, place % SETTINGS["test"], seed=case.seed))
        cue = (np.abs(bare.astype(int) - split.images[place]) > DIFFERENT).any(axis=-1)
        rows, columns = (
            slice(max(0, round((middle - side / 2) * shapes.SIDE)), round((middle + side / 2) * shapes.SIDE))
            for middle, side in ((spot.y, spot.height), (spot.x, spot.width))
        )
        hits.append(int(cue[rows, columns].sum()) >= LEAST_PIXELS)
    return hits


def report(rows: list[dict[str, Any]], how: str) -> None:
    planted = [row for row in rows if row["kind"] == "planted"]
    relied = [row for row in planted if row["reliance"] >= POSITIVE]
    innocent = [row for row in rows if row["kind"] == "innocent"]
    precisions = [row["precision"] or 0.0 for row in relied]
    print(f"\n{how}: {len(planted)} planted nets, of which {len(relied)} rely on the cue (>= {POSITIVE})")
    print(f"precision at {TYPICAL}: mean {np.mean(precisions):.3f}, lowest {np.min(precisions):.2f}")
    print(rate("the strongest cue is the guilty class's", [row["first"] in row["guilty"] for row in relied]))
    print(rate("the guilty class's is CONFIRMED", [bool(set(row["guilty"]) & set(row["confirmed"])) for row in relied]))
    print(rate("another class's is CONFIRMED", [bool(set(row["confirmed"]) - set(row["guilty"])) for row in relied]))
    print(rate("CONFIRMED in clean and null nets", [bool(row["confirmed"]) for row in innocent]))
    print(f"median {np.median([row['seconds'] for row in rows]):.1f} s per audit of 400 photos")


def rate(what: str, hits: list[bool]) -> str:
    low, high = wilson(sum(hits), len(hits))
    return f"{what}: {sum(hits)} of {len(hits)} [{low:.2f}, {high:.2f}]"


if __name__ == "__main__":
    main()
