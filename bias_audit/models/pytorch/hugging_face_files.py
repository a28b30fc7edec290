"""Looks through the folder of a Hugging Face model, before anything of it is loaded and without a framework.

Two files and the weights are read: nothing else in the folder counts, such as an adapter that names another folder.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bias_audit.errors import ModelError
from bias_audit.files.regular import open_regular
from bias_audit.files.text import parse_json, read_text
from bias_audit.limits.bounds import beyond
from bias_audit.models.reading import blobs_of
from bias_audit.packages import require

if TYPE_CHECKING:
    from bias_audit.limits.bounds import Limits

CONFIG, PREPROCESSOR = "config.json", "preprocessor_config.json"
WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"

TYPES = (
    "beit", "bit", "convnext", "convnextv2", "cvt", "data2vec-vision", "deit", "dinov2", "dinov2_with_registers",
    "efficientnet", "focalnet", "hgnet_v2", "hiera", "ijepa", "levit", "mobilenet_v1", "mobilenet_v2", "mobilevit",
    "mobilevitv2", "poolformer", "pvt", "pvt_v2", "regnet", "resnet", "segformer", "swiftformer", "swin", "swinv2",
    "textnet", "vit", "vit_msn",
)  # fmt: skip
"""Kinds of classifiers that are opened (`model_type`): Transformers builds them from numbers of the configuration.

Others take a backbone of another library, which may be downloaded, or a tokenizer.
"""

LABELS = ("id2label", "label2id")

OF_THIS_MACHINE = (
    "_attn_implementation", "_attn_implementation_internal", "_name_or_path", "attn_implementation", "dtype",
    "torch_dtype", "use_kernels",
)  # fmt: skip
"""Keys that say how and in which precision a network runs, not what it is; an attention may name code to download."""

CODE = ("auto_map", "custom_pipelines")
"""Keys that name code beside the weights."""

IN_PYTHON = "Load it in a function of yours, and audit that: bias-audit audit module:function DATA."

CONVERT = (
    "Write it anew without a pickle, with code that you trust: AutoModelForImageClassification.from_pretrained(FOLDER)"
    ".save_pretrained(NEW)."
)


@dataclass(frozen=True)
class Folder:
    """What is read of a folder.

    Attributes:
        path: the folder.
        config: content of config.json, without what has to do with the machine.
        preprocessor: content of preprocessor_config.json; None = there is none.
        weights: name -> path of each file of weights; more than one are named by the index.
        index: text of the index; "" = there is none.
        texts: what else was read, for the hash.
    """

    path: Path
    config: dict[str, Any]
    preprocessor: dict[str, Any] | None
    weights: dict[str, Path]
    index: str
    texts: tuple[str, ...]

    @property
    def labels(self) -> list[str] | None:
        """Names of the outputs in their order, as the configuration has them; None = it has none."""
        named = self.config.get("id2label")
        if not isinstance(named, Mapping):
            return None
        found = [named.get(str(number)) for number in range(len(named))]
        return [str(each) for each in found] if None not in found else None

    def sha256(self, limits: Limits) -> str:
        """SHA-256 of all that is read, 64 hex digits.

        Raises:
            ModelError: the weights are beyond the limit.
        """
        size = sum(path.stat().st_size for path in self.weights.values())
        if size > limits.weights_bytes:
            raise ModelError(
                f"the weights in {str(self.path)!r} have {beyond('weights_bytes', size, limits.weights_bytes)}"
            )
        digest = hashlib.sha256("\0".join(self.texts).encode())
        for name, path in sorted(self.weights.items()):
            with open_regular(path) as file:
                digest.update(f"\0{name}\0{hashlib.file_digest(file, 'sha256').hexdigest()}".encode())  # type: ignore[arg-type]
        return digest.hexdigest()


def folder_of(path: Path) -> Folder:
    """Look through a folder with a config.json.

    Raises:
        ModelError: no classifier of TYPES, one that wants code, no weights in safetensors, or files that are damaged
            or lie elsewhere.
        PackageError: a package that it needs is not installed.
    """
    config, text = _object(path / CONFIG)
    kind = config.get("model_type")
    for key in CODE:
        if config.get(key):
            raise ModelError(
                f"{str(path / CONFIG)!r} wants code of its own to be run ({key}), which is not done", IN_PYTHON
            )
    if kind is None and "architecture" in config:
        raise ModelError(
            f"{str(path)!r} is a network of timm, not of Transformers",
            f"Name it as timm:{str(config['architecture'])[:80]}@{path / WEIGHTS}.",
        )
    if kind not in TYPES:
        raise ModelError(
            f"{str(path / CONFIG)!r} has the model_type {str(kind)[:80]!r}, which is not among those that are opened",
            IN_PYTHON,
        )
    for key, value in config.items():
        if key not in (*LABELS, *OF_THIS_MACHINE) and isinstance(value, dict) and value:
            raise ModelError(f"{str(path / CONFIG)!r} has a part {key[:80]!r}, which is not opened", IN_PYTHON)
    weights, index = _weights(path)
    preprocessor, said = _object(path / PREPROCESSOR) if (path / PREPROCESSOR).exists() else (None, "")
    for package in ("torch", "transformers", "safetensors"):
        require(package, repr(str(path)))
    kept = {key: value for key, value in config.items() if key not in OF_THIS_MACHINE}
    return Folder(path, kept, preprocessor, weights, index, (text, said, index))


def _object(path: Path) -> tuple[dict[str, Any], str]:
    """(the object in a JSON file, its text)."""
    text = read_text(path, ModelError, "the configuration", must_exist=True) or ""
    content = parse_json(text, ModelError, f"the configuration {str(path)!r} is")
    if not isinstance(content, dict):
        raise ModelError(f"the configuration {str(path)!r} is no object")
    return content, text


def _weights(path: Path) -> tuple[dict[str, Path], str]:
    """(name -> path of the files of weights, text of their index)."""
    if (path / WEIGHTS).exists():
        return {WEIGHTS: _inside(path, WEIGHTS)}, ""
    if not (path / INDEX).exists():
        pickled = sorted(each.name for pattern in ("*.bin", "*.pt", "*.pth") for each in path.glob(pattern))
        if pickled:
            raise ModelError(f"the weights in {str(path)!r} are a pickle ({pickled[0]}), which is not loaded", CONVERT)
        raise ModelError(
            f"{str(path)!r} has a {CONFIG} and no {WEIGHTS}, so it is no model of Hugging Face",
            f"Give the folder that {CONFIG} and {WEIGHTS} lie in.",
        )
    index, text = _object(path / INDEX)
    placed = index.get("weight_map")
    if not isinstance(placed, dict) or not placed:
        raise ModelError(f"{str(path / INDEX)!r} has no weight_map")
    return {str(name): _inside(path, name) for name in sorted(set(map(str, placed.values())))}, text


def _inside(path: Path, name: str) -> Path:
    """The file of this name in a folder.

    Raises:
        ModelError: no plain name of a .safetensors file, no regular file, or one that lies outside of the folder. A
            snapshot of Hugging Face's cache has its files in `blobs` beside it, and these count as inside.
    """
    if "/" in name or "\\" in name or not name.endswith(".safetensors"):
        raise ModelError(f"{str(path / INDEX)!r} names {name[:80]!r}, which is no .safetensors file in its folder")
    file, home = (path / name).resolve(), path.resolve()
    if not file.is_file():
        raise ModelError(f"{str(path / name)!r} is not there or no regular file")
    if file.parent not in (home, blobs_of(home)):
        raise ModelError(f"{str(path / name)!r} leads out of its folder, to {str(file)!r}")
    return file
