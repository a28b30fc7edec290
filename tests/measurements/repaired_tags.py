"""Planted tags before and after a repair: does the true effect of the tag fall by at least half?

    python tests/measurements/repaired_tags.py WORK [--seeds 0 1 2] [--train 60] [--honest]

WORK is the folder `work` that `bias-audit benchmark` leaves. Its networks that were trained with a tag of one class are
audited on the benchmark's test photos, and repaired with the first photos of each class that they were trained on. The
effect is the truth of the benchmark (`planted.benchmark.truth`): the share of other classes' scenes that the tag turns
into the class (sufficiency), and the recall that the class loses without it (necessity). With --honest it takes the
networks of worlds without any cue of a class, and repairs by force: what is lost where nothing was to be repaired?
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np

import bias_audit
from bias_audit.models.doors import load_model
from bias_audit.planted import shapes
from bias_audit.planted.benchmark import grid, truth
from bias_audit.planted.benchmark.unit import MODEL, SETTINGS, unit_folder, write_photos

TAGS = ("corner_tag", "wandering_tag")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("work", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--train", type=int, default=60, help="training photos of each class")
    parser.add_argument("--honest", action="store_true", help="networks without a cue, by force")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    for seed in options.seeds:
        for case in grid.cases(seed):
            honest = case.kind in grid.TWIN_KINDS
            wanted = honest if options.honest else case.plan.cue in TAGS and not honest
            if wanted and case.masks == grid.COMPLETE and (unit_folder(case, options.work) / MODEL).is_file():
                print(json.dumps(one(case, options)), flush=True)


def one(case: grid.Case, options: argparse.Namespace) -> dict[str, Any]:
    """What a repair did to one network."""
    model = unit_folder(case, options.work) / MODEL
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        for split, count in (("test", SETTINGS["test"]), ("train", options.train)):
            write_photos(shapes.draw_split(case.plan, split, count, seed=case.seed), case.plan.classes, root / split)
        run = bias_audit.audit(model, root / "test" / "images", masks=root / "test" / "masks", out=root / "run")
        made = run.repair(model, root / "train" / "images", root / "train" / "masks", force=options.honest)
        said: dict[str, Any] = {"name": case.name, "said": made.sentence, "before": effect(case, model)}
        if made.model is not None and made.made is not None and made.control is not None:
            runs = {"before": run, "control": made.control, "after": made.run}
            said |= {
                "after": effect(case, made.model),
                "against": made.made.against,
                "pictures": made.made.pictures,
                "accuracy": {name: round(float(each.images["correct"].mean()), 3) for name, each in runs.items()},
                "pasted": {
                    name: round(float(each.cues["paste_effect"].astype(float).max()), 3) for name, each in runs.items()
                },
                "findings": {
                    name: sorted(f"{found.code} {found.subject} {found.level}" for found in each.found())
                    for name, each in runs.items()
                },
            }
    return said


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


if __name__ == "__main__":
    main()
