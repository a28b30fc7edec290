"""Does the audit find the rulers without masks, and acquit the model that saw them everywhere?

    python tests/benchmarks/ruler_audits.py WORK [--cases NAME...] [--out DIR]

WORK is what `ruler_photos.py` wrote. The installed command audits each model on its test lesions, *without* masks;
the clusters it found are held against the truth by intervention and against the outlines of the stamped artefacts. A
spot counts as a hit when its middle lies on the outline, widened by half a cell of a 28 x 28 grid; beside it stands
how often equally many spots at the same places of other photos would hit. No assertion: the table is to be read.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from photo_truth import decode
from ruler_photos import Share

TOP = 20
"""Most typical spots of a cluster whose precision is reported: one contact sheet."""

TOLERANCE = 1 / 56
"""Half a cell of a 28 x 28 grid, as a share of the picture."""

SHOWN = 3
"""Clusters per model in the table."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("work", type=Path)
    parser.add_argument("--cases", nargs="+", metavar="NAME", help="such as ruler_planted; default: all in WORK")
    parser.add_argument("--out", type=Path, help="folder for ruler_audits.json and ruler_audits.md")
    parser.add_argument("--again", action="store_true", help="audit anew where a finished run folder is found")
    options = parser.parse_args()
    cases = options.cases or [path.parent.name for path in sorted(options.work.glob("*/truth.json"))]
    results = {case: verdict(options.work / case, again=options.again) for case in cases}
    print(table(results))
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / "ruler_audits.json").write_text(json.dumps(results, indent=1))
        (options.out / "ruler_audits.md").write_text(table(results) + "\n")


def verdict(case: Path, *, again: bool) -> dict[str, Any]:
    """Audit one model and read what it says about clusters, JSON-able."""
    run, model, images = case / "run", case / "model.keras", case / "images"
    if again or not (run / "audit.json").exists():
        command = [str(Path(sys.executable).with_name("bias-audit")), "audit", str(model), str(images)]
        subprocess.run([*command, "--out", str(run), "--overwrite", "--quiet"], check=True)
    truth = json.loads((case / "truth.json").read_text())
    outcomes = json.loads((run / "audit.json").read_text())["outcomes"]
    clusters, spots = pd.read_csv(run / "clusters.csv"), pd.read_csv(run / "cluster_spots.csv")
    outlines = read_outlines(case / "stamps")
    rows = []
    for cluster in clusters.to_dict("records"):
        own = spots[spots["cluster_id"] == cluster["cluster_id"]].sort_values("rank")
        hits, expected = on_stamp(own, outlines)
        rows.append(
            {
                **{name: cluster[name] for name in COLUMNS},
                "spots": len(own),
                "hits": Share.among(hits).__dict__,
                "hits_top": Share.among(hits[:TOP]).__dict__,
                "expected": expected,
            }
        )
    return {
        "marked_class": truth["marked_class"],
        "relies": truth["relies"],
        "clusters": rows,
        "outcomes": [
            {name: outcome[name] for name in ("code", "subject", "status", "level", "sentence")}
            for outcome in outcomes
            if outcome["code"].startswith("BA3")
        ],
    }


@dataclass(frozen=True)
class Outline:
    """(H, W) where the artefact of a photo lies, widened by TOLERANCE; all False without one."""

    inside: NDArray[np.bool_]

    def holds(self, x: float, y: float) -> bool:
        """Whether the point, in shares of width and height, lies on it."""
        height, width = self.inside.shape
        return bool(self.inside[min(int(y * height), height - 1), min(int(x * width), width - 1)])


def read_outlines(folder: Path) -> dict[str, Outline]:
    """By class/stem."""
    result = {}
    for path in sorted(folder.glob("*/*.png")):
        drawn = (decode(path, cv2.IMREAD_GRAYSCALE) > 0).astype(np.uint8)
        reach = (round(TOLERANCE * drawn.shape[0]), round(TOLERANCE * drawn.shape[1]))
        kernel = np.ones((2 * reach[0] + 1, 2 * reach[1] + 1), np.uint8)
        result[f"{path.parent.name}/{path.stem}"] = Outline(cv2.dilate(drawn, kernel) > 0)
    return result


def on_stamp(spots: pd.DataFrame, outlines: dict[str, Outline]) -> tuple[NDArray[np.bool_], float]:
    """Which spots (n,) lie on an artefact, and the share expected of the same places in the photos of all spots."""
    photos = [outlines[str(Path(name).with_suffix(""))] for name in spots["image_id"]]
    places = list(zip(spots["x"], spots["y"], strict=True))
    hits = [outline.holds(*place) for outline, place in zip(photos, places, strict=True)]
    swapped = [outline.holds(*place) for outline in photos for place in places]
    return np.array(hits, bool), float(np.mean(swapped)) if swapped else float("nan")


def table(results: dict[str, dict[str, Any]]) -> str:
    """Markdown: the first clusters of every model, then what the rules say."""
    lines = [
        "| model | relies | rank | cluster | tied to | images | lift | p tied | erase | paste | turned | p proof "
        "| spots on the artefact | of the top 20 | by chance |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, result in results.items():
        for rank, row in enumerate(result["clusters"][:SHOWN], start=1):
            lines.append(
                f"| {name} | {result['relies']} | {rank} | {row['cluster_id']} | {row['class_name']} | {row['n']} "
                f"| {row['lift']:.2f} | {row['p_tied']:.4f} | {row['erase_effect']:.2f} | {row['paste_effect']:.2f} "
                f"| {row['turned']:.2f} | {row['p_fdr']:.4f} | {Share(**row['hits'])} "
                f"| {Share(**row['hits_top']).rate:.2f} | {row['expected']:.2f} |"
            )
    for name, result in results.items():
        lines.append(f"\n{name} (truth: relies on it: {result['relies']}; planted on {result['marked_class']})")
        lines += [
            f"- {outcome['code']} {outcome['subject']}: {outcome['level'] or outcome['status']}. {outcome['sentence']}"
            for outcome in result["outcomes"]
        ]
    return "\n".join(lines)


COLUMNS = (
    "cluster_id",
    "class_name",
    "n",
    "lift",
    "p_tied",
    "erase_effect",
    "paste_effect",
    "turned",
    "turned_control",
    "p_fdr",
)


if __name__ == "__main__":
    main()
