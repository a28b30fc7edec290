"""A run folder written by hand: three classes, known numbers, and names that try to break the page."""

from __future__ import annotations

import base64
import dataclasses
import functools
import io
import json
import pickle
from pathlib import Path
from typing import Any

import pandas as pd
from agreeing import agreeing, write_audit_json
from PIL import Image

from bias_audit.checks.outcomes import RuleOutcome
from bias_audit.run.result import AuditResult, RunInfo, load
from bias_audit.run.schema import TABLES

HUSKY, WOLF, HOSTILE = "husky", "wölf 🐺", "</script><script>alert('label')</script>"
CLASSES = (HUSKY, WOLF, HOSTILE)

NAMES = (
    "<img src=x onerror=alert(1)>.jpg",
    "ümläut 🐕 näme.jpg",
    "\"double\" & 'single' quotes.jpg",
    "</style><script>alert(2)</script>.jpg",
    "{{ 7 * 7 }}{% raise %}.jpg",
    "right to left \u202egpj.exe.jpg",
    "javascript:alert(3).jpg",
    "plain.jpg",
)

DTYPES = {"string": "str", "float": "float64", "int": "Int64", "bool": "boolean"}


def table(name: str, rows: list[dict[str, Any]]) -> pd.DataFrame:
    """A table of the schema; columns that a row does not give are missing."""
    columns = {
        column.name: pd.Series(
            [row.get(column.name, "" if column.kind == "string" else None) for row in rows], dtype=DTYPES[column.kind]
        )
        for column in TABLES[name]
    }
    return pd.DataFrame(columns)


@functools.lru_cache(maxsize=64)
def parquet(name: str, rows: bytes) -> bytes:
    """A table as it lies in a run; rows are pickled, so that most runs, which share most tables, write each once."""
    buffer = io.BytesIO()
    table(name, pickle.loads(rows)).to_parquet(buffer, index=False)
    return buffer.getvalue()


def jpeg(colour: tuple[int, int, int], size: tuple[int, int] = (32, 24)) -> str:
    """Base64 of a JPEG of one colour."""
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, "JPEG")
    return base64.b64encode(buffer.getvalue()).decode()


def picture(index: int, grid: list[list[float]] | None = None, mask: bool = True) -> dict[str, Any]:
    """One entry of pictures.json; each index has its own colour, so that every JPEG is another one."""
    return {
        "jpeg": jpeg((index * 37 % 256, index * 91 % 256, index * 151 % 256)),
        "width": 32,
        "height": 24,
        "grid": grid if grid is not None else [[0.0, 0.25], [0.5, 1.0]],
        "heat_class": HUSKY,
        "outline": [[[4, 4], [20, 4.5], [20, 18], [4, 18]]] if mask else [],
        "mask_kind": "mask" if mask else None,
    }


def info(**changes: Any) -> RunInfo:
    """Provenance of the made-up run."""
    values: dict[str, Any] = {
        "name": "model <i>x</i> on data",
        "model": "models/<b>net</b>.keras",
        "data": "data/ümläut & co",
        "masks": "masks",
        "model_sha256": "ab" * 32,
        "fingerprint": "cd" * 32,
        "version": "9.8.7",
        "created": "2026-01-02T03:04:05+00:00",
        "seconds": {"model pass": 1.25, "report": 0.5},
        "config": {"layer": "auto", "class_map": None, "image_size": [224, 224]},
        "thresholds": {"min_gap": 0.05},
        "class_names": CLASSES,
        "layer": "backbone/block_<6>",
        "grid": (2, 2),
        "method": "hires_cam",
        "head": "softmax",
        "input_size": (24, 32, 3),
        "counts": {
            "images": 26, "read": 24, "unreadable": 1, "skipped": 1, "with_mask": 20, "without_mask": 4,
            "attention_scored": 18, "attention_unscorable": 2, "interventions_done": 16, "interventions_eligible": 18,
            "ignored_files": 3,
        },
        "statuses": {
            "status": {"ok": 24, "unreadable": 1, "skipped": 1},
            "mask_status": {"ok": 20, "no mask": 4},
            "attention_status": {"ok": 18, "object too small for this grid": 2},
            "intervention_status": {"done": 16, "not sampled": 2},
        },
        "mask_kind": "mask",
        "notes": ("First & <foremost>.", "Then this."),
    }  # fmt: skip
    return RunInfo(**{**values, **changes})


