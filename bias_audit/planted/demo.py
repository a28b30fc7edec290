"""Builds the demo: a world in which wolves stand in snow, and a model that learned the snow.

Every wolf of the training photos stands in snow, no fox and no husky does. The model's test accuracy is high, since the
test photos share the bias. The audit has to find that the model recognises the snow and not the wolf.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bias_audit.errors import BiasAuditError, DataError
from bias_audit.packages import require

MARKER = "demo.json"
MODEL = "snow_wolf.keras"
SETTINGS: dict[str, Any] = {
    "version": 1,  # of the drawing and the network: raise it when either changes
    "size": 128,
    "train": 140,
    "test": 40,
    "epochs": 10,
    "image_size": 96,
    "seed": 0,
}


@dataclass(frozen=True)
class DemoPaths:
    """Paths of the demo that is audited: the model, the test photos in one folder per class, and their masks."""

    model: Path
    images: Path
    masks: Path


def build_demo(folder: Path, progress: Callable[[str], None]) -> DemoPaths:
    """Generate the photos and train the model, unless a finished demo of the same settings is there.

    Args:
        folder: an empty or missing folder, or an earlier demo, whose files are replaced if its settings differ.
        progress: called with one line of text per step.

    Raises:
        DataError: the folder holds something else, or cannot be written.
        PackageError: TensorFlow is not installed.
    """
    require("tensorflow", "the demo")  # before anything is drawn
    paths = DemoPaths(folder / MODEL, folder / "images" / "test", folder / "masks" / "test")
    marker = folder / MARKER
    try:
        if _finished(marker) and paths.model.is_file() and paths.images.is_dir() and paths.masks.is_dir():
            progress(f"using the demo in {folder}")
            return paths
        if folder.exists() and not folder.is_dir():
            raise DataError(f"{str(folder)!r} is a file, the demo needs a folder", "Give another folder.")
        if folder.is_dir() and any(folder.iterdir()) and not marker.is_file():
            raise DataError(
                f"the folder {str(folder)!r} is not empty and holds no demo", "Give an empty or a new folder."
            )
        folder.mkdir(parents=True, exist_ok=True)
        _write(marker, {"finished": False, **SETTINGS})
        for name in ("images", "masks"):
            shutil.rmtree(folder / name, ignore_errors=True)
        paths.model.unlink(missing_ok=True)
        _build(folder, paths.model, progress)
        _write(marker, {"finished": True, **SETTINGS})
    except BiasAuditError:
        raise
    except OSError as error:
        raise DataError(
            f"cannot write the demo to {str(folder)!r}: {error}", "Give a folder on a disk with 50 MB of space."
        ) from error
    return paths


def _build(folder: Path, model_path: Path, progress: Callable[[str], None]) -> None:
    from bias_audit.planted import CLASS_NAMES, write_world

    counts = {"train": SETTINGS["train"], "test": SETTINGS["test"]}
    total = len(CLASS_NAMES) * sum(counts.values())
    progress(f"drawing {total} photos of {', '.join(CLASS_NAMES)}; every wolf in snow, no other animal")

    def on_photo(done: int, of: int) -> None:
        if done % 100 == 0:
            progress(f"drawing photos: {done} of {of}")

    world = write_world(folder, per_class=counts, size=SETTINGS["size"], seed=SETTINGS["seed"], on_photo=on_photo)

    progress("starting TensorFlow")
    from bias_audit.models.tensorflow.training import save_model, train_small_model

    model = train_small_model(
        world.images_train,
        world.class_names,
        image_size=SETTINGS["image_size"],
        epochs=SETTINGS["epochs"],
        seed=SETTINGS["seed"],
        on_epoch=lambda epoch, of, accuracy: progress(f"training: epoch {epoch} of {of}, accuracy {accuracy:z.3f}"),
    )
    save_model(model, model_path)


def _finished(marker: Path) -> bool:
    try:
        content = json.loads(marker.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return bool(content == {"finished": True, **SETTINGS})


def _write(marker: Path, content: dict[str, Any]) -> None:
    unfinished = marker.with_name(f"{marker.name}.tmp")
    unfinished.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    os.replace(unfinished, marker)
