"""Does the audit find the rulers without masks, and acquit the model that saw them everywhere?

    python tests/measurements/ruler_audits.py WORK [--cases NAME...] [--out DIR]

WORK is what `ruler_photos.py` wrote. The installed command audits each model on its test lesions, *without* masks;
the cues it found are held against the truth by intervention and against the outlines of the stamped artefacts. Two
purities are counted: spots whose box shows a piece of the artefact, and spots whose middle lies on it, give or take a
cell's half; beside both stands how often the same boxes in the other photos of the cue would. No assertion: the
table is to be read.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from photo_truth import decode
from ruler_photos import Share

TOP = 20
"""Most typical spots of a cue whose precision is reported: one contact sheet."""

HALF_CELL = 1 / 28
"""Half a cell of a 14 x 14 grid, as a share of the picture: a peak is known no better."""

SHOWS = 0.02
"""Share of a spot's box that the artefact's outline covers at least, when the box shows it: 40 pixels of 2,300."""

SHOWN = 3
"""Cues per model in the table."""


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
    """Audit one model and read what it says about cues, JSON-able."""
    run, model, images = case / "run", case / "model.keras", case / "images"
    if again or not (run / "audit.json").exists():
        command = [str(Path(sys.executable).with_name("bias-audit")), "audit", str(model), str(images)]
        subprocess.run([*command, "--out", str(run), "--overwrite", "--quiet"], check=True)
    truth = json.loads((case / "truth.json").read_text())
    outcomes = json.loads((run / "audit.json").read_text())["outcomes"]
    cues, spots = pd.read_csv(run / "cues.csv"), pd.read_csv(run / "cue_spots.csv")
    outlines = read_outlines(case / "stamps")
    rows = []
    for cue in cues.to_dict("records"):
        own = spots[spots["cue_id"] == cue["cue_id"]].sort_values("rank")
        shown, hit, chances = on_stamp(own, outlines)
        rows.append(
            {
                **{name: cue[name] for name in COLUMNS},
                "spots": len(own),
                "shows": asdict(Share.among(shown)),
                "shows_top": asdict(Share.among(shown[:TOP])),
                "hits": asdict(Share.among(hit)),
                "by_chance": chances,
            }
        )
    return {
        "marked_class": truth["marked_class"],
        "relies": truth["relies"],
        "cues": rows,
        "outcomes": [
            {name: outcome[name] for name in ("code", "subject", "status", "level", "sentence")}
            for outcome in outcomes
            if outcome["code"] == "BA302"
        ],
    }


def read_outlines(folder: Path) -> dict[str, NDArray[np.bool_]]:
    """Where the artefact of a photo lies, (H, W), by class/stem; all False without one."""
    return {
        f"{path.parent.name}/{path.stem}": decode(path, cv2.IMREAD_GRAYSCALE) > 0
        for path in sorted(folder.glob("*/*.png"))
    }


def on_stamp(
    spots: pd.DataFrame, outlines: dict[str, NDArray[np.bool_]]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], tuple[float, float]]:
    """Which spots (n,) show an artefact, which have their middle on it, and both shares for boxes in swapped photos."""
    photos = [outlines[str(Path(name).with_suffix(""))] for name in spots["image_id"]]
    boxes = spots[["x", "y", "width", "height"]].to_numpy()
    middles = np.column_stack([boxes[:, :2], np.full((len(boxes), 2), 2 * HALF_CELL)])
    shown = np.array([[covered(photo, box) >= SHOWS for box in boxes] for photo in photos])
    hit = np.array([[covered(photo, box) > 0 for box in middles] for photo in photos])
    return shown.diagonal(), hit.diagonal(), (float(shown.mean()), float(hit.mean()))


def covered(outline: NDArray[np.bool_], box: NDArray[np.float64]) -> float:
    """Share of a box (x, y of its middle, width, height, in shares of the picture) inside the outline."""
    height, width = outline.shape
    x, y, wide, tall = box
    top, bottom = (int(np.clip(round((y + side * tall / 2) * height), 0, height)) for side in (-1, 1))
    left, right = (int(np.clip(round((x + side * wide / 2) * width), 0, width)) for side in (-1, 1))
    return float(outline[top:bottom, left:right].mean())


def table(results: dict[str, dict[str, Any]]) -> str:
    """Markdown: the first cues of every model, then what the rules say."""
    lines = [
        "| model | relies | rank | cue | tied to | images | lift | p tied | erase | paste | turned "
        "| p erase, paste | spots that show the artefact | of the top 20 | by chance | middle on it | by chance |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, result in results.items():
        for rank, row in enumerate(result["cues"][:SHOWN], start=1):
            lines.append(
                f"| {name} | {result['relies']} | {rank} | {row['cue_id']} | {row['class_name']} | {row['n']} "
                f"| {row['lift']:.2f} | {row['p_tied']:.4f} | {row['erase_effect']:.2f} | {row['paste_effect']:.2f} "
                f"| {row['turned']:.2f} | {row['p_erase_fdr']:.4f}, {row['p_paste_fdr']:.4f} | {Share(**row['shows'])} "
                f"| {Share(**row['shows_top']).rate:.2f} | {row['by_chance'][0]:.2f} "
                f"| {Share(**row['hits']).rate:.2f} | {row['by_chance'][1]:.2f} |"
            )
    for name, result in results.items():
        lines.append(f"\n{name} (truth: relies on it: {result['relies']}; planted on {result['marked_class']})")
        lines += [
            f"- {outcome['code']} {outcome['subject']}: {outcome['level'] or outcome['status']}. {outcome['sentence']}"
            for outcome in result["outcomes"]
        ]
    return "\n".join(lines)


COLUMNS = (
    "cue_id",
    "class_name",
    "n",
    "lift",
    "p_tied",
    "erase_effect",
    "paste_effect",
    "turned",
    "turned_control",
    "p_erase_fdr",
    "p_paste_fdr",
)


if __name__ == "__main__":
    main()