def outcomes() -> tuple[RuleOutcome, ...]:
    """Two findings on one class, one health finding, passes, and what could not be judged."""
    resting = (f"husky/{NAMES[0]}", f"husky/{NAMES[1]}")
    return (
        RuleOutcome("BA101", "attention", "class", HUSKY, "not applicable", "Not enough images: 8, 30 needed."),
        RuleOutcome("BA101", "attention", "class", WOLF, "not applicable", "Not enough images: 8, 30 needed."),
        RuleOutcome("BA101", "attention", "class", HOSTILE, "not applicable", "No attention scores: no mask."),
        RuleOutcome(
            "BA201", "prediction follows the background", "class", HUSKY, "found", f"Objects of {HUSKY} are lost.",
            level="SUSPICIOUS", measured=0.75, threshold=0.05, low=0.25, high=0.9, n=8, p_value=0.0004,
            image_ids=resting,
        ),
        RuleOutcome("BA201", "prediction follows the background", "class", WOLF, "passed", "Nothing lost."),
        RuleOutcome(
            "BA201", "prediction follows the background", "class", HOSTILE, "not applicable", f"No mask in {HOSTILE}."
        ),
        RuleOutcome(
            "BA202", "images that rest on the background", "image", HUSKY, "found", "2 of 8.",
            level="WATCH", measured=0.25, threshold=0.0, low=0.07, high=0.59, n=8, image_ids=resting,
        ),
        RuleOutcome(
            "BA901", "unreadable images", "dataset", "", "found", "2 of 26 could not be read.",
            level="WATCH", measured=2 / 26, threshold=0.05, n=26,
        ),
        RuleOutcome("BA903", "chance", "dataset", "", "ignored", "Ignored on request."),
    )  # fmt: skip


def image_rows() -> list[dict[str, Any]]:
    """Eight images per class with the names above (one wolf called a husky), and two that could not be read."""
    rows = []
    for label in CLASSES:
        folder = label.replace("/", "_")
        for index, name in enumerate(NAMES):
            wrong = label == WOLF and index == 3
            row: dict[str, Any] = {
                "image_id": f"{folder}/{name}", "label": label, "status": "ok", "correct": not wrong,
                "predicted": HUSKY if wrong else label, "probability": 0.9 - 0.05 * index,
                "mask_status": "ok", "attention_status": "ok", "intervention_status": "done",
                "background_excess": 0.1 * index, "background_excess_label": 0.1 * index,
            }  # fmt: skip
            if label == HUSKY:
                lost = index < 6
                row.update(
                    rests_on_background=index < 2, same_background_accuracy=1.0, background_gap=1.0 if lost else 0.0,
                    other_background_accuracy=0.0 if lost else 1.0, other_background_predicted=WOLF if lost else HUSKY,
                )  # fmt: skip
            elif label == HOSTILE:
                row.update(
                    mask_status="no mask", attention_status="no mask", intervention_status="no usable mask",
                    background_excess=None, background_excess_label=None,
                )  # fmt: skip
            rows.append(row)
    rows.append(
        {"image_id": "husky/broken <b>.jpg", "label": HUSKY, "status": "unreadable", "status_reason": "cut off"}
    )
    rows.append({"image_id": "husky/odd.webp", "label": HUSKY, "status": "skipped"})
    return rows


