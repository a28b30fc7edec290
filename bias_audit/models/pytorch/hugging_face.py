"""Classifiers of Hugging Face, from a folder with config.json and weights in safetensors.

Transformers is shown a folder that holds the checked configuration and links to the weights, and nothing else.
"""

from __future__ import annotations

import contextlib
import io
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bias_audit.errors import ModelError
from bias_audit.limits.watchdog import watched
from bias_audit.models.function import Source
from bias_audit.models.pytorch.hugging_face_files import CONFIG, INDEX, PREPROCESSOR, Folder, folder_of
from bias_audit.models.pytorch.named import opened
from bias_audit.models.trained_with import TrainedWith, of_hugging_face, order_of_classes, square
from bias_audit.users_code import running

if TYPE_CHECKING:
    from bias_audit.config import AuditConfig
    from bias_audit.models.pytorch.model import TorchModel

NAMED_KEYS = 3
"""Weights that a sentence names."""


def hugging_face(name: str, config: AuditConfig, class_names: tuple[str, ...] | None) -> TorchModel:
    """Open a folder of Hugging Face.

    Args:
        name: path of the folder.
        config, class_names: as in `doors.load_model`.

    Raises:
        ModelError: see `hugging_face_files.folder_of`, or weights that are damaged or missing.
        ConfigError: Transformers cannot build it.
        PackageError: a package is not installed.
    """
    folder = folder_of(Path(name))
    from transformers import AutoModelForImageClassification

    with watched("loading the model with its first call", config.limits.seconds_per_call):
        sha256 = folder.sha256(config.limits)
        with running(f"Transformers cannot load {name!r}"):
            network, notes = _loaded(folder, AutoModelForImageClassification)
        source = Source(name, sha256, made=True)
        notes += order_of_classes(folder.labels, class_names, f"{CONFIG} (id2label)") if not config.class_map else ()
        if folder.preprocessor is None and "preprocess" in config.left_open:
            notes += (f"The folder has no {PREPROCESSOR}, so nothing says what pixels become: --preprocess says it.",)
        return opened(network, _said(folder), source, config, class_names, notes)


def _loaded(folder: Folder, loader: Any) -> tuple[Any, tuple[str, ...]]:
    with tempfile.TemporaryDirectory(prefix="bias-audit-") as shown:
        place = Path(shown)
        (place / CONFIG).write_text(json.dumps(folder.config), encoding="utf-8")
        if folder.index:
            (place / INDEX).write_text(folder.index, encoding="utf-8")
        for name, path in folder.weights.items():
            (place / name).symlink_to(path)
        with contextlib.redirect_stderr(io.StringIO()):  # a progress bar
            network, report = loader.from_pretrained(
                shown,
                local_files_only=True,
                trust_remote_code=False,
                use_safetensors=True,
                output_loading_info=True,
            )
    if missing := sorted(map(str, report.get("missing_keys") or ())):
        some = ", ".join(missing[:NAMED_KEYS]) + (", ..." if len(missing) > NAMED_KEYS else "")
        raise ModelError(
            f"{str(folder.path)!r} lacks {len(missing)} weights of a classifier ({some})",
            "Was it trained to classify? A backbone alone has no outputs to audit.",
        )
    unused = sorted(map(str, report.get("unexpected_keys") or ()))
    notes = [
        f"{len(unused)} weights of the folder belong to no part of the classifier, such as {each}." for each in unused
    ]
    return network.float(), tuple(notes[:1])


def _said(folder: Folder) -> TrainedWith:
    size = folder.config.get("image_size")
    if folder.preprocessor is None:
        return TrainedWith(CONFIG, square(size))
    return of_hugging_face(folder.preprocessor, PREPROCESSOR, size)
