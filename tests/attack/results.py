"""What is given in the place of a model: tables of predictions, folders of composites, heatmaps."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from .changing import ODD_TEXTS, as_json, changed_bytes, changed_text, changed_value, deep
from .trying import EXECUTED, GREEN, HARMLESS, WRONG, Attempt, Kind, in_child, sentence

IDS = tuple(f"{label}/{number}.ppm" for label in "ab" for number in range(3))


def prediction_tables(attempt: Attempt) -> str:
    """A table of predictions with a change: a sentence, or probabilities of known photos only."""
    rng = attempt.rng
    kind = rng.choice(("csv", "csv", "parquet"))
    data = (attempt.world / f"predictions.{kind}").read_bytes()
    if kind == "csv" and rng.random() < 0.5:
        text, attempt.what = changed_text(data.decode(), rng)
        data = text.encode("utf-8", "surrogatepass")
    elif rng.random() < 0.3:
        data, attempt.what = _odd(attempt, kind)
    else:
        data, attempt.what = changed_bytes(data, rng)
    attempt.what = f"predictions.{kind}: {attempt.what}"
    file = attempt.folder / f"predictions.{kind}"
    file.write_bytes(data)
    return _read(attempt, file)


def _odd(attempt: Attempt, kind: str) -> tuple[bytes, str]:
    import pandas as pd

    rng = attempt.rng
    frame: Any = pd.DataFrame({"image_id": list(IDS), "a": 0.25, "b": 0.75})
    value = rng.choice((2, -1, 1e308, float("inf"), float("nan"), 10**30, True, "0.5", None, b"\x00", [0.5], 0.9))
    text = rng.choice(
        (*ODD_TEXTS, "a/../a/0.ppm", "/etc/passwd", "'a/0.ppm", "a\\0.ppm", "A/0.PPM", "original/000000.png")
    )
    frame = frame.astype(object)
    if rng.random() < 0.5:
        frame.loc[rng.randrange(6), rng.choice("ab")], what = value, f"{value!r}"
    else:
        frame.loc[rng.randrange(6), "image_id"], what = text, f"id {text[:40]!r}"
    buffer = io.BytesIO()
    try:
        frame.to_csv(buffer, index=False) if kind == "csv" else frame.to_parquet(buffer, index=False)
    except Exception:  # no such table can be written
        return (attempt.world / f"predictions.{kind}").read_bytes(), "nothing"
    return buffer.getvalue(), what


def _read(attempt: Attempt, file: Path) -> str:
    from bias_audit.data.prediction_table import TOLERANCE, read_predictions
    from bias_audit.limits.bounds import Limits
    from bias_audit.models.given import Answers

    found: list[Any] = []
    answer = sentence(
        lambda: found.append(read_predictions(file, ("a", "b"), lambda name: name if name in IDS else "", Limits()))
    )
    if answer != HARMLESS:
        return answer
    table = found[0]
    known = table.probabilities[~np.isnan(table.probabilities).any(axis=1)]
    if not (set(table.rows) <= set(IDS) and len(set(table.rows.values())) == len(table.rows)):
        attempt.bad(WRONG, f"rows of {sorted(table.rows)[:5]}")
    if known.size and not (known.min() >= 0 and known.sum(axis=1).max() <= 1 + TOLERANCE + 1e-9):
        attempt.bad(WRONG, "probabilities beyond 0..1")
    said = Answers(table).of(IDS)
    if (said.valid & np.isin(IDS, sorted(set(IDS) - set(table.rows)))).any():
        attempt.bad(GREEN, "a photo without a row has a prediction")
    return HARMLESS


def composite_folders(attempt: Attempt) -> str:
    """A manifest, or what it was made with, with a change: a sentence, or the same pictures within the folder."""
    import hashlib

    from bias_audit.data import manifest
    from bias_audit.limits.bounds import Limits

    rng = attempt.rng
    files = {name: (attempt.world / name).read_bytes() for name in (manifest.MANIFEST, manifest.ABOUT)}
    name = rng.choice(sorted(files))
    about = json.loads(files[manifest.ABOUT])
    match rng.randrange(4):
        case 0:
            text, attempt.what = changed_text(files[name].decode(), rng)
            files[name] = text.encode("utf-8", "surrogatepass")
        case 1:
            files[name], attempt.what = changed_bytes(files[name], rng)
        case 2 if name == manifest.ABOUT and rng.random() < 0.2:
            text, attempt.what = deep(rng)
            files[name] = text.encode()
        case _:
            attempt.what = changed_value(about, rng)
            name, files[manifest.ABOUT] = manifest.ABOUT, as_json(about)
    resigned = name == manifest.MANIFEST and rng.random() < 0.7
    if resigned:  # whoever changes it may change the digest, too
        about["manifest"] = hashlib.sha256(files[name]).hexdigest()
        files[manifest.ABOUT] = as_json(about)
    attempt.what = f"{name}{' with a new digest' if resigned else ''}: {attempt.what}"
    for each, data in files.items():
        (attempt.folder / each).write_bytes(data)
    found: list[Any] = []
    settings = {"seed": 0, "image_size": None}
    answer = sentence(
        lambda: found.append(manifest.read_manifest(attempt.folder, settings, _dataset(attempt.folder), Limits()))
    )
    for picture in found[0].pictures if found else ():
        if not (attempt.folder / picture.image_id).resolve().is_relative_to(attempt.folder.resolve()):
            attempt.bad(WRONG, f"{picture.image_id!r} lies outside of the folder")
    if (
        found
        and not resigned
        and [each.image_id for each in found[0].pictures] != ["black.png", "same/000000-inpaint-0.png"]
    ):
        attempt.bad(WRONG, "other pictures than were written, and nobody says so")
    return answer


def _dataset(folder: Path) -> Any:
    from bias_audit.data.dataset import Dataset, Sample

    samples = tuple(Sample(name, folder / name, "ab".index(name[0])) for name in IDS)
    return Dataset(samples, ("a", "b"), "folder")


class _Runs:
    """Leaves a mark where it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self._mark = mark

    def __reduce__(self) -> Any:
        return Path.touch, (self._mark,)


