"""What describes data and audit: tables, boxes, class maps, settings, labels, names of cues, training folders."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from random import Random
from typing import Any

from .changing import ODD_TEXTS, changed_bytes, changed_text, changed_value, deep
from .trying import HARMLESS, WRONG, Attempt, Kind, in_child, sentence

PHOTO = b"P6 2 2 255\n" + bytes(12)


def data_tables(attempt: Attempt) -> str:
    """A CSV or Parquet table of images with a change, as data or as boxes: a sentence, or every row of it."""
    rng = attempt.rng
    kind = rng.choice(("csv", "csv", "parquet"))
    name = rng.choice(("images", "boxes"))
    data = (attempt.world / f"{name}.{kind}").read_bytes()
    if kind == "csv" and rng.random() < 0.5:
        text, attempt.what = changed_text(data.decode(), rng)
        data = text.encode()
    else:
        data, attempt.what = changed_bytes(data, rng)
    attempt.what = f"{name}.{kind}: {attempt.what}"
    return _opened(attempt, name, kind, data)


def odd_tables(attempt: Attempt) -> str:
    """A table that is well made, and holds what no table of images should."""
    rng = attempt.rng
    kind = rng.choice(("csv", "parquet"))
    rows: list[dict[str, Any]] = [
        {"image": f"{label}/{number}.ppm", "label": label, "site": rng.choice("xyz")}
        for label in "ab" for number in range(3)
    ]  # fmt: skip
    row = rng.choice(rows)
    match rng.randrange(8):
        case 0:
            row["image"] = rng.choice(
                (*ODD_TEXTS, "..", ".", "/dev/zero", "a\\..\\..\\x", "a/0.ppm\n", "file:///etc/passwd")
            )
        case 1:
            row["label"] = rng.choice(ODD_TEXTS)
        case 2:
            for each in rows:
                each["box"] = rng.choice(("0,0,1,1", "1,1,0,0", "0 0 1", "nan,0,1,1", "inf,0,1,1", "1e999,0,1,1", ";;;",
                                          "9" * 5000 + ",0,1,1", "0,0,1,1;" * 500, "-1e308,0,1e308,1"))  # fmt: skip
        case 3:
            row["mask"] = rng.choice((*ODD_TEXTS[:10], "a", "/dev/zero"))
        case 4:
            for number in range(rng.choice((300, 999, 1_100, 3_000))):
                for each in rows:
                    each[f"column {number}"] = number
        case 5:
            for each in rows:
                each[rng.choice(ODD_TEXTS[:12])] = rng.choice(ODD_TEXTS[:12])
        case 6:
            rows.append(dict(row))
        case _:
            for each in rows:
                each["site"] = rng.choice(("=1+1", "@x", "\x1b[2J", 10**30, None, "é" * 5_000, "\ud800"))
    attempt.what = f"{kind} with {str(row)[:200]}"
    for each in rows:
        for key in {name for other in rows for name in other}:
            each.setdefault(key, None)
    try:
        data = _table(rows, kind)
    except (ValueError, TypeError, OverflowError):  # no such table can be written
        return HARMLESS
    return _opened(attempt, "images", kind, data)


def _opened(attempt: Attempt, name: str, kind: str, data: bytes) -> str:
    from bias_audit.data import sources
    from bias_audit.data.batches import Geometry, load
    from bias_audit.data.masks import MaskReading
    from bias_audit.data.sources import attach

    for label in "ab":
        (attempt.folder / label).mkdir()
        for number in range(3):
            (attempt.folder / label / f"{number}.ppm").write_bytes(PHOTO)
    file = attempt.folder / f"{name}.{kind}"
    file.write_bytes(data)

    def opened() -> None:
        if name == "boxes":
            dataset = attach.attach_boxes(sources.open_dataset(attempt.folder / "images.csv", None), file)
        else:
            dataset = sources.open_dataset(file, None)
        dataset.fingerprint()
        for sample in dataset.samples[:4]:
            load(sample, Geometry((4, 4), 3, "stretch", "bilinear", MaskReading()))
        for sample in dataset.samples:
            if not sample.path.is_relative_to(attempt.folder.resolve()):
                attempt.bad(WRONG, f"{sample.path} lies outside of the table's folder")

    if name == "boxes":
        (attempt.folder / "images.csv").write_bytes((attempt.world / "images.csv").read_bytes())
    return sentence(opened)


def _table(rows: list[dict[str, Any]], kind: str) -> bytes:
    import pandas as pd

    frame = pd.DataFrame(rows)
    buffer = io.BytesIO()
    if kind == "csv":
        frame.to_csv(buffer, index=False)
    else:
        frame.to_parquet(buffer, index=False)
    return buffer.getvalue()


def class_maps(attempt: Attempt) -> str:
    """A class map with one change, deep or doubled."""
    rng = attempt.rng
    content: Any = {"husky": [0, 1], "wolf": [2], "fox": [3, 4, 5]}
    match rng.randrange(5):
        case 0:
            attempt.what = changed_value(content, rng)
            text = json.dumps(content)
        case 1:
            text, attempt.what = changed_text(json.dumps(content), rng)
        case 2:
            text, attempt.what = deep(rng)
        case 3:
            text, attempt.what = '{"wolf": [0], "fox": [1], "wolf": [2]}', "a class named twice"
        case _:
            index = rng.choice(("9" * 5_000, "1e400", "NaN", "-1", "1.5", "true", '"1"', "1e30", str(10**18)))
            text, attempt.what = f'{{"wolf": [0], "fox": [{index}]}}', f"index {index[:20]}"
    return _read_map(attempt, text, twice=attempt.what == "a class named twice")


def _read_map(attempt: Attempt, text: str, *, twice: bool) -> str:
    from bias_audit.config import read_class_map

    file = attempt.folder / "map.json"
    file.write_text(text, encoding="utf-8", errors="surrogatepass")
    answer = sentence(lambda: read_class_map(file))
    if twice and answer == HARMLESS:
        attempt.bad(WRONG, "one of two entries of a class was dropped")
    return answer


SETTINGS = """[audit]
layer = "auto"
method = "hires_cam"
batch_size = 8
seed = 3
resize = "stretch"
mask_foreground = [1, 2]
[thresholds]
min_gap = 0.05
fdr = 0.05
"""


def settings(attempt: Attempt) -> str:
    """A settings file with one change, deep, or with numbers outside their meaning."""
    rng = attempt.rng
    if rng.random() < 0.7:
        text, attempt.what = changed_text(SETTINGS, rng)
    else:
        key = rng.choice(("batch_size", "seed", "method", "layer", "image_size", "class_map", "min_gap", "fdr"))
        value = rng.choice(("9" * 400, "9" * 5_000, "nan", "inf", "-1", "[" * 50_000, "true", "''", "1979-05-27", "{}"))
        table = "thresholds" if key in ("min_gap", "fdr") else "audit"
        text, attempt.what = f"[{table}]\n{key} = {value}\n", f"{key} = {value[:20]}"
    from bias_audit.config import read_config

    file = attempt.folder / "config.toml"
    file.write_text(text, encoding="utf-8", errors="surrogatepass")
    found: list[Any] = []
    answer = sentence(lambda: found.append(read_config(file)))
    for value in vars(found[0][1]).values() if found else ():
        if isinstance(value, float) and not (0 <= value < float("inf")):
            attempt.bad(WRONG, f"a threshold of {value} was taken")
    return answer


def labels_and_cues(attempt: Attempt) -> str:
    """Files of output names, and of names of cues, with one change."""
    rng = attempt.rng
    cue = {"name": "ruler", "judgement": "artefact", "by": "Ada", "spots": ["a/0.ppm"], "prototype": [0.1, 0.2]}
    content: Any = {"cues": [cue, {**cue, "name": "snow"}]}
    file = attempt.folder / rng.choice(("labels.txt", "cues.json"))
    if file.suffix == ".txt":
        data, attempt.what = changed_bytes(b"husky\nwolf\n" * 3, rng)
    elif rng.random() < 0.5:
        attempt.what = changed_value(content, rng)
        data = json.dumps(content).encode()
    elif rng.random() < 0.2:
        text, attempt.what = deep(rng)
        data = text.encode()
    else:
        data, attempt.what = changed_bytes(json.dumps(content).encode(), rng)
    attempt.what = f"{file.name}: {attempt.what}"
    file.write_bytes(data)
    from bias_audit.checks.recurring_cues import names
    from bias_audit.heatmaps.explanation import read_labels

    return sentence(lambda: read_labels(file) if file.suffix == ".txt" else names.read_names(file))


def training_folders(attempt: Attempt) -> str:
    """A folder of training pictures with dangling links, FIFOs and names that are no text."""
    rng = attempt.rng
    root = attempt.folder / "train"
    for label in "ab":
        (root / label).mkdir(parents=True)
        (root / label / "0.ppm").write_bytes(PHOTO)
    for _ in range(rng.choice((1, 2))):
        where = os.fsencode(root / rng.choice("ab"))
        how = rng.choice(("nothing", "itself", "name", "fifo", "folder", "above", "closed"))
        name = where + b"/" + rng.choice((b"9.jpg", b"\xff\xfe.png", b"\x1b[2J.jpg", b"a\nb.png", b"x" * 251 + b".png"))
        attempt.what += f"{how} called {name[len(where) + 1 :][:30]!r}; "
        if os.path.lexists(name):
            continue
        if how in ("nothing", "itself", "above"):
            os.symlink({"nothing": b"/nowhere/x.jpg", "itself": name, "above": os.fsencode(root)}[how], name)
        elif how == "fifo":
            os.mkfifo(name)
        elif how == "folder":
            os.mkdir(name)
        else:
            with open(name, "wb") as file:
                file.write(PHOTO)

    def read() -> str:
        from bias_audit.checks.data_leaks.measure import fingerprint

        return sentence(lambda: fingerprint(root))

    return in_child(read, 10, 600_000_000)


def prepare(folder: Path) -> None:
    rng = Random(0)
    images = [
        {"image": f"{label}/{number}.ppm", "label": label, "site": rng.choice("xy"), "age": number, "box": "0,0,1,1"}
        for label in "ab" for number in range(3)
    ]  # fmt: skip
    boxes = [{"image": row["image"], "x_min": 0.0, "y_min": 0.0, "x_max": 1.5, "y_max": 2.0} for row in images]
    for name, rows in (("images", images), ("boxes", boxes)):
        for kind in ("csv", "parquet"):
            (folder / f"{name}.{kind}").write_bytes(_table(rows, kind))


KINDS = {
    "tables of images and boxes": Kind(data_tables, prepare, 60, 60),
    "odd tables": Kind(odd_tables, prepare, 10, 8, seconds=60),
    "class maps": Kind(class_maps, prepare, 20, 40),
    "settings": Kind(settings, prepare, 20, 40),
    "labels and names of cues": Kind(labels_and_cues, prepare, 20, 40),
    "training folders": Kind(training_folders, prepare, 10, 10),
}