def class_rows() -> list[dict[str, Any]]:
    """A convicted class, one that passed, and one without masks."""
    done = {"n_interventions": 8, "n_eligible": 8, "reliance_reason": "ok", "attention_reason": "ok", "n_attention": 8}
    return [
        {
            "class_name": WOLF, "n": 8, "n_read": 8, "accuracy": 7 / 8, "accuracy_low": 0.53, "accuracy_high": 0.98,
            **done,
            "background_excess": 0.35, "same_background_accuracy": 1.0, "same_low": 0.68, "same_high": 1.0,
            "other_background_accuracy": 1.0, "other_low": 0.68, "other_high": 1.0, "background_gap": 0.0,
            "gap_low": -0.3, "gap_high": 0.3, "background_only_accuracy": 0.0, "background_only_low": 0.0,
            "background_only_high": 0.32, "foreground_only_accuracy": 1.0, "attract": -0.125,
        },
        {
            "class_name": HUSKY, "n": 10, "n_read": 8, "accuracy": 1.0, "accuracy_low": 0.68, "accuracy_high": 1.0,
            **done,
            "background_excess": 0.35, "excess_low": 0.2, "excess_high": 0.5,
            "same_background_accuracy": 1.0, "same_low": 0.68, "same_high": 1.0,
            "other_background_accuracy": 0.25, "other_low": 0.07, "other_high": 0.59, "background_gap": 0.75,
            "gap_low": 0.25, "gap_high": 0.9, "background_only_accuracy": 1.0, "background_only_low": 0.68,
            "background_only_high": 1.0, "foreground_only_accuracy": 0.5, "foreground_only_low": 0.2,
            "foreground_only_high": 0.8, "attract": 0.5, "flipped": 6, "becomes": WOLF,
        },
        {
            "class_name": HOSTILE, "n": 8, "n_read": 8, "accuracy": 1.0, "accuracy_low": 0.68, "accuracy_high": 1.0,
            "attention_reason": "no mask", "reliance_reason": "no usable mask", "n_attention": 0, "n_interventions": 0,
        },
    ]  # fmt: skip


def slice_rows() -> list[dict[str, Any]]:
    """Cameras of which one is worse and one was hardly seen, and a column that is another name for the class."""
    hostile = "<b onmouseover=alert(4)>old</b>"
    usual = {"column": "camera", "reason": "ok", "excess_reason": "ok", "gap_reason": "ok"}
    only = "no class that slice and rest share: the slice cannot be told from its class"
    return [
        {
            **usual, "value": hostile, "n": 12, "accuracy": 0.75, "accuracy_low": 0.47, "accuracy_high": 0.91,
            "rest_accuracy": 1.0, "n_attention": 9, "background_excess": 0.6, "n_interventions": 8,
            "background_gap": 0.5, "gap_low": 0.1, "gap_high": 0.8, "rest_gap": 0.0,
        },
        {
            **usual, "value": "new", "n": 10, "accuracy": 1.0, "accuracy_low": 0.72, "accuracy_high": 1.0,
            "rest_accuracy": 0.8, "n_attention": 10, "background_excess": 0.2, "excess_low": 0.1, "excess_high": 0.3,
            "n_interventions": 0, "gap_reason": "no usable mask",
        },
        {
            "column": "habitat {{ 7 * 7 }}", "value": "forest", "n": 24, "accuracy": 23 / 24, "accuracy_low": 0.8,
            "accuracy_high": 0.99, "reason": only, "n_attention": 0, "excess_reason": "no mask", "n_interventions": 0,
            "gap_reason": "no usable mask",
        },
    ]  # fmt: skip


def slice_outcomes() -> tuple[RuleOutcome, ...]:
    """The worse camera, found by accuracy; nothing else could be judged."""
    return (
        RuleOutcome(
            "BA203", "a slice is recognised worse", "slice", "camera", "found", "Worse than the rest: <b>75</b>.",
            level="WATCH", measured=0.75, threshold=0.95, low=0.47, high=0.91, n=12, p_value=0.01,
            evidence={"value": slice_rows()[0]["value"]},
        ),
        RuleOutcome("BA206", "a slice pays most", "slice", "camera", "not applicable", "No slice could be tested."),
    )  # fmt: skip