def heatmaps(attempt: Attempt) -> str:
    """A folder or an archive of heatmaps with a change, or with arrays that are programs."""
    rng, mark = attempt.rng, attempt.folder / "mark"
    path = attempt.folder / "maps"
    shapes = (np.zeros(3), np.zeros((2, 2, 2)), np.zeros((0, 5)))
    kinds = (np.array([["x"]]), np.full((4, 4), np.inf), np.zeros((4, 4), ">f8"), np.zeros((4, 4), "c16"))
    odd = rng.choice((None, None, None, *shapes, *kinds, np.array([[_Runs(mark), 1]], object)))
    arrays = {name: np.arange(16, dtype=np.float32).reshape(4, 4) for name in IDS}
    if odd is not None:
        arrays[rng.choice(IDS)] = odd
    attempt.what = f"{'as they are' if odd is None else f'{odd.shape} of {odd.dtype}'}"
    if rng.random() < 0.5:
        path = path.with_suffix(".npz")
        np.savez(path, **arrays)
        if odd is None:
            data, done = _archive(path, rng)
            path.write_bytes(data)
            attempt.what += f", archive: {done}"
    else:
        for name, values in arrays.items():
            file = path / f"{name}.npy"
            file.parent.mkdir(parents=True, exist_ok=True)
            np.save(file, values, allow_pickle=True)
        if odd is None:
            file = path / f"{rng.choice(IDS)}.npy"
            data, done = changed_bytes(file.read_bytes(), rng)
            file.write_bytes(data)
            attempt.what += f", {file.name}: {done}"

    def read() -> str:
        from bias_audit.heatmaps.given import read_heatmaps
        from bias_audit.limits.bounds import Limits

        found: list[Any] = []
        answer = sentence(lambda: found.append(read_heatmaps(path, IDS, Limits())))
        if mark.exists():
            attempt.bad(EXECUTED, "an array of objects was unpickled")
        if found and any(heat.ndim != 2 or heat.dtype != np.float32 for heat in found[0].maps.values()):
            attempt.bad(WRONG, "a map that is none was taken")
        return answer

    return in_child(read, 15, 1_000_000_000)


def _archive(path: Path, rng: Any) -> tuple[bytes, str]:
    """An archive that was changed, or one with a member that declares or unpacks to far more than it should."""
    way = rng.randrange(3)
    if way == 0:
        return changed_bytes(path.read_bytes(), rng)
    buffer = io.BytesIO()
    head = io.BytesIO()
    side = rng.choice((10**5, 10**9, 2**62))
    np.lib.format.write_array_header_1_0(
        head, {"descr": "<f8", "fortran_order": False, "shape": (side, rng.choice((side, 3)))}
    )
    body = bytes(10) if way == 1 else bytes(50_000_000)
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{rng.choice(IDS)}.npy", head.getvalue() + body)
    return buffer.getvalue(), f"declares {side} and holds {len(body)}"


def prepare(folder: Path) -> None:
    import hashlib

    import pandas as pd

    from bias_audit.data import manifest

    frame = pd.DataFrame(
        {"image_id": list(IDS), "a": [0.9, 0.8, 0.7, 0.1, 0.2, 0.3], "b": [0.1, 0.2, 0.3, 0.9, 0.8, 0.7]}
    )
    frame.to_csv(folder / "predictions.csv", index=False)
    frame.to_parquet(folder / "predictions.parquet", index=False)
    pictures = [
        manifest.Picture("black.png", "", manifest.BLACK),
        manifest.Picture("same/000000-inpaint-0.png", IDS[0], "same", "inpaint", IDS[1]),
    ]
    data = manifest.csv_text(manifest.COLUMNS, [list(vars(each).values()) for each in pictures]).encode()
    (folder / manifest.MANIFEST).write_bytes(data)
    about = {
        "version": manifest.VERSION, "settings": {"seed": 0, "image_size": [4, 4]},
        "listing": manifest.listing(_dataset(folder)),
        "manifest": hashlib.sha256(data).hexdigest(), "photos": {name: ["0" * 16, ""] for name in IDS},
    }  # fmt: skip
    (folder / manifest.ABOUT).write_text(json.dumps(about))


KINDS = {
    "tables of predictions": Kind(prediction_tables, prepare, 40, 40),
    "folders of composites": Kind(composite_folders, prepare, 30, 40),
    "heatmaps of elsewhere": Kind(heatmaps, prepare, 30, 20),
}
