"""Classifiers as ONNX files: changed bytes, exchanged operations, and weights that are to be read from elsewhere."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Any

from .beside import module
from .changing import changed_bytes
from .trying import EXECUTED, HARMLESS, REFUSED, WRONG, Attempt, Kind, sentence

OPERATIONS = (
    b"Abs Add Atan Cast Conv Ceil Cosh Div Exp Flatten Gemm GlobalAveragePool GlobalLpNormPool Hardmax If Identity "
    b"LayerNormalization LogSoftmax Loop MatMul Max Min Mul Not OneHot Pow RandomNormalLike ReduceMean ReduceL1 "
    b"ReduceProd Relu Reshape Scan Shape Sign Sigmoid Softmax Softsign Sqrt Sub Sum Tanh Transpose Unsqueeze"
).split()
"""Operations that stand in the files, and others of as many letters to put in their place."""


def changed_files(attempt: Attempt) -> str:
    """A file with changed bytes, or with other operations: a sentence, or a model whose answers are sound."""
    networks, rng = module("models", "onnx_networks"), attempt.rng
    form = {
        "final": rng.choice(("", "Softmax", "Sigmoid", "LogSoftmax")), "linear": rng.choice(("Gemm", "MatMul", "Conv")),
        "batch": rng.choice(("n", 1, 2)), "last": rng.choice((False, True)), "quantised": rng.random() < 0.3,
        "norm": rng.choice(("", "layer", "written out")),
    }  # fmt: skip
    content = networks.Network(**form).onnx()
    if rng.random() < 0.6:
        content, attempt.what = changed_bytes(content, rng)
    else:
        there = [op for op in OPERATIONS if b"\x22" + bytes([len(op)]) + op in content]  # field 4 of a node
        old = rng.choice(there)
        new = rng.choice([op for op in OPERATIONS if len(op) == len(old)] or [old.lower()])
        place = content.rindex(b"\x22" + bytes([len(old)]) + old) + 2
        content = content[:place] + new + content[place + len(old) :]
        attempt.what = f"{old.decode()} made {new.decode()}"
    attempt.what += f" of {form}"
    path = attempt.folder / "net.onnx"
    path.write_bytes(content)
    answer = _opened(path)
    if left := [each.name for each in attempt.folder.rglob("*") if each != path]:
        attempt.bad(EXECUTED, f"{left} is there")
    return answer


def other_files(attempt: Attempt) -> str:
    """Weights that lie elsewhere: nothing outside of the model's folder is read, and no pipe is waited for."""
    networks, rng = module("models", "onnx_networks"), attempt.rng
    network = networks.Network()
    weights = network.weights["w"].T.tobytes()
    home, outside = attempt.folder / "home", attempt.folder / "outside"
    (home / "in").mkdir(parents=True)
    outside.mkdir()
    for folder in (home, home / "in", outside):
        (folder / "w").write_bytes(weights)
    os.mkfifo(home / "pipe")
    os.mkfifo(outside / "pipe")
    (home / "out").symlink_to(outside)
    (home / "link").symlink_to(
        rng.choice((outside / "w", outside / "pipe", Path("in/w"), home / "link", Path("/dev/zero")))
    )
    parts = rng.choices(
        ("..", ".", "in", "out", "outside", "home", "", "link", "pipe", "w", "*", "~", "\0"), k=rng.randint(1, 4)
    )
    begins = ("", "", "/", f"{outside}/", f"{home}/", "file://", "*/_ORT_MEM_ADDR_/*")
    simple = ("w", "in/w", "./w", "in//w", "link", "out/w", "../outside/w")
    location = rng.choice(simple) if rng.random() < 0.4 else rng.choice(begins) + "/".join(parts)
    entries: dict[str, Any] = {"location": location}
    for name in ("offset", "length"):
        if rng.random() < 0.2:
            entries[name] = rng.choice((0, 4, -4, len(weights), 2**63, 2**70, "", "1e3", "0x10", "٣"))
    attempt.what = f"weights in {entries!r}, link to {os.readlink(home / 'link')}"
    path = home / "net.onnx"
    path.write_bytes(network.onnx(**entries))
    answer = _opened(path)
    if answer == HARMLESS and importlib.util.find_spec("onnxruntime") is not None:
        real = (home / location).resolve()
        if not real.is_relative_to(home.resolve()) or location.startswith("/"):
            attempt.bad(WRONG, f"{real} was read")
    return answer


def _opened(path: Path) -> str:
    """Open a file as an audit does, and ask for predictions and maps where it opens."""
    if importlib.util.find_spec("onnxruntime") is None:
        return REFUSED
    return sentence(lambda: _asked(path))


def _asked(path: Path) -> None:
    import numpy as np

    from bias_audit.config import AuditConfig
    from bias_audit.models.doors import load_model
    from bias_audit.models.predict_only import checked

    model = load_model(path, AuditConfig(image_size=None, batch_size=None), None)
    count = min(3, model.batch_size)
    images = np.random.default_rng(0).uniform(0, 255, (count, *model.input_size)).astype(np.float32)
    checked(model.predict(images), count, None)
    if model.differentiable:
        made = model.explain(
            images, np.full(count, -1), lambda values, gradients, xp: (values[0] * gradients[0]).sum(3)
        )
        assert made.maps.shape == (count, *model.grid)
    with model.randomised(1):
        checked(model.predict(images), count, None)


def prepare(folder: Path) -> None:
    """Nothing is shared: every try writes a file of its own."""


KINDS = {
    "onnx models: bytes and operations": Kind(changed_files, prepare, 15, 8),
    "onnx models: other files": Kind(other_files, prepare, 15, 8),
}