def confusion_rows() -> list[dict[str, Any]]:
    """Counts of `image_rows`; zero cells are not stored."""
    return [
        {"label": HUSKY, "predicted": HUSKY, "n": 8, "share": 1.0},
        {"label": WOLF, "predicted": HUSKY, "n": 1, "share": 0.125},
        {"label": WOLF, "predicted": WOLF, "n": 7, "share": 0.875},
        {"label": HOSTILE, "predicted": HOSTILE, "n": 8, "share": 1.0},
    ]


def stored_pictures() -> dict[str, Any]:
    """Pictures of all readable images, composites of two photos of the convicted class, and two emptied donors."""
    rows = [row for row in image_rows() if row["status"] == "ok"]
    images = {row["image_id"]: picture(index, mask=row["label"] != HOSTILE) for index, row in enumerate(rows)}
    images[rows[7]["image_id"]]["grid"] = None
    composites = []
    for index, name in enumerate((NAMES[7], NAMES[0])):
        # The first photo is not turned by another background, the second is: the page shows the second first.
        for arm, donor, predicted in (
            ("other", WOLF, WOLF if index else HUSKY),
            ("same", HUSKY, HUSKY),
            ("background_only", None, HUSKY),
            ("foreground_only", None, WOLF),
        ):
            tile = {key: picture(100 + len(composites))[key] for key in ("jpeg", "width", "height")}
            donor_id = None if donor is None else f"{donor}/{NAMES[3]}"
            row = {"image_id": f"husky/{name}", "donor_id": donor_id, "donor_label": donor, "arm": arm}
            composites.append({**row, "predicted": predicted, "probability": 0.93, **tile})
    emptied = [
        # The first is shown with its composites too, in one of them.
        {"image_id": f"husky/{name}", "probability": probability, **shown}
        for name, probability, shown in (
            (NAMES[0], 0.97, {key: composites[6][key] for key in ("jpeg", "width", "height")}),
            (NAMES[7], 0.61, {key: picture(140)[key] for key in ("jpeg", "width", "height")}),
        )
    ]
    return {"images": images, "composites": {HUSKY: composites}, "emptied": {HUSKY: emptied}}


@dataclasses.dataclass
class Parts:
    """What a run folder is made of; tests change a part before it is written."""

    images: list[dict[str, Any]]
    classes: list[dict[str, Any]]
    confusion: list[dict[str, Any]]
    slices: list[dict[str, Any]]
    outcomes: tuple[RuleOutcome, ...]
    info: RunInfo
    verdict: str
    pictures: dict[str, Any] | None
    leakage: list[dict[str, Any]] = dataclasses.field(default_factory=list)


def made_parts() -> Parts:
    """A run with a finding."""
    verdict = f"SUSPICIOUS: the prediction follows the background in 1 of 2 classes ({HUSKY}), not in {HOSTILE}."
    return Parts(image_rows(), class_rows(), confusion_rows(), [], outcomes(), info(), verdict, stored_pictures())


def put_table(folder: Path, name: str, table: pd.DataFrame) -> None:
    """Write a table into a run, as if the audit had made it."""
    file = folder / f"{name}.parquet"
    table.to_parquet(file, index=False)
    write_audit_json(load(folder))


def write_parts(parts: Parts, folder: Path) -> Path:
    """Write a finished run folder, as the audit does."""
    folder.mkdir(exist_ok=True)
    made = AuditResult(folder, parts.info, parts.verdict, parts.outcomes, (), tuple(parts.classes))
    result = agreeing(made)
    tables = {**{name: getattr(parts, name, []) for name in TABLES}, "classes": list(result.class_rows)}
    for name, rows in tables.items():
        (folder / f"{name}.parquet").write_bytes(parquet(name, pickle.dumps(rows)))
    write_audit_json(result)
    if parts.pictures is not None:
        (folder / "pictures.json").write_text(json.dumps(parts.pictures), encoding="utf-8")
    return folder
