"""Checkpoints and folders of networks by name: damaged, hostile, and such as ask for more than there is.

The libraries are the stand-ins of `tests/torch_models/fakes`; what reads the files is bias-audit's own and PyTorch's.
"""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from pathlib import Path
from typing import Any

from .beside import module
from .changing import changed_bytes, changed_value
from .trying import EXECUTED, Attempt, Kind, sentence

MARK = "mark"


class Runs:
    """Writes the mark when it is unpickled, by one of many ways."""

    def __init__(self, call: Any, *arguments: Any) -> None:
        self.call, self.arguments = call, arguments

    def __reduce__(self) -> Any:
        return self.call, self.arguments


def checkpoints(attempt: Attempt) -> str:
    """A changed or hostile checkpoint behind an address: a sentence or a model, and no code has run."""
    import torch

    rng = attempt.rng
    path = attempt.folder / rng.choice(("w.pth", "w.safetensors"))
    data = (attempt.world / path.name).read_bytes()
    how = rng.randrange(4)
    if how == 0 or path.suffix == ".safetensors":
        data, attempt.what = changed_bytes(data, rng)
    elif how == 1:
        piece = _hostile(attempt)
        content = rng.choice((piece, {"state_dict": piece}, {"fc.weight": torch.zeros(2, 6), "args": piece}))
        made = io.BytesIO()
        torch.save(content, made, _use_new_zipfile_serialization=rng.random() < 0.5)
        data = made.getvalue() if rng.random() < 0.8 else pickle.dumps(content, rng.randrange(6))
        attempt.what = f"a pickle that calls {piece.call}"
    elif how == 2:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = {each: archive.read(each) for each in archive.namelist()}
        member = rng.choice(sorted(members))
        members[member], attempt.what = changed_bytes(members[member], rng)
        made = io.BytesIO()
        with zipfile.ZipFile(made, "w", rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as archive:
            for name, each in members.items():
                archive.writestr(name, each)
        data = made.getvalue()
    else:
        made = io.BytesIO()
        shape = [rng.choice((1, 2, 6, 10**3, 10**6)) for _ in range(rng.randint(1, 3))]
        torch.save({"fc.weight": torch.zeros(1).expand(shape), "conv1.weight": torch.zeros(4, 3, 3, 3)}, made)
        data, attempt.what = made.getvalue(), f"weights of the shape {shape}"
    path.write_bytes(data)
    return _opened(attempt, f"{rng.choice(('torchvision:small18', 'timm:tiny_patch8_32'))}@{path}")


def folders(attempt: Attempt) -> str:
    """A folder of Hugging Face with changed files: a sentence or a model, and no code has run."""
    rng = attempt.rng
    folder = attempt.folder / "model"
    folder.mkdir()
    for each in (attempt.world / "folder").iterdir():
        (folder / each.name).write_bytes(each.read_bytes())
    name = rng.choice(("config.json", "preprocessor_config.json", "model.safetensors.index.json"))
    content = json.loads((attempt.world / "folder" / name).read_text())
    code = {"AutoModelForImageClassification": "mine.Mine", "AutoConfig": "mine.Config"}
    if rng.random() < 0.3:
        content.update(
            rng.choice(
                (
                    {"auto_map": code},
                    {"model_type": rng.choice(("timm_wrapper", "mine", "clip", "", None, ["vit"]))},
                    {"quantization_config": {"quant_method": "mine"}},
                    {"attn_implementation": "somebody/kernel"},
                    {"weight_map": {"fc.weight": rng.choice(("../x.safetensors", "/etc/passwd", "w.bin", "\0", ""))}},
                    {"id2label": rng.choice(({}, [], {"0": 1, "7": 2}, "x" * 9999))},
                    {"size": rng.choice((10**9, {"shortest_edge": -1}, {"height": 0, "width": 2}, [], "1"))},
                    {"image_std": rng.choice(([0, 0, 0], [1e-300] * 3, ["1"], None, 5, [[1]]))},
                )
            )
        )
        attempt.what = f"{name} made {str(content)[:120]}"
        text = json.dumps(content)
    elif rng.random() < 0.6:
        attempt.what = changed_value(content, rng)
        text = json.dumps(content)
    else:
        data, attempt.what = changed_bytes((folder / name).read_bytes(), rng)
        text = data.decode("utf-8", "replace")
    (folder / name).write_text(text, encoding="utf-8", errors="surrogatepass")
    (folder / "mine.py").write_text(f"open({str(attempt.folder / MARK)!r}, 'w')\n")
    return _opened(attempt, str(folder))


def _hostile(attempt: Attempt) -> Runs:
    """Something that writes the mark, or takes memory, where it is unpickled."""
    import builtins
    import os
    import subprocess

    mark = str(attempt.folder / MARK)
    return attempt.rng.choice(
        (
            Runs(open, mark, "w"),
            Runs(os.system, f"touch {mark}"),
            Runs(subprocess.call, ["touch", mark]),
            Runs(builtins.exec, f"open({mark!r}, 'w')"),
            Runs(builtins.eval, f"open({mark!r}, 'w')"),
            Runs(os.mkdir, mark),
            Runs(bytearray, 10**10),
            Runs(bytes, 10**10),
        )
    )


def _opened(attempt: Attempt, name: str) -> str:
    """Open as an audit does and predict: the mark may not be there afterwards."""
    answer = sentence(lambda: _open_and_predict(name))
    if (attempt.folder / MARK).exists():
        attempt.bad(EXECUTED, "the mark was written")
    return answer


def _open_and_predict(name: str) -> None:
    import numpy as np

    from bias_audit.config import AuditConfig
    from bias_audit.models.doors import load_model
    from bias_audit.models.trained_with import settled

    with module("torch_models", "libraries").on_the_path():
        loaded = load_model(name, AuditConfig(batch_size=2), None)
        settled(AuditConfig(batch_size=2), loaded)
        loaded.predict(np.zeros((2, *loaded.input_size), np.float32))


def prepare(folder: Path) -> None:
    """A checkpoint in two formats, and a folder of Hugging Face."""
    import torch

    with module("torch_models", "libraries").on_the_path():
        from safetensors.torch import save_file
        from torchvision.models import Small

        weights = Small(2).state_dict()
        torch.save(weights, folder / "w.pth")
        save_file(weights, folder / "w.safetensors")
        made = folder / "folder"
        made.mkdir()
        save_file(weights, made / "w-1.safetensors")
    files = {
        "config.json": {"model_type": "vit", "id2label": {"0": "a", "1": "b"}, "image_size": 32, "hidden_size": 6},
        "preprocessor_config.json": {
            "image_processor_type": "ViTImageProcessor", "size": {"shortest_edge": 36}, "do_center_crop": True,
            "crop_size": {"height": 32, "width": 32}, "do_rescale": True, "rescale_factor": 1 / 255, "resample": 3,
            "do_normalize": True, "image_mean": [0.5, 0.4, 0.3], "image_std": [0.5, 0.5, 0.5], "do_resize": True,
        },
        "model.safetensors.index.json": {"weight_map": dict.fromkeys(weights, "w-1.safetensors")},
    }  # fmt: skip
    for name, content in files.items():
        (made / name).write_text(json.dumps(content))
    for name in (f"timm:tiny_patch8_32@{folder / 'w.pth'}", str(made)):  # what is imported once is not in a try's time
        _open_and_predict(name)


KINDS = {
    "networks by address: checkpoints": Kind(checkpoints, prepare, 30, 20, heavy=True),
    "folders of Hugging Face: files": Kind(folders, prepare, 30, 20, heavy=True),
}
